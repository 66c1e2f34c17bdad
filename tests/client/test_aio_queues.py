"""Queues in the asyncio face, against a real bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import pybus
from pybus.client.aio_queues import Consumer, Message
from tests.daemon import PATIENCE, BusDaemon


async def take(consumer: Consumer) -> Message:
    message = await consumer.receive(PATIENCE)
    assert message is not None
    return message


async def test_messages_are_consumed_acked_and_given_back(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    queue = await bob.queue("jobs")
    await queue.bind("amq.topic", "build.#")
    consumer = await queue.consume(prefetch=1)
    await alice.publish("build.done", "signal")
    await alice.publish_to("", "jobs", "message", confirm=True, headers={"a": 1})
    first = await take(consumer)
    assert (first.key, first.body, await first.ack(), await first.ack()) == ("build.done", "signal", True, False)
    second = await take(consumer)
    assert (second.body, second.headers) == ("message", {"a": 1})
    with pytest.raises(ZeroDivisionError):
        async with second:
            raise ZeroDivisionError
    again = await take(consumer)
    async with again:
        assert again.redelivered
    await bob.flush()
    status = await queue.status()
    assert (status["messages"], status["unacked"], status["acked"]) == (0, 0, 2)
    await queue.unbind("amq.topic", "build.#")


async def test_a_loop_over_a_consumer(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    queue = await bob.queue("jobs")
    await asyncio.gather(*[alice.publish_to("", "jobs", number, confirm=True) for number in range(100)])
    seen = []
    async with await queue.consume(no_ack=True) as consumer:
        async for message in consumer:
            seen.append(message.body)
            if len(seen) == 90:
                break
    assert seen == list(range(90))
    assert await consumer.receive(0) is None
    got = await queue.get()
    assert got is not None
    assert got.body == 90
    assert await got.reject()
    assert await queue.purge() == 9
    assert await queue.get() is None


async def test_what_a_program_that_ends_did_not_take_stays_in_line(daemon: BusDaemon, alice: pybus.aio.Bus) -> None:
    queue = await alice.queue("jobs", arguments={"x-delivery-limit": 1})
    for number in range(12):
        await queue.publish(number, confirm=True)
    seen = []
    for _ in range(8):
        async with pybus.aio.connect(daemon.address, program="carol") as carol:
            message = await take(await (await carol.queue("jobs", passive=True)).consume())
            seen.append(message.body)
            await message.ack()
    assert seen == [0, 1, 2, 3, 4, 5, 6, 7]
    status = await queue.status()
    assert (status["messages"], status["returned"], status["dropped"]) == (4, 0, 0)


async def test_a_waiting_receive_can_be_cancelled_without_loss(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    consumer = await (await bob.queue("jobs")).consume()
    waiting = asyncio.create_task(consumer.receive())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await alice.publish_to("", "jobs", 1)
    assert (await take(consumer)).body == 1
    assert await consumer.receive(0.01) is None


def cancel_after(
    settled: Callable[[object, Exception | None], None] | None,
    getting: asyncio.Task[Any],
    value: object,
    error: Exception | None,
) -> None:
    assert settled is not None
    settled(value, error)
    getting.cancel()


async def cancel(who: pybus.aio.Bus, asking: asyncio.Task[Any], *, late: bool) -> None:
    """Cancel what waits for its only answer; late: when the answer is here, and the task does not know it yet."""
    await asyncio.sleep(0)
    (pending,) = who._core._pending.values()
    if late:
        pending.notify = partial(cancel_after, pending.notify, asking)
    else:
        asking.cancel()
    await asyncio.wait([asking])


async def test_a_get_can_be_cancelled_without_loss(bob: pybus.aio.Bus) -> None:
    queue = await bob.queue("jobs", arguments={"x-delivery-limit": 1})
    for number in range(3):
        await queue.publish(number, confirm=True)
    for late in (False, True):
        await cancel(bob, asyncio.create_task(queue.get()), late=late)
    status = await queue.status()
    assert (status["messages"], status["unacked"], status["returned"]) == (3, 0, 0)
    for number in range(3):
        message = await queue.get()
        assert message is not None
        assert message.body == number
        assert await message.ack()


async def test_a_get_without_ack_can_be_cancelled_without_loss(bob: pybus.aio.Bus) -> None:
    queue = await bob.queue("jobs")
    await queue.publish("precious", confirm=True)
    getting = asyncio.create_task(queue.get(no_ack=True))
    await asyncio.sleep(0)
    getting.cancel()
    await asyncio.wait([getting])
    message = await queue.get(no_ack=True)
    assert message is not None
    assert (message.body, await message.ack()) == ("precious", False)
    status = await queue.status()
    assert (status["messages"], status["unacked"], status["acked"]) == (0, 0, 1)


@pytest.mark.parametrize("late", [False, True])
async def test_a_consume_that_is_cancelled_makes_no_consumer(bob: pybus.aio.Bus, late: bool) -> None:
    queue = await bob.queue("jobs", arguments={"x-delivery-limit": 1})
    for number in range(3):
        await queue.publish(number, confirm=True)
    consuming = asyncio.create_task(queue.consume())
    await cancel(bob, consuming, late=late)
    assert consuming.cancelled()
    await bob.flush()
    status = await queue.status()
    assert (status["messages"], status["unacked"], status["returned"], status["consumers"]) == (3, 0, 0, [])


async def test_a_close_that_is_cancelled_ends_the_consumer(bob: pybus.aio.Bus) -> None:
    queue = await bob.queue("jobs")
    consumer = await queue.consume()
    for number in range(3):
        await queue.publish(number, confirm=True)
    closing = asyncio.create_task(consumer.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    assert await consumer.receive() is None
    status = await queue.status()
    assert (status["messages"], status["unacked"], status["consumers"]) == (3, 0, [])


async def test_a_delete_that_is_cancelled_deletes_all_the_same(bob: pybus.aio.Bus) -> None:
    queue = await bob.queue("jobs")
    deleting = asyncio.create_task(queue.delete())
    await asyncio.sleep(0)
    deleting.cancel()
    await asyncio.wait([deleting])
    with pytest.raises(pybus.NotFound):
        await queue.status()
    assert bob._core.queues._queues == {}


async def test_what_is_wrong_is_told(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    await bob.queue("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    results = await asyncio.gather(
        *[alice.publish_to("", "full", number, confirm=True) for number in range(3)],
        alice.publish_to("nope", "", confirm=True),
        alice.publish_to("", "nobody", mandatory=True, confirm=True),
        return_exceptions=True,
    )
    assert [type(one) for one in results] == [type(None), pybus.Nacked, pybus.Nacked, pybus.NotFound, pybus.Unroutable]
    queue = await bob.queue("jobs")
    consumer = await queue.consume()
    waiting = asyncio.create_task(consumer.receive())
    await (await alice.queue("jobs", passive=True)).delete()
    with pytest.raises(pybus.ConsumerCancelled):
        await waiting


async def test_exchanges(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    logs = await alice.exchange("logs", "fanout")
    inner = await alice.exchange("inner", "direct")
    await inner.bind("logs", "k")
    queue = await bob.queue()
    await queue.bind("inner", "k")
    await logs.publish("k", 1)
    assert (await take(await queue.consume())).body == 1
    await inner.unbind("logs", "k")
    await inner.delete()
    await logs.delete(if_unused=True)
    with pytest.raises(pybus.NotFound):
        await alice.exchange("logs", passive=True)


async def test_a_bus_that_comes_back_finds_all_declared_again(
    daemon: BusDaemon, alice: pybus.aio.Bus, bob: pybus.aio.Bus
) -> None:
    queue = await bob.queue("jobs")
    own = await bob.queue(exclusive=True)
    former = own.name
    consumer = await queue.consume()
    await queue.publish("old")
    message = await take(consumer)
    back = asyncio.Event()
    bob.on_reconnect(back.set)
    await asyncio.to_thread(daemon.kill)
    await asyncio.to_thread(daemon.restart)
    async with asyncio.timeout(PATIENCE):
        await back.wait()
    await bob.flush()
    assert not await message.ack()
    assert own.name != former
    await alice.publish_to("", "jobs", "new", confirm=True)
    assert (await take(consumer)).body == "new"


async def test_what_was_written_to_a_dead_bus_gets_into_the_queue_that_is_declared_again(
    daemon: BusDaemon, bob: pybus.aio.Bus
) -> None:
    queue = await bob.queue("jobs")
    consumer = await queue.consume()
    daemon.kill()
    await queue.publish("kept")  # the loop did not turn: nobody knows yet that the bus is gone
    await asyncio.to_thread(daemon.restart)
    assert (await take(consumer)).body == "kept"


async def test_what_was_in_hand_when_the_bus_died_comes_again(daemon: BusDaemon, bob: pybus.aio.Bus) -> None:
    queue = await bob.queue("jobs", durable=True)
    for number in range(3):
        await queue.publish(number, persistent=True, confirm=True)
    consumer = await queue.consume(prefetch=2)
    before = [await take(consumer) for _ in range(2)]
    await asyncio.to_thread(daemon.kill)
    confirming = asyncio.create_task(queue.publish(3, persistent=True, confirm=True))
    await asyncio.to_thread(daemon.restart)
    for number in range(2):
        again = await take(consumer)
        assert (again.body, again.redelivered, await before[number].ack(), await again.ack()) == (
            number,
            True,
            False,
            True,
        )
    assert (await take(consumer)).body == 2
    try:
        await confirming
    except pybus.ConnectionLost:  # it was on its way when the connection ended
        await queue.publish(3, persistent=True, confirm=True)
    assert (await take(consumer)).body == 3


async def test_a_queue_that_somebody_deleted_is_not_declared_again(
    daemon: BusDaemon, alice: pybus.aio.Bus, bob: pybus.aio.Bus
) -> None:
    await bob.queue("kept")
    consumer = await (await bob.queue("jobs")).consume()
    await (await alice.queue("jobs", passive=True)).delete()
    with pytest.raises(pybus.ConsumerCancelled):
        await consumer.receive(PATIENCE)
    back = asyncio.Event()
    bob.on_reconnect(back.set)
    await asyncio.to_thread(daemon.kill)
    await asyncio.to_thread(daemon.restart)
    async with asyncio.timeout(PATIENCE):
        await back.wait()
    await bob.flush()
    there = [queue["name"] for queue in await bob.call("org.pybus.Bus", "queues")]
    assert there == ["kept"]


async def test_a_connection_that_is_lost_for_good_ends_its_consumers(daemon: BusDaemon) -> None:
    async with pybus.aio.connect(daemon.address, reconnect=False) as bus:
        consumer = await (await bus.queue("jobs")).consume()
        waiting = asyncio.create_task(consumer.receive())
        await asyncio.to_thread(daemon.kill)
        with pytest.raises(pybus.ConnectionLost):
            await waiting
