"""Consuming: from the queues to the consumers, and what they do with it (AMQP's class `basic`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from pybus.broker.queues import replies
from pybus.broker.queues.channel import Delivery
from pybus.broker.queues.consumer import Consumer
from pybus.broker.queues.disk import NotReady
from pybus.broker.queues.works import LIGHT_SLICE, Pace, Work
from pybus.errors import BusError, ConsumerCancelled, LimitExceeded, StoreFailed
from pybus.protocol.codec import pack
from pybus.protocol.frames import BUS, ERROR, MULTIPLE, NACK, REQUEUE, UNTAKEN, Run, frame, frames_of

if TYPE_CHECKING:
    from pybus.broker.peer import Peer
    from pybus.broker.queues.channel import Channel
    from pybus.broker.queues.message import Message
    from pybus.broker.queues.queue import Queue
    from pybus.broker.queues.queueing import Queueing

_FREE_RETURNS = 1
_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 5.0
_READ_AGAIN = 1.0
"""Seconds until what could not be read from disk is tried again."""
SETTLE_KEY = b"settle"


class Wish(NamedTuple):
    """How a consumer wants its messages, see `Consumer`. tag: "" for one of the bus's choice."""

    tag: str = ""
    no_ack: bool = False
    exclusive: bool = False
    prefetch: int = 0
    arguments: Mapping[str, object] = {}


