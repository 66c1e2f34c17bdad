"""Two looks at the bus become rates."""

from __future__ import annotations

from typing import Any

from pybus.cli.rates import (
    MethodRates,
    PeerRates,
    QueueLoad,
    QueueRates,
    Snapshot,
    TopicRates,
    Totals,
    method_rates,
    peer_rates,
    queue_loads,
    queue_rates,
    topic_rates,
    totals,
)


def peer(name: str, program: str, **counted: float | bool) -> dict[str, Any]:
    """A peer as the bus describes it; what it did is 0 if not said."""
    counters = ("sent", "received", "dropped", "bytes_sent", "bytes_received", "queued", "answered", "answer_time")
    return {
        "name": name,
        "names": [],
        "program": program,
        "pid": 100,
        "slowed": False,
        **dict.fromkeys(counters, 0),
        **counted,
    }


def stats(uptime: float) -> dict[str, Any]:
    return {"uptime": uptime}


def traffic(seconds: float, *topics: dict[str, Any], methods: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"seconds": seconds, "topics": list(topics), "methods": list(methods)}


def test_the_whole_bus_by_its_own_clock() -> None:
    before = {"received": 1000, "delivered": 5000, "dropped": 7, "bytes_received": 64000, "bytes_delivered": 320000}
    after = {"received": 1200, "delivered": 5400, "dropped": 17, "bytes_received": 64400, "bytes_delivered": 320010}
    assert totals({"uptime": 100.0, **before}, {"uptime": 102.0, **after}) == Totals(
        received=100.0, delivered=200.0, dropped=5.0, bytes_received=200.0, bytes_delivered=5.0
    )


def test_a_peer_that_came_counts_from_zero_and_one_that_went_is_gone() -> None:
    alice = peer(":1", "alice", sent=10, bytes_sent=1000, received=4, answered=2, answer_time=1.0)
    before = Snapshot(stats(10.0), [alice, peer(":2", "bob", sent=9)], {}, {})
    alice = peer(":1", "alice", sent=20, bytes_sent=3000, received=8, answered=6, answer_time=1.5)
    alice |= {"names": ["org.example.A", "org.example.B"], "slowed": True, "queued": 64}
    after = Snapshot(stats(14.0), [alice, peer(":3", "carol", dropped=8)], {}, {})
    assert peer_rates(before, after) == [
        PeerRates(":1", "alice", 100, True, 2.5, 500.0, 1.0, 0.0, 64, 0.125, "org.example.A org.example.B"),
        PeerRates(":3", "carol", 100, False, 0.0, 0.0, 0.0, 2.0, 0, None, ""),
    ]


def test_topics_and_methods() -> None:
    def topic(name: str, messages: int, dropped: int, delay: float | None) -> dict[str, Any]:
        worst = 0.0 if delay is None else 2 * delay
        size = messages * 64
        return {
            "topic": name,
            "messages": messages,
            "bytes": size,
            "dropped": dropped,
            "delay": delay,
            "delay_worst": worst,
        }

    def method(name: str, calls: int, errors: int, time: float | None) -> dict[str, Any]:
        worst = 0.0 if time is None else 2 * time
        return {
            "name": "org.example.Player",
            "method": name,
            "calls": calls,
            "errors": errors,
            "time": time,
            "time_worst": worst,
        }

    before = Snapshot(stats(50.0), [], traffic(1.0, topic("a.b", 10, 0, 0.5), methods=(method("play", 2, 1, 0.1),)), {})
    after = Snapshot(
        stats(52.0),
        [],
        traffic(
            3.0,
            topic("a.b", 30, 4, 0.25),
            topic("c.d", 2, 0, None),
            methods=(method("play", 6, 2, 0.2), method("stop", 1, 0, None)),
        ),
        {},
    )
    assert topic_rates(before, after) == [
        TopicRates("a.b", 10.0, 640.0, 2.0, 0.25, 0.5),
        TopicRates("c.d", 1.0, 64.0, 0.0, None, None),
    ]
    assert method_rates(before, after) == [
        MethodRates("org.example.Player", "play", 2.0, 0.5, 0.2, 0.4),
        MethodRates("org.example.Player", "stop", 0.5, 0.0, None, None),
    ]


def test_queues_have_what_came_and_went_and_a_new_one_counts_from_zero() -> None:
    before = [{"name": "jobs", "published": 10, "delivered": 8, "acked": 6}]
    after = [{"name": "jobs", "published": 20, "delivered": 9, "acked": 6}, {"name": "new", "published": 1}]
    after[1] |= {"delivered": 0, "acked": 0}
    assert queue_rates(before, after, 0.5) == [QueueRates(20.0, 2.0, 0.0), QueueRates(2.0, 0.0, 0.0)]


def test_a_queue_that_was_deleted_and_declared_meanwhile_counts_from_zero() -> None:
    before = [{"name": "jobs", "published": 10, "delivered": 8, "acked": 6}]
    after = [{"name": "jobs", "published": 2, "delivered": 1, "acked": 0}]
    assert queue_rates(before, after, 0.5) == [QueueRates(4.0, 2.0, 0.0)]


def test_the_load_of_a_queue_is_what_waits_and_what_happened_since_the_look_before() -> None:
    jobs = {"name": "jobs", "messages": 7, "unacked": 2, "consumers": 1, "oldest": 3.5}
    jobs |= {"published": 20, "delivered": 10, "acked": 8, "returned": 1, "dropped": 0}
    look = Snapshot(stats(50.0), [], {}, {"seconds": 2.0, "queues": [jobs]})
    assert queue_loads(look, look) == [QueueLoad("jobs", 7, 2, 1, 3.5, 10.0, 5.0, 4.0, 0.5, 0.0)]
