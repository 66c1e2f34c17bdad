"""What observers are shown of messages on their way through the queues.

Who calls one of these has seen that the broker has watchers, so a bus that nobody watches pays a look at an empty list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybus.broker.exchanges.routing import find_route
from pybus.broker.observers import Event
from pybus.broker.queues.message import Content, parse
from pybus.names import AMQ_TOPIC
from pybus.protocol.frames import BUS, REDELIVERED, Run, bodies_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pybus.broker.broker import Broker
    from pybus.broker.exchanges.routing import Route
    from pybus.broker.peer import Peer
    from pybus.broker.queues.channel import Delivery
    from pybus.broker.queues.message import Message
    from pybus.broker.queues.queue import Queue

_GONE = Content("", "", {}, b"", 0, BUS, 0)
"""What is known of a message that is on disk only."""


class Observing:
    """Makes events of what happens to messages, and shows them to the watchers."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def run_published(self, run: Run, route: Route) -> None:
        """Messages without properties were published together; they go where the exchange and the key lead."""
        _, flags, sender, _, _, _, data, count = run
        exchange, bodies = route.exchange.name, tuple(bodies_of(run))
        queues = _names(route.queues)
        self._tell(Event("publish", sender, (), exchange, route.key, flags, bodies, len(data), count, queues=queues))

    def published(self, content: Content, size: int, route: Route, *, calls: bool) -> None:
        """A message was published. size: of its frame. calls: whether its key names a service and no queue."""
        service = content.key if calls else None
        self._show("publish", content, size, content.sender, queues=_names(route.queues), service=service)

    def returned(self, content: Content, size: int) -> None:
        """A mandatory message reached no queue and goes back to its publisher."""
        self._show("return", content, size, BUS, (content.sender,))

    def delivered(self, queue: Queue, message: Message, peer: Peer, consumer: str | None) -> None:
        """A message goes to a connection: to its consumer of that tag, or as the answer to `get_message`."""
        content = parse(message.data)
        content = content._replace(flags=content.flags | (REDELIVERED if message.redelivered else 0))
        more: dict[str, Any] = {"queue": queue.name, "consumer": consumer, "age": self._broker.now - message.since}
        self._show("deliver", content, len(message.data), content.sender, (peer.number,), **more)

    def settled(self, kind: str, peer: Peer, deliveries: Iterable[Delivery], reason: str = "") -> None:
        """A connection has said what became of deliveries: "ack", "nack" (given back) or "reject"."""
        for queue, message, _ in deliveries:
            content = (parse(message.data) if message.data else _GONE)._replace(payload=b"", properties={})
            age = self._broker.now - message.since
            self._show(kind, content, len(message.data), peer.number, queue=queue.name, age=age, reason=reason)

    def died(self, queue: Queue, message: Message, reason: str, dead: Content | None, queues: Sequence[Queue]) -> None:
        """A queue has given a message up. dead: the dead letter that goes to the queues; None if there is none."""
        content = dead or (parse(message.data) if message.data else _GONE)
        more: dict[str, Any] = {"queue": queue.name, "reason": reason, "age": self._broker.now - message.since}
        exchange = dead.exchange if dead is not None else None
        self._show("died", content, len(message.data), BUS, exchange=exchange, queues=_names(queues), **more)

    def queues_of(self, topic: str) -> tuple[str, ...]:
        """The names of the queues that get the signals to a topic."""
        exchanges = self._broker.queueing.vhost.exchanges
        return _names(find_route(exchanges[AMQ_TOPIC], (topic,), {}, exchanges).queues)

    def _show(
        self, kind: str, content: Content, size: int, sender: int, receivers: tuple[int, ...] = (), **more: Any
    ) -> None:
        where = content.exchange, content.key, content.flags
        event = Event(kind, sender, receivers, *where, (content.payload,), size, properties=content.properties)
        self._tell(event._replace(**more))

    def _tell(self, event: Event) -> None:
        for observer in self._broker.watchers:
            observer.see_message(event)


def _names(queues: Sequence[Queue]) -> tuple[str, ...]:
    return tuple(queue.name for queue in queues)
