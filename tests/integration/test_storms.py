"""Storms on a real bus: who sends too much is slowed, loses nothing, and nobody else notices."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from signal import SIGCONT, SIGSTOP
from typing import Any

import pytest

import pybus
from pybus.protocol.codec import pack, unpack
from pybus.protocol.frames import ANSWER, BYE, CALL, RETAIN, SIGNAL, bodies_of, frame
from tests.daemon import PATIENCE, BusDaemon
from tests.raw import RawPeer
from tests.serving import serving

BUS = "org.pybus.Bus"
ECHO = "org.example.Echo"
RATE = 2000
READ = 64 * 1024
"""Bytes that the bus reads from one connection at once; it looks at a budget as often."""

STRICT: dict[str, float] = {"messages_per_second": RATE, "burst": 0.1, "alone": 1}
PARALYSING: dict[str, float] = {"messages_per_second": 20, "burst": 0.1, "alone": 1}
"""A single read of small signals is then paid for with a minute of rest: more than any test waits."""


def flood(peer: RawPeer, times: int, topic: str = "flood.one") -> bytes:
    """Signals that count up from 0."""
    return b"".join(frame(SIGNAL, 0, peer.number, 0, 0, topic.encode(), pack(number)) for number in range(times))


def heard(peer: RawPeer, times: int, topic: bytes = b"flood.one") -> list[object]:
    """The values of the next so many signals; they must have this topic."""
    values: list[object] = []
    while len(values) < times:
        run = peer.read()
        assert (run[0], run[5]) == (SIGNAL, topic)
        values += map(unpack, bodies_of(run))
    return values


@contextmanager
def paused(daemon: BusDaemon) -> Iterator[None]:
    """The bus stands still, so that what is written in this time is there for it at once."""
    daemon.process.send_signal(SIGSTOP)
    while stat(daemon)[0] != "T":
        pass
    try:
        yield
    finally:
        daemon.process.send_signal(SIGCONT)


def stat(daemon: BusDaemon) -> list[str]:
    """What the kernel tells of its process, from the state on (proc(5))."""
    with open(f"/proc/{daemon.process.pid}/stat") as file:
        return file.read().rpartition(")")[2].split()


def cpu_seconds(daemon: BusDaemon) -> float:
    """Processor time that the bus has used."""
    return sum(map(int, stat(daemon)[11:13])) / os.sysconf("SC_CLK_TCK")


def one_storm(storms: pybus.Subscription) -> dict[str, Any]:
    """What the bus tells of the only storm so far."""
    storm = storms.receive(PATIENCE)
    assert storm is not None
    assert storms.receive(0) is None
    assert isinstance(storm.body, dict)
    return storm.body


def lines(daemon: BusDaemon, part: str) -> list[str]:
    """The log's lines with this part, without their time."""
    daemon.wait_for_log(part)
    return [line.split(" ", 1)[1] for line in daemon.log if part in line]


# --- the flooder itself -----------------------------------------------------------------------------


def test_a_flooder_takes_the_time_that_its_rate_says_and_loses_nothing() -> None:
    with BusDaemon(STRICT) as daemon, RawPeer(daemon.path) as bob, pybus.connect(daemon.address) as alice:
        bob.ask("subscribe", ["flood.#"])
        storms = alice.subscribe("bus.storm")
        began = time.monotonic()
        for number in range(3 * RATE):
            alice.publish("flood.one", [number, bytes(200)])
        alice.flush()
        took = time.monotonic() - began
        assert 2.5 < took < PATIENCE
        (me,) = [one for one in alice.call(BUS, "peers") if one["name"] == alice.name]
        assert me["slowed"] is True
        assert 0 < me["slowed_seconds"] < took + 0.2  # all of it, unless the machine slows her, too
        assert RATE / 10 < me["rate"] < 2 * RATE
        stats = alice.call(BUS, "stats")
        assert (stats["slowed"], stats["storms"]) == (1, 1)

        told = one_storm(storms)
        assert RATE / 2 < told.pop("rate") < 1_000_000
        assert RATE * 200 / 2 < told.pop("bytes") < 1_000_000_000
        assert told == {
            "name": alice.name,
            "program": me["program"],
            "pid": os.getpid(),
            "topic": "flood.one",
            "limit_messages": RATE,
            "limit_bytes": 160 * 1024 * 1024,
        }
        (line,) = lines(daemon, "storm: ")
        assert line.startswith(f"warning: storm: {alice.name} {me['program']} (pid {os.getpid()}) is slowed; it sends ")
        assert line.endswith(", lately to flood.one")
        assert heard(bob, 3 * RATE) == [[number, bytes(200)] for number in range(3 * RATE)]


