"""What is on top, and how numbers look."""

from __future__ import annotations

import pytest

from pybus.cli.rates import MethodRates, PeerRates, QueueLoad, TopicRates
from pybus.cli.top_tables import METHODS, PEERS, QUEUES, TOPICS, Order, Row, for_people, for_programs, ranked, short


def peer(name: str, *, slowed: bool = False, volume: float = 0.0, dropped: float = 0.0) -> PeerRates:
    return PeerRates(name, "x", 1, slowed, 0.0, volume, 0.0, dropped, 0, None, "")


def names(rows: list[Row]) -> list[object]:
    return [row[0] for row in rows]


def test_worst_is_who_is_slowed_then_who_misses_signals_then_who_sends_most() -> None:
    quiet, busy = peer("quiet"), peer("busy", volume=1e6)
    misses, slowed = peer("misses", dropped=1.0), peer("slowed", slowed=True)
    rows = [quiet, busy, misses, slowed]
    assert ranked(PEERS, rows) == [slowed, misses, busy, quiet]
    assert ranked(PEERS, rows, Order(turned=True)) == [quiet, busy, misses, slowed]


def test_worst_topics_are_those_with_drops_then_with_most_bytes() -> None:
    rows = [TopicRates(name, 1.0, volume, dropped, None, None) for name, volume, dropped in
            (("a", 5.0, 0.0), ("b", 1.0, 2.0), ("c", 9.0, 0.0))]  # fmt: skip
    assert names(ranked(TOPICS, rows)) == ["b", "c", "a"]


def test_worst_methods_are_those_with_errors_then_the_slowest() -> None:
    rows = [MethodRates(name, "m", 1.0, errors, time, time) for name, errors, time in
            (("a", 0.0, None), ("b", 0.0, 0.5), ("c", 1.0, 0.1))]  # fmt: skip
    assert names(ranked(METHODS, rows)) == ["c", "b", "a"]


def test_worst_queues_are_those_that_drop_then_those_that_get_back_then_the_fullest() -> None:
    rows = [QueueLoad(name, ready, unacked, 0, None, 0.0, 0.0, 0.0, returned, dropped)
            for name, ready, unacked, returned, dropped in
            (("a", 5, 0, 0.0, 0.0), ("b", 4, 2, 0.0, 0.0), ("c", 0, 0, 1.0, 0.0), ("d", 0, 0, 0.0, 0.5))]  # fmt: skip
    assert names(ranked(QUEUES, rows)) == ["d", "c", "b", "a"]


def test_a_column_sorts_numbers_from_the_greatest_text_from_a_and_the_unknown_last() -> None:
    rows = [TopicRates(name, rate, 0.0, 0.0, delay, delay) for name, rate, delay in
            (("b", 1.0, None), ("c", 3.0, 0.1), ("a", 2.0, 0.2))]  # fmt: skip
    assert names(ranked(TOPICS, rows, Order(0))) == ["a", "b", "c"]
    assert names(ranked(TOPICS, rows, Order(0, turned=True))) == ["c", "b", "a"]
    assert names(ranked(TOPICS, rows, Order(1))) == ["c", "a", "b"]
    assert names(ranked(TOPICS, rows, Order(4))) == ["a", "c", "b"]
    assert names(ranked(TOPICS, rows, Order(4, turned=True))) == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (0.25, "0.2"), (12, "12"), (12.34, "12.3"), (999.4, "999"), (999.6, "1.0k"), (12_345, "12.3k"),
     (4_500_000, "4.5M"), (7e9, "7G"), (8e12, "8T"), (9e15, "9000T")],
)  # fmt: skip
def test_numbers_are_short_for_people(number: float, shown: str) -> None:
    assert short(number) == shown


def test_cells_for_people_and_for_programs() -> None:
    row = PeerRates(":3", "evil\x1b[2J\n", 12345, True, 12345.67, 2.0, 0.0, 0.0, 70_000, 0.0123, "")
    cells = list(zip(PEERS.columns, row, strict=True))
    evil = "evil\\x1b[2J\\n"
    assert [for_people(*cell) for cell in cells] == [
        ":3", evil, "12345", "slowed", "12.3k", "2", "0", "0", "70k", "12.3", "-",
    ]  # fmt: skip
    assert [for_programs(*cell) for cell in cells] == [
        ":3", evil, "12345", "slowed", "12345.7", "2.0", "0.0", "0.0", "70000", "12.300", "-",
    ]  # fmt: skip
    queue = QueueLoad("jobs", 12_345, 2, 1, 7200.5, 1.25, 0.0, 0.0, 0.0, 0.0)
    cells = list(zip(QUEUES.columns, queue, strict=True))
    assert [for_people(*cell) for cell in cells][:6] == ["jobs", "12.3k", "2", "1", "2 h", "1.2"]
    assert [for_programs(*cell) for cell in cells][:6] == ["jobs", "12345", "2", "1", "7200.5", "1.2"]
    assert for_people(QUEUES.columns[4], None) == "-"
