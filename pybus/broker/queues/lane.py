"""Messages in line: in the order of their coming, even those that a consumer gave back."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pybus.broker.queues.message import Message


class Lane:
    """Messages of one priority. New ones come with growing positions; returned ones go to their old place."""

    __slots__ = ("_fresh", "_returned")

    def __init__(self) -> None:
        self._fresh: deque[Message] = deque()
        self._returned: list[Message] = []

    def __len__(self) -> int:
        return len(self._fresh) + len(self._returned)

    def __iter__(self) -> Iterator[Message]:
        """All, first in line first."""
        return heapq.merge(sorted(self._returned), self._fresh)

    def put(self, messages: Iterable[Message]) -> None:
        """New messages go to the end."""
        self._fresh.extend(messages)

    def put_back(self, message: Message) -> None:
        """A message goes back to its place."""
        heapq.heappush(self._returned, message)

    def head(self) -> Message | None:
        """The first in line."""
        if self._returned and (not self._fresh or self._returned[0] < self._fresh[0]):
            return self._returned[0]
        return self._fresh[0] if self._fresh else None

    def take(self) -> Message:
        """Take out the first in line; there must be one."""
        if self._returned and (not self._fresh or self._returned[0] < self._fresh[0]):
            return heapq.heappop(self._returned)
        return self._fresh.popleft()

    def drain(self) -> Iterator[Message]:
        """Take out all, in no order."""
        while self._fresh:
            yield self._fresh.popleft()
        while self._returned:
            yield self._returned.pop()