def test_bytes_are_bounded_like_messages() -> None:
    with BusDaemon({"bytes_per_second": 1_000_000, "burst": 1.0, "alone": 1}) as daemon:
        with pybus.connect(daemon.address) as bob, pybus.connect(daemon.address) as alice:
            storms = bob.subscribe("bus.storm")
            signals = bob.subscribe("flood.#")
            began = time.monotonic()
            for number in range(12):
                alice.publish("flood.large", bytes([number]) * 300_000)
            alice.flush()
            assert 2.3 < time.monotonic() - began < PATIENCE
            for number in range(12):
                signal = signals.receive(PATIENCE)
                assert signal is not None
                assert signal.body == bytes([number]) * 300_000
            told = one_storm(storms)
            assert (told["topic"], told["limit_bytes"]) == ("flood.large", 1_000_000)
            assert told["bytes"] > 500_000


def test_within_its_budget_nobody_rests() -> None:
    with BusDaemon({"messages_per_second": 3 * RATE, "burst": 1.0, "alone": 1}) as daemon:
        with pybus.connect(daemon.address) as alice:
            for _ in range(3 * RATE):
                alice.publish("calm.one", bytes(100))
            alice.flush()
            (me,) = alice.call(BUS, "peers")
            assert (me["slowed"], me["slowed_seconds"]) == (False, 0.0)
            assert alice.call(BUS, "stats")["storms"] == 0


def test_one_who_sends_little_for_long_is_not_taken_for_a_flooder() -> None:
    with (
        BusDaemon({"messages_per_second": 1000, "burst": 0.1, "alone": 1}) as daemon,
        pybus.connect(daemon.address) as alice,
    ):
        for _ in range(500):  # more than three reads, each of more messages than the burst allows
            alice.publish("calm.one", bytes(400), confirm=True)
            time.sleep(0.002)  # the pace is what is measured, at half the rate
        (me,) = alice.call(BUS, "peers")
        assert (me["slowed"], me["slowed_seconds"]) == (False, 0.0)


def test_after_a_storm_the_connection_works_as_before() -> None:
    with BusDaemon(STRICT) as daemon, RawPeer(daemon.path) as mallory, RawPeer(daemon.path) as bob:
        bob.ask("subscribe", ["flood.#", "after.#"])
        mallory.sock.sendall(flood(mallory, 2 * RATE))
        assert heard(bob, 2 * RATE) == list(range(2 * RATE))
        assert mallory.ask("ping") is None
        mallory.sock.sendall(flood(mallory, 100, "after.all"))
        assert heard(bob, 100, b"after.all") == list(range(100))


def test_the_budget_can_be_changed_while_the_bus_runs(daemon: BusDaemon) -> None:
    daemon.configure(
        '[limits]\nmessages_per_second = 1000\nburst = 0.1\nalone = 1\n[services]\ndisabled = ["org.pybus.Hal"]\n'
    )
    with pybus.connect(daemon.address) as alice:
        daemon.reload()
        for number in range(2000):
            alice.publish("flood.one", [number, bytes(200)])
        alice.flush()
        (me,) = alice.call(BUS, "peers")
        assert 1.0 < me["slowed_seconds"] < PATIENCE


# --- the others -------------------------------------------------------------------------------------


def test_while_one_rests_the_others_go_on() -> None:
    with BusDaemon(PARALYSING) as daemon, RawPeer(daemon.path) as mallory, pybus.connect(daemon.address) as alice:
        storms = alice.subscribe("bus.storm")
        with serving(daemon.address, ECHO, {"echo": lambda word: word}):
            mallory.sock.sendall(flood(mallory, 4000))
            assert storms.receive(PATIENCE) is not None
            assert [alice.call(ECHO, "echo", number) for number in range(100)] == list(range(100))
            peer = alice.call(BUS, "peer", f":{mallory.number}")
            assert peer["slowed"] is True
            assert 0 < peer["sent"] < 4000


