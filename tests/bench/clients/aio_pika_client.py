"""aio-pika, RabbitMQ's asyncio client in Python.

Its channels confirm each message unless they are told not to, and want each back that reaches no queue; many
persistent ones are published by many tasks at once. Messages are taken by a callback that puts them into a queue,
which is what its iterator does with more ado.
"""

import asyncio
from typing import Any

import aio_pika

from tests.bench.client import BODY, PREFETCH, Countdown, under_way

_KEY = "bench.aio-pika"


class _Connected:
    async def open(self, address: str) -> None:
        self._connection = await aio_pika.connect(address)
        self._channel = await self._connection.channel(publisher_confirms=False)
        await self._channel.set_qos(prefetch_count=PREFETCH)


class Signals(_Connected):
    """The exchange `amq.topic`, and a queue that is the subscriber's own."""

    async def publish(self, times: int) -> None:
        """It ends with a question to the bus, whose answer comes when the bus has all before it."""
        exchange = await self._channel.get_exchange("amq.topic", ensure=False)
        for _ in range(times):
            await exchange.publish(aio_pika.Message(BODY), _KEY, mandatory=False)
        await self._channel.get_exchange("amq.topic")

    async def subscribe(self, countdown: Countdown) -> None:
        self._ended = asyncio.Event()
        countdown.ended = self._ended.set

        async def handle(message: Any) -> None:
            countdown.count(message.body)

        queue = await self._channel.declare_queue(exclusive=True)
        await queue.bind("amq.topic", _KEY)
        await queue.consume(handle, no_ack=True)

    async def receive(self) -> None:
        await self._ended.wait()
        self._ended.clear()


class Queues(_Connected):
    """The default exchange."""

    async def open(self, address: str) -> None:
        await super().open(address)
        self._confirming = await self._connection.channel()
        self._queues: dict[str, Any] = {}
        self._arrived: dict[str, asyncio.Queue[Any]] = {}

    async def declare(self, queue: str, durable: bool) -> None:
        self._queues[queue] = await self._channel.declare_queue(queue, durable=durable)

    async def publish(self, queue: str, times: int) -> None:
        exchange = self._channel.default_exchange
        for _ in range(times):
            await exchange.publish(aio_pika.Message(BODY), queue, mandatory=False)

    async def publish_confirmed(self, queue: str, times: int) -> None:
        await under_way(PREFETCH, lambda: self.publish_one(queue), times)

    async def publish_one(self, queue: str) -> None:
        message = aio_pika.Message(BODY, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await self._confirming.default_exchange.publish(message, queue, mandatory=False)

    async def consume(self, queue: str, times: int) -> None:
        arrived = await self._consumer(queue)
        for _ in range(times):
            message = await arrived.get()
            await message.ack()

    async def there_and_back(self, queue: str) -> None:
        arrived = await self._consumer(queue)
        await self._channel.default_exchange.publish(aio_pika.Message(BODY), queue, mandatory=False)
        message = await arrived.get()
        await message.ack()

    async def purge(self, queue: str) -> None:
        await self._queues[queue].purge()

    async def _consumer(self, queue: str) -> asyncio.Queue[Any]:
        if queue not in self._arrived:
            arrived = self._arrived[queue] = asyncio.Queue()
            await self._queues[queue].consume(arrived.put)
        return self._arrived[queue]
