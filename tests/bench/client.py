"""What the measurements need of a Python client library, and which libraries there are.

Each library is imported in one file of `clients`, which uses it as its documentation advises programs that are in
a hurry. The methods are coroutines, so that an asyncio library is not charged for entering its loop with each
message; a blocking one just never suspends. All bodies are `BODY`.

A client is written for the bus that it comes with: what one waits for, batches, or leaves to a thread is said in its
file. What all have in common: a publisher has handed all over to the bus when `publish` returns, a callback gets the
decoded body, and an answer or a confirm has come before it counts.
"""

import asyncio
import importlib
import importlib.util
from collections.abc import Awaitable, Callable, Iterator
from time import monotonic
from typing import Any, NamedTuple, Protocol

from tests.bench.buses import Bus, NotAvailable
from tests.bench.crew import Failure

BODY = bytes(range(64))

PREFETCH = 500
"""Messages of a queue on their way to a consumer or in its hands; and those whose confirms are awaited."""


class Countdown:
    """The callback of a subscriber. ended: called when the last message that was expected has come, `at` that time."""

    def __init__(self) -> None:
        self.ended: Callable[[], object] = lambda: None
        self.at = 0.0
        self._left = 0

    def expect(self, times: int) -> None:
        """So many will come. Raises `Failure` if other messages than were expected have come before."""
        if self._left:
            raise Failure(f"{-self._left} more messages came than were published")
        self._left = times

    def count(self, body: object) -> None:
        """One more has come. Raises `Failure` if it is not what was published."""
        if body != BODY:
            raise Failure(f"{body!r} came in place of what was published")
        self._left -= 1
        if not self._left:
            self.at = monotonic()
            self.ended()


class Signals(Protocol):
    """A connection for signals of one topic."""

    async def open(self, address: str) -> None:
        """Connect."""

    async def publish(self, times: int) -> None:
        """Publish so many, as fast as it can; returns when the library has handed all of them over."""

    async def subscribe(self, countdown: Countdown) -> None:
        """Call `countdown.count` with the body of each; returns when the bus has agreed."""

    async def receive(self) -> None:
        """Take what comes until the countdown has ended."""


class Calls(Protocol):
    """A connection for a service that takes something and answers with a part of it, or for its caller."""

    async def open(self, address: str) -> None:
        """Connect."""

    async def serve(self, ready: Callable[[], None]) -> None:
        """Offer the service, say so, and answer until the process is ended."""

    async def call(self) -> None:
        """Call it once. Raises `Failure` if the answer is wrong."""


class Queues(Protocol):
    """A connection for queues. All returns when it has been done, unless it says otherwise."""

    async def open(self, address: str) -> None:
        """Connect."""

    async def declare(self, queue: str, durable: bool) -> None:
        """Make a queue."""

    async def publish(self, queue: str, times: int) -> None:
        """Publish so many transient messages, and hand them over; nothing is confirmed."""

    async def publish_confirmed(self, queue: str, times: int) -> None:
        """Publish so many persistent messages, many under way at once, until all are confirmed."""

    async def publish_one(self, queue: str) -> None:
        """Publish a persistent message, until it is confirmed."""

    async def consume(self, queue: str, times: int) -> None:
        """Take so many messages, and ack each."""

    async def there_and_back(self, queue: str) -> None:
        """Publish a transient message, until it has come back from the queue; then ack it."""

    async def purge(self, queue: str) -> None:
        """Empty a queue."""


class Client(NamedTuple):
    """A library. module: its file. package: what it is imported as. does: the measurements that it takes part in."""

    name: str
    module: str
    package: str
    buses: tuple[str, ...]
    does: frozenset[str]

    def on(self, bus: Bus) -> str:
        """For people: the bus with this client."""
        return f"{bus.name} ({self.name})"

    def signals(self) -> Signals:
        """Only in the process that plays a role: it imports the library."""
        found: Signals = self._made("Signals")
        return found

    def calls(self) -> Calls:
        found: Calls = self._made("Calls")
        return found

    def queues(self) -> Queues:
        found: Queues = self._made("Queues")
        return found

    def _made(self, kind: str) -> Any:
        return getattr(importlib.import_module(f"tests.bench.clients.{self.module}"), kind)()


_PYBUS = ("pybus", "pybus-compiled")
_DBUS = ("dbus-broker", "dbus-daemon")
_SIGNALS = frozenset({"python"})
_CALLS = frozenset({"calls", "calls in flight"})
_TRANSIENT = frozenset({"transient"})
_PERSISTENT = frozenset({"persistent"})
_QUEUES = _TRANSIENT | _PERSISTENT

CLIENTS = (
    Client("asyncio", "pybus_aio", "pybus", _PYBUS, _SIGNALS | _CALLS),
    Client("blocking", "pybus_blocking", "pybus", _PYBUS, _SIGNALS | {"calls"} | _QUEUES),
    Client("asyncio", "pybus_aio", "pybus", _PYBUS, _QUEUES),
    Client("dbus-fast", "dbus_fast_client", "dbus_fast", _DBUS, _SIGNALS | _CALLS),
    Client("dbus-next", "dbus_next_client", "dbus_next", _DBUS, _SIGNALS | _CALLS),
    Client("nats-py", "nats_client", "nats", ("nats",), _SIGNALS | _CALLS),
    Client("nats-py", "nats_client", "nats", ("nats-jetstream",), _QUEUES),
    Client("redis-py", "redis_client", "redis", ("redis",), _SIGNALS | _TRANSIENT),
    Client("redis-py", "redis_client", "redis", ("redis-everysec", "redis-always"), _PERSISTENT),
    Client("paho-mqtt", "paho_client", "paho", ("mosquitto",), _SIGNALS),
    Client("pika", "pika_client", "pika", ("rabbitmq",), _SIGNALS | _QUEUES),
    Client("aio-pika", "aio_pika_client", "aio_pika", ("rabbitmq",), _SIGNALS | _QUEUES),
    Client("pyzmq", "zmq_client", "zmq", ("zmq", "zmq-proxy"), _SIGNALS),
)
"""The first that does something on pybus is the one that the others are compared with."""


def clients_of(bus: Bus, part: str) -> Iterator[Client]:
    """Those that measure this part of a bus, installed or not."""
    return (client for client in CLIENTS if bus.name in client.buses and part in client.does)


def client_of(name: str) -> Client:
    """The first of that name."""
    return next(client for client in CLIENTS if client.name == name)


def need(client: Client) -> Client:
    """The same. Raises `NotAvailable` if the library is not installed."""
    if importlib.util.find_spec(client.package) is None:
        raise NotAvailable(f"{client.name} is not installed")
    return client


async def under_way(count: int, step: Callable[[], Awaitable[object]], times: int) -> None:
    """Do a step so many times, `count` of them at any moment; returns when all are done."""
    numbers = iter(range(times))

    async def work() -> None:
        for _ in numbers:
            await step()

    await asyncio.gather(*(work() for _ in range(min(count, times))))
