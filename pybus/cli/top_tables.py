"""What `pybus top` shows, and in which order: four tables, for people and for programs.

Whoever does most harm comes first. Peers: who is being slowed, then who misses signals, then who sends
most bytes. Topics: what is dropped, then bytes. Methods: errors, then the mean time of an answer. Queues: what is
dropped, then what comes back, then what waits or is unacked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pybus.cli.rates import (
    MethodRates,
    PeerRates,
    QueueLoad,
    Snapshot,
    TopicRates,
    method_rates,
    peer_rates,
    queue_loads,
    topic_rates,
    totals,
)
from pybus.cli.text import age, safe

Row = PeerRates | TopicRates | MethodRates | QueueLoad


class Column(NamedTuple):
    """One column. kind: "text", "id", "number", "rate", "seconds" (shown as milliseconds), "age" or "mark"."""

    title: str
    kind: str


class Table(NamedTuple):
    """One table. word: for one of its rows. rows: from two looks; a row has a value for each column, in order.

    harm: what to compare rows by, so that the worst is the greatest.
    """

    title: str
    word: str
    columns: tuple[Column, ...]
    rows: Callable[[Snapshot, Snapshot], Sequence[Row]]
    harm: Callable[[Any], tuple[float, ...]]


PEERS = Table(
    "peers",
    "peer",
    (
        Column("PEER", "text"),
        Column("PROGRAM", "text"),
        Column("PID", "id"),
        Column("SLOWED", "mark"),
        Column("SENT/S", "rate"),
        Column("BYTES/S", "rate"),
        Column("RECEIVED/S", "rate"),
        Column("DROPPED/S", "rate"),
        Column("QUEUED", "number"),
        Column("ANSWER MS", "seconds"),
        Column("NAMES", "text"),
    ),
    peer_rates,
    lambda peer: (peer.slowed, peer.dropped, peer.sent_bytes),
)
TOPICS = Table(
    "topics",
    "topic",
    (
        Column("TOPIC", "text"),
        Column("MESSAGES/S", "rate"),
        Column("BYTES/S", "rate"),
        Column("DROPPED/S", "rate"),
        Column("DELAY MS", "seconds"),
        Column("WORST MS", "seconds"),
    ),
    topic_rates,
    lambda topic: (topic.dropped, topic.volume),
)
METHODS = Table(
    "methods",
    "method",
    (
        Column("SERVICE", "text"),
        Column("METHOD", "text"),
        Column("CALLS/S", "rate"),
        Column("ERRORS/S", "rate"),
        Column("TIME MS", "seconds"),
        Column("WORST MS", "seconds"),
    ),
    method_rates,
    lambda method: (method.errors, method.time or 0),
)
QUEUES = Table(
    "queues",
    "queue",
    (
        Column("QUEUE", "text"),
        Column("READY", "number"),
        Column("UNACKED", "number"),
        Column("CONSUMERS", "number"),
        Column("OLDEST", "age"),
        Column("PUBLISHED/S", "rate"),
        Column("DELIVERED/S", "rate"),
        Column("ACKED/S", "rate"),
        Column("RETURNED/S", "rate"),
        Column("DROPPED/S", "rate"),
    ),
    queue_loads,
    lambda queue: (queue.dropped, queue.returned, queue.messages + queue.unacked, queue.published),
)
TABLES = (PEERS, TOPICS, METHODS, QUEUES)


class Order(NamedTuple):
    """How rows are sorted. column: by which, None for the worst first. turned: the other way round."""

    column: int | None = None
    turned: bool = False


WORST_FIRST = Order()


def ranked(table: Table, rows: Sequence[Row], order: Order = WORST_FIRST) -> list[Row]:
    """The rows in order: the greatest number first, text from A to Z, what is not known last."""
    column = order.column
    if column is None:
        return sorted(rows, key=table.harm, reverse=not order.turned)
    is_text = table.columns[column].kind == "text"
    known = [(row[column], row) for row in rows if row[column] is not None]
    known.sort(key=_value, reverse=is_text == order.turned)
    return [row for _, row in known] + [row for row in rows if row[column] is None]


def _value(pair: tuple[Any, Row]) -> Any:
    return pair[0]


def for_people(column: Column, value: Any) -> str:
    """A value short and rounded: 12.3k."""
    if value is None:
        return "-"
    if column.kind in ("rate", "number"):
        return short(value)
    if column.kind == "seconds":
        return f"{value * 1000:.3g}" if value < 1 else f"{value * 1000:.0f}"
    if column.kind == "age":
        return age(value)
    return _text(column, value)


def for_programs(column: Column, value: Any) -> str:
    """A value in full: 12345.6."""
    if value is None:
        return "-"
    if column.kind in ("rate", "age"):
        return f"{value:.1f}"
    if column.kind == "seconds":
        return f"{value * 1000:.3f}"
    return _text(column, value)


def _text(column: Column, value: Any) -> str:
    if column.kind == "mark":
        return "slowed" if value else "-"
    return safe(str(value)) or "-"


_UNITS = ("", "k", "M", "G", "T")


def short(number: float) -> str:
    """A number in at most five characters: 0.5, 123, 12.3k, 4.5M."""
    unit = 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number /= 1000
        unit += 1
    digits = 0 if number >= 99.95 or number == int(number) else 1
    return f"{number:.{digits}f}{_UNITS[unit]}"


def headline(before: Snapshot, after: Snapshot) -> str:
    """The whole bus on one line, for people."""
    stats = after.stats
    rates = totals(before.stats, stats)
    return "  ".join(
        (
            f"up {age(stats['uptime'])}",
            f"in {short(rates.received)}/s",
            f"delivered {short(rates.delivered)}/s",
            f"dropped {short(rates.dropped)}/s",
            f"queued {short(stats['queued_bytes'])}B",
            f"in queues {short(stats['queued_messages'] + stats['unacked_messages'])}",
            f"services {stats['running']} of {stats['services']}",
            f"slowed {stats['slowed']}",
        )
    )


def record(before: Snapshot, after: Snapshot) -> list[str]:
    """The same for programs: services that run before all of them; at the end messages in queues, ready and unacked."""
    stats = after.stats
    rates = totals(before.stats, stats)
    numbers = (stats["uptime"], rates.received, rates.delivered, rates.dropped)
    counts = ("queued_bytes", "running", "services", "slowed", "queued_messages", "unacked_messages")
    return [*(f"{number:.1f}" for number in numbers), *(str(stats[key]) for key in counts)]
