"""Peers, services and the bus itself as maps, which the bus's methods answer. Times are in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybus.broker.life import FAILED, PAUSING, RUNNING
from pybus.broker.observers import Monitor
from pybus.plain import is_compiled

if TYPE_CHECKING:
    from pybus.broker.broker import Broker
    from pybus.broker.life import Life
    from pybus.broker.peer import Peer


def describe_bus(broker: Broker) -> dict[str, object]:
    """What there is, and frames since the bus started."""
    peers = broker.peers.values()
    lives = broker.services.all()
    queues = broker.queueing.vhost.queues.values()
    return {
        "version": broker.version,
        "compiled": is_compiled(),
        "uptime": broker.now - broker.started,
        "peers": len(peers),
        "names": len(broker.registry.names()),
        "patterns": sum(len(peer.patterns) for peer in peers),
        "routes": len(broker.signals.routes.known),
        "retained": len(broker.signals.retained),
        "retained_bytes": broker.signals.retained.bytes,
        "open_calls": len(broker.dispatch.open),
        "late_answers": broker.dispatch.late_answers,
        "queued_bytes": sum(peer.queued for peer in peers),
        "queues": len(queues),
        "queued_messages": sum(map(len, queues)),
        "unacked_messages": sum(queue.unacked for queue in queues),
        "queue_memory": broker.queueing.bytes,
        "services": len(lives),
        "running": sum(life.state == RUNNING for life in lives),
        "monitors": sum(isinstance(observer, Monitor) for observer in broker.observers),
        "slowed": sum(peer.is_slowed(broker.now) for peer in peers),
        "storms": broker.storms.count,
        "loops": broker.storms.chains.loops,
        "bytes_received": broker.gone.bytes_sent + sum(peer.bytes_sent for peer in peers),
        "bytes_delivered": broker.gone.bytes_received + sum(peer.bytes_received for peer in peers),
        "received": broker.gone.sent + sum(peer.sent for peer in peers),
        "delivered": broker.gone.received + sum(peer.received for peer in peers),
        "dropped": broker.gone.dropped + sum(peer.dropped for peer in peers),
    }


def describe_service(broker: Broker, life: Life) -> dict[str, object]:
    """What a service's file says, and its life."""
    owner = broker.registry.owner(life.service.name)
    now = broker.now
    return {
        **life.service._asdict(),
        "exec": list(life.service.exec),
        "topics": list(life.service.topics),
        "state": life.state,
        "pid": life.pid,
        "owner": owner.name if owner is not None else None,
        "since": now - life.since,
        "starts": life.starts,
        "failures": life.failures,
        "reason": life.reason if life.state in (PAUSING, FAILED) else "",
        "last": life.last,
        "due": life.due - now if life.state == PAUSING and life.due is not None else None,
        "listeners": life.listeners,
    }


def describe_peer(broker: Broker, peer: Peer) -> dict[str, object]:
    """Who it is, what it holds, and its counters."""
    owned = owned_by(broker, peer)
    now = broker.now
    return {
        "name": peer.name,
        "names": owned,
        "waiting_for": sorted(name for name in peer.names if name not in owned),
        **peer.credentials._asdict(),
        "age": now - peer.since,
        "patterns": len(peer.patterns),
        "monitor": any(one.peer is peer and isinstance(one, Monitor) for one in broker.observers),
        "sent": peer.sent,
        "received": peer.received,
        "dropped": peer.dropped,
        "queued": peer.queued,
        "bytes_sent": peer.bytes_sent,
        "bytes_received": peer.bytes_received,
        "answered": peer.answered,
        "answer_time": peer.answer_time,
        "rate": peer.budget.rates(now)[0],
        "slowed": peer.is_slowed(now),
        "slowed_seconds": peer.slowed_seconds,
    }


def owned_by(broker: Broker, peer: Peer) -> list[str]:
    """The well-known names that a peer owns."""
    return sorted(name for name in peer.names if broker.registry.owner(name) is peer)
