"""The asyncio face: the methods of the blocking one, awaited.

One connection belongs to one event loop. Reading goes on by itself; handlers and plain methods of
services run in the loop, async ones as tasks. Signals are written once a turn of the loop, many in
one write. Cancelling any method leaves the connection whole: a cancelled call's answer is dropped
when it comes, a cancelled `publish` has either been queued as a whole or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping
from functools import partial
from types import TracebackType
from typing import Any

from pybus.address import bus_path
from pybus.client.aio_connection import HIGH, Connection
from pybus.client.aio_queues import Exchange, Message, Queue
from pybus.client.face import TIMEOUT, no_reply
from pybus.client.inbox import Inbox, Signal
from pybus.client.transport import GRACE
from pybus.errors import ConnectionLost


class Connecting:
    """What `connect` returns: await it, or enter it with `async with`."""

    def __init__(self, path: str, program: str | None, reconnect: bool) -> None:
        self._arguments = path, program, reconnect
        self._bus: Bus | None = None

    def __await__(self) -> Generator[Any, None, Bus]:
        return self._open().__await__()

    async def __aenter__(self) -> Bus:
        self._bus = await self._open()
        return self._bus

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._bus is not None
        try:
            await self._bus.close()
        except Exception:
            if error is None:
                raise

    async def _open(self) -> Bus:
        bus = Bus(*self._arguments)
        await bus._connect()
        return bus


def connect(address: str | None = None, *, program: str | None = None, reconnect: bool = True) -> Connecting:
    """Connect to the bus: `async with connect() as bus` or `bus = await connect()`.

    address: `unix:/path`, or None for the usual place. program: a name to be seen under, before
    the one that the kernel knows. reconnect: whether to come back by itself when the connection is lost.
    Raises `NoBus`, `AddressError`, `ConnectionRefused`.
    """
    return Connecting(bus_path(address), program, reconnect)


class Subscription:
    """Signals that match some patterns, in the order of their coming; iterate with `async for`.

    It is in place for all that this program sends after it; `await` it to know that the bus has it,
    or what the bus has against it. missed: how many signals of which topics did not get here,
    because they were not taken in time.
    """

    def __init__(self, bus: Bus, inbox: Inbox, confirmed: asyncio.Future[object]) -> None:
        self._bus = bus
        self._inbox = inbox
        self._confirmed = confirmed
        self._arrived = asyncio.Event()
        if inbox.handler is None:
            inbox.wake = partial(bus._turn.wake, self._arrived)

    @property
    def missed(self) -> dict[str, int]:
        return self._inbox.missed

    async def receive(self, timeout: float | None = None) -> Signal | None:
        """The next signal, or None when `timeout` seconds have passed or the subscription is closed.

        Cancel-safe: no signal is lost. Raises `LimitExceeded` if the bus refused the subscription,
        `ConnectionLost` if the connection is lost and does not come back by itself.
        """
        try:
            async with asyncio.timeout(timeout):
                await self
                while not len(self._inbox):
                    if self._inbox.closed:
                        return None
                    self._bus._check_alive()
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            return None
        return self._inbox.take()

    async def close(self) -> None:
        """Get no more signals."""
        await self._bus._unsubscribe(self._inbox)

    def __await__(self) -> Generator[Any, None, Subscription]:
        if not self._confirmed.done():
            yield from asyncio.wait([self._confirmed]).__await__()
        error = self._confirmed.exception()
        # A connection lost before the answer came is replaced, and the subscription made again with it.
        if error is not None and not (isinstance(error, ConnectionLost) and self._bus._comes_back):
            raise error
        return self

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Signal:
        if len(self._inbox):
            return self._inbox.take()
        signal = await self.receive()
        if signal is None:
            raise StopAsyncIteration
        return signal

    async def __aenter__(self) -> Subscription:
        return await self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        await self.close()


class Bus(Connection):
    """A connection to the bus. For the thread and the event loop that made it."""

    # --- signals ----------------------------------------------------------------------------------

    async def publish(
        self,
        topic: str,
        body: object = None,
        *,
        retain: bool = False,
        ephemeral: bool = False,
        confirm: bool = False,
        on_change: bool = False,
    ) -> int | None:
        """Publish a signal. It is written in this turn of the loop; `flush` or `close` see it through.

        retain: keep it as the topic's value. ephemeral: keep it for as long as this connection lasts; then it
        is forgotten as by `clear`, and published anew if the connection comes back. on_change: pass it on only
        if that changes the kept value. confirm: wait, and return how many got it, connections and queues. Waits
        while the bus does not read.
        Raises `InvalidName`, `BodyError`, `TooLarge`; a refusal by the bus (a `CallError`) comes out of a
        later `publish`, which then has not sent its own signal, or of `flush` or `close`.
        """
        core = self._core  # once, as a compiled object takes longer to tell
        if core.welcome is None or core.output.waiting > HIGH:
            await self._ready()
        self._owner.check()
        if not (retain or ephemeral or confirm or on_change):  # the hot path: no coroutine beside this one
            core.news(topic, body)
            if not self._write_scheduled:
                self._schedule_write()
            return None
        pending = core.publish(topic, body, retain=retain, ephemeral=ephemeral, confirm=confirm, on_change=on_change)
        self._schedule_write()
        return None if pending is None else await self._receivers(pending)

    async def clear(self, topic: str, *, confirm: bool = False) -> int | None:
        """Forget the topic's retained value, and tell its subscribers. As `publish` otherwise."""
        await self._ready()
        pending = self._core.clear(topic, confirm=confirm)
        self._schedule_write()
        return None if pending is None else await self._receivers(pending)

    def subscribe(self, *patterns: str, retained: bool = True) -> Subscription:
        """Get the signals that match one of the patterns, and first, if `retained`, the kept values.

        Not a coroutine, so that one can write `async for signal in bus.subscribe(...)`. Raises
        `InvalidName` at once; a refusal comes out of the subscription.
        """
        inbox = Inbox(patterns, retained)
        return Subscription(self, inbox, self._subscribe(inbox))

    def on(
        self, pattern: str, handler: Callable[[Signal], Awaitable[None] | object], *, retained: bool = True
    ) -> Subscription:
        """Call `handler(signal)` for each signal that matches. An async one is awaited before the next."""
        inbox = Inbox((pattern,), retained, handler)
        return Subscription(self, inbox, self._subscribe(inbox))

    async def get(self, topic: str) -> Any:
        """The retained value of a topic. If there is none, a service that declares the topic is started first.

        Raises `NoSuchValue`, and `StartFailed` or `DeadlinePassed` if that service does not come.
        """
        return await self._drive(self._core.get(topic))

    async def set_will(self, topic: str, body: object = None, *, retain: bool = False, clear: bool = False) -> None:
        """Leave a signal that the bus publishes if this connection ends without `close`.

        retain: it becomes the topic's value. clear: the topic's value is forgotten, as by `clear`.
        """
        await self._ready()
        await self._wait(self._core.set_will(topic, body, retain, clear))

    async def clear_will(self) -> None:
        """Take the will back."""
        await self._ready()
        await self._wait(self._core.clear_will())

    async def flush(self) -> None:
        """Wait until the bus has handled all that was sent. Raises the refusal of an earlier signal."""
        await self._ready()
        await self._wait(self._core.flush())
        self._raise_refusal()

    # --- queues -----------------------------------------------------------------------------------

    async def queue(
        self,
        name: str = "",
        *,
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, object] | None = None,
    ) -> Queue:
        """Declare a queue; an equal one may be there already. As the blocking face's `queue`."""
        how = {"passive": passive, "durable": durable, "exclusive": exclusive, "auto_delete": auto_delete}
        steps = self._core.queues.declare_queue(name, {**how, "arguments": dict(arguments or {})})
        return Queue(self, await self._drive(steps))

    async def exchange(
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
        """Declare an exchange; an equal one may be there already. As the blocking face's `exchange`."""
        how = {"passive": passive, "durable": durable, "auto_delete": auto_delete, "internal": internal}
        steps = self._core.queues.declare_exchange(name, {"type": type, **how, "arguments": dict(arguments or {})})
        await self._drive(steps)
        return Exchange(self, name)

    async def publish_to(
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

        As the blocking face's `publish_to`. Many at once are confirmed at once: `asyncio.gather` them. Cancelled
        while it waits for its confirm, the message has been published all the same.
        """
        if self._core.welcome is None or self._core.output.waiting > HIGH:
            await self._ready()
        self._owner.check()
        pending = self._core.queues.publish(
            exchange, key, body, properties, persistent=persistent, mandatory=mandatory, confirm=confirm
        )
        if pending is None:
            self._schedule_write()
        else:
            await self._wait(pending)

    async def request(
        self,
        exchange: str,
        key: str,
        body: object = None,
        *,
        timeout: float = TIMEOUT,
        persistent: bool = False,
        **properties: object,
    ) -> Message:
        """Publish a message to an exchange, and return the reply of who takes it, which needs no ack.

        As the blocking face's `request`. Cancel-safe: the reply is dropped when it comes.
        """
        try:
            async with asyncio.timeout(timeout):
                steps = self._core.queues.request(
                    exchange, key, body, properties, persistent=persistent, timeout=timeout
                )
                reply = await self._drive(steps)
                try:
                    data = await self._future(reply, timeout)
                finally:
                    self._core.queues.abandon(reply)
        except TimeoutError:
            raise no_reply(exchange, key, timeout) from None
        assert isinstance(data, bytes)
        return Message(self, data, 0)

    # --- calls ------------------------------------------------------------------------------------

    async def call(self, name: str, method: str, /, *args: object, **named: object) -> Any:
        """Call a method of a service and return its answer.

        Raises the error that came in its place (`CallError` and its children), `ConnectionLost` if
        the connection ended first: then the method may have run or not.
        """
        return await self._call(name, method, args, named, TIMEOUT)

    async def cast(self, name: str, method: str, /, *args: object, **named: object) -> None:
        """Call a method and want no answer, not even an error."""
        await self._ready()
        self._core.cast(name, method, args, named)
        self._schedule_write()

    async def register(
        self, name: str, service: object, *, queue: bool = False, replace: bool = False, allow_replacement: bool = False
    ) -> str:
        """Offer an object's public methods (or a mapping of functions), plain or async, under a name.

        queue: wait in line if the name is taken, and return "queued". replace: take it from an owner
        who allows that. Returns "owner" otherwise. Raises `NameTaken`, `InvalidName`, `UsageError`.
        """
        steps = self._core.services.register(
            name, service, is_async=True, queue=queue, replace=replace, allow_replacement=allow_replacement
        )
        return await self._drive(steps)

    async def unregister(self, name: str) -> None:
        """Withdraw a service and give up its name."""
        await self._drive(self._core.services.unregister(name))

    # --- the connection ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Wait until the connection is closed, while handlers and services do their work.

        Raises `ConnectionLost` if it is lost and does not come back by itself.
        """
        self._owner.check()
        await self._ended.wait()
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Say goodbye; returns when the bus has handled all that was sent. Once more does nothing.

        Raises the refusal of an earlier signal, and `ConnectionLost` if the bus ended before it can
        have handled the last ones.
        """
        if self._owner.closed:
            return
        self._owner.check()
        self._owner.closed = True
        self._closing = asyncio.current_task()  # which may be a handler's, and must not end with the others
        try:
            if self._core.welcome is not None:
                self._core.say_goodbye()
                self._schedule_write()
                async with asyncio.timeout(GRACE):
                    await self._ended.wait()
        except TimeoutError:
            pass  # a bus that does not answer: what follows says so
        finally:
            self._drop_socket()
            self._finish(None)
        self._raise_refusal()
        if self._core.in_doubt and not self._core.parted:
            raise self._lost()
