"""The asyncio client against a real bus."""

from __future__ import annotations

import asyncio
from signal import SIGCONT, SIGSTOP

import pytest

import pybus
from tests.daemon import PATIENCE, BusDaemon


async def test_signals_come_in_order_to_an_async_for(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    signals = await bob.subscribe("count.#")
    for number in range(5000):
        await alice.publish("count.up", number)
    got: list[object] = []
    async for signal in signals:
        got.append(signal.body)
        if len(got) == 5000:
            break
    assert got == list(range(5000))


async def test_a_subscription_is_in_place_for_what_its_program_does_next(alice: pybus.aio.Bus) -> None:
    signals = alice.subscribe("a.b")
    await alice.publish("a.b", 1)
    assert (await anext(signals)).body == 1


async def test_a_refused_subscription_tells_why(daemon: BusDaemon, alice: pybus.aio.Bus) -> None:
    with pytest.raises(pybus.InvalidName, match="wildcard stands for whole words"):
        alice.subscribe("a.b*")
    for first in range(0, 16384, 512):
        await asyncio.gather(*(alice.subscribe(f"a.{number}.#") for number in range(first, first + 512)))
    over = alice.subscribe("b.#")
    with pytest.raises(pybus.LimitExceeded, match="16384 of at most 16384 patterns"):
        await anext(over)


async def test_receive_gives_up_in_time_and_loses_nothing(alice: pybus.aio.Bus) -> None:
    signals = alice.subscribe("a.b")
    assert await signals.receive(0.01) is None
    waiting = asyncio.create_task(signals.receive())
    await alice.flush()
    waiting.cancel()
    await alice.publish("a.b", 1)
    signal = await signals.receive(PATIENCE)
    assert signal is not None
    assert signal.body == 1


async def test_plain_and_async_handlers_get_signals_in_order(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    plain: list[object] = []
    slow: list[object] = []
    done = asyncio.Event()

    async def hear(signal: pybus.Signal) -> None:
        await asyncio.sleep(0)
        slow.append(signal.body)
        if signal.body == 99:
            done.set()

    await bob.on("a.b", lambda signal: plain.append(signal.body))
    await bob.on("a.#", hear)
    for number in range(100):
        await alice.publish("a.b", number)
    await asyncio.wait_for(done.wait(), PATIENCE)
    assert (plain, slow) == (list(range(100)), list(range(100)))


async def test_a_handler_that_fails_is_reported_and_the_next_signal_comes(alice: pybus.aio.Bus) -> None:
    reports: list[str] = []
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reports.append(repr(context["exception"])))

    def hear(signal: pybus.Signal) -> None:
        if signal.body == 1:
            raise ValueError("a bug")
        done.set()

    await alice.on("a.b", hear)
    await alice.publish("a.b", 1)
    await alice.publish("a.b", 2)
    await asyncio.wait_for(done.wait(), PATIENCE)
    assert reports == ["ValueError('a bug')"]


async def test_closing_ends_waiting_subscriptions_and_run(daemon: BusDaemon) -> None:
    bus = await pybus.aio.connect(daemon.address)
    signals = await bus.subscribe("a.b")
    waiting = asyncio.create_task(signals.receive())
    running = asyncio.create_task(bus.run())
    await bus.flush()
    await bus.close()
    assert await waiting is None
    await running
    with pytest.raises(pybus.UsageError, match="closed"):
        await bus.publish("a.b")


async def test_publishing_more_than_the_socket_takes_keeps_memory_bounded(
    alice: pybus.aio.Bus, bob: pybus.aio.Bus
) -> None:
    await bob.subscribe("big.#")
    most = 0
    for _ in range(200):
        await alice.publish("big.one", bytes(100_000))
        most = max(most, alice._core.output.waiting)
    await alice.flush()
    assert most <= 256 * 1024 + 100_100


async def test_no_daemon_is_one_clear_error(daemon: BusDaemon) -> None:
    daemon.stop()
    with pytest.raises(pybus.NoBus, match="start one with: pybus daemon"):
        await pybus.aio.connect(daemon.address)


async def test_a_subscription_made_while_the_bus_is_away_gets_kept_values_once(
    daemon: BusDaemon, alice: pybus.aio.Bus
) -> None:
    lost = asyncio.Event()
    alice.on_disconnect(lambda _: lost.set())
    await alice.publish("a.b", 1, retain=True)
    await alice.flush()
    daemon.kill()
    await asyncio.wait_for(lost.wait(), PATIENCE)
    signals = alice.subscribe("a.#", "c.#")
    daemon.restart()
    await alice.flush()
    await alice.publish("c.d", 2)
    heard = [await signals.receive(PATIENCE) for _ in range(2)]
    assert [(one.topic, one.body) for one in heard if one] == [("a.b", 1), ("c.d", 2)]


async def test_closing_ends_whoever_waits_on_the_connection(daemon: BusDaemon) -> None:
    bus = await pybus.aio.connect(daemon.address)
    await bus.register("org.example.Never", {"answer": lambda: asyncio.Event().wait()})
    call = asyncio.create_task(bus.call("org.example.Never", "answer"))
    await bus.flush()
    daemon.process.send_signal(SIGSTOP)
    try:
        publishing = asyncio.create_task(_publish_for_ever(bus))
        while bus._core.output.waiting <= 256 * 1024:  # noqa: ASYNC110 - nothing tells that a socket is full
            await asyncio.sleep(0)
        bus._finish(None)
        bus._owner.closed = True
        with pytest.raises(pybus.ConnectionLost, match="closed"):
            await asyncio.wait_for(call, PATIENCE)
        with pytest.raises(pybus.UsageError, match="closed"):
            await asyncio.wait_for(publishing, PATIENCE)
    finally:
        daemon.process.send_signal(SIGCONT)
        bus._drop_socket()


async def _publish_for_ever(bus: pybus.aio.Bus) -> None:
    while True:
        await bus.publish("big.one", bytes(60_000))


async def test_a_handler_may_close_the_connection_it_runs_on(daemon: BusDaemon) -> None:
    bus = await pybus.aio.connect(daemon.address)
    closed = asyncio.Event()

    async def last(signal: pybus.Signal) -> None:
        await bus.close()
        closed.set()

    await bus.on("a.b", last)
    await bus.publish("a.b")
    await asyncio.wait_for(closed.wait(), PATIENCE)


async def test_a_plain_handler_that_returns_a_coroutine_is_awaited(alice: pybus.aio.Bus) -> None:
    heard: asyncio.Queue[object] = asyncio.Queue()
    await alice.on("a.b", lambda signal: heard.put(signal.body))
    await alice.publish("a.b", 1)
    await alice.publish("a.b", 2)
    assert [await asyncio.wait_for(heard.get(), PATIENCE) for _ in range(2)] == [1, 2]


async def test_casts_wait_for_a_bus_that_does_not_read(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    await bob.register("org.example.Sink", {"take": lambda data: None})
    most = 0
    for _ in range(100):
        await alice.cast("org.example.Sink", "take", bytes(100_000))
        most = max(most, alice._core.output.waiting)
    assert most <= 256 * 1024 + 100_200
