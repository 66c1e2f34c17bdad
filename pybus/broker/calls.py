"""Open calls: each is answered exactly once, by its callee or by the bus.

A call is kept where it is looked for: by its serial with its caller, by (caller, serial) with its
callee, if it has one yet. Deadlines are a heap; entries of answered calls stay in it until they come
to the top, or until they are the greater part, when it is made anew.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pybus.broker.peer import Peer


class Call:
    """One open call. Times are monotonic seconds.

    callee: None while it waits for its service to start. key: name, blank and method. since: when it
    came. held: the service that it waits for, and its place among the calls that do; None if it never had
    to. open: False once it is answered.
    """

    __slots__ = ("callee", "caller", "deadline", "held", "key", "open", "serial", "since")

    def __init__(self, caller: Peer, serial: int, key: bytes, since: float, deadline: float) -> None:
        self.caller = caller
        self.callee: Peer | None = None
        self.serial = serial
        self.key = key
        self.since = since
        self.deadline = deadline
        self.held: tuple[str, int] | None = None
        self.open = True

    def __lt__(self, other: Call) -> bool:
        return self.deadline < other.deadline


class OpenCalls:
    """All open calls of the bus."""

    def __init__(self) -> None:
        self._heap: list[Call] = []
        self._closed = 0

    def __len__(self) -> int:
        return len(self._heap) - self._closed

    def open(self, caller: Peer, serial: int, key: bytes, since: float, deadline: float) -> Call:
        """Note a call that wants an answer."""
        call = Call(caller, serial, key, since, deadline)
        caller.calls[serial] = call
        heapq.heappush(self._heap, call)
        return call

    def deliver(self, call: Call, callee: Peer) -> None:
        """Note who has to answer it."""
        call.callee = callee
        callee.serving[call.caller.number, call.serial] = call

    def close(self, call: Call) -> None:
        """Forget a call, which is open: it has been answered, or nobody is left to hear the answer."""
        del call.caller.calls[call.serial]
        if call.callee is not None:
            del call.callee.serving[call.caller.number, call.serial]
        call.open = False
        self._closed += 1
        if self._closed > 64 and self._closed * 2 > len(self._heap):
            self._heap = [kept for kept in self._heap if kept.open]
            heapq.heapify(self._heap)
            self._closed = 0

    def next_deadline(self) -> float | None:
        """When the next open call runs out of time; None if none is open."""
        while self._heap:
            first = self._heap[0]
            if first.open:
                return first.deadline
            heapq.heappop(self._heap)
            self._closed -= 1
        return None

    def expired(self, now: float) -> list[Call]:
        """Close the calls whose time has passed, and return them."""
        late = []
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            call = self._heap[0]
            late.append(call)
            self.close(call)
        return late
