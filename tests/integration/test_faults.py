"""What misbehaving peers, crashes and losses do to a real bus and its other users."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

import pybus
from pybus.protocol.codec import pack, unpack
from pybus.protocol.frames import ANSWER, BYE, CALL, ERROR, MISSED, PEER, SIGNAL, body_of, frame
from tests.daemon import PATIENCE, BusDaemon
from tests.raw import RawPeer, header

VIOLATION = "org.pybus.Error.Violation"
ECHO = """\
import os, sys, pybus
with pybus.connect() as bus:
    def hang():
        print("hanging", flush=True)
        bus.run()
    bus.register("org.example.Echo", {"echo": lambda word: word, "hang": hang})
    print("ready", flush=True)
    bus.run()
"""


def works(daemon: BusDaemon) -> bool:
    """Whether two others can still talk."""
    with pybus.connect(daemon.address) as bob, pybus.connect(daemon.address) as alice:
        signals = bob.subscribe("check.#")
        alice.publish("check.it", "ok")
        heard = signals.receive(PATIENCE)
        return heard is not None and heard.body == "ok"


# --- bytes that are not the protocol --------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "this is a pybus socket, and the first bytes are HTTP"),
        (b"\0AUTH EXTERNAL 30\r\n", "this is a pybus socket, and the first bytes are D-Bus"),
        (b"AMQP\0\0\x09\x01", "this is a pybus socket, and the first bytes are AMQP"),
        (b"PYBUS\0\0\x02", "this bus speaks version 1 of the protocol only"),
    ],
)
def test_another_protocol_is_told_where_it_is(daemon: BusDaemon, data: bytes, reason: str) -> None:
    with RawPeer(daemon.path, greet=False) as mallory:
        mallory.sock.sendall(data)
        assert mallory.read_to_the_end() == [(BYE, [VIOLATION, reason])]
    daemon.wait_for_log(reason)
    assert works(daemon)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff" * 64, "unknown kind of frame: 255"),
        (header(2**24 + 1, SIGNAL, 0, 3, 1, 0, 0), "a frame of 16777217 bytes is over the limit of 16777216"),
        (header(22, SIGNAL, 0, 3, 1, 0, 0), "a frame of 22 bytes can't hold its header and key (23 bytes)"),
        (frame(99, 0, 1, 0, 0), "unknown kind of frame: 99"),
        (frame(SIGNAL, 32, 1, 0, 0, b"a.b"), "flags 0x20 are not allowed in a frame of kind 3"),
        (frame(SIGNAL, 4, 1, 0, 0, b"a.b"), "only the bus may mark a signal as retained"),
        (frame(MISSED, 0, 1, 0, 0), "only the bus may send frames of kind 7"),
        (frame(SIGNAL, 0, 2, 0, 0, b"a.b"), "a frame from connection 1 names 2 as its sender"),
    ],
)
def test_a_violation_is_told_and_ends_that_connection_only(daemon: BusDaemon, data: bytes, reason: str) -> None:
    with RawPeer(daemon.path) as mallory:
        mallory.sock.sendall(data)
        assert mallory.read_to_the_end() == [(BYE, [VIOLATION, reason])]
    assert works(daemon)


def test_what_came_before_a_violation_is_still_delivered(daemon: BusDaemon) -> None:
    with RawPeer(daemon.path) as mallory, pybus.connect(daemon.address) as bob:
        signals = bob.subscribe("a.b")
        good = frame(SIGNAL, 0, mallory.number, 0, 0, b"a.b", pack("last words"))
        mallory.sock.sendall(good + b"\xff" * 20)
        heard = signals.receive(PATIENCE)
        assert heard is not None
        assert heard.body == "last words"


def test_death_in_the_middle_of_a_frame_harms_nobody(daemon: BusDaemon) -> None:
    with RawPeer(daemon.path) as mallory:
        mallory.sock.sendall(frame(SIGNAL, 0, mallory.number, 0, 0, b"a.b", bytes(100_000))[:50_000])
    daemon.wait_for_log("left: :1")
    assert works(daemon)


def test_an_answer_to_somebody_elses_call_is_dropped_and_counted(daemon: BusDaemon) -> None:
    with RawPeer(daemon.path) as alice, RawPeer(daemon.path) as bob, RawPeer(daemon.path) as mallory:
        bob.ask("request_name", "org.example.Echo")
        alice.sock.sendall(frame(CALL, 0, alice.number, 0, 7, b"org.example.Echo echo", pack([["x"], {}])))
        assert [bob.read()[0], bob.read()[0]] == [PEER, CALL]
        mallory.sock.sendall(frame(ANSWER, 0, mallory.number, alice.number, 7, b"", pack("forged")))
        assert mallory.ask("stats")["late_answers"] == 1  # type: ignore[index]
        bob.sock.sendall(frame(ANSWER, 0, bob.number, alice.number, 7, b"", pack("true")))
        assert alice.read_value() == (ANSWER, "true")


# --- slow and greedy peers ------------------------------------------------------------------------


def test_a_reader_that_never_reads_costs_itself_and_learns_what_it_missed() -> None:
    body = bytes(10_000)
    with BusDaemon({"outbox": 200_000}) as daemon:
        with RawPeer(daemon.path) as mallory, pybus.connect(daemon.address) as bob, RawPeer(daemon.path) as alice:
            mallory.ask("subscribe", ["flood.#"])
            signals = bob.subscribe("flood.#")
            got = 0
            for _ in range(1000):
                alice.sock.sendall(frame(SIGNAL, 0, alice.number, 0, 0, b"flood.one", body))
                got += signals.receive(PATIENCE) is not None
            assert got == 1000
            assert 100_000 < alice.ask("stats")["queued_bytes"] < 300_000  # type: ignore[index]
            received = _count_until_missed(mallory)
            assert received["got"] + received["flood.one"] == 1000
            assert 0 < received["flood.one"] < 1000
            alice.sock.sendall(frame(SIGNAL, 0, alice.number, 0, 0, b"flood.one", body))
            assert mallory.read()[0] == SIGNAL


def _count_until_missed(peer: RawPeer) -> dict[str, int]:
    """The number of signals that still come, and what the bus says is missing."""
    got = 0
    while (run := peer.read())[0] == SIGNAL:
        got += run[7]
    assert run[0] == MISSED
    missed = unpack(body_of(run))
    assert isinstance(missed, dict)
    return {"got": got, **missed}


def test_the_client_library_tells_the_program_what_it_missed() -> None:
    with BusDaemon({"outbox": 100_000}) as daemon:
        with pybus.connect(daemon.address) as bob, pybus.connect(daemon.address) as alice:
            losses: list[dict[str, int]] = []
            bob.on_missed(losses.append)
            signals = bob.subscribe("flood.#")
            for _ in range(200):
                alice.publish("flood.one", bytes(10_000))
            alice.flush()
            bob.flush()  # takes what waits in the bus, upon which the bus tells of the gap
            bob.flush()
            got = len(list(iter(lambda: signals.receive(0), None)))
            assert losses == [signals.missed] == [{"flood.one": 200 - got}]


def test_a_call_to_a_service_that_does_not_read_is_refused() -> None:
    with BusDaemon({"outbox": 100_000}) as daemon:
        with RawPeer(daemon.path) as mallory, pybus.connect(daemon.address) as alice:
            mallory.ask("request_name", "org.example.Stuck")
            mallory.ask("subscribe", ["flood.#"])
            for _ in range(200):
                alice.publish("flood.one", bytes(10_000))
            with pytest.raises(pybus.ReceiverFull, match="org.example.Stuck does not read what is sent to it"):
                alice.call("org.example.Stuck", "help")


def test_one_who_asks_without_reading_answers_waits_itself(daemon: BusDaemon) -> None:
    with RawPeer(daemon.path) as mallory:
        question = frame(CALL, 0, mallory.number, 0, 1, b"org.pybus.Bus introspect", pack([[], {}]))
        mallory.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            for _ in range(100_000):
                mallory.sock.sendall(question * 20)
        assert works(daemon)
        assert daemon.memory() < 60_000


def test_what_one_asks_without_reading_is_not_even_computed(daemon: BusDaemon) -> None:
    with RawPeer(daemon.path) as mallory, pybus.connect(daemon.address) as alice:
        for number in range(20):
            alice.publish(f"big.{number}", bytes(50_000), retain=True)
        alice.flush()
        question = frame(CALL, 0, mallory.number, 0, 1, b"org.pybus.Bus topics", pack([[], {}]))
        mallory.sock.sendall(question * 500)
        assert works(daemon)
        assert daemon.memory() < 60_000
        answers = 0
        while answers < 500:
            assert mallory.read()[0] == ANSWER
            answers += 1


def test_the_last_words_of_one_who_never_read_its_answers_arrive(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as bob:
        bob.publish("big.one", bytes(60_000), retain=True)
        signals = bob.subscribe("last.words")
        with RawPeer(daemon.path) as mallory:
            question = frame(CALL, 0, mallory.number, 0, 1, b"org.pybus.Bus topics", pack([[], {}]))
            words = b"".join(frame(SIGNAL, 0, mallory.number, 0, 0, b"last.words", pack(n)) for n in range(100))
            mallory.sock.sendall(question * 60 + words)
        assert [signals.receive(PATIENCE).body for _ in range(100)] == list(range(100))  # type: ignore[union-attr]


def test_a_call_may_be_allowed_more_time_than_epoll_can_wait(daemon: BusDaemon) -> None:
    with RawPeer(daemon.path) as alice, RawPeer(daemon.path) as bob:
        way = f":{bob.number} think".encode()
        alice.sock.sendall(frame(CALL, 0, alice.number, 2**32 - 1, 7, way, pack([[], {}])))
        assert [bob.read()[0], bob.read()[0]] == [PEER, CALL]
        assert works(daemon)
        bob.sock.sendall(frame(ANSWER, 0, bob.number, alice.number, 7, b"", pack(42)))
        assert alice.read_value() == (ANSWER, 42)


# --- deaths ---------------------------------------------------------------------------------------


def test_callers_hear_at_once_of_a_service_killed_with_9(daemon: BusDaemon) -> None:
    service = subprocess.Popen([sys.executable, "-c", ECHO], env=daemon.environ, stdout=subprocess.PIPE, text=True)
    with service, pybus.connect(daemon.address) as alice:
        assert service.stdout is not None
        assert service.stdout.readline() == "ready\n"
        assert alice.call("org.example.Echo", "echo", "x") == "x"
        pending = alice._core.call("org.example.Echo", "hang", (), {}, PATIENCE)
        alice._send()
        assert service.stdout.readline() == "hanging\n"
        service.send_signal(signal.SIGKILL)
        with pytest.raises(pybus.ServiceDied, match="ended before it answered"):
            alice._wait(pending)


@pytest.mark.parametrize("goodbye", ["bus.close()", "os._exit(0)"])
def test_a_publisher_that_sends_10000_and_exits_at_once_loses_nothing(daemon: BusDaemon, goodbye: str) -> None:
    script = f"import os, pybus\nbus = pybus.connect()\nfor n in range(10000): bus.publish('count.up', n)\n{goodbye}"
    with pybus.connect(daemon.address) as bob:
        signals = bob.subscribe("count.up")
        subprocess.run([sys.executable, "-c", script], env=daemon.environ, check=True, timeout=PATIENCE)
        assert [signals.receive(PATIENCE).body for _ in range(10000)] == list(range(10000))  # type: ignore[union-attr]


async def test_after_kill_9_of_the_daemon_under_load_all_come_back(daemon: BusDaemon) -> None:
    async with (
        pybus.aio.connect(daemon.address) as alice,
        pybus.aio.connect(daemon.address) as bob,
        pybus.aio.connect(daemon.address) as carol,
    ):
        lost, back, entered = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def hang() -> None:
            entered.set()
            await asyncio.Event().wait()

        for one in (alice, bob, carol):
            one.on_disconnect(lambda _: lost.set())
        bob.on_reconnect(back.set)
        await alice.publish("state.ac", "plugged", retain=True)
        await bob.register("org.example.Echo", {"echo": lambda word: word, "hang": hang})
        await bob.set_will("bob.status", "gone")
        signals = await carol.subscribe("load.#", "state.#", "bob.status")
        assert (await anext(signals)).body == "plugged"
        load = asyncio.create_task(_publish_until(alice, back))
        assert (await anext(signals)).topic == "load.up"
        in_flight = asyncio.create_task(alice.call("org.example.Echo", "hang"))
        await entered.wait()
        daemon.kill()
        await asyncio.wait_for(lost.wait(), PATIENCE)
        with pytest.raises(pybus.ConnectionLost):
            await in_flight
        daemon.restart()
        await asyncio.wait_for(back.wait(), PATIENCE)
        await load
        await bob.flush()
        assert await alice.call("org.example.Echo", "echo", "again") == "again"
        assert await carol.get("state.ac") == "plugged"
        await alice.publish("load.last", "end")
        heard = [one async for one in _until(signals, "load.last")]
        assert [one.body for one in heard if one.topic == "state.ac"] == ["plugged"]
        assert bob._sock is not None
        bob._sock.shutdown(socket.SHUT_RDWR)
        assert [one.body async for one in _until(signals, "bob.status")][-1] == "gone"


async def _publish_until(bus: pybus.aio.Bus, end: asyncio.Event) -> None:
    number = 0
    while not end.is_set():
        await bus.publish("load.up", number)
        number += 1
        if number % 100 == 0:
            await asyncio.sleep(0)


async def _until(signals: pybus.aio.Subscription, topic: str) -> AsyncIterator[pybus.Signal]:
    async for one in signals:
        yield one
        if one.topic == topic:
            return


def test_without_reconnecting_a_lost_connection_is_an_error(daemon: BusDaemon) -> None:
    alice = pybus.connect(daemon.address, reconnect=False)
    signals = alice.subscribe("a.b")
    daemon.kill()
    with pytest.raises(pybus.ConnectionLost, match="the connection to the bus is lost"):
        signals.receive(PATIENCE)
    with pytest.raises(pybus.ConnectionLost):
        alice.publish("a.b")


def test_a_blocking_client_comes_back_with_all_it_held(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice:
        news: list[str] = []
        alice.on_disconnect(lambda _: news.append("lost"))
        alice.on_reconnect(lambda: news.append("back"))
        alice.publish("state.ac", "plugged", retain=True)
        signals = alice.subscribe("state.#")
        first = signals.receive(PATIENCE)
        assert first is not None
        daemon.stop()
        daemon.restart()
        second = signals.receive(PATIENCE)
        assert second is not None
        assert [(one.topic, one.body) for one in (first, second)] == [("state.ac", "plugged")] * 2
        assert news == ["lost", "back"]


def test_error_frames_from_a_service_pass_like_answers(daemon: BusDaemon) -> None:
    with RawPeer(daemon.path) as bob, RawPeer(daemon.path) as alice:
        alice.sock.sendall(frame(CALL, 0, alice.number, 0, 3, f":{bob.number} x".encode(), pack([[], {}])))
        assert [bob.read()[0], bob.read()[0]] == [PEER, CALL]
        bob.sock.sendall(frame(ERROR, 0, bob.number, alice.number, 3, b"", pack(["org.example.No", "no"])))
        assert alice.read_value() == (ERROR, ["org.example.No", "no"])
