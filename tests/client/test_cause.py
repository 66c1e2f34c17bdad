"""What a program sends because of a message says so, and a loop of programs is cut."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest

import pybus
from pybus.client.cause import cause
from pybus.errors import LoopCut
from pybus.protocol.codec import pack
from pybus.protocol.frames import (
    ANSWER,
    CALL,
    CAUSED,
    MAX_CAUSED_TIME,
    NO_REPLY,
    SIGNAL,
    allowed_time,
    caused_target,
    depth_of,
    frame,
)
from tests.daemon import PATIENCE, BusDaemon
from tests.raw import RawPeer

BUS = "org.pybus.Bus"
PLAYER = "org.example.Player"
END = "org.example.End"


@pytest.fixture
def carol(daemon: BusDaemon) -> Iterator[RawPeer]:
    """She hears all signals, and owns END, where calls end."""
    with RawPeer(daemon.path) as peer:
        peer.ask("subscribe", ["#"])
        peer.ask("request_name", END)
        yield peer


def heard(peer: RawPeer, times: int) -> list[tuple[str, int]]:
    """The topic or call, and the depth, of the next so many signals and calls."""
    found: list[tuple[str, int]] = []
    while len(found) < times:
        kind, flags, _, target, _, key, _, _ = peer.read()
        if kind in (SIGNAL, CALL):
            found.append((key.decode(), depth_of(target)))
            assert bool(flags & CAUSED) == (depth_of(target) > 0)
    return found


def say(peer: RawPeer, topic: str, depth: int, value: object = None) -> None:
    """Publish something that so many messages have caused."""
    data = frame(SIGNAL, CAUSED, peer.number, caused_target(depth), 0, topic.encode(), pack(value))
    peer.sock.sendall(data)


def cast(peer: RawPeer, method: str, depth: int) -> None:
    """Call the player, because of so many messages, and want no answer."""
    key = f"{PLAYER} {method}".encode()
    peer.sock.sendall(frame(CALL, CAUSED | NO_REPLY, peer.number, caused_target(depth), 0, key, pack([[], {}])))


def run_until(bus: pybus.Bus, condition: Callable[[], bool]) -> None:
    """Let a program do its work until something has come of it."""
    until = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < until
        bus.run(0.01)


# --- blocking -------------------------------------------------------------------------------------


def test_what_nobody_caused_says_nothing(daemon: BusDaemon, carol: RawPeer) -> None:
    with pybus.connect(daemon.address) as alice:
        signals = alice.subscribe("lamp.on")
        alice.publish("lamp.on")
        assert signals.receive(PATIENCE) is not None
        alice.publish("lamp.off")  # no handler: what a program does with a signal that it takes is its own
        alice.cast(END, "play")
        assert heard(carol, 3) == [("lamp.on", 0), ("lamp.off", 0), (f"{END} play", 0)]


def test_a_handler_continues_the_chain_of_its_signal(daemon: BusDaemon, carol: RawPeer) -> None:
    with pybus.connect(daemon.address) as alice:

        def handle(signal: pybus.Signal) -> None:
            alice.publish("lamp.off")
            alice.publish("lamp.off", retain=True, confirm=True)
            alice.clear("lamp.off")
            alice.cast(END, "play")
            alice.publish("lamp.done", signal.depth)

        alice.on("lamp.on", handle)
        done = alice.subscribe("lamp.done")
        for depth in (0, 7):
            if depth:
                say(carol, "lamp.on", depth)
            else:
                alice.publish("lamp.on")
            ended = done.receive(PATIENCE)
            assert ended is not None
            assert (ended.body, ended.depth) == (depth, depth + 1)
            alice.publish("lamp.after")
            assert heard(carol, 7) == [
                ("lamp.on", depth),
                ("lamp.off", depth + 1),
                ("lamp.off", depth + 1),
                ("lamp.off", depth + 1),
                (f"{END} play", depth + 1),
                ("lamp.done", depth + 1),
                ("lamp.after", 0),
            ]


def test_a_method_continues_the_chain_of_its_call(daemon: BusDaemon, carol: RawPeer) -> None:
    with pybus.connect(daemon.address) as alice:
        alice.register(PLAYER, {"play": lambda: alice.publish("lamp.on")})
        done = alice.subscribe("lamp.on")
        for depth in (0, 5):
            cast(carol, "play", depth)
            assert done.receive(PATIENCE) is not None
            alice.publish("lamp.after")
        assert heard(carol, 4) == [("lamp.on", 1), ("lamp.after", 0), ("lamp.on", 6), ("lamp.after", 0)]


def test_handlers_inside_of_handlers_keep_their_chains_apart(daemon: BusDaemon, carol: RawPeer) -> None:
    with pybus.connect(daemon.address) as alice:
        answers = alice.subscribe("answer.#")

        def outer(_: pybus.Signal) -> None:
            say(carol, "lamp.two", 20)
            assert answers.receive(PATIENCE) is not None  # runs the other handler
            alice.publish("lamp.one.done")

        alice.on("lamp.one", outer)
        alice.on("lamp.two", lambda _: alice.publish("answer.two"))
        done = alice.subscribe("lamp.one.done")
        say(carol, "lamp.one", 3)
        assert done.receive(PATIENCE) is not None
        assert heard(carol, 4) == [("lamp.one", 3), ("lamp.two", 20), ("answer.two", 21), ("lamp.one.done", 4)]


def test_after_a_handler_that_failed_there_is_no_chain(daemon: BusDaemon, carol: RawPeer) -> None:
    with pybus.connect(daemon.address) as alice:
        failed = 0

        def fail() -> None:
            nonlocal failed
            failed += 1
            raise ValueError("a bug")

        def handle(signal: pybus.Signal) -> None:
            if signal.body == "bad":
                fail()
            alice.publish("lamp.off")

        alice.on("lamp.on", handle)
        alice.register(PLAYER, {"fail": fail})
        done = alice.subscribe("lamp.off")
        say(carol, "lamp.on", 3, "bad")
        say(carol, "lamp.on", 5, "good")
        with pytest.raises(ValueError, match="a bug"):
            done.receive(PATIENCE)
        alice.publish("lamp.after")
        assert done.receive(PATIENCE) is not None
        cast(carol, "fail", 7)
        run_until(alice, lambda: failed == 2)
        alice.publish("lamp.end")
        chain = [("lamp.on", 3), ("lamp.on", 5), ("lamp.after", 0), ("lamp.off", 6), ("lamp.end", 0)]
        assert heard(carol, 5) == chain


def test_what_is_asked_of_the_bus_itself_is_no_link(daemon: BusDaemon, carol: RawPeer) -> None:
    with pybus.connect(daemon.address) as alice, pybus.connect(daemon.address) as bob:
        records = bob.subscribe("bus.monitor")
        bob.call(BUS, "monitor")

        def play() -> None:
            alice.subscribe("lamp.#")
            alice.call(BUS, "ping")
            alice.flush()
            alice.publish("lamp.on")

        alice.register(PLAYER, {"play": play})
        done = alice.subscribe("lamp.on")
        cast(carol, "play", 5)
        assert done.receive(PATIENCE) is not None
        frames: list[tuple[str, str, int]] = []
        while not frames or frames[-1][0] != "signal":
            record = records.receive(PATIENCE)
            assert record is not None
            value: Any = record.body
            if value["kind"] in ("call", "signal") and value["sender"] == int(alice.name[1:]):
                frames.append((value["kind"], value["key"].removeprefix(f"{BUS} "), value["flags"]))
        calls = [("call", one, 0) for one in ("request_name", "subscribe", "subscribe", "ping", "ping")]
        assert frames == [*calls, ("signal", "lamp.on", CAUSED)]


# --- asyncio --------------------------------------------------------------------------------------


async def hear(peer: RawPeer, times: int) -> list[tuple[str, int]]:
    return await asyncio.to_thread(heard, peer, times)


async def test_plain_and_async_handlers_continue_the_chain(alice: pybus.aio.Bus, carol: RawPeer) -> None:
    tasks = []

    async def publish(topic: str) -> None:
        await asyncio.sleep(0.01)
        await alice.publish(topic)

    def plain(_: pybus.Signal) -> None:
        tasks.append(asyncio.create_task(publish("plain.task")))

    async def slow(_: pybus.Signal) -> None:
        await alice.publish("slow.before")
        await asyncio.sleep(0.05)
        await alice.publish("slow.after")
        tasks.append(asyncio.create_task(publish("slow.task")))

    await alice.on("lamp.plain", plain)
    await alice.on("lamp.slow", slow)
    say(carol, "lamp.plain", 3)
    assert await hear(carol, 2) == [("lamp.plain", 3), ("plain.task", 4)]
    say(carol, "lamp.slow", 6)
    assert await hear(carol, 2) == [("lamp.slow", 6), ("slow.before", 7)]
    await alice.publish("lamp.outside")
    assert await hear(carol, 3) == [("lamp.outside", 0), ("slow.after", 7), ("slow.task", 7)]
    await asyncio.gather(*tasks)


async def test_plain_and_async_methods_continue_the_chain(alice: pybus.aio.Bus, carol: RawPeer) -> None:
    tasks = []

    async def publish(topic: str) -> None:
        await asyncio.sleep(0.01)
        await alice.publish(topic)

    def plain() -> None:
        tasks.append(asyncio.create_task(publish("plain.task")))

    async def slow() -> None:
        await alice.publish("slow.before")
        await asyncio.sleep(0.05)
        await alice.cast(END, "play")
        tasks.append(asyncio.create_task(publish("slow.task")))

    await alice.register(PLAYER, {"plain": plain, "slow": slow, "task": lambda: asyncio.create_task(publish("task"))})
    cast(carol, "plain", 0)
    assert await hear(carol, 1) == [("plain.task", 1)]
    cast(carol, "task", 1)
    assert await hear(carol, 1) == [("task", 2)]
    cast(carol, "slow", 8)
    assert await hear(carol, 1) == [("slow.before", 9)]
    cast(carol, "plain", 2)
    await alice.publish("lamp.outside")
    heard = await hear(carol, 4)  # in the order of their pauses, unless the machine is busy
    assert sorted(heard) == [("lamp.outside", 0), (f"{END} play", 9), ("plain.task", 3), ("slow.task", 9)]
    await asyncio.gather(*tasks)


async def test_signals_that_wait_behind_an_async_handler_keep_their_own_chains(
    alice: pybus.aio.Bus, carol: RawPeer
) -> None:
    async def handle(signal: pybus.Signal) -> None:
        await asyncio.sleep(0)
        await alice.publish("lamp.off", signal.depth)

    await alice.on("lamp.on", handle)
    for depth in (9, 3, 1):
        say(carol, "lamp.on", depth)
    assert await hear(carol, 3) == [("lamp.on", 9), ("lamp.on", 3), ("lamp.on", 1)]
    assert await hear(carol, 3) == [("lamp.off", 10), ("lamp.off", 4), ("lamp.off", 2)]


async def test_after_async_handlers_and_methods_that_failed_there_is_no_chain(
    alice: pybus.aio.Bus, carol: RawPeer
) -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(str(context["exception"])))

    def plain(_: object = None) -> None:
        raise ValueError("plain")

    async def slow(_: object = None) -> None:
        raise ValueError("slow")

    await alice.on("lamp.plain", plain)
    await alice.on("lamp.slow", slow)
    await alice.on("lamp.good", lambda _: alice.publish("lamp.off"))
    await alice.register(PLAYER, {"plain": plain, "slow": slow})
    for topic in ("lamp.plain", "lamp.slow", "lamp.good"):
        say(carol, topic, 3)
    assert await hear(carol, 4) == [("lamp.plain", 3), ("lamp.slow", 3), ("lamp.good", 3), ("lamp.off", 4)]
    cast(carol, "plain", 5)
    cast(carol, "slow", 5)
    await alice.flush()
    await alice.publish("lamp.after")
    assert await hear(carol, 1) == [("lamp.after", 0)]
    assert sorted(failures) == ["plain", "slow"]  # type: ignore[type-var]


async def test_news_of_the_connection_are_no_part_of_the_chain_in_which_it_was_made(
    alice: pybus.aio.Bus, daemon: BusDaemon
) -> None:
    depths: list[int] = []
    made: list[pybus.aio.Bus] = []
    lost = asyncio.Event()

    def disconnected(_: Exception) -> None:
        depths.append(cause.get())
        lost.set()

    async def connect(_: pybus.Signal) -> None:
        bus = await pybus.aio.connect(daemon.address, reconnect=False)
        bus.on_disconnect(disconnected)
        made.append(bus)
        depths.append(cause.get())
        await alice.publish("lamp.connected")

    await alice.on("lamp.on", connect)
    connected = await alice.subscribe("lamp.connected")
    await alice.publish("lamp.on")
    assert (await anext(connected)).depth == 1
    assert made[0]._sock is not None
    made[0]._sock.shutdown(socket.SHUT_RDWR)
    await asyncio.wait_for(lost.wait(), PATIENCE)
    assert depths == [1, 0]


@pytest.mark.parametrize(
    ("timeout", "milliseconds"), [(2.5, 2500), (67_108.863, MAX_CAUSED_TIME), (100_000, MAX_CAUSED_TIME)]
)
async def test_a_call_in_a_chain_keeps_its_time_as_far_as_the_wire_can_say_it(
    alice: pybus.aio.Bus, carol: RawPeer, timeout: float, milliseconds: int
) -> None:
    await alice.register(PLAYER, {"play": lambda: alice.proxy(END, timeout=timeout).think("hard")})
    cast(carol, "play", 4)
    while (run := await asyncio.to_thread(carol.read))[0] != CALL:
        pass
    assert (run[1], depth_of(run[3]), allowed_time(run[3])) == (CAUSED, 5, milliseconds)
    carol.sock.sendall(frame(ANSWER, 0, carol.number, run[2], run[4], b"", pack(42)))
    await alice.flush()


# --- what is too deep --------------------------------------------------------------------------------


class Lamp:
    """A program whose handler sends `lamp.off` for each `lamp.on`."""

    def __init__(self, address: str) -> None:
        self.bus = pybus.connect(address)
        self.bus.on("lamp.on", self._handle)
        self._handled = -1

    def _handle(self, signal: pybus.Signal) -> None:
        self.bus.publish("lamp.off")
        self._handled = signal.depth

    def run_until(self, depth: int) -> None:
        """Let it handle what comes, up to the signal of this depth."""
        run_until(self.bus, lambda: self._handled == depth)


def test_a_refused_signal_that_nobody_waited_for_is_told_at_the_next_one(daemon: BusDaemon, carol: RawPeer) -> None:
    lamp = Lamp(daemon.address)
    with lamp.bus:
        say(carol, "lamp.on", 32)
        lamp.run_until(32)
        with pytest.raises(LoopCut, match="a chain of 33 messages"):
            lamp.bus.flush()
        lamp.bus.publish("lamp.after")
        assert heard(carol, 2) == [("lamp.on", 32), ("lamp.after", 0)]


def test_the_deepest_that_the_wire_can_say_is_cut_whatever_the_limit() -> None:
    with BusDaemon({"depth": 63}) as daemon, RawPeer(daemon.path) as carol:
        lamp = Lamp(daemon.address)
        with lamp.bus:
            carol.ask("subscribe", ["lamp.#"])
            for depth in (61, 62):
                say(carol, "lamp.on", depth)
                lamp.run_until(depth)
            with pytest.raises(LoopCut, match="a chain of 63 messages"):
                lamp.bus.flush()
            assert heard(carol, 3) == [("lamp.on", 61), ("lamp.off", 62), ("lamp.on", 62)]
