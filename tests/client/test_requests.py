"""Requests by message: published to a queue, answered by who takes them, in both faces, against a real bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from threading import Thread

import pytest

import pybus
from pybus.client.aio_queues import Consumer
from tests.daemon import PATIENCE, BusDaemon
from tests.serving import serving


class Player:
    def play(self, uri: str, volume: float = 1.0) -> str:
        return f"{uri} at {volume}"


@asynccontextmanager
async def worker(bus: pybus.aio.Bus, name: str = "jobs") -> AsyncIterator[Consumer]:
    """Answers each message of a queue by its body twice; not those that say "nobody"."""
    consumer = await (await bus.queue(name)).consume()

    async def work() -> None:
        async for message in consumer:
            async with message:
                if message.body != "nobody":
                    await message.reply(message.body * 2, headers={"of": message.key})

    task = asyncio.create_task(work())
    try:
        yield consumer
    finally:
        task.cancel()
        await asyncio.wait([task])
        await consumer.close()


async def test_a_request_is_answered_by_who_takes_it(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    async with worker(bob):
        logs = await alice.exchange("logs", "fanout")
        queue = await alice.queue("jobs", passive=True)
        await queue.bind("logs")
        reply = await alice.request("", "jobs", "a", timeout=PATIENCE, headers={"n": 1})
        assert (reply.body, reply.headers, reply.sender) == ("aa", {"of": "jobs"}, bob.name)
        assert (await reply.ack(), reply.settled) == (False, True)
        replies = await asyncio.gather(*[queue.request(number, timeout=PATIENCE) for number in range(50)])
        assert [one.body for one in replies] == [2 * number for number in range(50)]
        assert (await logs.request("k", "b", timeout=PATIENCE)).headers == {"of": "k"}
        status = await queue.status()
    assert (status["published"], status["messages"]) == (52, 0)


async def test_what_can_go_wrong_with_a_request(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    with pytest.raises(pybus.Unroutable):
        await alice.request("", "jobs", "a")
    with pytest.raises(pybus.NotFound):
        await alice.request("logs", "jobs", "a")
    queue = await bob.queue("jobs")
    with pytest.raises(pybus.DeadlinePassed) as caught:
        await alice.request("", "jobs", "a", timeout=0.02)
    assert caught.value.message == "no reply to the message to queue 'jobs' came in 0.02 s"
    while (await queue.status())["messages"]:  # what nobody awaits any more expires
        await bob.flush()
    async with worker(bob):
        assert (await alice.request("", "jobs", "b", timeout=PATIENCE)).body == "bb"
        assert (await queue.status())["delivered"] == 1
    with pytest.raises(pybus.UsageError, match="a request has a reply_to of its own"):
        await alice.request("", "jobs", reply_to="mine")
    with pytest.raises(pybus.UsageError, match="a timeout must be more than 0"):
        await alice.request("", "jobs", timeout=0)
    await queue.publish("c")
    message = await queue.get()
    assert message is not None
    with pytest.raises(pybus.UsageError, match="the message has no reply_to, so nobody awaits a reply to it"):
        await message.reply()


async def test_a_reply_may_come_together_with_the_confirm(daemon: BusDaemon, alice: pybus.aio.Bus) -> None:
    with pybus.connect(daemon.address, program="bob") as bob:
        jobs = bob.queue("jobs").consume(no_ack=True)
        request = asyncio.create_task(alice.request("", "jobs", "a", timeout=PATIENCE))
        await asyncio.sleep(0)  # it is made
        await asyncio.sleep(0)  # and written
        message = jobs.receive(PATIENCE)  # and alice, in the same thread, reads nothing meanwhile
        assert message is not None
        message.reply("aa")
        bob.flush()
        assert (await request).body == "aa"


async def test_a_request_can_be_cancelled_and_its_reply_is_dropped(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    consumer = await (await bob.queue("jobs")).consume()
    first = asyncio.create_task(alice.request("", "jobs", "first"))
    await asyncio.sleep(0)  # it is not even known whether there are replies on this connection
    first.cancel()
    waiting = asyncio.create_task(alice.request("", "jobs", "second"))
    taken = []
    for _ in range(2):
        message = await consumer.receive(PATIENCE)
        assert message is not None
        taken.append(message)
    waiting.cancel()
    await asyncio.wait([first, waiting])
    assert [first.cancelled(), waiting.cancelled()] == [True, True]
    for message in taken:
        await message.reply("late")
    third = asyncio.create_task(alice.request("", "jobs", "third", timeout=PATIENCE))
    message = await consumer.receive(PATIENCE)
    assert message is not None
    await message.reply("in time")
    assert (await third).body == "in time"
    assert alice._core.queues._replies is not None
    assert (alice._core.queues._replies._expected, alice._core._pending) == ({}, {})


async def test_a_service_is_called_by_its_name_as_a_queue(daemon: BusDaemon, alice: pybus.aio.Bus) -> None:
    with serving(daemon.address, "org.example.Player", Player()):
        arguments = [["film.mkv"], {"volume": 0.5}]
        reply = await alice.request("", "org.example.Player", arguments, type="play", timeout=PATIENCE)
        assert reply.body == "film.mkv at 0.5"
        with pytest.raises(pybus.UnknownMethod):
            await alice.request("", "org.example.Player", [[], {}], type="stop", timeout=PATIENCE)


async def test_requests_go_on_after_the_bus_came_back(
    daemon: BusDaemon, alice: pybus.aio.Bus, bob: pybus.aio.Bus
) -> None:
    async with worker(bob):
        waiting = asyncio.create_task(alice.request("", "jobs", "nobody", timeout=PATIENCE))
        assert (await alice.request("", "jobs", "a", timeout=PATIENCE)).body == "aa"
        back = [asyncio.Event(), asyncio.Event()]
        alice.on_reconnect(back[0].set)
        bob.on_reconnect(back[1].set)
        await asyncio.to_thread(daemon.kill)
        with pytest.raises(pybus.ConnectionLost):
            await waiting
        await asyncio.to_thread(daemon.restart)
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*[one.wait() for one in back])
        await bob.flush()
        assert (await alice.request("", "jobs", "b", timeout=PATIENCE)).body == "bb"


# --- blocking -----------------------------------------------------------------------------------------


@contextmanager
def blocking_worker(daemon: BusDaemon) -> Iterator[None]:
    """Answers one message in a thread of its own."""
    with pybus.connect(daemon.address) as own:
        own.queue("jobs")

    def work() -> None:
        with pybus.connect(daemon.address, program="worker") as bus:
            message = bus.queue("jobs").consume().receive(PATIENCE)
            assert message is not None
            with message:
                message.reply([message.body, message.persistent])

    thread = Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(PATIENCE)


def test_a_blocking_request_is_answered_in_the_same_way(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address, program="carol") as carol:
        with blocking_worker(daemon):
            queue = carol.queue("jobs")
            assert queue.request("a", persistent=True, timeout=PATIENCE).body == ["a", True]
        with pytest.raises(pybus.DeadlinePassed, match=r"no reply to the message to queue 'jobs' came in 0\.01 s"):
            queue.request("b", timeout=0.01)
        exchange = carol.exchange("amq.fanout", "fanout", passive=True)
        with pytest.raises(pybus.Unroutable):
            exchange.request("k", timeout=PATIENCE)
        with serving(daemon.address, "org.example.Player", Player()):
            reply = carol.request("", "org.example.Player", [["a"], {}], type="play", timeout=PATIENCE)
        assert reply.body == "a at 1.0"
