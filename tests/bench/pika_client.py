"""The same by pika, RabbitMQ's Python client.

Its blocking connection has no pipelined confirms: it waits for each. So many under way are published by its
connection with callbacks, which is also the quickest that it has.
"""

from typing import Any

import pika

from tests.bench.crew import Failure
from tests.bench.queue_clients import BODY, PREFETCH

_PERSISTENT = pika.BasicProperties(delivery_mode=2)


class PikaQueues:
    """Three connections: a plain one, one that confirms each message, and one that confirms many."""

    def __init__(self, address: str) -> None:
        self._where = pika.URLParameters(address)
        self._connection = pika.BlockingConnection(self._where)
        self._channel = self._connection.channel()
        self._channel.basic_qos(prefetch_count=PREFETCH)
        self._confirming: Any = None
        self._pipeline: Pipeline | None = None
        self._consumers: dict[str, Any] = {}

    def declare(self, queue: str, durable: bool) -> None:
        self._channel.queue_declare(queue, durable=durable)

    def publish(self, queue: str, times: int) -> None:
        for _ in range(times):
            self._channel.basic_publish("", queue, BODY)

    def publish_confirmed(self, queue: str, times: int) -> None:
        if self._pipeline is None:
            self._pipeline = Pipeline(self._where)
        self._pipeline.publish(queue, times)

    def publish_one(self, queue: str) -> None:
        if self._confirming is None:
            self._confirming = pika.BlockingConnection(self._where).channel()
            self._confirming.confirm_delivery()
        self._confirming.basic_publish("", queue, BODY, _PERSISTENT)

    def consume(self, queue: str, times: int) -> None:
        messages = self._messages(queue)
        for _ in range(times):
            method, _, _ = next(messages)
            self._channel.basic_ack(method.delivery_tag)

    def there_and_back(self, queue: str) -> None:
        messages = self._messages(queue)
        self._channel.basic_publish("", queue, BODY)
        method, _, _ = next(messages)
        self._channel.basic_ack(method.delivery_tag)

    def purge(self, queue: str) -> None:
        self._channel.queue_purge(queue)

    def _messages(self, queue: str) -> Any:
        if queue not in self._consumers:
            self._consumers[queue] = self._channel.consume(queue)
        return self._consumers[queue]


class Pipeline:
    """A connection that publishes many messages before it looks for their confirms."""

    def __init__(self, where: Any) -> None:
        self._open: dict[int, None] = {}
        self._tag = 0
        self._connection = pika.SelectConnection(where, on_open_callback=self._opened)
        self._loop = self._connection.ioloop
        self._channel: Any = None
        self._loop.start()

    def publish(self, queue: str, times: int) -> None:
        """Publish so many; returns when all are confirmed."""
        for _ in range(times):
            self._tag += 1
            self._open[self._tag] = None
            self._channel.basic_publish("", queue, BODY, _PERSISTENT)
        self._loop.start()

    def _opened(self, connection: Any) -> None:
        connection.channel(on_open_callback=self._use)

    def _use(self, channel: Any) -> None:
        self._channel = channel
        channel.confirm_delivery(self._confirmed, callback=lambda _: self._loop.stop())

    def _confirmed(self, frame: Any) -> None:
        method = frame.method
        if not isinstance(method, pika.spec.Basic.Ack):
            raise Failure("RabbitMQ did not take a message")
        if method.multiple:
            for tag in [tag for tag in self._open if tag <= method.delivery_tag]:
                del self._open[tag]
        else:
            del self._open[method.delivery_tag]
        if not self._open:
            self._loop.stop()
