"""nats-py: signals, requests, and queues by JetStream.

A queue is a stream with work-queue retention, in memory if it is transient and else in files. It is consumed by a push
subscription with a callback, which is many times quicker than to fetch messages, even by the hundred. Each is acked;
NATS answers no acks. Transient messages are published without an answer; many persistent ones by `publish_async`.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import nats
from nats.js.api import ConsumerConfig, RetentionPolicy, StorageType

from tests.bench.client import BODY, PREFETCH, Countdown
from tests.bench.crew import Failure

_SUBJECT = "bench.python"
_SERVICE = "bench.service"


class _Connected:
    async def open(self, address: str) -> None:
        self._connection = await nats.connect(address, allow_reconnect=False)


class Signals(_Connected):
    """The callback of a subscription. The library writes what was published in its own task, many at once."""

    async def publish(self, times: int) -> None:
        for _ in range(times):
            await self._connection.publish(_SUBJECT, BODY)
        await self._connection.flush()

    async def subscribe(self, countdown: Countdown) -> None:
        self._ended = asyncio.Event()
        countdown.ended = self._ended.set

        async def handle(message: Any) -> None:
            countdown.count(message.data)

        await self._connection.subscribe(_SUBJECT, cb=handle)
        await self._connection.flush()

    async def receive(self) -> None:
        await self._ended.wait()
        self._ended.clear()


class Calls(_Connected):
    """A request of 64 bytes, and the same as answer."""

    async def serve(self, ready: Callable[[], None]) -> None:
        async def answer(message: Any) -> None:
            await message.respond(message.data)

        await self._connection.subscribe(_SERVICE, cb=answer)
        await self._connection.flush()
        ready()
        await asyncio.Event().wait()  # until the harness ends this process

    async def call(self) -> None:
        answer = await self._connection.request(_SERVICE, BODY, timeout=10)
        if answer.data != BODY:
            raise Failure(f"the answer was {answer.data!r}")


class Queues(_Connected):
    """Streams of the queues' names."""

    async def open(self, address: str) -> None:
        await super().open(address)
        self._jetstream = self._connection.jetstream(publish_async_max_pending=PREFETCH)
        self._arrived: dict[str, asyncio.Queue[Any]] = {}

    async def declare(self, queue: str, durable: bool) -> None:
        storage = StorageType.FILE if durable else StorageType.MEMORY
        await self._jetstream.add_stream(
            name=queue, subjects=[queue], storage=storage, retention=RetentionPolicy.WORK_QUEUE
        )

    async def publish(self, queue: str, times: int) -> None:
        for _ in range(times):
            await self._connection.publish(queue, BODY)
        await self._connection.flush()

    async def publish_confirmed(self, queue: str, times: int) -> None:
        confirms = [await self._jetstream.publish_async(queue, BODY) for _ in range(times)]
        await asyncio.gather(*confirms)

    async def publish_one(self, queue: str) -> None:
        await self._jetstream.publish(queue, BODY)

    async def consume(self, queue: str, times: int) -> None:
        arrived = await self._consumer(queue)
        for _ in range(times):
            message = await arrived.get()
            await message.ack()

    async def there_and_back(self, queue: str) -> None:
        arrived = await self._consumer(queue)
        await self._connection.publish(queue, BODY)
        message = await arrived.get()
        await message.ack()

    async def purge(self, queue: str) -> None:
        await self._jetstream.purge_stream(queue)

    async def _consumer(self, queue: str) -> asyncio.Queue[Any]:
        if queue not in self._arrived:
            arrived = self._arrived[queue] = asyncio.Queue()
            config = ConsumerConfig(max_ack_pending=PREFETCH)
            await self._jetstream.subscribe(queue, cb=arrived.put, manual_ack=True, config=config)
        return self._arrived[queue]
