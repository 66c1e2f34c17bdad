"""Budgets: what a connection may send, and how long it rests when that was too much."""

import pytest

from pybus.broker.budget import Budget
from pybus.limits import Limits
from tests.broker.scene import Scene

LIMITS = Limits()._replace(messages_per_second=100, bytes_per_second=1000, burst=2.0)


def test_a_burst_costs_nothing_and_what_is_beyond_it_costs_its_time() -> None:
    budget = Budget(LIMITS, 0.0)
    assert budget.spend(200, 0, 0.0) == 0
    assert budget.spend(50, 0, 0.0) == pytest.approx(0.5)


def test_bytes_count_like_messages() -> None:
    budget = Budget(LIMITS, 0.0)
    assert budget.spend(1, 2000, 0.0) == 0
    assert budget.spend(1, 3000, 0.0) == pytest.approx(3.0)


def test_time_refills_the_budget_up_to_the_burst() -> None:
    budget = Budget(LIMITS, 0.0)
    assert budget.spend(250, 0, 0.0) == pytest.approx(0.5)
    assert budget.spend(50, 0, 1.0) == 0
    assert budget.spend(0, 0, 100.0) == 0
    assert budget.spend(201, 0, 100.0) == pytest.approx(0.01)


def test_a_steady_sender_within_its_rate_never_rests() -> None:
    budget = Budget(LIMITS, 0.0)
    assert [budget.spend(100, 1000, float(second)) for second in range(1, 50)] == [0.0] * 49


def test_nor_does_one_who_is_reckoned_more_seldom_than_its_bucket_fills() -> None:
    budget = Budget(LIMITS, 0.0)
    assert [budget.spend(1000, 10_000, float(second)) for second in range(10, 100, 10)] == [0.0] * 9


def test_rates_are_those_of_late_and_nothing_after_silence() -> None:
    budget = Budget(LIMITS, 0.0)
    budget.spend(10, 300, 0.2)
    assert budget.rates(0.2) == (20.0, 600.0)
    budget.spend(90, 700, 2.0)
    assert budget.rates(2.0) == (50.0, 500.0)
    assert budget.rates(4.0) == (0.0, 0.0)


def test_a_storm_after_silence_shows_its_rate_at_once() -> None:
    budget = Budget(LIMITS, 0.0)
    budget.spend(100, 1000, 100.0)
    assert budget.rates(100.0) == (1.0, 10.0)
    budget.spend(100, 1000, 100.01)
    assert budget.rates(100.01) == (200.0, 2000.0)


def test_a_storm_is_told_once_until_it_has_been_quiet() -> None:
    scene = Scene(LIMITS)
    alice, bob = scene.join("alice"), scene.join("bob")
    bob.subscribe("bus.storm")
    limits = {"limit_messages": 100, "limit_bytes": 1000}
    told = {"name": ":1", "program": "alice", "pid": 101, "topic": "a", "rate": 0.0, "bytes": 0.0, **limits}

    def slow_down() -> list[object]:
        scene.broker.storms.slow_down(alice.peer, 0.5, b"a")
        scene.orders()
        return [one.value for one in bob.heard()]

    assert slow_down() == [told]
    assert slow_down() == []
    scene.wait(5)
    assert slow_down() == []
    scene.wait(10.5)
    assert slow_down() == [told]
    found = bob.ask("peer", ":1")
    assert isinstance(found, dict)
    assert (found["slowed"], found["slowed_seconds"]) == (True, 2.0)
    scene.wait(2)
    found = bob.ask("peer", ":1")
    assert isinstance(found, dict)
    assert (found["slowed"], found["slowed_seconds"]) == (False, 2.0)


def test_one_who_has_the_bus_to_itself_may_send_many_times_more() -> None:
    limits = LIMITS._replace(alone=10.0)
    budget = Budget(limits, 0.0)
    assert [budget.spend(1000, 0, float(second), alone=True) for second in range(1, 20)] == [0.0] * 19
    assert budget.spend(1200, 0, 20.0, alone=True) == 0.0
    assert budget.spend(50, 0, 20.0) == pytest.approx(0.5)


def test_who_sends_alone_is_known_by_the_others_silence() -> None:
    scene = Scene(LIMITS)
    alice, bob = scene.join("alice"), scene.join("bob")
    bob.publish("b", 1)
    alice.publish("a", 1)
    assert scene.broker.reckon(alice.peer, 300, 0) == pytest.approx(1.0)
    scene.wait(5.5)
    alice.publish("a", 1)
    assert scene.broker.reckon(alice.peer, 300, 0) == 0.0
    bob.ask("ping")  # which asks the bus only
    alice.publish("a", 1)
    assert scene.broker.reckon(alice.peer, 15_000, 0) == 0.0
    scene.wait(5.5)
    bob.publish("b", 1)
    alice.publish("a", 1)
    assert scene.broker.reckon(alice.peer, 300, 0) == 0.0  # with the rest of what it had alone
    assert scene.broker.reckon(alice.peer, 300, 0) == pytest.approx(1.0)
    bob.leave()
    assert scene.broker.reckon(alice.peer, 300, 0) == 0.04
