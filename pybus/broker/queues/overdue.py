"""What becomes of a queue as time passes: messages expire, deliveries are late, and a queue that nobody uses goes.

`timers.py` knows when to look. Very much that expires at once is dropped in slices, see `works.py`.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from pybus.broker.queues import replies
from pybus.broker.queues.works import SLICE, Work

if TYPE_CHECKING:
    from pybus.broker.queues.queue import Queue
    from pybus.broker.queues.queueing import Queueing


class Overdue:
    """Does in the queues what the time has come for."""

    def __init__(self, queueing: Queueing) -> None:
        self._queueing = queueing
        self._broker = queueing.broker

    def look_after(self, queue: Queue) -> None:
        """Another message is the next in line: it may be due, or may become so."""
        if queue.timed:
            self.drop_expired(queue)
            self._queueing.timers.note(queue)

    def expire(self, now: float) -> None:
        """Do in the queues what the time has come for."""
        for queue in self._queueing.timers.take_due(now):
            try:
                if queue.is_expired(now):
                    self._queueing.consuming.delete(queue)
                    continue
                self._take_back(queue)
                queue.resume(now)
                self.drop_expired(queue)
                self._queueing.consuming.pump(queue)
            except Exception as error:  # a bug of ours, which must not cost other queues their time
                self._queueing.faults.append((f"bug while the time of queue '{queue.name}' had come", error))

    def _take_back(self, queue: Queue) -> None:
        """Give back what was not settled in time, with all that its consumer has, which is one no more.

        RabbitMQ closes the channel. A connection is one channel on pybus's own wire, and goes on: to settle such a
        delivery later is refused. What an open transaction settles is not late before it is rolled back.
        """
        seconds = queue.policy.consumer_timeout or 0.0
        while (late := queue.take_late(self._broker.now)) is not None:
            message, (_, channel, tag) = late
            found = channel.unacked.get(tag)
            if found is None:
                queue.lend(message, channel, tag, self._broker.now)
                continue
            tags, consumer = [tag], found.consumer
            if consumer is not None:
                tags = [one for one, delivery in channel.unacked.items() if delivery.consumer is consumer]
            taken = [channel.unacked.pop(one) for one in tags]
            ended = consumer is not None and channel.consumers.get(consumer.tag) is consumer
            if consumer is not None and ended:
                del channel.consumers[consumer.tag]
                queue.consumers.remove(consumer)
                channel.outlet.cancelled(consumer, replies.late(queue.name, seconds))
            self._queueing.consuming.settle(channel, taken, nack=True, requeue=True, reason="not settled in time")
            if ended and not queue.deleted:
                self._queueing.consuming.left(queue)

    def begin(self) -> None:
        """What was on disk has been taken over: see to what has expired meanwhile, and to what will."""
        for queue in list(self._queueing.vhost.queues.values()):
            try:
                self.look_after(queue)
            except Exception as error:  # a bug of ours, which does not make what is on disk a damaged store
                self._queueing.faults.append((f"bug while queue '{queue.name}' was taken over", error))

    def drop_expired(self, queue: Queue) -> None:
        """Drop what has expired; if that is very much, the rest in later turns."""
        if not queue.expiring and self._drop_slice(queue):
            queue.expiring = True
            self._queueing.works.start(self._drop_rest(queue))

    def _drop_rest(self, queue: Queue) -> Work:
        try:
            yield 0  # so it never ends within somebody's call, which could not be interrupted by those that wait
            while self._drop_slice(queue):
                yield 0
        finally:
            queue.expiring = False
        if not queue.deleted:
            self._queueing.consuming.pump(queue)
        self._queueing.disk.call_again()
        return 0

    def _drop_slice(self, queue: Queue) -> bool:
        """Drop some of what has expired; whether there may be more."""
        expired = list(islice(queue.take_expired(self._broker.now), SLICE))
        for message in expired:
            self._queueing.dead_letters.drop(queue, message, "expired")
        return len(expired) == SLICE
