"""Calls that wait for a service to start, in their order; a `get` among them waits for its topic's value as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from pybus.errors import BusError, LimitExceeded, ReceiverFull

if TYPE_CHECKING:
    from pybus.broker.calls import Call
    from pybus.broker.peer import Peer
    from pybus.limits import Limits


class Held(NamedTuple):
    """A call that waits for its service to start. call: None if it wants no answer.

    topic: "" unless it is a `get`, which the bus answers itself. tried: the services that it waits for or has
    waited for. failure: why the first of them that failed did.
    """

    caller: Peer
    call: Call | None
    data: bytes
    topic: str = ""
    tried: tuple[str, ...] = ()
    failure: BusError | None = None


class _Queue:
    """The calls that wait for one service. bytes: their size."""

    __slots__ = ("bytes", "calls")

    def __init__(self) -> None:
        self.calls: dict[int, Held] = {}
        self.bytes = 0


class HeldCalls:
    """The calls that wait, by the name of the service.

    asked: the topics of those that are a `get`, with the place of each and its service.
    """

    def __init__(self) -> None:
        self.asked: dict[str, dict[int, str]] = {}
        self._queues: dict[str, _Queue] = {}
        self._last = 0

    def is_awaited(self, name: str) -> bool:
        """Whether calls wait for that service."""
        return name in self._queues

    def check(self, name: str, caller: Peer, limits: Limits) -> None:
        """See whether one more may wait. Raises `ReceiverFull`, `LimitExceeded`."""
        queue = self._queues.get(name)
        if queue is not None and (len(queue.calls) >= limits.serving or queue.bytes >= limits.outbox):
            raise ReceiverFull(f"{len(queue.calls)} calls wait for {name} to start, its limit")
        if caller.held >= limits.held:
            raise LimitExceeded(f"{caller.held} of your calls wait for services to start, the limit")

    def add(self, name: str, one: Held) -> None:
        """Let a call wait."""
        self._last += 1
        if one.call is not None:
            one.call.held = name, self._last
        queue = self._queues.setdefault(name, _Queue())
        queue.calls[self._last] = one
        queue.bytes += len(one.data)
        one.caller.held += 1
        if one.topic:
            self.asked.setdefault(one.topic, {})[self._last] = name

    def take(self, name: str) -> Iterator[Held]:
        """Take out, one by one, the calls that wait for a service now."""
        queue = self._queues.get(name)
        for place in list(queue.calls) if queue is not None else ():
            yield self._remove(name, place)

    def take_asking(self, topic: str, service: str | None = None) -> Iterator[Held]:
        """Take out, one by one, those that ask for a topic now. service: only those that wait for this one."""
        for place, name in list(self.asked.get(topic, {}).items()):
            if service in (None, name):
                yield self._remove(name, place)

    def forget(self, call: Call) -> None:
        """A call that may wait is answered, or nobody waits for its answer any more."""
        if call.callee is None and call.held is not None:
            self._remove(*call.held)

    def _remove(self, name: str, place: int) -> Held:
        queue = self._queues[name]
        one = queue.calls.pop(place)
        queue.bytes -= len(one.data)
        one.caller.held -= 1
        if not queue.calls:
            del self._queues[name]
        if one.topic:
            places = self.asked[one.topic]
            del places[place]
            if not places:
                del self.asked[one.topic]
        return one
