"""Queues in the blocking face: what `Bus.queue` and `Bus.exchange` return, and what comes out of them."""

from __future__ import annotations

from collections import deque
from functools import partial
from time import monotonic

from pybus.client.messages import Delivered, Tray
from pybus.client.replies import reply_properties

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from pybus.client.blocking import Bus
    from pybus.client.declared import Declared
    from pybus.client.pending import Pending

_AT_ONCE = 64 * 1024
"""Bytes of messages that are written together while a block of them is to be confirmed."""
_OPEN = 8192
"""Messages of such a block that may wait for their confirm."""


class Message(Delivered):
    """A message from a queue, see `Delivered`. As a context manager it is acked, or given back on an error."""

    __slots__ = ("_bus",)

    def __init__(self, bus: Bus, data: bytes, tag: int) -> None:
        super().__init__(data, tag, bus._core.queues.stream)
        self._bus = bus

    def ack(self) -> bool:
        """It is done. False if the bus does not wait for that any more, as the connection was lost since."""
        self._bus._owner.check()
        done = self._bus._core.queues.ack(self)
        self._bus._send()
        return done

    def nack(self, *, requeue: bool = True) -> bool:
        """It is not done: it goes back to its place in the queue, or with requeue=False to the dead letters."""
        self._bus._owner.check()
        done = self._bus._core.queues.nack(self, requeue=requeue)
        self._bus._send()
        return done

    def reject(self) -> bool:
        """It can't be done by anybody: `nack(requeue=False)`."""
        return self.nack(requeue=False)

    def reply(self, body: object = None, **how: Any) -> None:
        """Answer who sent it by `request`, or with a `reply_to`. how: as for `Bus.publish_to`.

        That settles nothing: `ack` it as well. Raises `UsageError` if nobody asked for a reply.
        """
        queue, properties = reply_properties(self, how)
        self._bus.publish_to("", queue, body, **properties)

    def __enter__(self) -> Message:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self.ack()
        else:
            self.nack()


class Consumer:
    """The messages of a queue, in the order of their coming. Iterating waits for the next.

    tag: its name on the connection.
    """

    def __init__(self, bus: Bus, tray: Tray, no_ack: bool) -> None:
        self._bus = bus
        self._tray = tray
        self._no_ack = no_ack

    @property
    def tag(self) -> str:
        return self._tray.tag

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next message, or None when `timeout` seconds have passed without one, or the consumer is closed.

        Runs handlers and services while it waits. Raises `ConsumerCancelled` when the queue was deleted, and
        `ConnectionLost` if the connection is lost and does not come back by itself.
        """
        tray = self._tray
        self._bus._owner.check()
        until = None if timeout is None else monotonic() + timeout
        if self._bus._core.work:
            self._bus._serve(until)
        while not tray.messages:
            if tray.failure is not None:
                raise tray.failure
            if tray.closed or not self._bus._serve(until):
                return None
            if not tray.messages and until is not None and monotonic() > until:
                return None
        message = tray.messages.popleft()
        assert isinstance(message, Message)
        if self._no_ack:
            message.ack()
        return message

    def close(self) -> None:
        """Get no more messages. Those that were not taken yet go back to the queue."""
        if not self._tray.closed and not self._bus._owner.closed:
            self._bus._drive(self._bus._core.queues.cancel(self._tray))
            self._bus._send()

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        message = self.receive()
        if message is None:
            raise StopIteration
        return message

    def __enter__(self) -> Consumer:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()


class Queue:
    """A queue that this program has declared. name: the bus's choice, if none was given."""

    def __init__(self, bus: Bus, declared: Declared) -> None:
        self._bus = bus
        self._declared = declared

    @property
    def name(self) -> str:
        return self._declared.name

    def bind(self, exchange: str, key: str = "", arguments: Mapping[str, object] | None = None) -> None:
        """Let messages that come to the exchange and match get into the queue; on "amq.topic" signals come along.

        key: what the routing key has to be, or its pattern. arguments: the headers, for an exchange of that type.
        Raises `NotFound`, `AccessRefused`.
        """
        self._bus._drive(self._bus._core.queues.bind(self._declared, exchange, key, arguments or {}))

    def unbind(self, exchange: str, key: str = "", arguments: Mapping[str, object] | None = None) -> None:
        """Undo a binding."""
        self._bus._drive(self._bus._core.queues.unbind(self._declared, exchange, key, arguments or {}))

    def publish(self, body: object = None, **how: Any) -> None:
        """Publish a message to this queue alone. how: as for `Bus.publish_to`."""
        self._bus.publish_to("", self.name, body, **how)

    def request(self, body: object = None, **how: Any) -> Message:
        """Publish a message to this queue, and return the reply of who takes it. how: as for `Bus.request`."""
        return self._bus.request("", self.name, body, **how)

    def consume(
        self, *, prefetch: int = 10, tag: str = "", exclusive: bool = False, priority: int = 0, no_ack: bool = False
    ) -> Consumer:
        """Get the queue's messages; other consumers get theirs in turn.

        prefetch: how many may be on their way or in hand without being acked; 0 for any number. exclusive: be the
        only one. priority: a higher one is served first. no_ack: each is acked by being taken.
        Raises `AccessRefused` if the queue is in exclusive use, `ResourceLocked`, `LimitExceeded`.
        """
        bus = self._bus
        tray = Tray(tag, partial(Message, bus))
        arguments = {"x-priority": priority} if priority else {}
        how: dict[str, object] = {"prefetch": prefetch, "exclusive": exclusive, "arguments": arguments}
        bus._drive(bus._core.queues.consume(self._declared, tray, how))
        return Consumer(bus, tray, no_ack)

    def get(self, *, no_ack: bool = False) -> Message | None:
        """The next message, or None if none waits. no_ack: it need not be acked."""
        found = self._bus._drive(self._bus._core.queues.get(self._declared, no_ack))
        return None if found is None else Message(self._bus, *found)

    def purge(self) -> int:
        """Throw away what waits; how many messages that was."""
        count: int = self._ask("purge_queue")
        return count

    def delete(self, *, if_unused: bool = False, if_empty: bool = False) -> int:
        """Delete the queue; how many messages waited. Raises `PreconditionFailed` if it is in use or not empty."""
        return self._bus._drive(self._bus._core.queues.delete_queue(self._declared, if_unused, if_empty))

    def status(self) -> dict[str, Any]:
        """How it was declared, what waits in it, who consumes it, and its counters; see the bus's method `queue`."""
        found: dict[str, Any] = self._ask("queue")
        return found

    def _ask(self, method: str) -> Any:
        self._bus._ready()
        return self._bus._wait(self._bus._core.call_bus(method, self.name))


