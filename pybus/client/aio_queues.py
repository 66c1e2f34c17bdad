"""Queues in the asyncio face: what `Bus.queue` and `Bus.exchange` return, and what comes out of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pybus.client.messages import Delivered, Tray
from pybus.client.replies import reply_properties

if TYPE_CHECKING:
    from pybus.client.aio import Bus
    from pybus.client.declared import Declared


class Message(Delivered):
    """A message from a queue, see `Delivered`. With `async with` it is acked, or given back on an error."""

    __slots__ = ("_bus",)

    def __init__(self, bus: Bus, data: bytes, tag: int) -> None:
        super().__init__(data, tag, bus._core.queues.stream)
        self._bus = bus

    async def ack(self) -> bool:
        """It is done. False if the bus does not wait for that any more, as the connection was lost since.

        Cancel-safe: the ack is written all the same.
        """
        done = self._bus._core.queues.ack(self)
        await self._bus._written()
        return done

    async def nack(self, *, requeue: bool = True) -> bool:
        """It is not done: it goes back to its place in the queue, or with requeue=False to the dead letters.

        Cancel-safe as `ack` is.
        """
        done = self._bus._core.queues.nack(self, requeue=requeue)
        await self._bus._written()
        return done

    async def reject(self) -> bool:
        """It can't be done by anybody: `nack(requeue=False)`."""
        return await self.nack(requeue=False)

    async def reply(self, body: object = None, **how: Any) -> None:
        """Answer who sent it by `request`, or with a `reply_to`. how: as for `Bus.publish_to`.

        That settles nothing: `ack` it as well. Raises `UsageError` if nobody asked for a reply.
        """
        queue, properties = reply_properties(self, how)
        await self._bus.publish_to("", queue, body, **properties)

    async def __aenter__(self) -> Message:
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            await self.ack()
        else:
            await self.nack()


class Consumer:
    """The messages of a queue, in the order of their coming; iterate with `async for`. tag: its name."""

    def __init__(self, bus: Bus, tray: Tray, no_ack: bool) -> None:
        self._bus = bus
        self._tray = tray
        self._no_ack = no_ack
        self._arrived = asyncio.Event()
        tray.wake = partial(bus._turn.wake, self._arrived)

    @property
    def tag(self) -> str:
        return self._tray.tag

    async def receive(self, timeout: float | None = None) -> Message | None:
        """The next message, or None when `timeout` seconds have passed without one, or the consumer is closed.

        Cancel-safe: no message is lost. Raises `ConsumerCancelled` when the queue was deleted, and `ConnectionLost`
        if the connection is lost and does not come back by itself.
        """
        tray = self._tray
        self._bus._owner.check()
        try:
            async with asyncio.timeout(timeout):
                while not tray.messages:
                    if tray.failure is not None:
                        raise tray.failure
                    if tray.closed:
                        return None
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            return None
        message = tray.messages.popleft()
        assert isinstance(message, Message)
        if self._no_ack:
            self._bus._core.queues.ack(message)
            self._bus._schedule_write()
        return message

    async def close(self) -> None:
        """Get no more messages. Those that were not taken yet go back to the queue.

        Cancel-safe: the consumer ends all the same.
        """
        if not self._tray.closed and not self._bus._owner.closed:
            await self._bus._drive(self._bus._core.queues.cancel(self._tray))

    def __aiter__(self) -> Consumer:
        return self

    async def __anext__(self) -> Message:
        message = await self.receive()
        if message is None:
            raise StopAsyncIteration
        return message

    async def __aenter__(self) -> Consumer:
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        await self.close()


