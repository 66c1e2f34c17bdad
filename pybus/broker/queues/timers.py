"""When something happens in a queue by itself: a message expires, or has paused long enough, or the queue expires.

Time is the bus's own, which stands still while the machine sleeps: what was young enough when the lid closed still is
when it opens, and its consumer, which slept as well, gets it. While the bus is not running time goes on.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pybus.broker.queues.queue import Queue


_SLACK = 100
Entry = tuple[float, int, "Queue"]


class Timers:
    """A heap of (time, order, queue), monotonic seconds. A queue is looked at no later than it has to be.

    Too early a look costs little, so an entry stays when its queue does not need it any more; those that nobody needs
    are cleared away once they may be as many as the others.
    """

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._order = 0
        self._most = _SLACK

    def __len__(self) -> int:
        return len(self._heap)

    def note(self, queue: Queue) -> None:
        """Something about the queue has changed: see that it is looked at in time."""
        when = queue.next_due()
        if when is not None and (queue.due is None or when < queue.due):
            queue.due = when
            self._order += 1
            heapq.heappush(self._heap, (when, self._order, queue))
            if len(self._heap) > self._most:
                self._heap = [entry for entry in self._heap if _is_live(entry)]
                heapq.heapify(self._heap)
                self._most = 2 * len(self._heap) + _SLACK

    def next_due(self) -> float | None:
        """When the next look is due."""
        heap = self._heap
        while heap and not _is_live(heap[0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def take_due(self, now: float) -> list[Queue]:
        """The queues to look at now. They are to be noted again after that."""
        found = []
        while (when := self.next_due()) is not None and when <= now:
            _, _, queue = heapq.heappop(self._heap)
            queue.due = None
            found.append(queue)
        return found


def _is_live(entry: Entry) -> bool:
    when, _, queue = entry
    return not queue.deleted and queue.due == when