@pytest.mark.parametrize("written", ["one read", "many reads"])
def test_a_flood_that_came_first_does_not_go_before_everybody_else(written: str) -> None:
    topics = [f"flood.{number}" for number in range(200)]
    rounds = 8 if written == "one read" else 30
    with BusDaemon({"turn": 16}) as daemon, ExitStack() as stack:
        mallory = stack.enter_context(RawPeer(daemon.path))
        crowd = [stack.enter_context(RawPeer(daemon.path)) for _ in range(50)]
        for one in crowd:
            one.ask("subscribe", ["flood.#"])
        bob = crowd[-1]
        mallory.ask("ping")  # so that the bus looks at this connection first
        with paused(daemon):
            mallory.sock.sendall(b"".join(flood(mallory, 1, topic) for topic in topics) * rounds)
            bob.sock.sendall(frame(CALL, 0, bob.number, 0, 7, b"org.pybus.Bus ping", pack([[], {}])))
        kinds = [bob.read()[0] for _ in range(rounds * 200 + 1)]
        assert kinds.count(SIGNAL) == rounds * 200
        assert kinds.index(ANSWER) < 10


def test_a_flooder_is_held_up_by_no_other_flooder() -> None:
    topics = [f"flood.{way}.{number}" for number in range(100) for way in ("both", "one")]
    with BusDaemon({"turn": 16}) as daemon, RawPeer(daemon.path) as bob, RawPeer(daemon.path) as carol:
        bob.ask("subscribe", ["flood.#"])
        carol.ask("subscribe", ["flood.both.#"])  # so neighbours go different ways, and none leave as one slice
        with RawPeer(daemon.path) as mallory, RawPeer(daemon.path) as trudy:
            with paused(daemon):
                for one in (mallory, trudy):
                    one.sock.sendall(b"".join(flood(one, 1, topic) for topic in topics) * 5)
            senders = [bob.read()[2] for _ in range(2000)]
        assert senders.count(mallory.number) == senders.count(trudy.number) == 1000
        assert max(len(list(turn)) for _, turn in groupby(senders)) <= 16


# --- ends in the middle of it -------------------------------------------------------------------------


def gone(peer: RawPeer, number: int) -> str:
    """How the bus tells that a connection ended, after its last signals."""
    run = peer.read()
    value = unpack(bodies_of(run)[0])
    assert isinstance(value, dict)
    assert (run[5], value["name"]) == (b"bus.peer.gone", f":{number}")
    how: str = value["how"]
    return how


def test_what_one_wrote_and_left_at_once_reaches_all_fifty() -> None:
    topics = [f"flood.{number}" for number in range(200)]
    with BusDaemon({"turn": 16}) as daemon, ExitStack() as stack:
        crowd = [stack.enter_context(RawPeer(daemon.path)) for _ in range(50)]
        for one in crowd:
            one.ask("subscribe", ["flood.#", "bus.peer.gone"])
        with RawPeer(daemon.path) as mallory:
            with paused(daemon):
                mallory.sock.sendall(b"".join(flood(mallory, 1, topic) for topic in topics) * 15)
                mallory.close()
        for one in crowd:
            assert [one.read()[5].decode() for _ in range(3000)] == topics * 15
            assert gone(one, mallory.number) == "closed"


def test_one_who_leaves_while_it_rests_is_heard_to_the_end_at_once() -> None:
    with BusDaemon(PARALYSING) as daemon, RawPeer(daemon.path) as bob:
        bob.ask("subscribe", ["flood.#", "bus.peer.gone", "bus.storm"])
        with RawPeer(daemon.path) as mallory:
            with paused(daemon):
                mallory.sock.sendall(flood(mallory, 4000))
            first: list[object] = []
            while (run := bob.read())[5] == b"flood.one":
                first += map(unpack, bodies_of(run))
            assert run[5] == b"bus.storm"
            assert len(first) < 4000
            used = cpu_seconds(daemon)
        assert first + heard(bob, 4000 - len(first)) == list(range(4000))
        assert gone(bob, mallory.number) == "closed"
        assert cpu_seconds(daemon) - used < 0.5


