"""A batch of the bus as rows of the tables.

Statements take many rows each: sqlite3 gives up the interpreter's lock at each step, and getting it back from a busy
bus is what would cost the time. While they are made the bus waits for that lock, so what a row costs counts twice. Of
the values of a row sqlite3 takes int, float, str and bytearray as they are; for any other (None, bool, bytes) it
searches a way to adapt it first. So rows have few of those: 0.9 us a row, where it was 2.6.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from pybus.storage import Batch, StoredBinding, StoredExchange, StoredMessage, StoredQueue, place_of

T = TypeVar("T")

_ROWS = 512
"""Rows of one statement. SQLite takes 32766 variables, which are 9 a row."""
_WORTH_SHARING = 512
"""Bytes of a frame from which it is kept once for all queues that it came into; below, a row of its own costs more."""
_INSERT = "INSERT OR REPLACE INTO message VALUES "
_ROW = "(?,?,?,?,?,?,?,?,?)"
_USUAL_ROW = "(?,?,?,?,NULL,?,?,?,NULL)"
"""Of a message that does not expire, and shares its frame with no other."""


def write_batch(writer: sqlite3.Connection, batch: Batch, midnight: float) -> None:
    """Write a batch within a transaction. midnight: what makes a time of day of the bus's own time.

    Raises what sqlite3 raises.
    """
    for definition, exists in batch.definitions:
        _define(writer, definition, exists)
    if batch.put:
        _put(writer, list(batch.put.values()), midnight)
    for place, returns in batch.returned.items():
        writer.execute("UPDATE message SET returns = ? WHERE place = ?", (returns, place))
    for queue, marked in batch.marked.items():
        writer.execute("UPDATE queue SET marked = ? WHERE number = ?", (marked, queue))
    for first, last in _ranges(batch.gone):
        writer.execute("DELETE FROM message WHERE place BETWEEN ? AND ?", (first, last))


def _put(writer: sqlite3.Connection, messages: list[StoredMessage], midnight: float) -> None:
    shared = _share(writer, messages) if len(messages) > 1 else {}
    for part in parts(messages):
        rows: list[str] = []
        values: list[object] = []
        for place, returns, priority, since, due, size, volatile, data in part:
            number = shared.get(id(data)) if shared else None
            if due is None and number is None:
                rows.append(_USUAL_ROW)
                values += (place, returns, priority, since + midnight, size, +volatile, bytearray(data))
            else:
                rows.append(_ROW)
                day_due = None if due is None else due + midnight
                frame = data if number is None else b""
                values += (place, returns, priority, since + midnight, day_due, size, volatile, frame, number)
        writer.execute(_INSERT + ",".join(rows), values)


def _share(writer: sqlite3.Connection, messages: list[StoredMessage]) -> dict[int, int]:
    """Write the frames that several of the messages have. Returns their numbers, by the identity of the object."""
    times = Counter([id(message.data) for message in messages if len(message.data) >= _WORTH_SHARING])
    numbers: dict[int, int] = {}
    for message in messages if len(times) < times.total() else ():
        identity = id(message.data)
        if times[identity] > 1 and identity not in numbers:
            number = writer.execute("INSERT INTO frame (data) VALUES (?)", (message.data,)).lastrowid
            assert number is not None
            numbers[identity] = number
    return numbers


def _define(writer: sqlite3.Connection, definition: StoredExchange | StoredQueue | StoredBinding, exists: bool) -> None:
    if isinstance(definition, StoredQueue):
        if exists:
            writer.execute("INSERT OR REPLACE INTO queue VALUES (?,?,?,?,?)", definition)
        else:
            number = definition.number
            writer.execute("DELETE FROM queue WHERE number = ?", (number,))
            places = place_of(number, 0), place_of(number + 1, 0)
            writer.execute("DELETE FROM message WHERE place >= ? AND place < ?", places)
    elif isinstance(definition, StoredExchange):
        if exists:
            writer.execute("INSERT OR REPLACE INTO exchange VALUES (?,?,?,?,?)", definition)
        else:
            writer.execute("DELETE FROM exchange WHERE name = ?", (definition.name,))
    elif exists:
        writer.execute("INSERT OR REPLACE INTO binding VALUES (?,?,?,?,?)", definition)
    else:
        columns = "source = ? AND destination = ? AND to_exchange = ? AND key = ? AND arguments = ?"
        writer.execute(f"DELETE FROM binding WHERE {columns}", definition)


def parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many at a time as go into one statement."""
    for start in range(0, len(items), _ROWS):
        yield items[start : start + _ROWS]


def _ranges(places: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Places as runs without gaps, first and last of each."""
    first = last = -1
    for place in sorted(places):
        if place != last + 1 or first < 0:
            if first >= 0:
                yield first, last
            first = place
        last = place
    if first >= 0:
        yield first, last
