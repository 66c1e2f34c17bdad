"""Moving messages from queue to queue: above all dead letters back to where they died."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybus.broker.queues import replies
from pybus.broker.queues.message import Content, Message, expiration, parse
from pybus.broker.queues.works import SLICE, SLICE_BYTES, Pace, Work
from pybus.errors import BusError

if TYPE_CHECKING:
    from pybus.broker.queues.queue import Queue
    from pybus.broker.queues.queueing import Queueing


def move(queueing: Queueing, source: Queue, destination: Queue | None, most: int) -> Work:
    """Move messages from the head of a queue to the end of another one; the work's result is how many were moved.

    destination: None for the queue in which each one died last; who did not die, or has no such queue any more,
    stays. most: how many at most, 0 for all; what comes into the queue meanwhile counts as well, but no more are
    looked at than there were. Without its deaths a message is new there, and what the queue that it leaves has to say
    of its time counts no more. A message is in one of the two queues at any time, also on disk; those that stay are
    counted all the time, but can't be consumed until the end.

    It ends with the first message that can't be read, or is not taken, and when one of the two queues is deleted.
    Raises why if nothing was moved by then.
    """
    one = _Move(queueing, source, destination, most)
    pace = Pace(queueing.journal)
    while one.go_on():
        yield pace.after(SLICE)
    while one.put_back():
        yield 0
    if one.failure is not None and not one.moved:
        raise one.failure
    return one.moved


class _Move:
    """One such work. moved: how many were moved. failure: why it ends before its time."""

    def __init__(self, queueing: Queueing, source: Queue, destination: Queue | None, most: int) -> None:
        self._queueing = queueing
        self._source = source
        self._destination = destination
        self._left = min(most or len(source), source.deliverable)
        self.moved = 0
        self.failure: BusError | None = None

    def go_on(self) -> bool:
        """Move some more; whether that was not all."""
        source, size = self._source, 0
        for _ in range(SLICE):
            self.failure = self._obstacle()
            if self.failure is not None or not self._left or source.head() is None:
                return False
            self._left -= 1
            message = source.take()
            size += message.size
            self.failure = self._move(message)
            if self.failure is not None:
                source.put_back(message)
                return False
            if size > SLICE_BYTES:
                break
        self._queueing.overdue.look_after(source)
        return True

    def put_back(self) -> bool:
        """Put some of those back in line that stay; whether that was not all."""
        source = self._source
        if source.bring_back(SLICE):
            return True
        if not source.deleted:
            self._queueing.overdue.look_after(source)
            self._queueing.consuming.shorten(source)
            self._queueing.consuming.pump(source)
        return False

    def _obstacle(self) -> BusError | None:
        for queue in (self._source, self._destination):
            if queue is not None and queue.deleted:
                return replies.no_queue(queue.name)
        return None

    def _move(self, message: Message) -> BusError | None:
        """Move one message, or keep it with those that stay. Returns why it was not taken."""
        try:
            self._queueing.disk.page_in(self._source, message)
            content = parse(message.data)
        except BusError as error:
            return error
        target = self._destination
        if target is None:
            target = self._queueing.vhost.queues.get(_died_in(content))
        if target is None or target is self._source:
            self._source.set_aside(message)
            return None
        publishing = self._queueing.publishing
        # What `enqueue` rejects may become a dead letter, and it stays here.
        failure: BusError | None = publishing.rejection(target, message.size)
        if failure is None:
            failure = publishing.enqueue(target, self._anew(message, content, target))
        if failure is None:
            self._queueing.release(self._source, message)
            self.moved += 1
        return failure

    def _anew(self, message: Message, content: Content, target: Queue) -> Message:
        """The message as if it had just been published, but for the time that it has left by its own `expiration`."""
        headers = {name: value for name, value in content.headers.items() if not _tells_of_death(name)}
        properties = {name: value for name, value in content.properties.items() if name != "headers"}
        if headers:
            properties["headers"] = headers
        moved = Message(content._replace(properties=properties).frame(), message.size, self._queueing.broker.now)
        if (ttl := expiration(content.properties)) is not None:
            moved.due = message.due if self._source.policy.ttl is None else message.since + ttl
        moved.priority = min(message.priority, target.policy.max_priority)
        return moved


def _died_in(content: Content) -> str:
    deaths = content.headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths else None
    queue = last.get("queue") if isinstance(last, dict) else None
    return queue if isinstance(queue, str) else ""


def _tells_of_death(header: str) -> bool:
    return header == "x-death" or header.startswith(("x-first-death-", "x-last-death-"))
