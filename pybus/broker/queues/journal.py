"""What has to be durable, on its way to the disk.

The journal gathers records in a batch. The shell takes the batch (`take`), has it committed, and says so
(`committed`); meanwhile the next one gathers. So everything that came in one turn of the loop, or while the disk
was busy, is one transaction. What was put and is gone within one batch is never written. What could not be written
(`failed`) is a part of the next batch.

Marks of redelivery are written ahead. A message that is delivered while it is not written yet says so in its own
row. For others the queue notes up to which position messages may have been delivered, and a message beyond that
waits for the next commit; how far ahead the mark is set doubles as long as the queue is being read. While nothing can
be written nobody waits for a mark: after a crash such messages are not marked.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pybus.errors import StoreFailed
from pybus.protocol.codec import pack
from pybus.storage import (
    MAX_POSITION,
    Batch,
    Definition,
    StoredBinding,
    StoredExchange,
    StoredMessage,
    StoredQueue,
    StoreError,
    place_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pybus.broker.exchanges.exchange import Binding, Exchange
    from pybus.broker.queues.message import Message
    from pybus.broker.queues.queue import Queue
    from pybus.storage import Store

_FARTHEST = 1024
"""Positions that a mark is set ahead at most: so many messages may be marked as redelivered that were not."""
_stored: Callable[[tuple[object, ...]], StoredMessage] = partial(tuple.__new__, StoredMessage)
"""Makes one of its fields, in order: in a third of the time that it takes by their names."""


class Journal:
    """Records for the store.

    current: the number of the batch that gathers; safe: that of the last one on disk. changes: counts records of
    messages, promises those of which somebody is to be told when they are safe; taken: both when a batch was taken
    last. broken: why nothing can be written; "" if it can.
    """

    def __init__(self, store: Store | None) -> None:
        """store: None keeps nothing."""
        self._store = store
        self._batch = Batch(2)
        self._flying: Batch | None = None
        self._marks: dict[Queue, int] = {}
        self._flying_marks: dict[Queue, int] = {}
        self._stalled: dict[Queue, None] = {}
        self._last_queue = 0
        self.current = 2
        self.safe = 1
        self.changes = self.promises = 0
        self.broken = ""
        self.taken = 0, 0

    @property
    def keeps(self) -> bool:
        """Whether there is a store at all."""
        return self._store is not None

    @property
    def has_news(self) -> bool:
        """Whether there is something to take."""
        return self.taken != (self.changes, self.promises)

    def check(self) -> None:
        """Raises `StoreFailed` if nothing can be made durable now."""
        if self.broken:
            raise StoreFailed(f"the queues can't be written to disk: {self.broken}")

    # --- exchanges, queues, bindings ----------------------------------------------------------------

    def number(self, queue: Queue) -> int:
        """The queue's number on disk."""
        if not queue.number:
            self._last_queue += 1
            queue.number = self._last_queue
        return queue.number

    def restored(self, queue: Queue, stored: StoredQueue) -> None:
        """A queue was found on disk."""
        queue.number = stored.number
        queue.marked = queue.asked = queue.reached = stored.marked
        queue.last = max(queue.last, stored.marked)  # new messages come behind the mark
        self._last_queue = max(self._last_queue, stored.number)

    def start(self, queue: Queue) -> int:
        """The place before a queue's first one."""
        return place_of(queue.number, 0)

    def exchange(self, exchange: Exchange, exists: bool) -> None:
        """An exchange was declared or deleted. Raises `StoreFailed`, if it is durable."""
        properties = exchange.properties
        if self.keeps and exchange.kept:
            arguments = pack(dict(properties.arguments))
            made = StoredExchange(exchange.name, exchange.type, properties.auto_delete, properties.internal, arguments)
            self._define(made, exists)

    def queue(self, queue: Queue, exists: bool) -> None:
        """A queue was declared or deleted. Raises `StoreFailed`, if it is durable.

        With a queue its messages go, so none of them is to be reported any more.
        """
        properties = queue.properties
        if not self.keeps or not (queue.kept or queue.number):
            return
        number = self.number(queue)
        if not exists:
            begin, end = place_of(number, 0), place_of(number + 1, 0)
            for gone in [place for place in self._batch.put if begin <= place < end]:
                del self._batch.put[gone]
            self._marks.pop(queue, None)
            self._stalled.pop(queue, None)
        arguments = pack(dict(properties.arguments))
        self._define(StoredQueue(number, queue.name, properties.auto_delete, arguments), exists)

    def binding(self, binding: Binding, to_exchange: bool, exists: bool) -> None:
        """A binding was made or undone. Raises `StoreFailed`, if both its ends are durable."""
        destination = binding.destination
        if self.keeps and binding.source.kept and destination.kept:
            arguments = pack(dict(binding.arguments))
            made = StoredBinding(binding.source.name, destination.name, to_exchange, binding.key, arguments)
            self._define(made, exists)

    def _define(self, definition: Definition, exists: bool) -> None:
        if exists:
            self.check()
        self._batch.definitions.append((definition, exists))
        self.promises += 1

    # --- messages ---------------------------------------------------------------------------------

    def put(self, queue: Queue, messages: Sequence[Message], *, volatile: bool = False) -> None:
        """Messages came into a queue. volatile: they go to disk for want of memory only."""
        self.number(queue)
        start = self.start(queue)
        put, current = self._batch.put, self.current
        for message in messages:
            place = start + message.position
            returns, priority, since, due = message.returns, message.priority, message.since, message.due
            put[place] = _stored((place, returns, priority, since, due, message.size, volatile, message.data))
            message.batch = current
        self.changes += len(messages)

    def gone(self, queue: Queue, message: Message) -> None:
        """A message that was put has left its queue for good."""
        place = place_of(queue.number, message.position)
        if self._batch.put.pop(place, None) is None:
            self._batch.gone.append(place)
            self._batch.returned.pop(place, None)
        self.changes += 1

    def returned(self, queue: Queue, message: Message) -> None:
        """A message that was put came back from a consumer. How often counts on disk only if it may be too often."""
        if queue.policy.delivery_limit is None:
            return
        place = place_of(queue.number, message.position)
        row = self._batch.put.get(place)
        self.changes += 1
        if row is None:
            self._batch.returned[place] = message.returns
        else:
            self._batch.put[place] = row._replace(returns=message.returns)

    def may_deliver(self, queue: Queue, message: Message, room: int = 1) -> bool:
        """Whether a message may be delivered now; else its mark is not on disk yet, and the queue waits for that.

        room: how many messages, this one among them, can be delivered at once.
        """
        if not message.batch or message.returns:
            return True
        position = message.position
        if message.batch == self.current:
            place = place_of(queue.number, position)
            row = self._batch.put[place]
            self._batch.put[place] = _stored((place, 1, *row[2:]))
            return True
        if position <= queue.marked:
            queue.reached = max(queue.reached, position)
            if position + queue.ahead // 2 > queue.asked:
                self._mark(queue, position, room)
            return True
        if position > queue.asked:
            self._mark(queue, position, room)
        if self.broken:  # the mark follows when it can; to deliver is what makes room
            queue.reached = max(queue.reached, position)
            return True
        self._stalled[queue] = None
        return False

    def _mark(self, queue: Queue, position: int, room: int) -> None:
        asked = min(position + max(queue.ahead, min(room, _FARTHEST)) - 1, queue.last)
        if asked > queue.asked:
            queue.asked = self._marks[queue] = asked
            queue.ahead = min(2 * queue.ahead, _FARTHEST)
            self.changes += 1

    def end(self, queues: Iterable[Queue]) -> None:
        """The bus ends as planned: say of these queues exactly what was delivered."""
        for queue in queues:
            if queue.kept and queue.asked > queue.reached:
                queue.asked = self._marks[queue] = queue.reached
                self.changes += 1

    def read(self, queue: Queue, positions: list[int]) -> dict[int, bytes]:
        """Frames of messages whose batch is safe, by position. Raises `StoreFailed`."""
        assert self._store is not None
        start = self.start(queue)
        try:
            found = self._store.read([start + position for position in positions])
        except StoreError as error:
            raise StoreFailed(f"the queues can't be read from disk: {error}") from None
        return {place - start: data for place, data in found.items()}

    # --- to the disk ------------------------------------------------------------------------------

    def take(self) -> Batch | None:
        """The batch to commit next, which may be empty; None if nothing was recorded, or one is on its way."""
        if self._flying is not None or not self.has_news:
            return None
        self.taken = self.changes, self.promises
        for queue, position in self._marks.items():
            self._batch.marked[queue.number] = position
        self._flying, self._flying_marks = self._batch, self._marks
        self.current += 1
        self._batch, self._marks = Batch(self.current), {}
        return self._flying

    def committed(self) -> list[Queue]:
        """The batch that was taken is on disk. Returns the queues that waited for a mark."""
        assert self._flying is not None
        self.safe = self._flying.number
        self.broken = ""
        self._marked()
        self._flying = None
        return self._take_stalled()

    def failed(self, reason: str, *, puts_only: bool) -> list[Queue]:
        """The batch that was taken is not on disk; what that was becomes a part of the one that gathers.

        puts_only: all but its messages is on disk. Returns the queues that waited for a mark.
        """
        assert self._flying is not None
        old, new = self._flying, self._batch
        self.broken = reason
        if puts_only:
            self._marked()
        else:
            new.definitions[:0] = old.definitions
            new.returned = {**old.returned, **new.returned}
            new.gone[:0] = old.gone
            marks = {queue: position for queue, position in self._flying_marks.items() if not queue.deleted}
            self._marks = {**marks, **self._marks}
        unwanted = set(new.gone)
        deleted = {one.number for one, exists in new.definitions if isinstance(one, StoredQueue) and not exists}
        puts = {
            place: row
            for place, row in old.put.items()
            if place not in unwanted and place // MAX_POSITION not in deleted
        }
        new.put = {**puts, **new.put}
        self.changes += 1
        self._flying = None
        return self._take_stalled()

    def _marked(self) -> None:
        for queue, position in self._flying_marks.items():
            queue.marked = max(queue.marked, position)

    def _take_stalled(self) -> list[Queue]:
        stalled, self._stalled = list(self._stalled), {}
        return stalled
