"""pika, RabbitMQ's Python client.

Signals, and persistent messages of which many are under way, go by its connection with callbacks, as the blocking one
writes each message out before it returns from publishing, and waits for each confirm. What goes one by one, or is
consumed with an ack for each, goes by the blocking one, which is what most programs use.
"""

from collections.abc import Callable
from itertools import takewhile
from typing import Any

import pika

from tests.bench.client import BODY, PREFETCH, Countdown
from tests.bench.crew import Failure

_PERSISTENT = pika.BasicProperties(delivery_mode=2)
_KEY = "bench.pika"
_AT_ONCE = 100
"""Messages that are published before the loop may write."""


class _Looping:
    """A connection with callbacks, and a channel on it."""

    def __init__(self, address: str) -> None:
        where = pika.URLParameters(address)
        self._connection = pika.SelectConnection(where, on_open_callback=self._opened)
        self.loop = self._connection.ioloop
        self.channel: Any = None
        self.loop.start()

    def wait(self, method: Callable[..., object], *arguments: object, **named: object) -> Any:
        """Call an AMQP method; what is answered."""
        answers: list[Any] = []

        def answered(frame: Any) -> None:
            answers.append(frame.method)
            self.loop.stop()

        method(*arguments, **named, callback=answered)
        self.loop.start()
        return answers[0]

    def publish(self, exchange: str, key: str, times: int, published: Callable[[], None], **how: Any) -> None:
        """Publish so many, some in each turn of the loop; `published` is called after the last."""

        def turn(left: int) -> None:
            for _ in range(min(left, _AT_ONCE)):
                self.channel.basic_publish(exchange, key, BODY, **how)
            if left > _AT_ONCE:
                self.loop.call_later(0, lambda: turn(left - _AT_ONCE))
            else:
                published()

        turn(times)

    def flush(self) -> None:
        """Stop the loop when the bus has all before this: it answers one question after the other."""
        self.channel.exchange_declare("amq.topic", passive=True, callback=lambda _: self.loop.stop())

    def _opened(self, connection: Any) -> None:
        connection.channel(on_open_callback=self._use)

    def _use(self, channel: Any) -> None:
        self.channel = channel
        self.loop.stop()


class Signals:
    """The exchange `amq.topic`, and a queue that is the subscriber's own."""

    async def open(self, address: str) -> None:
        self._connection = _Looping(address)

    async def publish(self, times: int) -> None:
        connection = self._connection
        connection.publish("amq.topic", _KEY, times, connection.flush)
        connection.loop.start()

    async def subscribe(self, countdown: Countdown) -> None:
        connection = self._connection
        countdown.ended = connection.loop.stop
        wait, channel = connection.wait, connection.channel
        queue = wait(channel.queue_declare, "", exclusive=True).queue
        wait(channel.queue_bind, queue, "amq.topic", _KEY)
        wait(channel.basic_consume, queue, lambda _1, _2, _3, body: countdown.count(body), auto_ack=True)

    async def receive(self) -> None:
        self._connection.loop.start()


class Queues:
    """The default exchange; a second connection is for what is confirmed."""

    async def open(self, address: str) -> None:
        self._address = address
        self._connection = _Looping(address)
        self._connection.wait(self._connection.channel.basic_qos, prefetch_count=PREFETCH)
        self._pipeline: _Pipeline | None = None
        self._consumed: set[str] = set()
        self._left = 0

    async def declare(self, queue: str, durable: bool) -> None:
        self._connection.wait(self._connection.channel.queue_declare, queue, durable=durable)

    async def publish(self, queue: str, times: int) -> None:
        self._connection.publish("", queue, times, self._connection.flush)
        self._connection.loop.start()

    async def publish_confirmed(self, queue: str, times: int) -> None:
        if self._pipeline is None:
            self._pipeline = _Pipeline(self._address)
        self._pipeline.publish_confirmed(queue, times)

    async def publish_one(self, queue: str) -> None:
        await self.publish_confirmed(queue, 1)

    async def consume(self, queue: str, times: int) -> None:
        self._consume(queue)
        self._left = times
        self._connection.loop.start()

    async def there_and_back(self, queue: str) -> None:
        self._consume(queue)
        self._left = 1
        self._connection.channel.basic_publish("", queue, BODY)
        self._connection.loop.start()

    async def purge(self, queue: str) -> None:
        self._connection.wait(self._connection.channel.queue_purge, queue)

    def _consume(self, queue: str) -> None:
        if queue not in self._consumed:
            self._consumed.add(queue)
            self._connection.channel.basic_consume(queue, self._take)

    def _take(self, channel: Any, method: Any, properties: object, body: bytes) -> None:
        channel.basic_ack(method.delivery_tag)
        self._left -= 1
        if not self._left:
            self._connection.loop.stop()


class _Pipeline(_Looping):
    """A connection that publishes many messages before it looks for their confirms."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._open: dict[int, None] = {}
        self._tag = 0
        self.wait(self.channel.confirm_delivery, self._confirmed)

    def publish_confirmed(self, queue: str, times: int) -> None:
        """Publish so many; returns when all are confirmed."""
        self._open = dict.fromkeys(range(self._tag + 1, self._tag + times + 1))
        self._tag += times
        self.publish("", queue, times, lambda: None, properties=_PERSISTENT)
        self.loop.start()

    def _confirmed(self, frame: Any) -> None:
        method = frame.method
        if not isinstance(method, pika.spec.Basic.Ack):
            raise Failure("RabbitMQ did not take a message")
        if method.multiple:
            for tag in list(takewhile(lambda tag: tag <= method.delivery_tag, self._open)):
                del self._open[tag]
        else:
            del self._open[method.delivery_tag]
        if not self._open:
            self.loop.stop()