def test_one_who_closes_its_own_direction_rests_without_cost_and_is_heard_to_the_end() -> None:
    with BusDaemon(STRICT) as daemon, RawPeer(daemon.path) as bob, RawPeer(daemon.path) as mallory:
        bob.ask("subscribe", ["flood.#", "bus.peer.gone"])
        began = time.monotonic()
        used = cpu_seconds(daemon)
        mallory.sock.sendall(flood(mallory, 4000))
        mallory.sock.shutdown(socket.SHUT_WR)
        assert heard(bob, 4000) == list(range(4000))
        assert gone(bob, mallory.number) == "closed"
        assert time.monotonic() - began > 0.7
        assert cpu_seconds(daemon) - used < 0.5


def test_a_goodbye_behind_a_flood_is_answered_after_it() -> None:
    with BusDaemon({**STRICT, "turn": 16}) as daemon, RawPeer(daemon.path) as bob, RawPeer(daemon.path) as mallory:
        bob.ask("subscribe", ["flood.#", "bus.peer.gone"])
        with paused(daemon):
            mallory.sock.sendall(flood(mallory, 1000, "flood.a"))
            mallory.sock.sendall(flood(mallory, 3000) + frame(BYE, 0, mallory.number, 0, 0, b"", pack(None)))
        assert mallory.read_to_the_end() == [(BYE, None)]
        assert heard(bob, 1000, b"flood.a") == list(range(1000))
        assert heard(bob, 3000) == list(range(3000))
        assert gone(bob, mallory.number) == "goodbye"


def test_one_who_rests_can_be_thrown_out() -> None:
    with BusDaemon({**PARALYSING, "turn": 16}) as daemon, RawPeer(daemon.path) as bob, RawPeer(daemon.path) as mallory:
        bob.ask("subscribe", ["#", "bus.peer.gone"])
        signals = b"".join(flood(mallory, 1, f"flood.{number % 200}") for number in range(1500))
        with paused(daemon):
            mallory.sock.sendall(signals + b"\xff" * (READ - len(signals)))
        (end,) = mallory.read_to_the_end()
        assert end == (BYE, ["org.pybus.Error.Violation", "unknown kind of frame: 255"])
        topics = [bob.read()[5].decode() for _ in range(1500)]
        assert topics == [f"flood.{number % 200}" for number in range(1500)]
        assert gone(bob, mallory.number) == "thrown out"
        daemon.wait_for_log("storm: ")


def test_the_bus_can_stop_while_one_rests() -> None:
    with BusDaemon(PARALYSING) as daemon, RawPeer(daemon.path) as mallory, pybus.connect(daemon.address) as alice:
        storms = alice.subscribe("bus.storm")
        mallory.sock.sendall(flood(mallory, 4000))
        assert storms.receive(PATIENCE) is not None
        assert daemon.stop() == 0
        assert mallory.read_value() == (BYE, ["org.pybus.Error.Shutdown", "the bus is stopping"])


# --- all at once --------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["reads at last", "leaves unread"])
def test_one_who_floods_and_asks_and_does_not_read_is_heard_in_order(end: str) -> None:
    limits = {"messages_per_second": 4 * RATE, "burst": 0.1, "alone": 1, "turn": 16, "owed": 100_000}
    with BusDaemon(limits) as daemon, RawPeer(daemon.path) as bob, RawPeer(daemon.path) as mallory:
        bob.ask("subscribe", ["flood.#"])
        bob.sock.sendall(frame(SIGNAL, RETAIN, bob.number, 0, 0, b"big.one", pack(bytes(20_000))))
        bob.ask("ping")
        data = b"".join(
            frame(CALL, 0, mallory.number, 0, number, b"org.pybus.Bus topics", pack([[], {}]))
            + b"".join(flood(mallory, 1, f"flood.{number}-{again}") for again in range(40))
            for number in range(1, 126)
        )
        writer = threading.Thread(target=mallory.sock.sendall, args=(data,))
        writer.start()
        if end == "reads at last":
            answers = [mallory.read() for _ in range(125)]
            assert [(run[0], run[4]) for run in answers] == [(ANSWER, number) for number in range(1, 126)]
        writer.join(PATIENCE)
        assert not writer.is_alive()
        mallory.close()
        topics = [bob.read()[5].decode() for _ in range(125 * 40)]
        assert topics == [f"flood.{number}-{again}" for number in range(1, 126) for again in range(40)]
