"""The bus's own methods for queues: administration, and what is too rare for a frame of its own.

They are part of the object `org.pybus.Bus`, beside those of `driver.py`. Names and meanings are those of AMQP's
methods: `declare_queue` is `queue.declare`, `consume` is `basic.consume`, and so on. "" as a queue's name is the
one that the connection declared last.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING

from pybus.broker.exchanges import exchange as exchanges
from pybus.broker.queues import replies
from pybus.broker.queues.consuming import Wish
from pybus.broker.queues.descriptions import (
    describe_binding,
    describe_exchange,
    describe_queue,
    describe_traffic,
    describe_way,
)
from pybus.broker.queues.meter import QueueMeter
from pybus.broker.queues.moving import move
from pybus.broker.queues.native import deliver_frame
from pybus.broker.queues.queue import Properties
from pybus.broker.queues.replying import REPLY_TO
from pybus.errors import BusError, InvalidArguments, NotFound
from pybus.protocol.codec import pack

if TYPE_CHECKING:
    from collections.abc import Callable

    from pybus.broker.broker import Broker
    from pybus.broker.peer import Peer
    from pybus.broker.queues.channel import Channel
    from pybus.broker.queues.queue import Queue
    from pybus.broker.queues.vhost import VirtualHost

METHODS = (
    "declare_exchange",
    "delete_exchange",
    "bind_exchange",
    "unbind_exchange",
    "declare_queue",
    "delete_queue",
    "bind_queue",
    "unbind_queue",
    "purge_queue",
    "consume",
    "cancel",
    "set_prefetch",
    "get_message",
    "peek_messages",
    "move_messages",
    "recover",
    "select_transaction",
    "commit",
    "rollback",
    "exchanges",
    "queues",
    "queue",
    "queue_traffic",
    "bindings",
    "route",
)
_LONG = {"purge_queue", "delete_queue", "peek_messages", "move_messages", "exchanges", "queues", "queue_traffic"}
_LONG |= {"bindings", "route"}
QUICK = set(METHODS) - _LONG
"""Methods that take a moment, or count what they do."""
CARRIERS = {"get_message", "peek_messages"}
"""Methods whose answers carry messages, which are handed out however large they have become."""
_MAX_COUNT = 2**32
_PAGE = 1000
"""Entries of a list that are told at once, so that nobody waits long for who asks: some milliseconds."""


class QueueMethods:
    """What the bus offers of queues. caller, serial: those of the call in hand."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.caller: Peer
        self.serial = 0

    def functions(self) -> dict[str, Callable[..., object]]:
        """All methods by name."""
        return {name: getattr(self, name) for name in METHODS}

    # --- exchanges --------------------------------------------------------------------------------

    def declare_exchange(
        self,
        name: str,
        type: str = "direct",  # noqa: A002 - AMQP's word
        passive: bool = False,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: dict[str, object] | None = None,
    ) -> None:
        """Make an exchange of type "direct", "fanout", "topic" or "headers"; an equal one may be there.

        passive: only see that it is there. durable: it outlives the daemon. auto_delete: it goes with its last
        binding. internal: messages come to it from other exchanges only. arguments: "alternate-exchange".
        """
        if passive:
            self._vhost.declared_exchange(name)
            return
        properties = exchanges.Properties(durable, auto_delete, internal, _checked(arguments))
        self._vhost.declare_exchange(name, type, properties)

    def delete_exchange(self, name: str, if_unused: bool = False) -> None:
        """Remove an exchange and its bindings. if_unused: only if nothing is bound to it."""
        self._vhost.delete_exchange(name, if_unused=if_unused)

    def bind_exchange(
        self, destination: str, source: str, key: str = "", arguments: dict[str, object] | None = None
    ) -> None:
        """Let messages that come to the source and match go on to the destination, an exchange."""
        found = self._vhost.source(source, destination)
        self._vhost.bind(found, self._vhost.exchange(destination), key, _checked(arguments))

    def unbind_exchange(
        self, destination: str, source: str, key: str = "", arguments: dict[str, object] | None = None
    ) -> None:
        """Undo a binding between exchanges."""
        found = self._vhost.binding(source, destination, key, _checked(arguments), to_exchange=True)
        if found is not None:
            self._vhost.unbind(found)

    # --- queues -----------------------------------------------------------------------------------

    def declare_queue(
        self,
        name: str = "",
        passive: bool = False,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: dict[str, object] | None = None,
    ) -> dict[str, object]:
        """Make a queue; an equal one may be there. Returns queue (its name), messages (that wait) and consumers.

        name: "" lets the bus choose one. passive: only see that it is there. durable: it outlives the daemon.
        exclusive: for this connection alone, with which it goes. auto_delete: it goes with its last consumer.
        arguments: RabbitMQ's, of these "x-message-ttl", "x-expires" and "x-consumer-timeout" in milliseconds. What is
        delivered and not settled within the last one goes back, and its consumer is one no more; without, it may take
        as long as it does (in RabbitMQ half an hour).
        """
        if passive:
            queue = self._queue(name)
        else:
            owner = self.caller if exclusive else None
            properties = Properties(durable, auto_delete, owner, _checked(arguments))
            queue = self._vhost.declare_queue(name, properties, self.caller)
        self._broker.queueing.timers.note(queue)
        self._channel.last_queue = queue.name
        return {"queue": queue.name, "messages": len(queue), "consumers": len(queue.consumers)}

    def delete_queue(self, queue: str = "", if_unused: bool = False, if_empty: bool = False) -> int:
        """Remove a queue with its messages; how many those were. Its consumers are told."""
        name = queue or self._last()
        if name not in self._vhost.queues:
            return 0
        found = self._queue(name)
        if if_unused and len(found.consumers):
            raise replies.in_use("queue", name)
        if if_empty and len(found):
            raise replies.not_empty(name)
        return self._broker.queueing.consuming.delete(found)

    def bind_queue(self, queue: str, exchange: str, key: str = "", arguments: dict[str, object] | None = None) -> None:
        """Let messages that come to the exchange and match get into the queue.

        key: what the routing key has to be, or its pattern; arguments: the headers, for an exchange that
        goes by them. On `amq.topic` the signals of the bus come along.
        """
        found = self._vhost.source(exchange)
        self._vhost.bind(found, self._queue(queue), key, _checked(arguments))

    def unbind_queue(
        self, queue: str, exchange: str, key: str = "", arguments: dict[str, object] | None = None
    ) -> None:
        """Undo a binding."""
        name = queue or self._last()
        found = self._vhost.binding(exchange, name, key, _checked(arguments), to_exchange=False)
        if found is not None:
            self._queue(name)  # which may be somebody else's own
            self._vhost.unbind(found)

    def purge_queue(self, queue: str = "") -> int:
        """Throw away the messages that wait in a queue; how many those were."""
        return self._broker.queueing.works.begin(self._broker.queueing.consuming.purge(self._queue(queue)))

    # --- messages ---------------------------------------------------------------------------------

    def consume(
        self,
        queue: str = "",
        tag: str = "",
        no_ack: bool = False,
        exclusive: bool = False,
        prefetch: int = 0,
        arguments: dict[str, object] | None = None,
    ) -> str:
        """Get the queue's messages as DELIVER frames with this call's serial; the consumer's tag.

        The frames may come before the answer. no_ack: a message is settled by being delivered. exclusive: nobody
        else may consume the queue. prefetch: how many messages may be unacked, 0 for any number.
        arguments: "x-priority", higher ones get messages first. The queue `amq.rabbitmq.reply-to` is for direct
        replies.
        """
        wish = Wish(tag, no_ack, exclusive, _count("prefetch", prefetch), _checked(arguments))
        queueing = self._broker.queueing
        if queue != REPLY_TO:
            return queueing.consuming.consume(self._channel, self._queue(queue), wish, self.serial).tag
        found = queueing.replying.reply_queue(self._channel, self.caller, no_ack=no_ack)
        try:
            return queueing.consuming.consume(self._channel, found, wish, self.serial).tag
        except BusError:
            queueing.consuming.delete(found)  # which no consumer would ever leave
            raise

    def cancel(self, tag: str) -> None:
        """End a consumer. What it has unacked can still be settled."""
        self._broker.queueing.consuming.cancel(self._channel, tag)

    def set_prefetch(self, count: int) -> None:
        """How many messages may be unacked on this connection, all consumers together; 0 for any number."""
        self._channel.prefetch = _count("count", count)
        self._broker.queueing.consuming.feed(self._channel)

    def get_message(self, queue: str = "", no_ack: bool = False) -> dict[str, object] | None:
        """Take the next message of a queue; None if there is none.

        message: as a DELIVER frame with serial 0, which has taken a delivery tag like any. tag: that one.
        messages: how many still wait.
        """
        found = self._queue(queue)
        got = self._broker.queueing.consuming.get(self._channel, found, no_ack=no_ack)
        if got is None:
            return None
        message, tag = got
        return {"message": deliver_frame(found, message, 0), "tag": tag, "messages": len(found)}

    def peek_messages(self, queue: str, count: int = 10) -> list[dict[str, object]]:
        """The next messages of a queue, which stay there: each as message (a DELIVER frame), age (seconds), returns.

        returns: how often it came back from a consumer. No more are shown than fit into half a frame.
        """
        found: list[dict[str, object]] = []
        left = self._broker.limits.frame // 2
        there = self._queue(queue)
        for message in there:
            left -= message.weight
            if len(found) >= count or (left < 0 and found):
                break
            self._broker.queueing.disk.page_in(there, message)
            age = self._broker.now - message.since
            found.append({"message": deliver_frame(there, message, 0), "age": age, "returns": message.returns})
        return found

    def move_messages(self, queue: str, destination: str = "", count: int = 0) -> int:
        """Move messages to the end of another queue; how many were moved.

        destination: "" is for dead letters: each goes to the queue in which it died last, and stays if there is none.
        count: how many at most, from the head on; 0 for all. It ends early with the first that its queue does not
        take; if nothing was moved by then, the answer is why.
        """
        target = self._queue(destination) if destination else None
        queueing = self._broker.queueing
        return queueing.works.begin(move(queueing, self._queue(queue), target, _count("count", count)))

    def recover(self) -> None:
        """Give all that this connection has unacked back to the queues, which deliver it again."""
        self._broker.queueing.consuming.recover(self._channel)

    # --- transactions -----------------------------------------------------------------------------

    def select_transaction(self) -> None:
        """From now on what this connection publishes and settles waits for `commit`."""
        self._broker.queueing.select(self._channel)

    def commit(self) -> None:
        """Carry out what waits, and begin anew."""
        self._broker.queueing.commit(self._channel)

    def rollback(self) -> None:
        """Forget what waits, and begin anew."""
        self._broker.queueing.rollback(self._channel)

    # --- what there is ----------------------------------------------------------------------------

    def exchanges(self, after: str | None = None) -> list[dict[str, object]]:
        """The exchanges by name: name, type, durable, auto_delete, internal, arguments, bindings, published.

        At most 1000, and no more than fit into half a frame. after: those whose names come after this one; so the
        next ones are got by the last one's name, until there are none.
        """
        there = self._vhost.exchanges
        return self._page(describe_exchange(there[name]) for name in _next_names(there, after))

    def queues(self, after: str | None = None) -> list[dict[str, object]]:
        """The queues by name; each as `queue` has it. after: as for `exchanges`."""
        there = self._vhost.queues
        return self._page(describe_queue(self._broker, there[name]) for name in _next_names(there, after))

    def queue(self, name: str) -> dict[str, object]:
        """One queue: how it was declared, what waits in it, who consumes it, and its counters. Times in seconds."""
        return describe_queue(self._broker, self._queue(name))

    def queue_traffic(self, most: int = 200) -> dict[str, object]:
        """The queues to look at first, of however many: seconds since the caller asked last, and queues.

        most: so many in which most happened meanwhile, then as many in which most waits or is unacked. Each has name,
        messages, unacked, consumers (their number) and oldest as for `queue`, and what happened meanwhile: published,
        delivered, acked, returned and dropped. To ask first begins it: then nothing has happened.
        """
        now, there = self._broker.now, self._vhost.queues.values()
        meter = self._channel.meter
        if meter is None:
            meter = self._channel.meter = QueueMeter(there, now)
        since = meter.since
        found = meter.look(there, now, _count("most", most))
        queues = self._page(describe_traffic(queue, counts, now) for queue, counts in found.items())
        return {"seconds": now - since, "queues": queues}

    def bindings(
        self, exchange: str | None = None, queue: str | None = None, after: int = 0
    ) -> list[dict[str, object]]:
        """Bindings in the order in which they were made: source, destination, to, key, arguments, number.

        to: "queue" or "exchange". exchange: those that lead to it and away from it; queue: those that lead to it; all
        if both are left out. At most 1000, and no more than fit into half a frame. after: those with a greater number
        than this one; so the next ones are got by the last one's number, until there are none.
        """
        return self._page(map(describe_binding, self._vhost.bindings(exchange, queue, after)))

    def _page(self, entries: Iterable[dict[str, object]]) -> list[dict[str, object]]:
        """The first entries, as many as an answer should carry."""
        left = self._broker.limits.frame // 2
        found: list[dict[str, object]] = []
        for one in islice(entries, _PAGE):
            left -= len(pack(one))
            if left < 0 and found:
                break
            found.append(one)
        return found

    def route(self, exchange: str, key: str = "", headers: dict[str, object] | None = None) -> dict[str, object]:
        """Where a message would go, without sending it: queues (names), service, and the steps of its way.

        service: the one that it would call, as its key is no queue's name. A step has exchange, type, reached (to,
        destination, and the bindings by which it goes there) and alternate. Raises as publishing does.
        """
        found, way = self._broker.queueing.publishing.trace(exchange, key, _checked(headers))
        calls = not (found.queues or exchange) and self._broker.queueing.replying.knows(key)
        queues = [queue.name for queue in found.queues]
        return {"queues": queues, "service": key if calls else None, "steps": describe_way(way)}

    # --- of the call in hand --------------------------------------------------------------------------

    @property
    def _vhost(self) -> VirtualHost:
        return self._broker.queueing.vhost

    @property
    def _channel(self) -> Channel:
        return self._broker.queueing.channel(self.caller)

    def _queue(self, name: str) -> Queue:
        """A queue that the caller may use. Raises `NotFound`, `ResourceLocked`."""
        return self._vhost.queue(name or self._last(), self.caller)

    def _last(self) -> str:
        name = self._channel.last_queue
        if not name:
            raise NotFound("NOT_FOUND - no previously declared queue")
        return name


def _checked(arguments: dict[str, object] | None) -> dict[str, object]:
    for key in arguments or {}:
        if not isinstance(key, str):
            raise InvalidArguments(f"the keys of arguments must be text, and {key!r} is not")
    return arguments or {}


def _next_names(there: Iterable[str], after: str | None) -> list[str]:
    return nsmallest(_PAGE, there if after is None else (name for name in there if name > after))


def _count(name: str, value: int) -> int:
    if not 0 <= value <= _MAX_COUNT:
        raise InvalidArguments(f"{name} must be a number from 0 on, not {value}")
    return value
