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
from pybus.errors import StoreFailed

if TYPE_CHECKING:
    from pybus.broker.queues.message import Message
    from pybus.broker.queues.queue import Queue
    from pybus.broker.queues.queueing import Queueing

_TRY_AGAIN = 1.0
Death = dict[str, object]


class DeadLetters:
    """Forwards what is given up, one message after the other, however long the chain of queues is."""

    def __init__(self, queueing: Queueing) -> None:
        self._queueing = queueing
        self._pending: deque[tuple[Queue, Message, str]] = deque()
        self._busy = False

    def drop(self, queue: Queue, message: Message, reason: str) -> None:
        """A message has been taken out of its queue for good. One that can't be read for now comes back later."""
        try:
            self.forward(queue, message, reason)
        except StoreFailed as error:
            self._queueing.journal.broken = error.message
            queue.pause(message, self._queueing.broker.now + _TRY_AGAIN)
            self._queueing.timers.note(queue)
            return
        queue.dropped += 1
        self._queueing.release(queue, message)

    def forward(self, queue: Queue, message: Message, reason: str) -> None:
        """Publish a message to the queue's dead-letter exchange, if it has one that exists. Raises `StoreFailed`."""
        if queue.policy.dead_letter_exchange is None:
            return
        self._queueing.disk.page_in(queue, message)
        self._pending.append((queue, message, reason))
        if self._busy:
            return
        self._busy = True
        try:
            while self._pending:
                self._publish(*self._pending.popleft())
        finally:
            self._busy = False

    def _publish(self, queue: Queue, message: Message, reason: str) -> None:
        queueing = self._queueing
        exchange = queueing.vhost.exchanges.get(queue.policy.dead_letter_exchange or "")
        if exchange is None:
            return
        content = parse(message.data)
        key = queue.policy.dead_letter_key
        copies = content.headers.get("CC") if key is None else None
        keys = (content.key if key is None else key, *(copies if isinstance(copies, list) else ()))
        died = self._died(queue, content, reason)
        dead = died._replace(exchange=exchange.name, key=keys[0])
        route = find_route(exchange, keys, dead.headers, queueing.vhost.exchanges)
        if reason != "rejected":
            deaths = _deaths(died)
            route = route._replace(queues=tuple(one for one in route.queues if not _is_circle(one.name, deaths)))
        exchange.published += 1
        queueing.publishing.distribute(route, dead, dead.frame())

    def _died(self, queue: Queue, content: Content, reason: str) -> Content:
        """The message with its death in its headers, and without what would kill it again."""
        headers = dict(content.headers)
        properties = dict(content.properties)
        copies = headers.get("CC")
        keys = [content.key, *(copies if isinstance(copies, list) else ())]
        if queue.policy.dead_letter_key is not None:
            headers.pop("CC", None)
        death: Death = {
            "count": 1,
            "reason": reason,
            "queue": queue.name,
            "time": datetime.fromtimestamp(int(self._queueing.broker.wall_time()), UTC),
            "exchange": content.exchange,
            "routing-keys": keys,
        }
        if "expiration" in properties:
            death["original-expiration"] = properties.pop("expiration")
        others = []
        for one in _deaths(content):
            if one.get("queue") == queue.name and one.get("reason") == reason:
                count = one.get("count")
                death = {**one, "count": (count if isinstance(count, int) else 0) + 1}
            else:
                others.append(one)
        headers["x-death"] = [death, *others]
        for name, value in (("reason", reason), ("queue", queue.name), ("exchange", content.exchange)):
            headers.setdefault(f"x-first-death-{name}", value)
            headers[f"x-last-death-{name}"] = value
        return content._replace(properties={**properties, "headers": headers})


def _deaths(content: Content) -> list[Death]:
    found = content.headers.get("x-death")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _is_circle(queue: str, deaths: Sequence[Death]) -> bool:
    """Whether a message has been in a queue before and came here without anybody's doing, as nobody rejected it."""
    for place, death in enumerate(deaths):
        if death.get("queue") == queue:
            return all(one.get("reason") != "rejected" for one in deaths[: place + 1])
    return False
