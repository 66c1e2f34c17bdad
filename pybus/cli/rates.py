"""From two looks at the bus to what happens in a second: by peer, by topic, by method, by queue, and in all.

The bus counts; a rate is what was counted between two looks over the time between them, by the bus's
own clock (`uptime`). Both looks have to be at the same run of the bus, from one connection.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Snapshot(NamedTuple):
    """One look at the bus: the answers of its methods `stats`, `peers`, `traffic` and `queue_traffic`."""

    stats: dict[str, Any]
    peers: list[dict[str, Any]]
    traffic: dict[str, Any]
    queues: dict[str, Any]


class Totals(NamedTuple):
    """The whole bus, per second: frames from peers and to them, signals dropped, and the bytes of the frames."""

    received: float
    delivered: float
    dropped: float
    bytes_received: float
    bytes_delivered: float


class PeerRates(NamedTuple):
    """One peer: frames from it and to it, bytes from it, and signals that it missed, per second.

    queued: bytes that wait for it now. answer: mean seconds that it took to answer, None if it answered
    nothing. names: its well-known names, with spaces between.
    """

    name: str
    program: str
    pid: int
    slowed: bool
    sent: float
    sent_bytes: float
    received: float
    dropped: float
    queued: int
    answer: float | None
    names: str


class TopicRates(NamedTuple):
    """One topic: messages, bytes and losses per second. Delays in seconds, since the first look."""

    topic: str
    messages: float
    volume: float
    dropped: float
    delay: float | None
    delay_worst: float | None


class MethodRates(NamedTuple):
    """One method of a service: calls and errors per second. Times in seconds, since the first look."""

    name: str
    method: str
    calls: float
    errors: float
    time: float | None
    time_worst: float | None


class QueueLoad(NamedTuple):
    """One queue: what waits in it now, for how many seconds the next of it does, and messages per second.

    returned: those that consumers gave back. dropped: those that the queue gave up, dead letters or not.
    """

    name: str
    messages: int
    unacked: int
    consumers: int
    oldest: float | None
    published: float
    delivered: float
    acked: float
    returned: float
    dropped: float


class QueueRates(NamedTuple):
    """One queue: messages that came, that went to consumers, and that these acked, per second."""

    published: float
    delivered: float
    acked: float


def totals(before: dict[str, Any], after: dict[str, Any]) -> Totals:
    """What the whole bus did between two answers of its method `stats`."""
    seconds = after["uptime"] - before["uptime"]
    return Totals(*(_gain(before, after, key) / seconds for key in Totals._fields))


def peer_rates(before: Snapshot, after: Snapshot) -> list[PeerRates]:
    """What each peer did between two looks. One that came after the first look has counted from zero."""
    seconds = after.stats["uptime"] - before.stats["uptime"]
    found = []
    for old, new in _pairs(before.peers, after.peers, "name"):
        answered = _gain(old, new, "answered")
        found.append(
            PeerRates(
                name=new["name"],
                program=new["program"],
                pid=new["pid"],
                slowed=new["slowed"],
                sent=_gain(old, new, "sent") / seconds,
                sent_bytes=_gain(old, new, "bytes_sent") / seconds,
                received=_gain(old, new, "received") / seconds,
                dropped=_gain(old, new, "dropped") / seconds,
                queued=new["queued"],
                answer=_gain(old, new, "answer_time") / answered if answered else None,
                names=" ".join(new["names"]),
            )
        )
    return found


def topic_rates(before: Snapshot, after: Snapshot) -> list[TopicRates]:
    """What passed under each topic between two looks."""
    seconds = after.traffic["seconds"] - before.traffic["seconds"]
    return [
        TopicRates(
            topic=new["topic"],
            messages=_gain(old, new, "messages") / seconds,
            volume=_gain(old, new, "bytes") / seconds,
            dropped=_gain(old, new, "dropped") / seconds,
            delay=new["delay"],
            delay_worst=new["delay_worst"] if new["delay"] is not None else None,
        )
        for old, new in _pairs(before.traffic["topics"], after.traffic["topics"], "topic")
    ]


def method_rates(before: Snapshot, after: Snapshot) -> list[MethodRates]:
    """Which methods were called between two looks."""
    seconds = after.traffic["seconds"] - before.traffic["seconds"]
    return [
        MethodRates(
            name=new["name"],
            method=new["method"],
            calls=_gain(old, new, "calls") / seconds,
            errors=_gain(old, new, "errors") / seconds,
            time=new["time"],
            time_worst=new["time_worst"] if new["time"] is not None else None,
        )
        for old, new in _pairs(before.traffic["methods"], after.traffic["methods"], "name", "method")
    ]


def queue_loads(_before: Snapshot, after: Snapshot) -> list[QueueLoad]:
    """The queues in which most happens or waits. What happened is from the look before, as the bus has it."""
    seconds = after.queues["seconds"]
    rates = ("published", "delivered", "acked", "returned", "dropped")
    return [QueueLoad(**{**one, **{key: one[key] / seconds for key in rates}}) for one in after.queues["queues"]]


def queue_rates(before: list[dict[str, Any]], after: list[dict[str, Any]], seconds: float) -> list[QueueRates]:
    """What each queue of the second look did between two, so many seconds apart. A new one has counted from zero."""
    return [
        QueueRates(*(_gain(old, new, key) / seconds for key in QueueRates._fields))
        for old, new in _pairs(before, after, "name")
    ]


def _gain(before: dict[str, Any], after: dict[str, Any], key: str) -> float:
    """What a counter has gained. One that is lower is another one: its queue was deleted and declared meanwhile."""
    now: float = after[key]
    since: float = before.get(key, 0)
    return now - since if now >= since else now


def _pairs(
    before: list[dict[str, Any]], after: list[dict[str, Any]], *keys: str
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each entry that is there now beside what it was before, {} if it is new."""
    known = {tuple(entry[key] for key in keys): entry for entry in before}
    return [(known.get(tuple(entry[key] for key in keys), {}), entry) for entry in after]
