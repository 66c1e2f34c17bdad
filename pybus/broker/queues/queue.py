"""A queue: messages wait in it for a consumer (AMQP 0-9-1 section 3.1.4). It delivers nothing by itself."""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pybus.broker.queues.arguments import DROP_HEAD, Policy
from pybus.broker.queues.consumer import Consumers
from pybus.broker.queues.lane import Lane
from pybus.broker.queues.works import SLICE

if TYPE_CHECKING:
    from pybus.broker.peer import Peer
    from pybus.broker.queues.channel import Channel
    from pybus.broker.queues.message import Message

_APART = 0.25
"""Seconds between two slices of what is tried again, so that very much which has to wait keeps the bus from nothing."""


class Properties(NamedTuple):
    """What a queue is declared with, beside its name. owner: whose it is if it is exclusive."""

    durable: bool = False
    auto_delete: bool = False
    owner: Peer | None = None
    arguments: Mapping[str, object] = MappingProxyType({})


class Loan(NamedTuple):
    """A delivery that is to be settled before a time, monotonic seconds. tag: in its channel."""

    until: float
    channel: Channel
    tag: int


class Queue:
    """One queue.

    policy: what its arguments ask for. bounded: whether only so much may wait. bytes: the payloads that wait. unacked:
    messages that consumers have and did not settle. stuck: whether no consumer could take more when it was tried last,
    so that it need not be tried for each message that comes. used: when it was last declared, consumed or got from.
    deleted: it is one no more.
    timed: whether anything may have to happen in it by itself; due: when it is to be looked at for that.
    published, delivered, acked, returned, dropped: messages so far. memory: the bytes of frames that are here and
    not on disk only. last: the position of the newest message. number: its own on disk, 0 if it has none. reached: up
    to which position messages were delivered; marked, asked: up to which they may have been, as the disk knows it and
    as it will; ahead: how far ahead that is to be set next, see `Journal`. read_again: when to try again what could
    not be read from disk, monotonic seconds. expiring: whether so much has expired that it is being dropped in slices.
    lent: what is to be settled in time, the first in time first.
    """

    def __init__(self, name: str, properties: Properties, policy: Policy, now: float) -> None:
        self.name = name
        self.properties = properties
        self.policy = policy
        self.consumers = Consumers(policy.single_active)
        self.bytes = 0
        self.unacked = 0
        self.stuck = False
        self.used = now
        self.deleted = False
        self.due: float | None = None
        self.published = self.delivered = self.acked = self.returned = self.dropped = 0
        self._lanes = [Lane() for _ in range(policy.max_priority + 1)]
        self._highest_first = self._lanes[::-1]
        self._paused: list[tuple[float, Message]] = []
        self._aside: deque[Message] = deque()
        self._retry = 0.0
        self._retries = 0
        self._length = 0
        self.last = 0
        self.timed = policy.expires is not None or policy.consumer_timeout is not None
        self.memory = 0
        self.read_again: float | None = None
        self.bounded = policy.max_length is not None or policy.max_bytes is not None
        self.expiring = False
        self.lent: OrderedDict[Message, Loan] = OrderedDict()
        self.number = self.marked = self.asked = self.reached = 0
        self.ahead = 1

    def __repr__(self) -> str:
        return f"Queue({self.name!r})"

    def __len__(self) -> int:
        """How many messages wait, those included that pause or are set aside."""
        return self._length

    @property
    def kept(self) -> bool:
        """Whether it outlives the daemon. One that is a connection's own does not, durable or not."""
        return self.properties.durable and self.properties.owner is None

    @property
    def deliverable(self) -> int:
        """How many messages wait, without those that pause or are set aside."""
        return self._length - len(self._paused) - len(self._aside)

    def __iter__(self) -> Iterator[Message]:
        """The messages that wait, next in line first, before it what is set aside; those that pause come last."""
        yield from self._aside
        for lane in self._highest_first:
            yield from lane
        yield from (message for _, message in sorted(self._paused))

    # --- in ---------------------------------------------------------------------------------------

    def put(self, message: Message) -> None:
        """A new message comes in. One that was on disk comes with its position."""
        if not message.position:
            self.last += 1
            message.position = self.last
        else:
            self.last = max(self.last, message.position)
        self.published += 1
        if message.due is not None:
            self.timed = True
        self._count(message, 1)
        self._lane(message).put((message,))

    def put_all(self, messages: list[Message], size: int) -> None:
        """New messages come in that expire only if the queue says so, and have no priority. size: their payloads'."""
        position = self.last
        for message in messages:
            position += 1
            message.position = position
        self.last = position
        self.published += len(messages)
        self._length += len(messages)
        self.bytes += size
        self._lanes[0].put(messages)

    def put_back(self, message: Message) -> None:
        """A message that was taken out goes back to its old place."""
        self._count(message, 1)
        self._lane(message).put_back(message)

    def pause(self, message: Message, until: float) -> None:
        """A message that was taken out comes back, and is not delivered before that time."""
        self._count(message, 1)
        heapq.heappush(self._paused, (until, message))
        self.timed = True

    def pause_in_turn(self, message: Message, earliest: float) -> None:
        """As `pause`, but no more than a slice comes back at a time, and the others later."""
        if self._retry < earliest:
            self._retry, self._retries = earliest, 0
        elif self._retries == SLICE:
            self._retry, self._retries = self._retry + _APART, 0
        self._retries += 1
        self.pause(message, self._retry)

    def set_aside(self, message: Message) -> None:
        """A message that was taken out is still here, and out of the line until `bring_back`."""
        self._count(message, 1)
        self._aside.append(message)

    def bring_back(self, most: int) -> bool:
        """Put some of what was set aside back to its old place; whether that was not all."""
        for _ in range(min(most, len(self._aside))):
            message = self._aside.pop()
            self._lane(message).put_back(message)
        return bool(self._aside)

    def would_overflow(self, size: int) -> bool:
        """Whether one more message with a payload of that size is more than may wait."""
        most, most_bytes = self.policy.max_length, self.policy.max_bytes
        return (most is not None and self._length >= most) or (
            most_bytes is not None and self.bytes + size > most_bytes
        )

    # --- out --------------------------------------------------------------------------------------

    def head(self) -> Message | None:
        """The next message that can be delivered."""
        for lane in self._highest_first:
            if (message := lane.head()) is not None:
                return message
        return None

    def take(self) -> Message:
        """Take out the head; there must be one."""
        for lane in self._highest_first:
            if lane.head() is not None:
                break
        message = lane.take()
        self._length -= 1
        self.bytes -= message.size
        return message

    def take_overflow(self) -> Iterator[Message]:
        """Take out, from the head, what is more than may wait; nothing if the queue rather rejects.

        What is set aside was the head.
        """
        if self.policy.overflow != DROP_HEAD:
            return
        most, most_bytes = self.policy.max_length, self.policy.max_bytes
        while (self._aside or self.head() is not None) and (
            (most is not None and self._length > most) or (most_bytes is not None and self.bytes > most_bytes)
        ):
            yield self._take_aside() if self._aside else self.take()

    def take_expired(self, now: float) -> Iterator[Message]:
        """Take out what has waited too long. As in RabbitMQ a message expires at the head of the line only."""
        for lane in self._lanes:
            while (message := lane.head()) is not None and message.due is not None and message.due <= now:
                lane.take()
                self._count(message, -1)
                yield message

    def resume(self, now: float) -> None:
        """Put back in line what has paused for long enough."""
        if self.read_again is not None and self.read_again <= now:
            self.read_again = None
        while self._paused and self._paused[0][0] <= now:
            _, message = heapq.heappop(self._paused)
            self._lane(message).put_back(message)

    def purge(self) -> Iterator[Message]:
        """Take out all that waits, which is gone from here at once. They come in no order."""
        lanes, paused, aside = self._lanes, self._paused, self._aside
        self._lanes = [Lane() for _ in lanes]
        self._highest_first = self._lanes[::-1]
        self._paused, self._aside = [], deque()
        self._length = self.bytes = 0
        return chain.from_iterable((*(lane.drain() for lane in lanes), (message for _, message in paused), aside))

    # --- time -------------------------------------------------------------------------------------

    def lend(self, message: Message, channel: Channel, tag: int, now: float) -> None:
        """A message was delivered, and has to be settled in time if the queue wants that."""
        if self.policy.consumer_timeout is not None:
            self.lent[message] = Loan(now + self.policy.consumer_timeout, channel, tag)

    def take_late(self, now: float) -> tuple[Message, Loan] | None:
        """Take out the next delivery that was not settled in time."""
        first = next(iter(self.lent.items()), None)
        if first is None or first[1].until > now:
            return None
        del self.lent[first[0]]
        return first

    def next_due(self) -> float | None:
        """When something has to happen here by itself, monotonic seconds."""
        times = [self._paused[0][0]] if self._paused else []
        for lane in self._lanes if not self.expiring else ():
            message = lane.head()
            if message is not None and message.due is not None:
                times.append(message.due)
        if self.read_again is not None:
            times.append(self.read_again)
        if self.lent:
            times.append(next(iter(self.lent.values())).until)
        if self.policy.expires is not None and not len(self.consumers):
            times.append(self.used + self.policy.expires)
        return min(times, default=None)

    def is_expired(self, now: float) -> bool:
        """Whether nobody has used it for longer than it wants to stay."""
        return self.policy.expires is not None and not len(self.consumers) and self.used + self.policy.expires <= now

    def _take_aside(self) -> Message:
        message = self._aside.popleft()
        self._count(message, -1)
        return message

    def _lane(self, message: Message) -> Lane:
        return self._lanes[message.priority]

    def _count(self, message: Message, step: int) -> None:
        self._length += step
        self.bytes += step * message.size
