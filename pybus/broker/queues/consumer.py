"""Who gets the messages of a queue."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pybus.broker.queues.channel import Channel
    from pybus.broker.queues.queue import Queue


class Consumer:
    """One consumer. unacked: deliveries to it that are not settled. serial: of the call that made it, on the wire.

    no_ack: its messages are settled by being delivered. prefetch: how many it may have unacked, 0 for any number.
    """

    __slots__ = (
        "channel",
        "delivered",
        "exclusive",
        "no_ack",
        "prefetch",
        "priority",
        "queue",
        "serial",
        "tag",
        "unacked",
    )

    def __init__(
        self,
        tag: str,
        channel: Channel,
        queue: Queue,
        *,
        no_ack: bool = False,
        exclusive: bool = False,
        prefetch: int = 0,
        priority: int = 0,
        serial: int = 0,
    ) -> None:
        self.tag = tag
        self.channel = channel
        self.queue = queue
        self.no_ack = no_ack
        self.exclusive = exclusive
        self.prefetch = prefetch
        self.priority = priority
        self.serial = serial
        self.unacked = 0
        self.delivered = 0

    def can_take(self) -> bool:
        """Whether it may get one more message now."""
        if self.prefetch and self.unacked >= self.prefetch:
            return False
        return self.channel.has_room(self.no_ack)


class Consumers:
    """The consumers of one queue: by priority, and in turn among equals.

    single_active: only one gets messages, the one that came first; the next takes over when it goes.
    """

    def __init__(self, single_active: bool) -> None:
        self._levels: list[deque[Consumer]] = []
        self._all: dict[Consumer, None] = {}
        self._single = single_active

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Consumer]:
        """All, in the order in which they came."""
        return iter(list(self._all))

    @property
    def active(self) -> Consumer | None:
        """The single active one, if there is to be one."""
        return next(iter(self._all), None) if self._single else None

    @property
    def is_exclusive(self) -> bool:
        """Whether one of them wants no other beside it."""
        return any(consumer.exclusive for consumer in self._all)

    def add(self, consumer: Consumer) -> None:
        self._all[consumer] = None
        self._arrange()

    def remove(self, consumer: Consumer) -> None:
        del self._all[consumer]
        self._arrange()

    def next(self) -> Consumer | None:
        """Whose turn it is among those who can take a message; None if nobody can."""
        for level in self._levels:
            others = len(level) - 1
            for _ in range(others + 1):
                consumer = level[0]
                if others:
                    level.rotate(-1)
                if consumer.can_take():
                    return consumer
        return None

    def _arrange(self) -> None:
        levels: dict[int, deque[Consumer]] = {}
        for consumer in [self.active] if self._single and self._all else self._all:
            assert consumer is not None
            levels.setdefault(consumer.priority, deque()).append(consumer)
        self._levels = [levels[priority] for priority in sorted(levels, reverse=True)]