class Consuming:
    """Delivers what waits to whoever can take it, and carries out what consumers say of it."""

    def __init__(self, queueing: Queueing) -> None:
        self._queueing = queueing
        self._broker = queueing.broker

    # --- consumers --------------------------------------------------------------------------------

    def consume(self, channel: Channel, queue: Queue, wish: Wish, serial: int = 0) -> Consumer:
        """Begin to deliver a queue's messages. serial: by which the wire knows the consumer.

        Raises `AccessRefused`, `NotAllowed`, `PreconditionFailed`, `LimitExceeded`.
        """
        tag = wish.tag or self._queueing.vhost.generate("amq.ctag-")
        if tag in channel.consumers:
            raise replies.tag_in_use(tag)
        taken = len(queue.consumers) or queue.policy.single_active
        if queue.consumers.is_exclusive or (wish.exclusive and taken):
            raise replies.exclusive_use(queue.name)
        priority = wish.arguments.get("x-priority", 0)
        if not isinstance(priority, int) or isinstance(priority, bool):
            raise replies.not_integer("x-priority", queue.name, priority)
        if len(channel.consumers) >= self._broker.limits.consumers:
            raise LimitExceeded(f"this connection has {len(channel.consumers)} consumers, its limit")
        consumer = Consumer(
            tag,
            channel,
            queue,
            no_ack=wish.no_ack,
            exclusive=wish.exclusive,
            prefetch=wish.prefetch,
            priority=priority,
            serial=serial,
        )
        channel.consumers[tag] = consumer
        queue.consumers.add(consumer)
        self.pump(queue)
        return consumer

    def cancel(self, channel: Channel, tag: str) -> None:
        """End a consumer; it keeps what it has unacked. None of that tag is as good.

        With the last consumer of an auto-delete queue the queue goes.
        """
        consumer = channel.consumers.pop(tag, None)
        if consumer is not None:
            consumer.queue.consumers.remove(consumer)
            self.left(consumer.queue)

    def left(self, queue: Queue) -> None:
        """A consumer has left a queue."""
        queue.used = self._broker.now
        if queue.properties.auto_delete and not len(queue.consumers):
            self.delete(queue)
        else:
            self._queueing.overdue.look_after(queue)
            self.pump(queue)

    def get(self, channel: Channel, queue: Queue, *, no_ack: bool) -> tuple[Message, int] | None:
        """Take the next message without a consumer; it and its delivery tag, None if there is none.

        That there is an exclusive consumer does not matter, as in RabbitMQ. Raises `LimitExceeded`, `StoreFailed`, and
        `NotReady` while its mark is not on disk, or much that has expired is being dropped.
        """
        queue.used = self._broker.now
        self._queueing.overdue.drop_expired(queue)
        if queue.expiring:
            raise NotReady
        if queue.head() is None:
            return None
        if not no_ack and channel.held >= self._broker.limits.unacked:
            raise LimitExceeded(f"{channel.held} messages are unacked on this connection, its limit")
        message = queue.head()
        assert message is not None
        if message.batch:
            self._queueing.disk.page_in(queue, message)
            if queue.kept and message.persistent and not self._queueing.journal.may_deliver(queue, message):
                raise NotReady
        queue.take()
        tag = channel.got(queue, message, no_ack)
        if self._broker.watchers:
            self._queueing.observing.delivered(queue, message, channel.peer, None)
        if no_ack:
            self._done(queue, message)
        else:
            queue.lend(message, channel, tag, self._broker.now)
        self._queueing.overdue.look_after(queue)
        return message, tag

    # --- out --------------------------------------------------------------------------------------

    def pump(self, queue: Queue) -> None:
        """Deliver what waits, as far as consumers can take it."""
        self._deliver(queue)
        if queue.timed:
            self._queueing.timers.note(queue)

    def _deliver(self, queue: Queue) -> None:
        now, watchers = self._broker.now, self._broker.watchers
        count = 0
        lends = queue.policy.consumer_timeout is not None
        queue.stuck = False
        while (message := queue.head()) is not None:
            if message.due is not None and message.due < now:
                self._queueing.overdue.drop_expired(queue)
                if queue.expiring:
                    break
                continue
            consumer = queue.consumers.next()
            if consumer is None or (message.batch and not self._is_ready(queue, message, consumer)):
                queue.stuck = True
                break
            queue.take()
            channel = consumer.channel
            tag = channel.deliver(queue, message, consumer)
            if watchers:
                self._queueing.observing.delivered(queue, message, channel.peer, consumer.tag)
            count += 1
            if consumer.no_ack:
                self._done(queue, message)
            elif lends:
                queue.lend(message, channel, tag, now)
        self._broker.effort += count

    def _is_ready(self, queue: Queue, message: Message, consumer: Consumer) -> bool:
        """Whether a message that is on disk, or on its way there, can be delivered now."""
        try:
            self._queueing.disk.page_in(queue, message)
        except StoreFailed as error:
            self._queueing.faults.append((f"messages of queue '{queue.name}' have to wait", error))
            queue.read_again = self._broker.now + _READ_AGAIN
            queue.timed = True
            return False
        lasting = queue.kept and message.persistent
        room = consumer.prefetch - consumer.unacked if consumer.prefetch else 1
        return not lasting or self._queueing.journal.may_deliver(queue, message, room)

    def feed(self, channel: Channel) -> None:
        """A channel has room again."""
        for consumer in list(channel.consumers.values()):
            if consumer.queue.stuck:
                self.pump(consumer.queue)

    # --- what becomes of deliveries -----------------------------------------------------------------

    def receive(self, peer: Peer, run: Run) -> None:
        """SETTLE frames came, with the same flags."""
        flags, target, data, count = run[1], run[3], run[6], run[7]
        channel = self._queueing.channel(peer)
        nack, requeue, multiple = bool(flags & NACK), bool(flags & REQUEUE), bool(flags & MULTIPLE)
        untaken = bool(flags & UNTAKEN)
        self._broker.effort = count
        settled: list[Delivery] = []
        unacked = channel.unacked
        ordinary = not multiple and (channel.transaction is None or untaken)
        for one in frames_of(data, count, 16):
            tag = target << 32 | int.from_bytes(one[:4], "little")
            if ordinary and tag in unacked:
                settled.append(unacked.pop(tag))
                continue
            try:
                taken = channel.take(tag, multiple)
            except BusError as error:
                body = pack(self._broker.as_answer(error))
                peer.owe(frame(ERROR, 0, BUS, peer.number, 0, SETTLE_KEY, body))
                continue
            if channel.transaction is not None and not untaken:
                channel.transaction.settled.append((taken, nack, requeue))
            else:
                settled += taken.values()
        self.settle(channel, settled, nack=nack, requeue=requeue, untaken=untaken)

    def settle(
        self,
        channel: Channel,
        deliveries: Iterable[Delivery],
        *,
        nack: bool,
        requeue: bool,
        untaken: bool = False,
        reason: str = "",
    ) -> None:
        """Deliveries that were taken out of their channel are acked, rejected, or given back to their queues.

        untaken: the program never had those in hand that it gives back, so that their return does not count. reason:
        for observers, if it is not the program that says so.
        """
        deliveries = list(deliveries)
        self._broker.effort += len(deliveries)
        channel.release(deliveries)
        if self._broker.watchers:
            kind = "ack" if not nack else "nack" if requeue else "reject"
            self._queueing.observing.settled(kind, channel.peer, deliveries, reason)
        touched = self._turn_back(deliveries, requeue, untaken) if nack else self._ack(deliveries)
        for queue in touched:
            if not queue.deleted:
                self.shorten(queue)
                self.pump(queue)
        if channel.crowded:
            channel.crowded = False
            self.feed(channel)

    def _ack(self, deliveries: list[Delivery]) -> dict[Queue, None]:
        """Messages are done. Returns the queues that have a consumer with room again."""
        touched: dict[Queue, None] = {}
        for queue, message, consumer in deliveries:
            if queue.deleted:
                self._queueing.release(queue, message)
            else:
                self._done(queue, message)
            if queue.stuck and consumer is not None:
                touched[queue] = None
        return touched

    def _turn_back(self, deliveries: list[Delivery], requeue: bool, untaken: bool) -> dict[Queue, None]:
        """Messages are given back, or up. Returns the queues that are to be looked at."""
        touched: dict[Queue, None] = {}
        for queue, message, consumer in deliveries:
            if queue.deleted:
                self._queueing.release(queue, message)
            elif requeue:
                if untaken:
                    self._put_back(queue, message)
                else:
                    self._give_back(queue, message, pause=True)
                touched[queue] = None
            else:
                self._queueing.dead_letters.drop(queue, message, "rejected")
            if queue.stuck and consumer is not None:
                touched[queue] = None
        return touched

    def recover(self, channel: Channel) -> None:
        """Give all that is unacked back to the queues, which deliver it again (AMQP's `basic.recover`)."""
        taken = channel.take(0, True)
        self.settle(channel, taken.values(), nack=True, requeue=True)

    def close(self, channel: Channel) -> None:
        """A channel has ended: its consumers go, and what it had unacked goes back to the front of the queues.

        All of it counts as returned, as in RabbitMQ. Which messages a program that was killed had in hand is not to be
        known: what it has read and not looked at looks no other, nor does what waits in its socket. If none of it
        counted, a message that kills its consumers would go round for ever. A prefetch bounds how many go with it.
        """
        consumers = list(channel.consumers.values())
        channel.consumers.clear()
        for consumer in consumers:
            consumer.queue.consumers.remove(consumer)
        unsettled = list(channel.unacked.values())
        channel.unacked.clear()
        if channel.transaction is not None:
            unsettled += [one for taken, _, _ in channel.transaction.settled for one in taken.values()]
        channel.release(unsettled)
        if self._broker.watchers:
            self._queueing.observing.settled("nack", channel.peer, unsettled, "its consumer has gone")
        for queue, message, _ in unsettled:
            if queue.deleted:
                self._queueing.release(queue, message)
            else:
                self._give_back(queue, message, pause=False)
        for queue in {delivery.queue: None for delivery in unsettled}:
            if not queue.deleted:
                self.shorten(queue)
        left = {consumer.queue: None for consumer in consumers}
        for queue in left:
            if not queue.deleted:
                self.left(queue)
        for queue in {delivery.queue: None for delivery in unsettled}:
            if not queue.deleted and queue not in left:
                self.pump(queue)

    def _done(self, queue: Queue, message: Message) -> None:
        queue.acked += 1
        self._queueing.release(queue, message)

    def _give_back(self, queue: Queue, message: Message, *, pause: bool) -> None:
        """Put a message back to its place. One that comes back again and again pauses longer each time, if it may."""
        message.returns += 1
        message.redelivered = True
        queue.returned += 1
        if message.batch:
            self._queueing.journal.returned(queue, message)
        limit = queue.policy.delivery_limit
        if limit is not None and message.returns > limit:
            self._queueing.dead_letters.drop(queue, message, "delivery_limit")
        elif pause and message.returns > _FREE_RETURNS:
            seconds = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(message.returns - _FREE_RETURNS - 1, 10))
            queue.pause(message, self._broker.now + seconds)
            self._queueing.overdue.look_after(queue)
        else:
            self._put_back(queue, message)

    def _put_back(self, queue: Queue, message: Message) -> None:
        """Put a message back to its place, as if nobody had had it; but it may have been seen, and is marked."""
        message.redelivered = True
        queue.put_back(message)
        self._queueing.overdue.look_after(queue)

    # --- queues as a whole ------------------------------------------------------------------------------

    def purge(self, queue: Queue) -> Work:
        """Throw away what waits in a queue; the work's result is how much that was. It does not go to the dead letters.

        The queue is empty at once. What that takes on disk and in memory is let go by and by.
        """
        count, thrown, pace = len(queue), queue.purge(), Pace(self._queueing.journal)
        for number, message in enumerate(thrown, 1):
            self._queueing.release(queue, message)
            if not number % LIGHT_SLICE:
                yield pace.after(LIGHT_SLICE)
        return count

    def delete(self, queue: Queue) -> int:
        """Remove a queue: its consumers are told, and what waits is thrown away; how much that was."""
        self._queueing.vhost.delete_queue(queue)
        for consumer in queue.consumers:
            if consumer.channel.consumers.pop(consumer.tag, None) is not None:
                reason = ConsumerCancelled(f"queue '{queue.name}' in vhost '/' was deleted")
                consumer.channel.outlet.cancelled(consumer, reason)
        count = len(queue)
        self._queueing.works.start(self.purge(queue))
        return count

    def shorten(self, queue: Queue) -> None:
        """Drop from the head what is more than may wait, also when it is more because something came back."""
        for message in list(queue.take_overflow()):
            self._queueing.dead_letters.drop(queue, message, "maxlen")
