"""pybus' blocking client."""

from collections.abc import Callable

import pybus
from pybus.client.blocking_queues import Consumer, Queue
from tests.bench.client import BODY, PREFETCH, Countdown
from tests.bench.clients.pybus_aio import Scale
from tests.bench.crew import Failure

_NAME = "org.example.BenchBlocking"
_TOPIC = "bench.blocking"


class _Connected:
    async def open(self, address: str) -> None:
        self._bus = pybus.connect(address)


class _Ended(Exception):
    """Leaves `run` from within a handler."""


class Signals(_Connected):
    """A handler of `on`, called from `run`."""

    async def publish(self, times: int) -> None:
        for _ in range(times):
            self._bus.publish(_TOPIC, BODY)
        self._bus.flush()

    async def subscribe(self, countdown: Countdown) -> None:
        countdown.ended = self._end
        self._bus.on(_TOPIC, lambda signal: countdown.count(signal.body))
        self._bus.flush()

    async def receive(self) -> None:
        try:
            self._bus.run()
        except _Ended:
            pass

    def _end(self) -> None:
        raise _Ended


class Calls(_Connected):
    """A text and a float as arguments; the text is the answer."""

    async def serve(self, ready: Callable[[], None]) -> None:
        self._bus.register(_NAME, Scale())
        ready()
        self._bus.run()

    async def call(self) -> None:
        answer = self._bus.call(_NAME, "scale", "front", 0.5)
        if answer != "front":
            raise Failure(f"the answer was {answer!r}")


class Queues(_Connected):
    """The default exchange; a block of `confirming` where many are under way at once."""

    async def open(self, address: str) -> None:
        await super().open(address)
        self._queues: dict[str, Queue] = {}
        self._consumers: dict[str, Consumer] = {}

    async def declare(self, queue: str, durable: bool) -> None:
        self._queues[queue] = self._bus.queue(queue, durable=durable)

    async def publish(self, queue: str, times: int) -> None:
        for _ in range(times):
            self._bus.publish_to("", queue, BODY)
        self._bus.flush()

    async def publish_confirmed(self, queue: str, times: int) -> None:
        with self._bus.confirming():
            for _ in range(times):
                self._bus.publish_to("", queue, BODY, persistent=True)

    async def publish_one(self, queue: str) -> None:
        self._bus.publish_to("", queue, BODY, persistent=True, confirm=True)

    async def consume(self, queue: str, times: int) -> None:
        consumer = self._consumer(queue)
        for _ in range(times):
            next(consumer).ack()

    async def there_and_back(self, queue: str) -> None:
        consumer = self._consumer(queue)
        self._bus.publish_to("", queue, BODY)
        next(consumer).ack()

    async def purge(self, queue: str) -> None:
        self._queues[queue].purge()

    def _consumer(self, queue: str) -> Consumer:
        if queue not in self._consumers:
            self._consumers[queue] = self._queues[queue].consume(prefetch=PREFETCH)
        return self._consumers[queue]
