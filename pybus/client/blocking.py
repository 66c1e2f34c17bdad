"""The blocking face: each method returns when it is done.

Nothing happens behind the program's back: handlers (`on`) and services (`register`) run inside
`run` and while a subscription waits for its next signal, in the program's own thread. While a call
waits for its answer, what arrives is kept.
"""

from __future__ import annotations

from time import monotonic

from pybus.address import bus_path
from pybus.client.blocking_connection import Connection
from pybus.client.face import TIMEOUT, no_reply
from pybus.client.inbox import Inbox, Signal
from pybus.client.transport import GRACE
from pybus.errors import NotConnected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType
    from typing import Any

    from pybus.client.blocking_queues import Confirming, Exchange, Message, Queue


def connect(address: str | None = None, *, program: str | None = None, reconnect: bool = True) -> Bus:
    """Connect to the bus.

    address: `unix:/path`, or None for the usual place. program: a name to be seen under, before
    the one that the kernel knows. reconnect: whether to come back by itself when the connection is lost.
    Raises `NoBus`, `AddressError`, `ConnectionRefused`.
    """
    return Bus(bus_path(address), program, reconnect)


class Subscription:
    """Signals that match some patterns, in the order of their coming. Iterating waits for the next.

    missed: how many signals of which topics did not get here, because they were not taken in time.
    """

    def __init__(self, bus: Bus, inbox: Inbox) -> None:
        self._bus = bus
        self._inbox = inbox

    @property
    def missed(self) -> dict[str, int]:
        return self._inbox.missed

    def receive(self, timeout: float | None = None) -> Signal | None:
        """The next signal, or None when `timeout` seconds have passed without one.

        Runs handlers and services while it waits. Raises `ConnectionLost` if the connection is lost
        and does not come back by itself.
        """
        return self._bus._next(self._inbox, timeout)

    def close(self) -> None:
        """Get no more signals."""
        self._bus._unsubscribe(self._inbox)

    def __iter__(self) -> Iterator[Signal]:
        return self

    def __next__(self) -> Signal:
        signal = self.receive()
        if signal is None:
            raise StopIteration
        return signal

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()


