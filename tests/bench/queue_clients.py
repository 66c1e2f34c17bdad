"""What the queue measurements need of a bus, by the blocking client that a program would use.

The bodies are 64 bytes. Both clients publish to the default exchange, consume with the same prefetch, and ack each
message.
"""

from typing import Protocol

import pybus
from pybus.client.blocking_queues import Consumer, Queue

BODY = bytes(range(64))

PREFETCH = 500
"""Messages on their way to a consumer or in its hands."""


class QueueClient(Protocol):
    """A connection. All returns when it has been done, unless it says otherwise."""

    def declare(self, queue: str, durable: bool) -> None:
        """Declare a queue."""

    def publish(self, queue: str, times: int) -> None:
        """Publish so many transient messages, and write them out; nothing is confirmed."""

    def publish_confirmed(self, queue: str, times: int) -> None:
        """Publish so many persistent messages, many under way at once, until all are confirmed."""

    def publish_one(self, queue: str) -> None:
        """Publish a persistent message, until it is confirmed."""

    def consume(self, queue: str, times: int) -> None:
        """Take so many messages."""

    def there_and_back(self, queue: str) -> None:
        """Publish a transient message, until it has come back from the queue."""

    def purge(self, queue: str) -> None:
        """Empty a queue."""


class PybusQueues:
    """By `pybus.connect`."""

    def __init__(self, address: str) -> None:
        self._bus = pybus.connect(address)
        self._queues: dict[str, Queue] = {}
        self._consumers: dict[str, Consumer] = {}

    def declare(self, queue: str, durable: bool) -> None:
        self._queues[queue] = self._bus.queue(queue, durable=durable)

    def publish(self, queue: str, times: int) -> None:
        for _ in range(times):
            self._bus.publish_to("", queue, BODY)
        self._bus.flush()

    def publish_confirmed(self, queue: str, times: int) -> None:
        with self._bus.confirming():
            for _ in range(times):
                self._bus.publish_to("", queue, BODY, persistent=True)

    def publish_one(self, queue: str) -> None:
        self._bus.publish_to("", queue, BODY, persistent=True, confirm=True)

    def consume(self, queue: str, times: int) -> None:
        consumer = self._consumer(queue)
        for _ in range(times):
            next(consumer).ack()

    def there_and_back(self, queue: str) -> None:
        consumer = self._consumer(queue)
        self._bus.publish_to("", queue, BODY)
        next(consumer).ack()

    def purge(self, queue: str) -> None:
        self._queues[queue].purge()

    def _consumer(self, queue: str) -> Consumer:
        if queue not in self._consumers:
            self._consumers[queue] = self._queues[queue].consume(prefetch=PREFETCH)
        return self._consumers[queue]


def queue_client(protocol: str, address: str) -> QueueClient:
    """Connect by the protocol of that name: `pybus` or `amqp`."""
    if protocol == "pybus":
        return PybusQueues(address)
    from tests.bench.pika_client import PikaQueues

    return PikaQueues(address)
