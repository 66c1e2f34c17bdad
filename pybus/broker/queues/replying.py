"""Answers by queue: RabbitMQ's direct reply-to, and calls of services by messages.

Direct reply-to: who consumes `amq.rabbitmq.reply-to`, without acks, gets a queue of its own behind it, whose name
stands in for that in the property `reply_to` of what it publishes.

A message to the default exchange whose key is the name of a service, and of no queue, is a call of that service
by its publisher: the property `type` is the method, the body is that of a CALL. The answer is published to the
queue that `reply_to` names, with the same `correlation_id`; an error has its name as the header `error`, and the
body [name, message].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pybus.broker.exchanges.routing import find_route
from pybus.broker.queues import replies
from pybus.broker.queues.message import Content
from pybus.broker.queues.queue import Properties
from pybus.broker.queues.vhost import check_key
from pybus.errors import InvalidArguments
from pybus.names import check_method
from pybus.protocol.codec import unpack_or_keep
from pybus.protocol.frames import CALL, CAUSED, ERROR, HEADER_SIZE, NO_REPLY, RAW, caused_target, depth_of, frame

if TYPE_CHECKING:
    from pybus.broker.peer import Peer
    from pybus.broker.queues.channel import Channel
    from pybus.broker.queues.queue import Queue
    from pybus.broker.queues.queueing import Queueing

REPLY_TO = "amq.rabbitmq.reply-to"
_LAST_SERIAL = 2**32 - 1


class Awaited(NamedTuple):
    """What the answer to a call by message needs. queue: where it goes."""

    queue: str
    correlation: str | None


class Replying:
    """Makes queues for direct replies, and calls of messages."""

    def __init__(self, queueing: Queueing) -> None:
        self._queueing = queueing
        self._serial = _LAST_SERIAL
        self.awaited: dict[tuple[int, int], Awaited] = {}

    # --- direct reply-to --------------------------------------------------------------------------

    def reply_queue(self, channel: Channel, peer: Peer, *, no_ack: bool) -> Queue:
        """The queue behind `amq.rabbitmq.reply-to`, for who begins to consume that. Raises `PreconditionFailed`."""
        if not no_ack:
            raise replies.failed("reply consumer cannot acknowledge")
        vhost = self._queueing.vhost
        if channel.reply_queue in vhost.queues:
            raise replies.failed("reply consumer already set")
        name = vhost.generate(f"{REPLY_TO}.")
        channel.reply_queue = name
        return vhost.declare_queue(name, Properties(auto_delete=True), peer, own=True)

    def prepare(self, channel: Channel, content: Content) -> Content:
        """Put the queue's own name in place of the one that all use. Raises `PreconditionFailed` if there is none."""
        if content.properties.get("reply_to") != REPLY_TO:
            return content
        if channel.reply_queue not in self._queueing.vhost.queues:
            raise replies.failed("fast reply consumer does not exist")
        return content._replace(properties={**content.properties, "reply_to": channel.reply_queue})

    # --- services ---------------------------------------------------------------------------------

    def knows(self, name: str) -> bool:
        """Whether a service of that name is there, or can be started."""
        broker = self._queueing.broker
        return broker.registry.owner(name) is not None or broker.services.get(name) is not None

    def call(self, channel: Channel, content: Content) -> None:
        """Call a service by a message. Raises `InvalidArguments`, `InvalidName`."""
        method = content.properties.get("type")
        if not isinstance(method, str):
            raise InvalidArguments(f"a message to the service {content.key} needs its method as the property 'type'")
        key = f"{content.key} {check_method(method)}".encode()
        queue, correlation = content.properties.get("reply_to"), content.properties.get("correlation_id")
        flags = content.flags & CAUSED
        target = caused_target(depth_of(content.target)) if flags else 0
        peer, serial = channel.peer, 0
        if isinstance(queue, str):
            check_key(queue)  # by which the answer is published
            serial = self._free_serial(peer)
            self.awaited[peer.number, serial] = Awaited(queue, correlation if isinstance(correlation, str) else None)
        else:
            flags |= NO_REPLY
        data = frame(CALL, flags, peer.number, target, serial, key, content.payload)
        self._queueing.broker.dispatch.call(peer, (CALL, flags, peer.number, target, serial, key, data, 1))

    def answer(self, peer: Peer, awaited: Awaited, data: bytes) -> None:
        """The answer or error to such a call is here: publish it. If nobody has the queue any more it is dropped."""
        queueing = self._queueing
        exchange = queueing.vhost.exchange("")
        properties: dict[str, object] = {}
        if awaited.correlation is not None:
            properties["correlation_id"] = awaited.correlation
        body = data[HEADER_SIZE + int.from_bytes(data[6:8], "little") :]
        if data[4] == ERROR:
            properties["headers"] = {"error": _error_name(body)}
        sender = int.from_bytes(data[8:12], "little")
        content = Content("", awaited.queue, properties, body, data[5] & RAW, sender, 0)
        route = find_route(exchange, (awaited.queue,), {}, queueing.vhost.exchanges)
        failure, _ = queueing.publishing.distribute(route, content, content.frame())
        if failure is not None:
            queueing.faults.append((f"an answer for queue '{awaited.queue}' is lost", failure))

    def leave(self, peer: Peer) -> None:
        """A connection has ended; nobody answers its calls."""
        for key in [key for key in self.awaited if key[0] == peer.number]:
            del self.awaited[key]

    def _free_serial(self, peer: Peer) -> int:
        """A serial that is none of the peer's own, which count up from 1."""
        while self._serial in peer.calls:
            self._serial -= 1
        self._serial, found = (self._serial - 1) or _LAST_SERIAL, self._serial
        return found


def _error_name(body: bytes) -> str:
    match unpack_or_keep(0, body):
        case [str(name), *_]:
            return name
    return "org.pybus.Error.Failed"
