"""The bytes of the load generator: as each protocol's specification has them, and understood by the bus itself."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench.buses import Bus, NotAvailable
from tests.bench.dbus_wire import message
from tests.bench.matching import pattern
from tests.bench.mqtt_wire import packet
from tests.bench.peers import KINDS
from tests.bench.redis_wire import command
from tests.bench.wire import RawClient, raw_client

TOPIC = "a.bc"
BODY = b"........"

SIGNALS = {
    "redis": b"*3\r\n$7\r\nPUBLISH\r\n$4\r\na.bc\r\n$8\r\n........\r\n",
    "nats": b"PUB a.bc 8\r\n........\r\n",
    "mqtt": b"\x30\x0e\x00\x04a/bc........",
    "amqp": b"\x01\x00\x01\x00\x00\x00\x16\x00\x3c\x00\x28\x00\x00\x09amq.topic\x04a.bc\x00\xce"
    b"\x02\x00\x01\x00\x00\x00\x0e\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x08\x00\x00\xce"
    b"\x03\x00\x01\x00\x00\x00\x08........\xce",
    "dbus": b"l\x04\x01\x01\x08\x00\x00\x00\x09\x00\x00\x00\x38\x00\x00\x00"
    b"\x01\x01o\x00\x05\x00\x00\x00/a/bc\x00\x00\x00"
    b"\x02\x01s\x00\x03\x00\x00\x00a.b\x00\x00\x00\x00\x00"
    b"\x03\x01s\x00\x01\x00\x00\x00c\x00\x00\x00\x00\x00\x00\x00"
    b"\x08\x01g\x00\x02ay\x00"
    b"\x04\x00\x00\x00....",
}

LIGHT = [
    name for name, kind in KINDS.items() if "signals" in kind.measures and name not in ("rabbitmq", "pybus-compiled")
]
"""A RabbitMQ takes seconds of both cores to start; `make bench` shows that it understands. Compiled pybus is pybus."""


def unconnected(protocol: str) -> RawClient:
    """A client that can encode and nothing else."""
    kind = importlib.import_module(f"tests.bench.{protocol}_wire").Client
    client = kind.__new__(kind)
    assert isinstance(client, RawClient)
    return client


@contextmanager
def running(name: str, folder: Path) -> Iterator[Bus]:
    try:
        bus = KINDS[name](folder)
    except NotAvailable as reason:
        pytest.skip(str(reason))
    try:
        yield bus
    finally:
        bus.stop()


@pytest.mark.parametrize("protocol", SIGNALS)
def test_a_signal_in_bytes(protocol: str) -> None:
    assert unconnected(protocol).signal(TOPIC, len(BODY)) == SIGNALS[protocol]


def test_a_redis_command_in_bytes() -> None:
    assert command(b"PSUBSCRIBE", b"a.*") == b"*2\r\n$10\r\nPSUBSCRIBE\r\n$3\r\na.*\r\n"


def test_the_length_of_an_mqtt_packet_is_in_groups_of_seven_bits() -> None:
    assert packet(0x30, b"." * 127)[:3] == b"\x30\x7f."
    assert packet(0x30, b"." * 128)[:4] == b"\x30\x80\x01."
    assert packet(0x30, b"." * 2_097_152)[:6] == b"\x30\x80\x80\x80\x01."


def test_a_dbus_message_without_a_body_in_bytes() -> None:
    assert message(1, 1, [(1, "/a")]) == (
        b"l\x01\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x0b\x00\x00\x00\x01\x01o\x00\x02\x00\x00\x00/a\x00\x00\x00\x00\x00\x00"
    )


def test_dbus_has_no_pattern_for_one_word_in_the_middle() -> None:
    with pytest.raises(ValueError, match=r"D-Bus has no match rule for a\.\*\.b"):
        unconnected("dbus").subscribe(["a.*.b"])


@pytest.mark.parametrize("name", LIGHT)
def test_bob_gets_what_he_subscribed_to_and_nothing_else(tmp_path: Path, name: str) -> None:
    with running(name, tmp_path) as bus:
        alice, bob = (raw_client(bus.protocol, bus.endpoint) for _ in range(2))
        bob.subscribe(["home.hall.#", "bench.x"])
        bob.subscribe(["home.attic.lamp"])
        for topic in ("home.hall.lamp", "home.cellar.lamp", "bench.y", "bench.x", "home.attic.lamp"):
            alice.out.sendall(alice.signal(topic, 32))
        arrived = [bob.read_message() for _ in range(3)]
        for got, words in zip(
            arrived, (("home", "hall", "lamp"), ("bench", "x"), ("home", "attic", "lamp")), strict=True
        ):
            assert any(separator.join(words).encode() in got for separator in "./")
            assert got.rstrip(b"\r\n").endswith(b"." * 28)
        for client in (alice, bob):
            client.close()


@pytest.mark.parametrize("name", ["nats"])
def test_after_it_has_settled_only_signals_come(tmp_path: Path, name: str) -> None:
    with running(name, tmp_path) as bus:
        alice, bob = (raw_client(bus.protocol, bus.endpoint) for _ in range(2))
        bob.subscribe(["bench.x"])
        bob.settle()
        bob.settle()
        alice.out.sendall(alice.signal("bench.x", 8))
        assert bob.read_message() == b"MSG bench.x 0 8\r\n........\r\n"
        for client in (alice, bob):
            client.close()


def test_the_patterns_that_do_not_match_are_all_different() -> None:
    patterns = [pattern(number) for number in range(20_000)]
    assert len(set(patterns)) == 20_000
    assert patterns[:5] == [
        "home.room0.*.sensor0",
        "home.*.0.room0",
        "app.0.window.0.#",
        "*.battery0.cell0",
        "home.room0.*.sensor1",
    ]
