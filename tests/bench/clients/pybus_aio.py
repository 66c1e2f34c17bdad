"""pybus' asyncio client."""

import asyncio
from collections.abc import Callable

import pybus
from pybus.client.aio_queues import Consumer, Queue
from tests.bench.client import BODY, PREFETCH, Countdown, under_way
from tests.bench.crew import Failure

NAME = "org.example.Bench"
_TOPIC = "bench.asyncio"


class _Connected:
    async def open(self, address: str) -> None:
        self._bus = await pybus.aio.connect(address)


class Signals(_Connected):
    """A handler of `on`."""

    async def publish(self, times: int) -> None:
        for _ in range(times):
            await self._bus.publish(_TOPIC, BODY)
        await self._bus.flush()

    async def subscribe(self, countdown: Countdown) -> None:
        self._ended = asyncio.Event()
        countdown.ended = self._ended.set
        await self._bus.on(_TOPIC, lambda signal: countdown.count(signal.body))

    async def receive(self) -> None:
        await self._ended.wait()
        self._ended.clear()


class Scale:
    """The service."""

    def scale(self, name: str, factor: float) -> str:
        """Take a text and a float, return a text."""
        return name


class Calls(_Connected):
    """A text and a float as arguments; the text is the answer."""

    async def serve(self, ready: Callable[[], None]) -> None:
        await self._bus.register(NAME, Scale())
        ready()
        await self._bus.run()

    async def call(self) -> None:
        answer = await self._bus.call(NAME, "scale", "front", 0.5)
        if answer != "front":
            raise Failure(f"the answer was {answer!r}")


class Queues(_Connected):
    """The default exchange."""

    async def open(self, address: str) -> None:
        await super().open(address)
        self._queues: dict[str, Queue] = {}
        self._consumers: dict[str, Consumer] = {}

    async def declare(self, queue: str, durable: bool) -> None:
        self._queues[queue] = await self._bus.queue(queue, durable=durable)

    async def publish(self, queue: str, times: int) -> None:
        for _ in range(times):
            await self._bus.publish_to("", queue, BODY)
        await self._bus.flush()

    async def publish_confirmed(self, queue: str, times: int) -> None:
        await under_way(PREFETCH, lambda: self.publish_one(queue), times)

    async def publish_one(self, queue: str) -> None:
        await self._bus.publish_to("", queue, BODY, persistent=True, confirm=True)

    async def consume(self, queue: str, times: int) -> None:
        consumer = await self._consumer(queue)
        for _ in range(times):
            await (await anext(consumer)).ack()

    async def there_and_back(self, queue: str) -> None:
        consumer = await self._consumer(queue)
        await self._bus.publish_to("", queue, BODY)
        await (await anext(consumer)).ack()

    async def purge(self, queue: str) -> None:
        await self._queues[queue].purge()

    async def _consumer(self, queue: str) -> Consumer:
        if queue not in self._consumers:
            self._consumers[queue] = await self._queues[queue].consume(prefetch=PREFETCH)
        return self._consumers[queue]
