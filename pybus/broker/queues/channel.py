"""A channel: what one user of the queues has in hand (AMQP 0-9-1 section 4.3 and class `channel`).

A native connection has one; one that speaks AMQP may have many. It knows no wire: `Outlet` is what a wire has to
offer it.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pybus.broker.queues import replies
from pybus.protocol.frames import HEADER_SIZE, serial_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pybus.broker.peer import Peer
    from pybus.broker.queues.consumer import Consumer
    from pybus.broker.queues.message import Message
    from pybus.broker.queues.meter import QueueMeter
    from pybus.broker.queues.queue import Queue
    from pybus.errors import BusError
    from pybus.protocol.frames import Run


class Outlet(Protocol):
    """How a channel speaks to its program."""

    @property
    def full(self) -> bool:
        """Whether so much waits for the program that it should get no more messages for now."""

    def deliver(self, consumer: Consumer, message: Message) -> None:
        """A message for a consumer; the tag is the next one."""

    def confirm(self, serial: int, *, multiple: bool, taken: bool) -> None:
        """A published message is safe, or was refused. multiple: and all before it."""

    def refuse(self, serial: int, reason: BusError) -> None:
        """A published message is not safe."""

    def give_back(self, data: bytes) -> None:
        """A mandatory message reached no queue; its frame, as published."""

    def cancelled(self, consumer: Consumer, reason: BusError) -> None:
        """A consumer is one no more."""


class Delivery(NamedTuple):
    """A message that a program has and did not settle yet. consumer: None if it was got by `get`."""

    queue: Queue
    message: Message
    consumer: Consumer | None


_delivery: Callable[[tuple[Queue, Message, Consumer]], Delivery] = partial(tuple.__new__, Delivery)
"""Makes one of its parts, in half of the time that it takes by their names."""


class Transaction:
    """What a transactional channel did since its last commit (AMQP 0-9-1 class `tx`).

    publishes: runs of PUBLISH frames. bytes: about the memory they take. settled: deliveries that were taken out, by
    tag, with what is to become of them.
    """

    __slots__ = ("bytes", "publishes", "settled")

    def __init__(self) -> None:
        self.bytes = 0
        self.publishes: list[Run] = []
        self.settled: list[tuple[dict[int, Delivery], bool, bool]] = []


class Confirms:
    """The published messages whose publisher awaits a confirm. They are confirmed in the order of their coming."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: deque[tuple[list[bytes], bool, int]] = deque()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, frames: list[bytes], *, taken: bool, batch: int) -> None:
        """Messages were taken by their queues, or refused by one; there is at least one.

        frames: as published. batch: with which they go to disk, 0 if they do not; then nothing bounds how many of them
        wait for the confirms of those before, so that only their headers are kept.
        """
        self._open.append((frames if batch else [one[:HEADER_SIZE] for one in frames], taken, batch))

    def send(self, outlet: Outlet, safe: int) -> None:
        """Confirm what can be, many by one frame. safe: the last batch that is on disk."""
        waiting = self._open
        while waiting and waiting[0][2] <= safe:
            frames, taken, _ = waiting.popleft()
            count = len(frames)
            while waiting and waiting[0][1] == taken and waiting[0][2] <= safe:
                frames, _, _ = waiting.popleft()
                count += len(frames)
            outlet.confirm(serial_of(frames[-1]), multiple=count > 1, taken=taken)

    def fail(self, outlet: Outlet, batch: int, reason: BusError) -> None:
        """Nobody can say whether these messages will be safe: tell their publisher. batch: the last that is meant."""
        while self._open and self._open[0][2] <= batch:
            for one in self._open.popleft()[0]:
                outlet.refuse(serial_of(one), reason)