class Exchange:
    """An exchange that this program has declared."""

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self.name = name

    def publish(self, key: str = "", body: object = None, **how: Any) -> None:
        """Publish a message to this exchange. how: as for `Bus.publish_to`."""
        self._bus.publish_to(self.name, key, body, **how)

    def request(self, key: str = "", body: object = None, **how: Any) -> Message:
        """Publish a message to this exchange, and return the first reply to it. how: as for `Bus.request`."""
        return self._bus.request(self.name, key, body, **how)

    def bind(self, source: str, key: str = "", arguments: Mapping[str, object] | None = None) -> None:
        """Let messages that come to another exchange and match come to this one. Raises `NotFound`."""
        self._ask("bind_exchange", source, key, arguments)

    def unbind(self, source: str, key: str = "", arguments: Mapping[str, object] | None = None) -> None:
        """Undo such a binding."""
        self._ask("unbind_exchange", source, key, arguments)

    def delete(self, *, if_unused: bool = False) -> None:
        """Delete the exchange. Raises `PreconditionFailed` if it is in use, `AccessRefused`."""
        self._bus._drive(self._bus._core.queues.delete_exchange(self.name, if_unused))

    def _ask(self, method: str, *args: object) -> None:
        self._bus._ready()
        self._bus._wait(self._bus._core.call_bus(method, self.name, *args))


class Confirming:
    """A block of messages that are confirmed together when it ends; what `Bus.confirming` returns."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._open: deque[Pending] = deque()
        self._failure: Exception | None = None

    def add(self, pending: Pending) -> None:
        """One more message has been published."""
        self._open.append(pending)
        if self._bus._core.output.waiting > _AT_ONCE:
            self._bus._send()
        while len(self._open) > _OPEN:
            self._await_first()

    def _await_first(self) -> None:
        pending = self._open.popleft()
        if pending.done and pending.error is None:  # as most are, once a later one was waited for
            return
        try:
            self._bus._wait(pending)
        except Exception as error:
            self._failure = self._failure or error

    def __enter__(self) -> Confirming:
        self._bus._block = self
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._bus._block = None
        while self._open:
            self._await_first()
        if self._failure is not None and kind is None:
            raise self._failure
