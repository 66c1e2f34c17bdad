"""redis-py, with hiredis as its parser.

Its blocking client, which is quicker than its asyncio one. Many messages are published in one pipeline, as one by
one each would wait for its answer. A queue is a stream with a consumer group; messages that are at hand are taken
together and acked by one XACK that names each. Acked ones stay in the stream until the next `purge`, so Redis is not
charged for taking them out.
"""

from typing import Any

import redis

from tests.bench.client import BODY, PREFETCH, Countdown

_CHANNEL = "bench.python"
_GROUP = "bench"


class _Connected:
    async def open(self, address: str) -> None:
        self._redis: Any = redis.from_url(address)

    def _repeat(self, times: int, command: str, *arguments: object) -> None:
        """Send a command so many times."""
        for begun in range(0, times, PREFETCH):
            with self._redis.pipeline(transaction=False) as pipeline:
                for _ in range(min(PREFETCH, times - begun)):
                    pipeline.execute_command(command, *arguments)
                pipeline.execute()


class Signals(_Connected):
    """A handler of a subscription, called from `get_message`."""

    async def publish(self, times: int) -> None:
        self._repeat(times, "PUBLISH", _CHANNEL, BODY)

    async def subscribe(self, countdown: Countdown) -> None:
        countdown.ended = self._end
        self._subscription = self._redis.pubsub(ignore_subscribe_messages=True)
        self._subscription.subscribe(**{_CHANNEL: lambda message: countdown.count(message["data"])})
        self._subscription.get_message(timeout=None)

    async def receive(self) -> None:
        self._ended = False
        while not self._ended:
            self._subscription.get_message(timeout=None)

    def _end(self) -> None:
        self._ended = True


class Queues(_Connected):
    """Streams of the queues' names. Whether they are kept is how the bus is configured."""

    async def declare(self, queue: str, durable: bool) -> None:
        self._redis.xgroup_create(queue, _GROUP, mkstream=True)

    async def publish(self, queue: str, times: int) -> None:
        self._repeat(times, "XADD", queue, "*", "body", BODY)

    async def publish_confirmed(self, queue: str, times: int) -> None:
        await self.publish(queue, times)

    async def publish_one(self, queue: str) -> None:
        self._redis.xadd(queue, {"body": BODY})

    async def consume(self, queue: str, times: int) -> None:
        while times:
            ((_, entries),) = self._redis.xreadgroup(_GROUP, "bench", {queue: ">"}, count=min(times, PREFETCH), block=0)
            self._redis.xack(queue, _GROUP, *(number for number, _ in entries))
            times -= len(entries)

    async def there_and_back(self, queue: str) -> None:
        await self.publish_one(queue)
        await self.consume(queue, 1)

    async def purge(self, queue: str) -> None:
        self._redis.xtrim(queue, maxlen=0, approximate=False)
