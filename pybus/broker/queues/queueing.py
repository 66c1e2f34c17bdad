"""Message queuing as a whole: the virtual host, what moves messages through it, and the channels of who is here.

What makes a message's way fast, with its worth: microseconds of the daemon's time (all of its threads, system calls
included) for a message of 64 bytes, persistent and confirmed, and transient to a consumer that acks each.

| | plain | compiled |
|---|---|---|
| each message by itself | 8.1, 8.3 | 7.9, 7.7 |
| neighbours come in at once and have one confirm (`Publishing`), and cheaper rows (`pybus.store.rows`) | 3.2, 7.8 | |
| a header that is like the last one is not made again; acks that come together are let go together | 3.1, 6.4 | |
| messages, queues, channels and consumers are C structures, and what delivers is C | | 2.7, 3.9 |

Of the last figure for transient ones the kernel has a third. To compile what puts messages in (`publishing.py`) or what
writes deliveries (`native.py`) gains nothing more, so these stay plain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybus.broker.exchanges.amq_topic import SignalExchange
from pybus.broker.queues import replies
from pybus.broker.queues.channel import Channel, Transaction
from pybus.broker.queues.consuming import Consuming
from pybus.broker.queues.dead_letters import DeadLetters
from pybus.broker.queues.disk import Disk
from pybus.broker.queues.message import OVERHEAD
from pybus.broker.queues.native import NativeOutlet
from pybus.broker.queues.observing import Observing
from pybus.broker.queues.overdue import Overdue
from pybus.broker.queues.publishing import Publishing
from pybus.broker.queues.replying import Replying
from pybus.broker.queues.timers import Timers
from pybus.broker.queues.vhost import VirtualHost
from pybus.broker.queues.works import Works
from pybus.names import AMQ_TOPIC

if TYPE_CHECKING:
    from pybus.broker.broker import Broker
    from pybus.broker.peer import Peer
    from pybus.broker.queues.journal import Journal
    from pybus.broker.queues.message import Message
    from pybus.broker.queues.queue import Queue


class Queueing:
    """All of the bus that has to do with queues.

    bytes: about the memory that messages take. unfinished: channels that have something to send when the turn is
    over. hungry: those that have room for deliveries again; the shell lets them be fed in a turn of their own.
    faults: what went wrong without anybody there to be told, for the shell to log: what that means, and the error.
    """

    def __init__(self, broker: Broker, journal: Journal) -> None:
        self.broker = broker
        self.journal = journal
        self.vhost = VirtualHost(broker, journal)
        self.disk = Disk(self)
        self.timers = Timers()
        self.publishing = Publishing(self)
        self.consuming = Consuming(self)
        self.overdue = Overdue(self)
        self.dead_letters = DeadLetters(self)
        self.replying = Replying(self)
        self.observing = Observing(broker)
        self.works = Works(broker)
        self.bytes = 0
        self.unfinished: list[Channel] = []
        self.hungry: list[Channel] = []
        self.faults: list[tuple[str, Exception]] = []
        self.vhost.add(SignalExchange(AMQ_TOPIC, broker.signals, self.publishing))

    def channel(self, peer: Peer) -> Channel:
        """The channel of a native connection, made when it is first used."""
        if peer.channel is None:
            peer.channel = Channel(peer, NativeOutlet(peer), self.hungry)
        return peer.channel

    def entered(self, queue: Queue, message: Message, *, lasting: bool) -> None:
        """A message has come into a queue. lasting: whether it is to outlive the daemon."""
        self.bytes += message.weight
        queue.memory += len(message.data)
        limits = self.broker.limits
        crowded = queue.memory > limits.queue_memory or self.bytes > limits.queued_bytes // 2
        if lasting or (crowded and self.journal.keeps and not self.journal.broken):
            self.journal.put(queue, (message,), volatile=not lasting)
            if crowded:
                self.disk.page_out_later(queue, message)

    def takes_all(self, queue: Queue, count: int, size: int, copies: int) -> bool:
        """Whether messages can come into a queue all at once, as there is room for them in memory.

        count: how many; size: the bytes of their frames; copies: into how many queues they come.
        """
        limits = self.broker.limits
        return (
            len(queue) + count <= limits.queue_length
            and queue.memory + size <= limits.queue_memory
            and self.bytes + (size + OVERHEAD * count) * copies <= limits.queued_bytes // 2
        )

    def entered_all(self, queue: Queue, messages: list[Message], size: int, *, lasting: bool) -> None:
        """As `entered`, for messages that can come in all at once."""
        self.bytes += size + OVERHEAD * len(messages)
        queue.memory += size
        if lasting:
            self.journal.put(queue, messages)

    def release(self, queue: Queue, message: Message) -> None:
        """A message has left its queue for good."""
        self.bytes -= message.weight
        queue.memory -= len(message.data)
        if message.batch and not queue.deleted:
            self.journal.gone(queue, message)
        message.batch = 0

    # --- turns ------------------------------------------------------------------------------------

    def finish_later(self, channel: Channel) -> None:
        """Send a channel's confirms when the turn is over."""
        if not channel.unfinished:
            channel.unfinished = True
            self.unfinished.append(channel)

    def finish(self) -> None:
        """The turn is over: confirm what was published in it."""
        while self.unfinished:
            channel = self.unfinished.pop()
            channel.unfinished = False
            channel.confirms.send(channel.outlet, self.journal.safe)
            if channel.confirms:
                self.disk.awaited(channel)

    def leave(self, peer: Peer) -> None:
        """A connection has ended, and its channel and exclusive queues with it."""
        if peer.channel is not None:
            self.consuming.close(peer.channel)
        self.replying.leave(peer)
        for queue in self.vhost.owned_by(peer):
            self.consuming.delete(queue)

    # --- transactions (AMQP class `tx`) -------------------------------------------------------------

    def select(self, channel: Channel) -> None:
        """Make a channel transactional. Raises `PreconditionFailed` if it has messages confirmed."""
        if channel.confirming:
            raise replies.failed("cannot switch from confirm to tx mode")
        if channel.transaction is None:
            channel.transaction = Transaction()

    def commit(self, channel: Channel) -> None:
        """Carry out what the channel did since the last commit, and begin anew. Raises `PreconditionFailed`."""
        transaction = self._transaction(channel)
        channel.transaction = Transaction()
        before = self.journal.changes
        self.publishing.commit(channel, transaction.publishes)
        for taken, nack, requeue in transaction.settled:
            self.consuming.settle(channel, taken.values(), nack=nack, requeue=requeue)
        if self.journal.changes != before:
            self.journal.promises += 1

    def rollback(self, channel: Channel) -> None:
        """Forget it, and begin anew: what was settled is unsettled. Raises `PreconditionFailed`."""
        transaction = self._transaction(channel)
        channel.transaction = Transaction()
        for taken, _, _ in transaction.settled:
            channel.put_back(taken)

    def _transaction(self, channel: Channel) -> Transaction:
        if channel.transaction is None:
            raise replies.failed("channel is not transactional")
        return channel.transaction
