"""Who watches many queues is told of those in which most happens or waits, and of what happened since the last look."""

from __future__ import annotations

from typing import Any

from pybus.limits import Limits
from tests.broker.queues.scene import User, office

NOTHING = {"published": 0, "delivered": 0, "acked": 0, "returned": 0, "dropped": 0}


def look(who: User, *most: int) -> tuple[float, list[dict[str, Any]]]:
    """One look: seconds since the last, and the queues."""
    answer = who.ask("queue_traffic", *most)
    assert isinstance(answer, dict)
    return answer["seconds"], answer["queues"]


def names(who: User, most: int) -> list[str]:
    return [one["name"] for one in look(who, most)[1]]


def test_what_happened_is_told_from_look_to_look() -> None:
    scene, alice, bob, carol = office()
    alice.queue("jobs", arguments={"x-max-length": 4})
    alice.tell("", "jobs", "long ago")
    waiting = {"name": "jobs", "messages": 1, "unacked": 0, "consumers": 0, "oldest": 0.0}
    assert look(carol) == (0.0, [{**waiting, **NOTHING}])
    scene.wait(2)
    for number in range(5):
        alice.tell("", "jobs", number)  # the first two of all six are dropped
    bob.consume("jobs", prefetch=3)
    bob.ack(1)
    bob.requeue(2)
    had = {"published": 5, "delivered": 5, "acked": 1, "returned": 1, "dropped": 2}
    assert look(carol) == (2.0, [{**waiting, "messages": 0, "unacked": 3, "consumers": 1, "oldest": None, **had}])
    scene.wait(1)
    assert look(carol) == (1.0, [{**waiting, "messages": 0, "unacked": 3, "consumers": 1, "oldest": None, **NOTHING}])


def test_each_who_watches_has_looks_of_its_own() -> None:
    scene, alice, bob, carol = office()
    alice.queue("jobs")
    look(bob)
    scene.wait(1)
    alice.tell("", "jobs", 1)
    look(carol)
    scene.wait(1)
    assert (look(bob)[0], look(carol)[0]) == (2.0, 1.0)
    alice.tell("", "jobs", 2)
    assert [look(who)[1][0]["published"] for who in (bob, carol, bob)] == [1, 1, 0]


def test_of_many_queues_the_busiest_come_first_and_then_the_fullest() -> None:
    _, alice, bob, carol = office()
    for name in ("idle", "full", "fuller", "busy", "busier"):
        alice.queue(name)
    for name, count in (("full", 3), ("fuller", 4)):
        for number in range(count):
            alice.tell("", name, number)
    assert names(carol, 1) == ["fuller"]
    for name in ("busy", "busier"):
        bob.consume(name, no_ack=True)
        alice.tell("", name, 1)
    alice.tell("", "busier", 2)
    assert names(carol, 2) == ["busier", "busy", "fuller", "full"]
    assert names(carol, 2) == ["fuller", "full"]
    assert names(carol, 0) == []
    assert carol.refused("queue_traffic", -1) == "InvalidArguments: most must be a number from 0 on, not -1"


def test_a_queue_that_came_counts_from_zero_and_one_that_went_is_forgotten() -> None:
    scene, alice, _, carol = office()
    alice.queue("jobs")
    alice.tell("", "jobs", 1)
    look(carol)
    alice.ask("delete_queue", "jobs")
    assert look(carol) == (0.0, [])
    alice.queue("jobs")
    alice.tell("", "jobs", 1)
    assert [(one["name"], one["published"]) for one in look(carol)[1]] == [("jobs", 1)]
    assert carol.peer.channel is not None
    assert carol.peer.channel.meter is not None
    assert list(carol.peer.channel.meter.seen) == list(scene.broker.queueing.vhost.queues.values())


def test_no_more_is_told_than_fits_into_half_a_frame() -> None:
    _, alice, _, carol = office(Limits()._replace(frame=2000))
    for number in range(50):
        alice.queue(f"{number:02}")
    assert 0 < len(look(carol)[1]) < 50
