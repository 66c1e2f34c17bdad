"""Exchanges, queues and bindings as maps, which the bus's methods answer. Times are in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybus.broker.exchanges.exchange import Exchange

if TYPE_CHECKING:
    from pybus.broker.broker import Broker
    from pybus.broker.exchanges.exchange import Binding, Destination
    from pybus.broker.exchanges.routing import Step
    from pybus.broker.queues.consumer import Consumer
    from pybus.broker.queues.meter import Counts
    from pybus.broker.queues.queue import Queue


def describe_exchange(exchange: Exchange) -> dict[str, object]:
    """How it was declared, how many bindings lead away from it, and how many messages came to it."""
    properties = exchange.properties
    return {
        "name": exchange.name,
        "type": exchange.type,
        "durable": properties.durable,
        "auto_delete": properties.auto_delete,
        "internal": properties.internal,
        "arguments": dict(properties.arguments),
        "bindings": len(exchange.bindings),
        "published": exchange.published,
    }


def describe_queue(broker: Broker, queue: Queue) -> dict[str, object]:
    """How it was declared, what waits in it, who consumes it, and its counters.

    messages: that wait; bytes: of their bodies. oldest: the age of the next message, None if there is none.
    """
    properties = queue.properties
    return {
        "name": queue.name,
        "durable": properties.durable,
        "auto_delete": properties.auto_delete,
        "exclusive": properties.owner is not None,
        "owner": properties.owner.name if properties.owner is not None else None,
        "arguments": dict(properties.arguments),
        "messages": len(queue),
        "bytes": queue.bytes,
        "unacked": queue.unacked,
        "oldest": _oldest(queue, broker.now),
        "consumers": [_describe_consumer(consumer, queue) for consumer in queue.consumers],
        "bindings": len(broker.queueing.vhost.bindings_to(queue)),
        "published": queue.published,
        "delivered": queue.delivered,
        "acked": queue.acked,
        "returned": queue.returned,
        "dropped": queue.dropped,
    }


def describe_traffic(queue: Queue, counts: Counts, now: float) -> dict[str, object]:
    """What waits in it, for how many consumers, and what has happened in it."""
    return {
        "name": queue.name,
        "messages": len(queue),
        "unacked": queue.unacked,
        "oldest": _oldest(queue, now),
        "consumers": len(queue.consumers),
        **counts._asdict(),
    }


def _oldest(queue: Queue, now: float) -> float | None:
    head = queue.head()
    return now - head.since if head is not None else None


def describe_way(steps: list[Step]) -> list[dict[str, object]]:
    """The way of a message: each exchange on it, where it goes from there, and by which bindings."""
    return [
        {
            "exchange": step.exchange.name,
            "type": step.exchange.type,
            "reached": [
                {**_describe_destination(one), "bindings": [_describe_why(binding) for binding in bindings]}
                for one, bindings in step.reached.items()
            ],
            "alternate": step.alternate.name if step.alternate is not None else None,
        }
        for step in steps
    ]


def _describe_destination(destination: Destination) -> dict[str, object]:
    return {"destination": destination.name, "to": "exchange" if isinstance(destination, Exchange) else "queue"}


def _describe_why(binding: Binding) -> dict[str, object]:
    return {"key": binding.key, "arguments": dict(binding.arguments)}


def describe_binding(binding: Binding) -> dict[str, object]:
    """From where to where, and for what. number: as in `Binding`."""
    return {
        "source": binding.source.name,
        **_describe_destination(binding.destination),
        **_describe_why(binding),
        "number": binding.number,
    }


def _describe_consumer(consumer: Consumer, queue: Queue) -> dict[str, object]:
    peer = consumer.channel.peer
    return {
        "tag": consumer.tag,
        "name": peer.name,
        "program": peer.credentials.program,
        "pid": peer.credentials.pid,
        "no_ack": consumer.no_ack,
        "exclusive": consumer.exclusive,
        "prefetch": consumer.prefetch,
        "priority": consumer.priority,
        "active": queue.consumers.active in (None, consumer),
        "unacked": consumer.unacked,
        "delivered": consumer.delivered,
    }