class Channel:
    """Delivery tags, consumers, prefetch and the transaction of one user.

    held: how many deliveries are not settled for good: those unacked, and those that an open transaction settles.
    prefetch: how many that may be on the whole channel, 0 for as many as the bus allows. waiting:
    whether a message could not be delivered because too much waits to be written; crowded: because too much is unacked.
    unfinished: whether it has confirms to send when the turn is over. transaction: the work that waits for a commit;
    None if the channel is not transactional. confirming: whether a message was published that is to be confirmed, for
    which this wire has no method of its own. last_queue: what "" means as a queue's name. reply_queue: the one behind
    `amq.rabbitmq.reply-to`. meter: what it has seen pass in queues; None if it did not ask for that.
    """

    def __init__(self, peer: Peer, outlet: Outlet, hungry: list[Channel]) -> None:
        """hungry: where it puts itself when it has room for deliveries again."""
        self.peer = peer
        self.outlet = outlet
        self.consumers: dict[str, Consumer] = {}
        self.unacked: dict[int, Delivery] = {}
        self.held = 0
        self.prefetch = 0
        self.waiting = False
        self.crowded = False
        self.unfinished = False
        self.confirming = False
        self.last_queue = ""
        self.reply_queue = ""
        self.meter: QueueMeter | None = None
        self._hungry = hungry
        self.transaction: Transaction | None = None
        self.confirms = Confirms()
        self._last_tag = 0

    @property
    def user(self) -> str:
        """Who it is, for the property `user_id`: on this wire the number of the user, as text."""
        return str(self.peer.credentials.uid)

    def has_room(self, no_ack: bool) -> bool:
        """Whether it may get one more delivery."""
        if not no_ack and (self.held >= (self.prefetch or self.peer.limits.unacked)):
            self.crowded = True
            return False
        if self.outlet.full:
            self.waiting = True
            return False
        return True

    def room_made(self) -> None:
        """Little enough waits to be written: it may get what it could not get before."""
        self.waiting = False
        self._hungry.append(self)

    def deliver(self, queue: Queue, message: Message, consumer: Consumer) -> int:
        """Give a message to one of its consumers. Returns its delivery tag."""
        self._last_tag += 1
        if not consumer.no_ack:
            self.unacked[self._last_tag] = _delivery((queue, message, consumer))
            self.held += 1
            consumer.unacked += 1
            queue.unacked += 1
        consumer.delivered += 1
        queue.delivered += 1
        self.outlet.deliver(consumer, message)
        return self._last_tag

    def got(self, queue: Queue, message: Message, no_ack: bool) -> int:
        """A message was got without a consumer. Returns its delivery tag."""
        self._last_tag += 1
        queue.delivered += 1
        if not no_ack:
            self.unacked[self._last_tag] = Delivery(queue, message, None)
            self.held += 1
            queue.unacked += 1
        return self._last_tag

    def take(self, tag: int, multiple: bool) -> dict[int, Delivery]:
        """Take out the delivery with this tag, or with `multiple` all up to it; tag 0 is then all there are.

        They still count for the prefetch until they are released. Raises `PreconditionFailed` for a tag that
        was never given or is settled (AMQP's reply code 406).
        """
        if not multiple:
            found = self.unacked.pop(tag, None)
            if found is None:
                raise replies.unknown_tag(tag)
            return {tag: found}
        if tag and tag not in self.unacked:
            raise replies.unknown_tag(tag)
        tags = []
        for one in self.unacked:  # they are in the order of their tags
            if tag and one > tag:
                break
            tags.append(one)
        return {one: self.unacked.pop(one) for one in tags}

    def put_back(self, deliveries: dict[int, Delivery]) -> None:
        """What was taken out is unsettled again, as its transaction was rolled back."""
        self.unacked = dict(sorted({**deliveries, **self.unacked}.items()))

    def release(self, deliveries: list[Delivery]) -> None:
        """Deliveries are settled for good."""
        for queue, message, consumer in deliveries:
            self.held -= 1
            queue.unacked -= 1
            if queue.lent:
                queue.lent.pop(message, None)
            if consumer is not None:
                consumer.unacked -= 1
