"""Messages that a queue gives up: they go to its dead-letter exchange, if it has one (RabbitMQ's dead lettering).

The header `x-death` has an entry for each queue and reason, the last one first: count, reason, queue, time,
exchange, routing-keys. Reasons are `rejected`, `expired`, `maxlen` and `delivery_limit`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pybus.broker.exchanges.routing import find_route
from pybus.broker.queues.message import Content, parse
from pybus.errors import LimitExceeded, StoreFailed

if TYPE_CHECKING:
    from pybus.broker.queues.message import Message
    from pybus.broker.queues.queue import Queue
    from pybus.broker.queues.queueing import Queueing

_TRY_AGAIN = 1.0
_MOST_DEATHS = 2**63 - 1
"""What the largest signed integer of AMQP 0-9-1 counts to."""
Death = dict[str, object]


class DeadLetters:
    """Forwards what is given up, one message after the other, however long the chain of queues is."""

    def __init__(self, queueing: Queueing) -> None:
        self._queueing = queueing
        self._pending: deque[tuple[Queue, Message, str, bool]] = deque()
        self._busy = False

    def drop(self, queue: Queue, message: Message, reason: str) -> None:
        """A message has been taken out of its queue for good.

        While its dead letter can't be read, or be taken by the queues that it is meant for, it comes back later.
        """
        self._add(queue, message, reason, was_in=True)

    def forward(self, queue: Queue, message: Message, reason: str) -> None:
        """A message was refused by its queue, and its publisher is told so: a copy may go to the dead letters."""
        self._add(queue, message, reason, was_in=False)

    def _add(self, queue: Queue, message: Message, reason: str, *, was_in: bool) -> None:
        self._pending.append((queue, message, reason, was_in))
        if self._busy:
            return
        self._busy = True
        try:
            while self._pending:
                self._give_up(*self._pending.popleft())
        finally:
            self._busy = False

    def _give_up(self, queue: Queue, message: Message, reason: str, was_in: bool) -> None:
        queueing = self._queueing
        try:
            if queue.policy.dead_letter_exchange is not None:
                queueing.disk.page_in(queue, message)
                self._publish(queue, message, reason)
            else:
                self._show(queue, message, reason)
        except (StoreFailed, LimitExceeded) as error:
            if was_in and not queue.deleted:
                queueing.faults.append((f"dead letters of queue '{queue.name}' have to wait", error))
                self._put_back(queue, message, reason)
                return
            queueing.faults.append((f"a dead letter of queue '{queue.name}' is lost", error))
        except Exception as error:  # a bug of ours, or odd headers: neither may cost more than this one dead letter
            queueing.faults.append((f"a dead letter of queue '{queue.name}' is lost", error))
        if was_in:
            queue.dropped += 1
            queueing.release(queue, message)

    def _put_back(self, queue: Queue, message: Message, reason: str) -> None:
        if reason == "rejected":
            message.redelivered = True  # somebody had it
        queue.pause_in_turn(message, self._queueing.broker.now + _TRY_AGAIN)
        self._queueing.timers.note(queue)

    def _publish(self, queue: Queue, message: Message, reason: str) -> None:
        queueing = self._queueing
        exchange = queueing.vhost.exchanges.get(queue.policy.dead_letter_exchange or "")
        if exchange is None:
            self._show(queue, message, reason)
            return
        content = parse(message.data)
        key = queue.policy.dead_letter_key
        keys = _keys(content) if key is None else [key]
        died = self._died(queue, content, reason)
        dead = died._replace(exchange=exchange.name, key=keys[0])
        route = find_route(exchange, tuple(keys), dead.headers, queueing.vhost.exchanges)
        if reason != "rejected":
            deaths = _deaths(died)
            route = route._replace(queues=tuple(one for one in route.queues if not _is_circle(one.name, deaths)))
        lasting = message.persistent
        for one in route.queues:  # all or none: it comes back, and a queue that took it would get it again
            failure = queueing.publishing.obstacle(one, lasting=lasting and one.kept)
            if failure is not None:
                raise failure
        exchange.published += 1
        self._show(queue, message, reason, dead, route.queues)
        queueing.publishing.distribute(route, dead, dead.frame())

    def _show(
        self, queue: Queue, message: Message, reason: str, dead: Content | None = None, to: Sequence[Queue] = ()
    ) -> None:
        if self._queueing.broker.watchers:
            self._queueing.observing.died(queue, message, reason, dead, to)

    def _died(self, queue: Queue, content: Content, reason: str) -> Content:
        """The message with its death in its headers, and without what would kill it again."""
        headers = dict(content.headers)
        properties = dict(content.properties)
        if queue.policy.dead_letter_key is not None:
            headers.pop("CC", None)
        death: Death = {
            "count": 1,
            "reason": reason,
            "queue": queue.name,
            "time": datetime.fromtimestamp(int(self._queueing.broker.wall_time()), UTC),
            "exchange": content.exchange,
            "routing-keys": _keys(content),
        }
        if "expiration" in properties:
            death["original-expiration"] = properties.pop("expiration")
        others = []
        for one in _deaths(content):
            if one.get("queue") == queue.name and one.get("reason") == reason:
                death = {**one, "count": _one_more(one.get("count"))}
            else:
                others.append(one)
        headers["x-death"] = [death, *others]
        for name, value in (("reason", reason), ("queue", queue.name), ("exchange", content.exchange)):
            headers.setdefault(f"x-first-death-{name}", value)
            headers[f"x-last-death-{name}"] = value
        return content._replace(properties={**properties, "headers": headers})


def _keys(content: Content) -> list[str]:
    """The keys that a message was published with, as far as they are some: its headers are its publisher's."""
    copies = content.headers.get("CC")
    return [content.key, *(one for one in (copies if isinstance(copies, list) else ()) if isinstance(one, str))]


def _one_more(count: object) -> int:
    """The next count of deaths, whatever the headers say of those so far."""
    return min(count + 1, _MOST_DEATHS) if isinstance(count, int) and count > 0 else 1


def _deaths(content: Content) -> list[Death]:
    found = content.headers.get("x-death")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _is_circle(queue: str, deaths: Sequence[Death]) -> bool:
    """Whether a message has been in a queue before and came here without anybody's doing, as nobody rejected it."""
    for place, death in enumerate(deaths):
        if death.get("queue") == queue:
            return all(one.get("reason") != "rejected" for one in deaths[: place + 1])
    return False
