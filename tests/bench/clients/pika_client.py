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
        """It ends with a question to the bus, whose answer comes when the bus has all before it."""
        connection = self._connection
        connection.publish("amq.topic", _KEY, times, connection.loop.stop)
        connection.loop.start()
        connection.wait(connection.channel.exchange_declare, "amq.topic", passive=True)

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
    """Three connections: a plain one, one that confirms each message, and one that confirms many."""

    async def open(self, address: str) -> None:
        self._address = address
        self._channel = self._open_channel()
        self._channel.basic_qos(prefetch_count=PREFETCH)
        self._confirming: Any = None
        self._pipeline: _Pipeline | None = None
        self._consumers: dict[str, Any] = {}

    async def declare(self, queue: str, durable: bool) -> None:
        self._channel.queue_declare(queue, durable=durable)

    async def publish(self, queue: str, times: int) -> None:
        for _ in range(times):
            self._channel.basic_publish("", queue, BODY)

    async def publish_confirmed(self, queue: str, times: int) -> None:
        if self._pipeline is None:
            self._pipeline = _Pipeline(self._address)
        self._pipeline.publish_confirmed(queue, times)

    async def publish_one(self, queue: str) -> None:
        if self._confirming is None:
            self._confirming = self._open_channel()
            self._confirming.confirm_delivery()
        self._confirming.basic_publish("", queue, BODY, _PERSISTENT)

    async def consume(self, queue: str, times: int) -> None:
        messages = self._messages(queue)
        for _ in range(times):
            method, _, _ = next(messages)
            self._channel.basic_ack(method.delivery_tag)

    async def there_and_back(self, queue: str) -> None:
        messages = self._messages(queue)
        self._channel.basic_publish("", queue, BODY)
        method, _, _ = next(messages)
        self._channel.basic_ack(method.delivery_tag)

    async def purge(self, queue: str) -> None:
        self._channel.queue_purge(queue)

    def _open_channel(self) -> Any:
        return pika.BlockingConnection(pika.URLParameters(self._address)).channel()

    def _messages(self, queue: str) -> Any:
        if queue not in self._consumers:
            self._consumers[queue] = self._channel.consume(queue)
        return self._consumers[queue]


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
