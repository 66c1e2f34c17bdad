"""What a queue gives up: expired, over its length, rejected, or come back too often."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from pybus.errors import LimitExceeded
from pybus.limits import Limits
from pybus.protocol.frames import CONFIRM, NACK, REQUEUE, UNTAKEN
from tests.broker.queues.scene import Got, User, office

DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}


def died(who: User, queue: str = "dead") -> list[tuple[object, dict[str, Any]]]:
    """The values that wait in a queue, each with its properties; they are taken out."""
    who.consume(queue, "mortician", no_ack=True)
    who.ask("cancel", "mortician")
    return [(value, properties) for properties, value in who.values()]


def reasons(who: User, queue: str = "dead") -> list[tuple[object, str]]:
    return [(value, properties["headers"]["x-death"][0]["reason"]) for value, properties in died(who, queue)]


def test_a_rejected_message_goes_to_the_dead_letters_with_its_history() -> None:
    _, alice, bob, carol = office()
    carol.queue("dead")
    carol.queue("jobs", ("amq.direct", "k"), arguments=DEAD)
    alice.tell("amq.direct", "k", "bad", headers={"mine": 1}, message_id="m1")
    bob.consume("jobs")
    bob.reject(1)
    ((value, properties),) = died(carol)
    death = {
        "count": 1,
        "reason": "rejected",
        "queue": "jobs",
        "time": datetime(1970, 1, 1, 0, 16, 40, tzinfo=UTC),
        "exchange": "amq.direct",
        "routing-keys": ["k"],
    }
    assert value == "bad"
    assert properties == {
        "message_id": "m1",
        "headers": {
            "mine": 1,
            "x-death": [death],
            "x-first-death-reason": "rejected",
            "x-last-death-reason": "rejected",
            "x-first-death-queue": "jobs",
            "x-last-death-queue": "jobs",
            "x-first-death-exchange": "amq.direct",
            "x-last-death-exchange": "amq.direct",
        },
    }


def test_without_a_key_of_its_own_a_dead_letter_keeps_that_of_the_message() -> None:
    _, alice, bob, carol = office()
    carol.ask("declare_exchange", "graves", "topic")
    carol.queue("dead", ("graves", "jobs.#"))
    carol.queue("jobs.a", arguments={"x-dead-letter-exchange": "graves"})
    alice.tell("", "jobs.a", "bad")
    bob.consume("jobs.a")
    bob.reject(1)
    assert reasons(carol) == [("bad", "rejected")]


def test_without_an_exchange_that_exists_it_is_gone() -> None:
    scene, alice, bob, carol = office()
    carol.queue("jobs", arguments={"x-dead-letter-exchange": "nope"})
    bob.consume("jobs")
    alice.tell("", "jobs", "bad")
    bob.reject(1)
    assert scene.broker.queueing.bytes == 0


def test_a_dead_letter_is_delivered_however_long_its_history_has_become() -> None:
    scene, alice, _, carol = office(Limits()._replace(frame=20000))
    names = ["jobs", *(letter * 250 for letter in "abcdefgh")]
    for name, following in pairwise(names):
        how = {"x-max-length": 0, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": following}
        carol.queue(name, arguments=how)
    carol.queue(names[-1])
    value = b"x" * (20000 - 4096 - len(alice.message("", "jobs", b"", CONFIRM, 1)))
    alice.tell("", "jobs", value, CONFIRM, 1)
    assert alice.told() == [("confirmed", 1)]
    peeked = carol.ask("peek_messages", names[-1])
    found = carol.ask("get_message", names[-1])
    assert isinstance(peeked, list)
    assert isinstance(found, dict)
    assert [one["message"] for one in peeked] == [found["message"]]
    assert len(found["message"]) > 20000
    carol.settle(1, NACK | REQUEUE | UNTAKEN)
    ((body, properties),) = died(carol, names[-1])
    assert (body, len(properties["headers"]["x-death"])) == (value, 8)
    assert scene.broker.queueing.bytes == 0


def test_a_message_that_came_before_the_limit_was_lowered_is_delivered() -> None:
    scene, alice, bob, carol = office(Limits()._replace(frame=20000))
    carol.queue("dead")
    carol.queue("jobs", arguments=DEAD)
    alice.tell("", "jobs", b"x" * 10000)
    scene.broker.use(Limits()._replace(frame=5000))
    found = bob.ask("get_message", "jobs")
    assert isinstance(found, dict)
    assert found["message"].endswith(b"x" * 10000)
    bob.reject(1)
    assert reasons(carol) == [(b"x" * 10000, "rejected")]


# --- expired ----------------------------------------------------------------------------------------


def test_messages_expire_after_the_time_of_their_queue() -> None:
    scene, alice, _, carol = office()
    carol.queue("dead")
    carol.queue("jobs", arguments={**DEAD, "x-message-ttl": 1000})
    alice.tell("", "jobs", 1)
    scene.wait(0.5)
    alice.tell("", "jobs", 2)
    assert scene.broker.next_deadline() == scene.now + 0.5
    scene.wait(0.5)
    assert reasons(carol) == [(1, "expired")]
    assert scene.broker.next_deadline() == scene.now + 0.5
    scene.wait(0.5)
    assert reasons(carol) == [(2, "expired")]
    assert scene.broker.next_deadline() is None


def test_a_message_s_own_time_counts_if_it_is_shorter_and_is_kept_in_its_history() -> None:
    scene, alice, _, carol = office()
    carol.queue("dead")
    carol.queue("jobs", arguments={**DEAD, "x-message-ttl": 1000})
    alice.tell("", "jobs", 1, expiration="100")
    alice.tell("", "jobs", 2, expiration="9000")
    scene.wait(0.1)
    ((value, properties),) = died(carol)
    assert value == 1
    assert "expiration" not in properties
    assert properties["headers"]["x-death"][0]["original-expiration"] == "100"
    scene.wait(0.9)
    assert reasons(carol) == [(2, "expired")]


def test_a_message_expires_at_the_head_of_the_queue_only() -> None:
    scene, alice, bob, carol = office()
    carol.queue("dead")
    carol.queue("jobs", arguments=DEAD)
    alice.tell("", "jobs", 1)
    alice.tell("", "jobs", 2, expiration="100")
    scene.wait(1)
    assert died(carol) == []
    bob.ask("get_message", "jobs")
    assert reasons(carol) == [(2, "expired")]


def test_what_has_expired_is_not_delivered() -> None:
    scene, alice, bob, carol = office()
    carol.queue("dead")
    carol.queue("jobs", arguments=DEAD)
    alice.tell("", "jobs", 1, expiration="0")
    assert reasons(carol) == [(1, "expired")]
    bob.consume("jobs", prefetch=1)
    alice.tell("", "jobs", 2, expiration="0")
    assert bob.values() == [({"expiration": "0"}, 2)]
    alice.tell("", "jobs", 3, expiration="50")
    scene.wait(0.06)
    bob.ack(1)
    assert bob.values() == []
    assert reasons(carol) == [(3, "expired")]


def test_a_queue_that_nobody_uses_expires() -> None:
    scene, alice, bob, _ = office()
    alice.queue("jobs", arguments={"x-expires": 1000})
    scene.wait(0.9)
    alice.queue("jobs", arguments={"x-expires": 1000})
    scene.wait(0.9)
    tag = bob.consume("jobs")
    scene.wait(5)
    bob.ask("cancel", tag)
    scene.wait(0.9)
    assert bob.ask("get_message", "jobs") is None
    scene.wait(0.9)
    assert bob.ask("queue", "jobs")
    scene.wait(0.2)
    assert bob.ask("queues") == []
    assert scene.broker.next_deadline() is None


def test_queues_that_are_gone_are_not_kept_for_their_time() -> None:
    scene, alice, _, _ = office()
    hour = {"x-expires": 3_600_000}
    for _ in range(1000):
        alice.ask("delete_queue", alice.queue(arguments=hour))
    for _ in range(1000):
        scene.wait(1)
        alice.queue("lasting", arguments=hour)
    assert len(scene.broker.queueing.timers) <= 100
    scene.wait(3599)
    assert alice.ask("queue", "lasting")
    scene.wait(2)
    assert alice.ask("queues") == []
    assert scene.broker.next_deadline() is None


# --- length -----------------------------------------------------------------------------------------


def test_the_oldest_go_when_a_queue_is_too_long() -> None:
    _, alice, _, carol = office()
    carol.queue("dead")
    carol.queue("jobs", arguments={**DEAD, "x-max-length": 2})
    for number in range(4):
        alice.tell("", "jobs", number, CONFIRM, number + 1)
    assert [one[0] for one in alice.told()] == ["confirmed"] * 4
    assert reasons(carol) == [(0, "maxlen"), (1, "maxlen")]


@pytest.mark.parametrize("how", ["requeued", "lost"])
def test_what_comes_back_into_a_full_queue_is_the_oldest_there(how: str) -> None:
    _, alice, bob, carol = office()
    carol.queue("dead")
    carol.queue("jobs", arguments={**DEAD, "x-max-length": 2})
    alice.tell("", "jobs", 1)
    bob.ask("get_message", "jobs")
    alice.tell("", "jobs", 2)
    alice.tell("", "jobs", 3)
    if how == "requeued":
        bob.requeue(1)
    else:
        bob.leave()
    assert reasons(carol) == [(1, "maxlen")]
    assert alice.ask("purge_queue", "jobs") == 2


def test_length_counts_the_bytes_of_bodies_that_wait() -> None:
    _, alice, bob, carol = office()
    carol.queue("dead")
    carol.queue("jobs", arguments={**DEAD, "x-max-length-bytes": 10})
    bob.consume("jobs", prefetch=1)
    for letter in (b"aaaaa", b"bbbbb", b"ccccc", b"d"):
        alice.tell("", "jobs", letter)
    assert reasons(carol) == [(b"bbbbb", "maxlen")]


def test_a_queue_of_length_zero_takes_what_a_consumer_takes_at_once() -> None:
    _, alice, bob, carol = office()
    carol.queue("dead")
    carol.queue("jobs", arguments={**DEAD, "x-max-length": 0})
    bob.consume("jobs", prefetch=1)
    alice.tell("", "jobs", 1)
    alice.tell("", "jobs", 2)
    assert bob.values() == [1]
    assert reasons(carol) == [(2, "maxlen")]


@pytest.mark.parametrize(("overflow", "dead"), [("reject-publish", []), ("reject-publish-dlx", [(2, "maxlen")])])
def test_a_queue_may_rather_reject_the_new_ones(overflow: str, dead: list[object]) -> None:
    _, alice, bob, carol = office()
    carol.queue("dead")
    carol.queue("jobs", arguments={**DEAD, "x-max-length": 1, "x-overflow": overflow})
    alice.tell("", "jobs", 1, CONFIRM, 1)
    alice.tell("", "jobs", 2, CONFIRM, 2)
    assert alice.told() == [("confirmed", 1), ("nacked", 2)]
    assert reasons(carol) == dead
    bob.consume("jobs")
    assert bob.values() == [1]


# --- coming back ------------------------------------------------------------------------------------


def test_a_message_that_kills_its_consumers_goes_to_the_dead_letters() -> None:
    scene, alice, _, carol = office()
    carol.queue("dead")
    carol.queue("jobs", arguments={**DEAD, "x-delivery-limit": 2})
    alice.tell("", "jobs", "poison")
    for name in ("one", "two", "three"):
        victim = User(scene, name)
        victim.consume("jobs")
        assert [one.redelivered for one in victim.got()] == [name != "one"]
        victim.leave()
    assert reasons(carol) == [("poison", "delivery_limit")]
    assert User(scene, "four").ask("get_message", "jobs") is None


def test_a_quorum_queue_has_a_delivery_limit_of_its_own() -> None:
    scene, alice, bob, carol = office()
    carol.queue("dead")
    carol.queue("jobs", durable=True, arguments={**DEAD, "x-queue-type": "quorum"})
    alice.tell("", "jobs", "poison")
    bob.consume("jobs")
    for tag in range(1, 22):
        scene.wait(6)
        bob.requeue(tag)
    assert len(bob.got()) == 21
    assert reasons(carol) == [("poison", "delivery_limit")]


def test_what_came_back_says_how_often_if_that_is_limited() -> None:
    scene, alice, bob, carol = office()
    carol.queue("dead")
    carol.queue("jobs", arguments={**DEAD, "x-delivery-limit": 2})
    carol.queue("free")
    for queue in ("jobs", "free"):
        alice.tell("", queue, 1, type="x", headers={"mine": 1, "x-delivery-count": 77})
    once = {"type": "x", "headers": {"mine": 1, "x-delivery-count": 1}}
    as_sent = {"type": "x", "headers": {"mine": 1, "x-delivery-count": 77}}
    bob.consume("jobs")
    assert bob.values() == [(as_sent, 1)]
    bob.settle(1, NACK | REQUEUE | UNTAKEN)
    assert bob.values() == [(as_sent, 1)]
    bob.requeue(2)
    assert bob.values() == [(once, 1)]
    bob.requeue(3)
    scene.wait(1)
    assert bob.values() == [({**once, "headers": {"mine": 1, "x-delivery-count": 2}}, 1)]
    bob.requeue(4)
    ((_, properties),) = died(carol)
    assert properties["headers"]["x-delivery-count"] == 77
    bob.consume("free")
    bob.requeue(5)
    assert bob.values() == [(as_sent, 1), (as_sent, 1)]


# --- chains and circles -----------------------------------------------------------------------------


def test_a_second_death_at_the_same_place_is_counted() -> None:
    scene, alice, bob, carol = office()
    carol.queue("jobs", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "later"})
    retry = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "jobs", "x-message-ttl": 1000}
    carol.queue("later", arguments=retry)
    bob.consume("jobs")
    alice.tell("", "jobs", "again")
    for tag in (1, 2):
        bob.reject(tag)
        scene.wait(1)
    ((properties, value),) = bob.values()[2:]
    assert value == "again"
    history = [(one["queue"], one["reason"], one["count"]) for one in properties["headers"]["x-death"]]
    assert history == [("later", "expired", 2), ("jobs", "rejected", 2)]


def test_a_circle_that_turns_by_itself_is_cut() -> None:
    scene, alice, bob, carol = office()
    ring = {"x-message-ttl": 1000, "x-dead-letter-exchange": ""}
    carol.queue("a", arguments={**ring, "x-dead-letter-routing-key": "b"})
    carol.queue("b", arguments={**ring, "x-dead-letter-routing-key": "a"})
    alice.tell("", "a", 1)
    scene.wait(1)
    assert bob.ask("declare_queue", "b", True) == {"queue": "b", "messages": 1, "consumers": 0}
    scene.wait(1)
    assert bob.ask("declare_queue", "a", True) == {"queue": "a", "messages": 0, "consumers": 0}
    assert scene.broker.queueing.bytes == 0


def test_a_long_chain_of_queues_is_no_deep_one() -> None:
    _, alice, _, carol = office()
    for number in range(1100):
        arguments = {"x-max-length": 0, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"q{number + 1}"}
        carol.queue(f"q{number}", arguments=arguments)
    carol.queue("q1100")
    alice.tell("", "q0", "far")
    assert carol.ask("declare_queue", "q1100", True) == {"queue": "q1100", "messages": 1, "consumers": 0}


# --- what its headers say, and what goes wrong --------------------------------------------------------


def test_a_count_of_deaths_that_is_none_or_too_high_does_no_harm() -> None:
    scene, alice, _, carol = office()
    carol.queue("dead")
    carol.queue("jobs", arguments={**DEAD, "x-message-ttl": 1000})
    for count in (2**64 - 1, 2**63 - 2, -5, "many", 2):
        alice.tell("", "jobs", 0, headers={"x-death": [{"queue": "jobs", "reason": "expired", "count": count}]})
    scene.wait(1)
    counts = [properties["headers"]["x-death"][0]["count"] for _, properties in died(carol)]
    assert counts == [2**63 - 1, 2**63 - 1, 1, 1, 3]
    assert scene.broker.queueing.faults == []


def test_only_texts_are_further_keys_of_a_dead_letter() -> None:
    scene, alice, _, carol = office()
    carol.queue("dead", ("amq.direct", "jobs"))
    carol.queue("copies", ("amq.direct", "x"))
    carol.queue("jobs", arguments={"x-dead-letter-exchange": "amq.direct", "x-message-ttl": 1000})
    alice.tell("", "jobs", 1, headers={"CC": [["x"], {"x": 1}, 7, "x"]})
    scene.wait(1)
    ((_, properties),) = died(carol)
    assert properties["headers"]["x-death"][0]["routing-keys"] == ["jobs", "x"]
    assert reasons(carol, "copies") == [(1, "expired")]


def test_the_key_for_dead_letters_has_the_length_of_a_key() -> None:
    _, _, _, carol = office()
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "d" * 256}
    text = "the routing key 'dddddddddddddddddddddddddddddddddddddddd'... is longer than 255 bytes"
    assert carol.refused("declare_queue", "jobs", arguments=arguments) == f"BadName: {text}"


def test_what_the_queue_for_dead_letters_has_no_room_for_stays() -> None:
    scene, alice, bob, carol = office(Limits()._replace(queue_length=2))
    carol.queue("dead")
    carol.queue("copies", ("amq.fanout", ""))
    carol.ask("bind_queue", "dead", "amq.fanout", "")
    carol.queue("jobs", arguments={"x-dead-letter-exchange": "amq.fanout"})
    alice.tell("", "dead", "old")
    alice.tell("", "dead", "older")
    alice.tell("", "jobs", "bad")
    bob.consume("jobs", "worker")
    assert bob.got() == [Got("", "jobs", "bad")]
    bob.ask("cancel", "worker")
    bob.reject(1)
    (fault,) = scene.broker.queueing.faults
    assert fault[0] == "dead letters of queue 'jobs' have to wait"
    assert isinstance(fault[1], LimitExceeded)
    assert carol.ask("purge_queue", "copies") == 0
    bob.consume("jobs", "worker")
    scene.wait(1)
    assert bob.got() == [Got("", "jobs", "bad", redelivered=True)]
    assert carol.ask("purge_queue", "dead") == 2
    bob.reject(2)
    assert (reasons(carol), reasons(carol, "copies")) == ([("bad", "rejected")], [("bad", "rejected")])