class Bus(Connection):
    """A connection to the bus. For the thread and the process that made it."""

    # --- signals ----------------------------------------------------------------------------------

    def publish(
        self,
        topic: str,
        body: object = None,
        *,
        retain: bool = False,
        ephemeral: bool = False,
        confirm: bool = False,
        on_change: bool = False,
    ) -> int | None:
        """Publish a signal; when this returns, the bus will get it even if the program ends at once.

        retain: keep it as the topic's value. ephemeral: keep it for as long as this connection lasts; then it
        is forgotten as by `clear`, and published anew if the connection comes back. on_change: pass it on only
        if that changes the kept value. confirm: wait, and return how many got it, connections and queues. Waits
        while the bus does not read.
        Raises `InvalidName`, `BodyError`, `TooLarge`; a refusal by the bus (a `CallError`) comes out of a
        later `publish`, which then has not sent its own signal, or of `flush` or `close`.
        """
        self._ready()
        pending = self._core.publish(
            topic, body, retain=retain, ephemeral=ephemeral, confirm=confirm, on_change=on_change
        )
        reached: int | None = self._send_frame(pending)
        return reached

    def clear(self, topic: str, *, confirm: bool = False) -> int | None:
        """Forget the topic's retained value, and tell its subscribers. As `publish` otherwise."""
        self._ready()
        reached: int | None = self._send_frame(self._core.clear(topic, confirm=confirm))
        return reached

    def subscribe(self, *patterns: str, retained: bool = True) -> Subscription:
        """Get the signals that match one of the patterns, and first, if `retained`, the kept values.

        Raises `InvalidName`, `LimitExceeded`.
        """
        inbox = Inbox(patterns, retained)
        self._subscribe(inbox)
        return Subscription(self, inbox)

    def on(self, pattern: str, handler: Callable[[Signal], object], *, retained: bool = True) -> Subscription:
        """Call `handler(signal)` for each signal that matches, from within `run` or another wait."""
        inbox = Inbox((pattern,), retained, handler)
        self._subscribe(inbox)
        return Subscription(self, inbox)

    def get(self, topic: str) -> Any:
        """The retained value of a topic. If there is none, a service that declares the topic is started first.

        Raises `NoSuchValue`, and `StartFailed` or `DeadlinePassed` if that service does not come.
        """
        return self._drive(self._core.get(topic))

    def set_will(self, topic: str, body: object = None, *, retain: bool = False, clear: bool = False) -> None:
        """Leave a signal that the bus publishes if this connection ends without `close`.

        retain: it becomes the topic's value. clear: the topic's value is forgotten, as by `clear`.
        """
        self._ready()
        self._wait(self._core.set_will(topic, body, retain, clear))

    def clear_will(self) -> None:
        """Take the will back."""
        self._ready()
        self._wait(self._core.clear_will())

    def flush(self) -> None:
        """Wait until the bus has handled all that was sent. Raises the refusal of an earlier signal."""
        self._ready()
        self._wait(self._core.flush())
        self._raise_refusal()

    # --- queues -----------------------------------------------------------------------------------

    def queue(
        self,
        name: str = "",
        *,
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, object] | None = None,
    ) -> Queue:
        """Declare a queue; an equal one may be there already.

        name: "" lets the bus choose one. passive: only see that it is there. durable: it outlives the bus. exclusive:
        for this connection alone, with which it goes. auto_delete: it goes with its last consumer. arguments: AMQP's
        optional ones, such as `x-message-ttl`. When the connection comes back after a loss it is declared again, with
        its bindings and consumers. Raises `PreconditionFailed` if there is another one of that name, `NotFound`,
        `ResourceLocked`, `AccessRefused`, `InvalidName`, `LimitExceeded`.
        """
        from pybus.client.blocking_queues import Queue

        how = {"passive": passive, "durable": durable, "exclusive": exclusive, "auto_delete": auto_delete}
        steps = self._core.queues.declare_queue(name, {**how, "arguments": dict(arguments or {})})
        return Queue(self, self._drive(steps))

    def exchange(
        self,
        name: str,
        type: str = "direct",  # noqa: A002 - AMQP's word
        *,
        passive: bool = False,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Mapping[str, object] | None = None,
    ) -> Exchange:
        """Declare an exchange of type "direct", "fanout", "topic" or "headers"; an equal one may be there already.

        passive: only see that it is there. durable: it outlives the bus. auto_delete: it goes with its last binding.
        internal: messages come to it from other exchanges only. Raises as `queue` does.
        """
        from pybus.client.blocking_queues import Exchange

        how = {"passive": passive, "durable": durable, "auto_delete": auto_delete, "internal": internal}
        steps = self._core.queues.declare_exchange(name, {"type": type, **how, "arguments": dict(arguments or {})})
        self._drive(steps)
        return Exchange(self, name)

    def publish_to(
        self,
        exchange: str,
        key: str,
        body: object = None,
        *,
        persistent: bool = False,
        mandatory: bool = False,
        confirm: bool = False,
        **properties: object,
    ) -> None:
        """Publish a message to an exchange, "" for the default one, where the key is a queue's name.

        persistent: it survives the bus in durable queues. mandatory: it is an error if it reaches no queue. confirm:
        wait until it is safe, or refused. properties: AMQP's, such as headers (a map), correlation_id, reply_to,
        content_type, priority, message_id, timestamp, type; expiration in seconds.
        Raises `InvalidName`, `BodyError`, `TooLarge`, `UsageError`; with confirm `NotFound`, `AccessRefused`, `Nacked`,
        `Unroutable`, `LimitExceeded`, and `ConnectionLost` if it can't be known whether it is safe. Without, a refusal
        comes out of a later `publish` or `publish_to`, which then has not sent its own, or of `flush` or `close`.
        """
        self._ready()
        block = self._block
        pending = self._core.queues.publish(
            exchange,
            key,
            body,
            properties,
            persistent=persistent,
            mandatory=mandatory,
            confirm=confirm or block is not None,
        )
        if pending is not None and block is not None:
            block.add(pending)
        else:
            self._send_frame(pending)

    def request(
        self,
        exchange: str,
        key: str,
        body: object = None,
        *,
        timeout: float = TIMEOUT,
        persistent: bool = False,
        **properties: object,
    ) -> Message:
        """Publish a message to an exchange as `publish_to` does, and return the reply of who takes it (`reply`).

        With "" as the exchange the key is a queue's name, or that of a service, of which the property `type` names the
        method and the body is the arguments: `[[...], {...}]`. timeout: seconds until the reply has to be here; the
        message itself expires with it, unless an `expiration` is given. The reply needs no ack.
        Raises what `publish_to` does with confirm, `Unroutable` if it reaches no queue; `DeadlinePassed` if no reply
        comes in time, the service's error if it is one, and `ConnectionLost` if the connection ends first: then
        somebody may have taken the message or not.
        """
        from pybus.client.blocking_queues import Message

        until = monotonic() + timeout
        reply = self._drive(
            self._core.queues.request(exchange, key, body, properties, persistent=persistent, timeout=timeout)
        )
        try:
            while not reply.done:
                if monotonic() > until or not self._exchange(until):
                    raise no_reply(exchange, key, timeout)
            data = reply.result()
        finally:
            self._core.queues.abandon(reply)
        assert isinstance(data, bytes)
        return Message(self, data, 0)

    def confirming(self) -> Confirming:
        """A block (`with bus.confirming():`) whose messages are confirmed all together at its end.

        That is many times faster than one by one. It raises what is wrong with the first that was not taken.
        """
        from pybus.client.blocking_queues import Confirming

        return Confirming(self)

    # --- calls ------------------------------------------------------------------------------------

    def call(self, name: str, method: str, /, *args: object, **named: object) -> Any:
        """Call a method of a service and return its answer.

        Raises the error that came in its place (`CallError` and its children), `ConnectionLost` if
        the connection ended first: then the method may have run or not.
        """
        return self._call(name, method, args, named, TIMEOUT)

    def cast(self, name: str, method: str, /, *args: object, **named: object) -> None:
        """Call a method and want no answer, not even an error."""
        self._ready()
        self._core.cast(name, method, args, named)
        self._send()

    def register(
        self, name: str, service: object, *, queue: bool = False, replace: bool = False, allow_replacement: bool = False
    ) -> str:
        """Offer an object's public methods (or a mapping of functions) under a name; `run` serves it.

        queue: wait in line if the name is taken, and return "queued". replace: take it from an owner
        who allows that. Returns "owner" otherwise. Raises `NameTaken`, `InvalidName`, `UsageError`.
        """
        steps = self._core.services.register(
            name, service, is_async=False, queue=queue, replace=replace, allow_replacement=allow_replacement
        )
        return self._drive(steps)

    def unregister(self, name: str) -> None:
        """Withdraw a service and give up its name."""
        self._drive(self._core.services.unregister(name))

    # --- the connection ---------------------------------------------------------------------------

    def run(self, timeout: float | None = None) -> None:
        """Run handlers and serve calls, for `timeout` seconds or until interrupted.

        Raises what a handler raises, and `ConnectionLost` if the connection does not come back.
        """
        until = None if timeout is None else monotonic() + timeout
        while self._serve(until):
            if until is not None and monotonic() > until:
                return

    def close(self) -> None:
        """Say goodbye; returns when the bus has handled all that was sent. Once more does nothing.

        Raises the refusal of an earlier signal, and `ConnectionLost` if the bus ended before it can
        have handled the last ones.
        """
        if self._owner.closed:
            return
        self._owner.check()
        self._owner.closed = True
        if self._sock is None:
            self._raise_refusal()
            if self._core.in_doubt:
                raise self._lost()
            return
        self._core.say_goodbye()
        until = monotonic() + GRACE
        try:
            while self._exchange(until):
                pass
        except NotConnected:
            pass  # the end of the connection is what was wanted
        finally:
            self._drop_socket()
        self._raise_refusal()
        if self._core.in_doubt and not self._core.parted:
            raise self._lost()

    def __enter__(self) -> Bus:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except Exception:
            if error is None:
                raise
