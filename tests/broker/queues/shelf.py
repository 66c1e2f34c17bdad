"""A store in memory, and a bus that can be killed and started again with what is on it."""

from __future__ import annotations

from collections.abc import Iterator

from pybus.broker.queues.recovery import restore
from pybus.limits import Limits
from pybus.storage import (
    MAX_POSITION,
    Batch,
    Contents,
    StoredBinding,
    StoredExchange,
    StoredMessage,
    StoredQueue,
    StoreError,
)
from tests.broker.queues.scene import User
from tests.broker.scene import Scene


class Shelf:
    """What is on disk. full: why nothing can be written now, "" if it can; crowded: why no message can."""

    def __init__(self) -> None:
        self.exchanges: dict[str, StoredExchange] = {}
        self.queues: dict[int, StoredQueue] = {}
        self.bindings: dict[StoredBinding, None] = {}
        self.messages: dict[int, StoredMessage] = {}
        self.written = 0
        self.full = self.crowded = ""

    def commit(self, batch: Batch) -> None:
        if self.full or (self.crowded and batch.put):
            raise StoreError(self.full or self.crowded)
        for definition, exists in batch.definitions:
            self._define(definition, exists)
        self.messages.update(batch.put)
        self.written += len(batch.put)
        for place, returns in batch.returned.items():
            self.messages[place] = self.messages[place]._replace(returns=returns)
        for number, marked in batch.marked.items():
            self.queues[number] = self.queues[number]._replace(marked=marked)
        for place in batch.gone:
            self.messages.pop(place, None)

    def commits_rest(self, batch: Batch) -> bool:
        """Write what is no message, as the committer does."""
        if not self.full:
            self.commit(batch.without_puts())
        return not self.full

    def _define(self, definition: StoredExchange | StoredQueue | StoredBinding, exists: bool) -> None:
        if isinstance(definition, StoredBinding):
            self.bindings.pop(definition, None)
            if exists:
                self.bindings[definition] = None
        elif isinstance(definition, StoredExchange):
            self.exchanges.pop(definition.name, None)
            if exists:
                self.exchanges[definition.name] = definition
        else:
            self.queues.pop(definition.number, None)
            if exists:
                self.queues[definition.number] = definition
            else:
                self.messages = {
                    place: one for place, one in self.messages.items() if place // MAX_POSITION != definition.number
                }

    def tidy(self) -> None:
        """There is nothing to do."""

    def read(self, places: list[int]) -> dict[int, bytes]:
        if self.full:
            raise StoreError(self.full)
        return {place: self.messages[place].data for place in places if place in self.messages}

    def contents(self) -> Contents:
        return Contents(list(self.exchanges.values()), list(self.queues.values()), list(self.bindings), self._of)

    def _of(self, queue: int, memory: int) -> Iterator[StoredMessage]:
        for place, one in sorted(self.messages.items()):
            if place // MAX_POSITION == queue and not one.volatile:
                yield one._replace(data=one.data if memory >= 0 else b"")
                memory -= len(one.data)


class Durable(Scene):
    """A bus with a shelf. Nothing is written before `save`."""

    def __init__(self, shelf: Shelf, limits: Limits | None = None, *, now: float = 1000.0) -> None:
        super().__init__(limits, store=shelf)
        self.shelf = shelf
        self.now = now
        self.broker.now = now
        restore(self.broker.queueing, shelf.contents())
        self.broker.queueing.overdue.begin()

    def user(self, program: str) -> User:
        return User(self, program)

    def save(self, times: int = 1) -> None:
        """Write what has gathered, batch by batch."""
        disk = self.broker.queueing.disk
        for _ in range(times):
            batch = disk.take()
            if batch is not None:
                try:
                    self.shelf.commit(batch)
                except StoreError as error:
                    disk.failed(str(error), puts_only=self.shelf.commits_rest(batch))
                else:
                    disk.committed()
            self.finish()

    def die(self) -> Durable:
        """kill -9, and a new start with what is on the shelf."""
        return Durable(self.shelf, self.broker.limits, now=self.now)