class Queue:
    """A queue that this program has declared. name: the bus's choice, if none was given.

    If a method is cancelled whose docstring does not say otherwise, the bus may have carried it out or not.
    """

    def __init__(self, bus: Bus, declared: Declared) -> None:
        self._bus = bus
        self._declared = declared

    @property
    def name(self) -> str:
        return self._declared.name

    async def bind(self, exchange: str, key: str = "", arguments: Mapping[str, object] | None = None) -> None:
        """Let messages that come to the exchange and match get into the queue; on "amq.topic" signals come along.

        key: what the routing key has to be, or its pattern. arguments: the headers, for an exchange of that type.
        Raises `NotFound`, `AccessRefused`.
        """
        await self._bus._drive(self._bus._core.queues.bind(self._declared, exchange, key, arguments or {}))

    async def unbind(self, exchange: str, key: str = "", arguments: Mapping[str, object] | None = None) -> None:
        """Undo a binding."""
        await self._bus._drive(self._bus._core.queues.unbind(self._declared, exchange, key, arguments or {}))

    async def publish(self, body: object = None, **how: Any) -> None:
        """Publish a message to this queue alone. how: as for `Bus.publish_to`."""
        await self._bus.publish_to("", self.name, body, **how)

    async def request(self, body: object = None, **how: Any) -> Message:
        """Publish a message to this queue, and return the reply of who takes it. how: as for `Bus.request`."""
        return await self._bus.request("", self.name, body, **how)

    async def consume(
        self, *, prefetch: int = 10, tag: str = "", exclusive: bool = False, priority: int = 0, no_ack: bool = False
    ) -> Consumer:
        """Get the queue's messages; other consumers get theirs in turn.

        prefetch: how many may be on their way or in hand without being acked; 0 for any number. exclusive: be the
        only one. priority: a higher one is served first. no_ack: each is acked by being taken.
        Raises `AccessRefused` if the queue is in exclusive use, `ResourceLocked`, `LimitExceeded`.
        Cancel-safe: cancelled, there is no consumer, and no message is lost.
        """
        bus = self._bus
        tray = Tray(tag, partial(Message, bus))
        consumer = Consumer(bus, tray, no_ack)
        arguments = {"x-priority": priority} if priority else {}
        how: dict[str, object] = {"prefetch": prefetch, "exclusive": exclusive, "arguments": arguments}
        await bus._drive(bus._core.queues.consume(self._declared, tray, how))
        return consumer

    async def get(self, *, no_ack: bool = False) -> Message | None:
        """The next message, or None if none waits. no_ack: it need not be acked.

        Cancel-safe: a message that comes when nobody waits for it goes back to its place.
        """
        found = await self._bus._drive(self._bus._core.queues.get(self._declared, no_ack))
        return None if found is None else Message(self._bus, *found)

    async def purge(self) -> int:
        """Throw away what waits; how many messages that was."""
        count: int = await self._ask("purge_queue")
        return count

    async def delete(self, *, if_unused: bool = False, if_empty: bool = False) -> int:
        """Delete the queue; how many messages waited. Raises `PreconditionFailed` if it is in use or not empty.

        Cancelled, it is deleted all the same if it may be, and not declared again when a lost connection comes back.
        """
        return await self._bus._drive(self._bus._core.queues.delete_queue(self._declared, if_unused, if_empty))

    async def status(self) -> dict[str, Any]:
        """How it was declared, what waits in it, who consumes it, and its counters; see the bus's method `queue`."""
        found: dict[str, Any] = await self._ask("queue")
        return found

    async def _ask(self, method: str) -> Any:
        await self._bus._ready()
        return await self._bus._wait(self._bus._core.call_bus(method, self.name))


class Exchange:
    """An exchange that this program has declared."""

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self.name = name

    async def publish(self, key: str = "", body: object = None, **how: Any) -> None:
        """Publish a message to this exchange. how: as for `Bus.publish_to`."""
        await self._bus.publish_to(self.name, key, body, **how)

    async def request(self, key: str = "", body: object = None, **how: Any) -> Message:
        """Publish a message to this exchange, and return the first reply to it. how: as for `Bus.request`."""
        return await self._bus.request(self.name, key, body, **how)

    async def bind(self, source: str, key: str = "", arguments: Mapping[str, object] | None = None) -> None:
        """Let messages that come to another exchange and match come to this one. Raises `NotFound`."""
        await self._ask("bind_exchange", source, key, arguments)

    async def unbind(self, source: str, key: str = "", arguments: Mapping[str, object] | None = None) -> None:
        """Undo such a binding."""
        await self._ask("unbind_exchange", source, key, arguments)

    async def delete(self, *, if_unused: bool = False) -> None:
        """Delete the exchange. Raises `PreconditionFailed` if it is in use, `AccessRefused`."""
        await self._bus._drive(self._bus._core.queues.delete_exchange(self.name, if_unused))

    async def _ask(self, method: str, *args: object) -> None:
        await self._bus._ready()
        await self._bus._wait(self._bus._core.call_bus(method, self.name, *args))
