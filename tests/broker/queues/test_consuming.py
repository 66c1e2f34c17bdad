"""From queues to consumers: turns, prefetch, acks, requeues, cancels, the end of a connection."""

import pytest

from pybus.limits import Limits
from pybus.protocol.frames import ANSWER, CONFIRM, ERROR, NACK, REQUEUE, SETTLE, UNTAKEN, frame
from tests.broker.queues.scene import Got, User, office
from tests.broker.scene import Heard

CANCELLED = "org.pybus.Error.ConsumerCancelled"


def publish(who: User, queue: str, count: int) -> None:
    for number in range(1, count + 1):
        who.tell("", queue, number)


def length(who: User, queue: str) -> object:
    """How many messages wait."""
    found = who.ask("queue", queue)
    assert isinstance(found, dict)
    return found["messages"]


# --- who gets what ----------------------------------------------------------------------------------


def test_consumers_get_messages_in_turn() -> None:
    _, alice, bob, carol = office()
    alice.queue("jobs")
    bob.consume("jobs")
    carol.consume("jobs")
    publish(alice, "jobs", 4)
    assert (bob.values(), carol.values()) == ([1, 3], [2, 4])


def test_prefetch_bounds_what_a_consumer_has_in_hand() -> None:
    _, alice, bob, carol = office()
    alice.queue("jobs")
    bob.consume("jobs", prefetch=2)
    publish(alice, "jobs", 5)
    assert bob.values() == [1, 2]
    bob.ack(1)
    assert bob.values() == [3]
    carol.consume("jobs", prefetch=1)
    assert carol.values() == [4]
    bob.ack(3, multiple=True)
    assert bob.values() == [5]
    assert length(alice, "jobs") == 0


def test_a_prefetch_for_the_connection_counts_all_its_consumers() -> None:
    _, alice, bob, _ = office()
    for name in ("a", "b"):
        alice.queue(name)
        bob.consume(name)
    bob.ask("set_prefetch", 2)
    publish(alice, "a", 2)
    publish(alice, "b", 2)
    assert bob.got() == [Got("", "a", 1), Got("", "a", 2)]
    bob.ack(1)
    assert bob.got() == [Got("", "b", 1)]
    bob.ask("set_prefetch", 0)
    assert bob.got() == [Got("", "b", 2)]


def test_a_consumer_of_higher_priority_is_served_first() -> None:
    _, alice, bob, carol = office()
    alice.queue("jobs")
    bob.consume("jobs", prefetch=1)
    carol.consume("jobs", prefetch=2, arguments={"x-priority": 10})
    publish(alice, "jobs", 4)
    assert (bob.values(), carol.values()) == ([3], [1, 2])
    assert bob.refused("consume", "jobs", arguments={"x-priority": "high"}) == (
        "PreconditionFailed: PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'jobs' in vhost '/':"
        ' "expected integer, got longstr"'
    )


def test_an_exclusive_consumer_is_alone() -> None:
    _, alice, bob, carol = office()
    alice.queue("jobs")
    tag = bob.consume("jobs", exclusive=True)
    text = "AccessRefused: ACCESS_REFUSED - queue 'jobs' in vhost '/' in exclusive use"
    assert carol.refused("consume", "jobs") == text
    assert carol.ask("get_message", "jobs") is None
    bob.ask("cancel", tag)
    carol.consume("jobs")
    assert bob.refused("consume", "jobs", exclusive=True) == text
    alice.queue("single", arguments={"x-single-active-consumer": True})
    assert bob.refused("consume", "single", exclusive=True) == text.replace("jobs", "single")


def test_a_single_active_consumer_is_followed_by_the_next() -> None:
    _, alice, bob, carol = office()
    alice.queue("jobs", arguments={"x-single-active-consumer": True})
    bob.consume("jobs", prefetch=1)
    carol.consume("jobs", prefetch=1)
    publish(alice, "jobs", 3)
    assert (bob.values(), carol.values()) == ([1], [])
    bob.leave()
    assert carol.got() == [Got("", "jobs", 1, redelivered=True)]
    carol.ack(1)
    assert carol.values() == [2]


def test_messages_of_higher_priority_go_first() -> None:
    _, alice, bob, _ = office()
    alice.queue("jobs", arguments={"x-max-priority": 5})
    for value, priority in (("a", 0), ("b", 3), ("c", 9), ("d", 3), ("e", 5)):
        alice.tell("", "jobs", value, priority=priority)
    alice.tell("", "jobs", "f")
    bob.consume("jobs", no_ack=True)
    assert [value[1] if isinstance(value, tuple) else value for value in bob.values()] == ["c", "e", "b", "d", "a", "f"]


def test_a_tag_is_used_once() -> None:
    _, alice, bob, carol = office()
    alice.queue("jobs")
    assert bob.consume("jobs", "T") == "T"
    assert bob.refused("consume", "jobs", "T") == "NotAllowed: NOT_ALLOWED - attempt to reuse consumer tag 'T'"
    assert carol.consume("jobs", "T") == "T"
    bob.ask("cancel", "T")
    bob.ask("cancel", "T")
    assert bob.consume("jobs", "T") == "T"
    made = bob.consume("jobs")
    assert made.startswith("amq.ctag-")
    assert len(made) == len("amq.ctag-") + 22


def test_without_acks_a_message_is_settled_by_being_delivered() -> None:
    _, alice, bob, _ = office()
    alice.queue("jobs")
    bob.consume("jobs", no_ack=True, prefetch=1)
    publish(alice, "jobs", 3)
    assert bob.values() == [1, 2, 3]
    bob.leave()
    assert length(alice, "jobs") == 0


# --- settling ---------------------------------------------------------------------------------------


def test_a_requeued_message_goes_to_its_old_place_and_is_marked() -> None:
    _, alice, bob, carol = office()
    alice.queue("jobs")
    publish(alice, "jobs", 5)
    tag = bob.consume("jobs", prefetch=3)
    assert bob.values() == [1, 2, 3]
    bob.ask("cancel", tag)
    bob.requeue(2)
    bob.requeue(1)
    carol.consume("jobs")
    assert carol.got() == [
        Got("", "jobs", 1, redelivered=True),
        Got("", "jobs", 2, redelivered=True),
        Got("", "jobs", 4),
        Got("", "jobs", 5),
    ]
    bob.requeue(3)
    assert carol.got() == [Got("", "jobs", 3, redelivered=True)]


def test_multiple_settles_all_up_to_the_tag_and_zero_means_all() -> None:
    scene, alice, bob, _ = office()
    alice.queue("jobs")
    bob.consume("jobs")
    publish(alice, "jobs", 6)
    bob.ack(2)
    bob.ack(4, multiple=True)
    assert list(bob.peer.channel.unacked) == [5, 6]  # type: ignore[union-attr]
    bob.reject(0, multiple=True)
    bob.ack(0, multiple=True)
    assert bob.peer.channel.unacked == {}  # type: ignore[union-attr]
    assert scene.broker.queueing.bytes == 0


@pytest.mark.parametrize("tag", [0, 1, 3, 99, 2**40])
def test_an_unknown_tag_is_refused_by_amqp_s_words(tag: int) -> None:
    _, alice, bob, _ = office()
    alice.queue("jobs")
    bob.consume("jobs")
    publish(alice, "jobs", 2)
    bob.ack(1)
    bob.heard()
    bob.ack(tag)
    text = f"PRECONDITION_FAILED - unknown delivery tag {tag}"
    expected = ["org.pybus.Error.PreconditionFailed", text]
    assert bob.heard() == [Heard(ERROR, 0, 0, bob.number, 0, "settle", expected)]
    if tag:
        bob.ack(tag, multiple=True)
        assert [one.kind for one in bob.heard()] == [ERROR]
    bob.ack(2)
    assert bob.heard() == []


def test_acks_that_arrive_together_count_each() -> None:
    _, alice, bob, _ = office()
    alice.queue("jobs")
    bob.consume("jobs", prefetch=2)
    publish(alice, "jobs", 4)
    bob.send(b"".join(frame(SETTLE, 0, bob.number, 0, tag) for tag in (1, 99, 2)))
    *deliveries, refused = sorted(bob.heard(), key=lambda one: one.kind == ERROR)
    assert [one.value for one in deliveries] == [1, 2, 3, 4]
    assert refused.value == [
        "org.pybus.Error.PreconditionFailed",
        "PRECONDITION_FAILED - unknown delivery tag 99",
    ]


def test_a_message_that_comes_back_again_and_again_pauses_longer_each_time() -> None:
    scene, alice, bob, _ = office()
    alice.queue("jobs")
    bob.consume("jobs", prefetch=1)
    alice.tell("", "jobs", "bad")
    assert bob.got() == [Got("", "jobs", "bad")]
    bob.requeue(1)
    assert bob.got() == [Got("", "jobs", "bad", redelivered=True)]
    for tag, pause in enumerate((0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5, 5, 5), 2):
        bob.requeue(tag)
        assert scene.broker.next_deadline() == pytest.approx(scene.now + pause)
        scene.wait(pause * 0.99)
        assert bob.got() == []
        scene.wait(pause * 0.02)
        assert bob.got() == [Got("", "jobs", "bad", redelivered=True)]
    assert length(alice, "jobs") == 0


def test_messages_pass_one_that_pauses() -> None:
    scene, alice, bob, _ = office()
    alice.queue("jobs")
    bob.consume("jobs", prefetch=1)
    alice.tell("", "jobs", "bad")
    bob.requeue(1)
    bob.requeue(2)
    alice.tell("", "jobs", "good")
    assert bob.values() == ["bad", "bad", "good"]
    assert length(alice, "jobs") == 1
    bob.ack(3)
    scene.wait(1)
    assert bob.values() == ["bad"]


def test_what_nobody_had_in_hand_goes_back_uncounted_and_at_once() -> None:
    scene, alice, bob, _ = office()
    alice.queue("jobs", arguments={"x-delivery-limit": 1})
    publish(alice, "jobs", 3)
    bob.ask("select_transaction")
    for first in range(1, 13, 3):
        tag = bob.consume("jobs")
        assert bob.got() == [Got("", "jobs", value, redelivered=first > 1) for value in (1, 2, 3)]
        bob.ask("cancel", tag)
        for delivery in range(first, first + 3):
            bob.settle(delivery, NACK | REQUEUE | UNTAKEN)
    assert scene.broker.next_deadline() is None
    status = alice.ask("queue", "jobs")
    assert isinstance(status, dict)
    assert [status[name] for name in ("messages", "unacked", "returned", "dropped")] == [3, 0, 0, 0]


def test_recover_gives_all_back() -> None:
    _, alice, bob, carol = office()
    alice.queue("jobs")
    tag = bob.consume("jobs")
    publish(alice, "jobs", 2)
    bob.ask("cancel", tag)
    bob.ask("recover")
    carol.consume("jobs")
    assert carol.got() == [Got("", "jobs", 1, redelivered=True), Got("", "jobs", 2, redelivered=True)]


# --- get and peek -----------------------------------------------------------------------------------


def test_get_takes_one_message_with_the_next_tag() -> None:
    _, alice, bob, _ = office()
    alice.queue("jobs")
    bob.queue("other")
    bob.consume("other")
    publish(alice, "other", 1)
    publish(alice, "jobs", 2)
    found = bob.ask("get_message", "jobs")
    assert isinstance(found, dict)
    assert (found["tag"], found["messages"]) == (2, 1)
    bob.ack(2)
    assert bob.ask("get_message", "jobs", True) is not None
    assert bob.ask("get_message", "jobs") is None
    assert list(bob.peer.channel.unacked) == [1]  # type: ignore[union-attr]


def test_peeking_leaves_messages_where_they_are() -> None:
    scene, alice, bob, _ = office()
    alice.queue("jobs")
    publish(alice, "jobs", 3)
    scene.wait(2)
    found = bob.ask("peek_messages", "jobs", 2)
    assert isinstance(found, list)
    assert [(one["age"], one["returns"], one["message"][-1:]) for one in found] == [(2.0, 0, b"\1"), (2.0, 0, b"\2")]
    assert length(bob, "jobs") == 3


# --- ends -------------------------------------------------------------------------------------------


def test_what_a_connection_had_unacked_goes_back_when_it_ends() -> None:
    _, alice, bob, carol = office()
    alice.queue("jobs")
    publish(alice, "jobs", 3)
    bob.consume("jobs", prefetch=2)
    bob.ask("get_message", "jobs")
    bob.leave()
    carol.consume("jobs")
    assert carol.got() == [Got("", "jobs", value, redelivered=True) for value in (1, 2, 3)]


def test_consumers_are_told_that_their_queue_was_deleted() -> None:
    scene, alice, bob, _ = office()
    alice.queue("jobs")
    bob.consume("jobs", "T")
    publish(alice, "jobs", 1)
    alice.ask("delete_queue", "jobs")
    delivered, cancelled = bob.heard()
    text = "queue 'jobs' in vhost '/' was deleted"
    assert delivered.value == 1
    assert cancelled == Heard(ERROR, 0, 0, bob.number, bob.consumers["T"], "", [CANCELLED, text])
    bob.ack(1)
    assert bob.heard() == []
    alice.queue("jobs")
    bob.consume("jobs", "T")
    bob.leave()
    assert scene.broker.queueing.bytes == 0


def test_what_was_unacked_when_its_queue_was_deleted_does_not_come_back() -> None:
    scene, alice, bob, _ = office()
    alice.queue("jobs")
    bob.consume("jobs")
    publish(alice, "jobs", 3)
    alice.ask("delete_queue", "jobs")
    bob.requeue(1)
    bob.reject(2)
    bob.leave()
    assert scene.broker.queueing.bytes == 0


def test_a_cancelled_consumer_keeps_what_it_has() -> None:
    _, alice, bob, _ = office()
    alice.queue("jobs")
    tag = bob.consume("jobs")
    publish(alice, "jobs", 2)
    bob.ask("cancel", tag)
    publish(alice, "jobs", 1)
    bob.ack(1)
    assert bob.values() == [1, 2]
    assert length(alice, "jobs") == 1


# --- slow readers and limits ------------------------------------------------------------------------


def test_a_consumer_that_does_not_read_gets_no_more_for_now() -> None:
    scene, alice, bob, carol = office(Limits()._replace(delivering=1000))
    alice.queue("jobs")
    bob.consume("jobs", no_ack=True)
    bob.heard()
    for number in range(10):
        alice.tell("", "jobs", bytes([number]) * 400)
    assert length(alice, "jobs") == 7
    assert [len(bob.take_one()) for _ in range(2)] == [425, 425]
    scene.finish()
    assert length(alice, "jobs") == 5
    carol.consume("jobs", no_ack=True)
    assert length(alice, "jobs") == 2


def test_the_unacked_messages_of_a_connection_have_a_limit() -> None:
    _, alice, bob, _ = office(Limits()._replace(unacked=2))
    alice.queue("jobs")
    bob.consume("jobs")
    publish(alice, "jobs", 3)
    assert bob.values() == [1, 2]
    assert bob.refused("get_message", "jobs") == ("LimitExceeded: 2 messages are unacked on this connection, its limit")
    bob.ack(1)
    assert bob.values() == [3]


def test_the_consumers_of_a_connection_have_a_limit() -> None:
    _, alice, bob, carol = office(Limits()._replace(consumers=1))
    alice.queue("jobs")
    bob.consume("jobs")
    assert bob.refused("consume", "jobs") == "LimitExceeded: this connection has 1 consumers, its limit"
    carol.consume("jobs")


def test_a_prefetch_is_a_number() -> None:
    _, alice, bob, _ = office()
    alice.queue("jobs")
    assert bob.refused("consume", "jobs", prefetch=-1) == (
        "InvalidArguments: prefetch must be a number from 0 on, not -1"
    )


# --- transactions -----------------------------------------------------------------------------------


def test_a_transaction_is_carried_out_by_its_commit() -> None:
    _, alice, bob, _ = office()
    alice.queue("jobs")
    publish(alice, "jobs", 2)
    bob.ask("select_transaction")
    bob.consume("jobs", prefetch=1)
    bob.tell("", "jobs", "new")
    bob.ack(1)
    assert bob.values() == [1]
    assert length(alice, "jobs") == 1
    bob.ask("commit")
    assert bob.values() == [2]
    assert length(alice, "jobs") == 1


def test_a_prefetch_for_the_connection_counts_what_waits_for_a_commit() -> None:
    _, alice, bob, _ = office()
    alice.queue("jobs")
    publish(alice, "jobs", 5)
    bob.ask("set_prefetch", 2)
    bob.ask("select_transaction")
    bob.consume("jobs")
    bob.ack(1)
    bob.ack(2)
    assert bob.values() == [1, 2]
    bob.ask("rollback")
    bob.ack(1)
    assert bob.values() == []
    bob.ask("commit")
    assert bob.values() == [3]
    bob.ack(0, multiple=True)
    bob.ask("commit")
    assert bob.values() == [4, 5]


def test_a_rollback_forgets_publishes_and_unsettles() -> None:
    _, alice, bob, carol = office()
    alice.queue("jobs")
    bob.ask("select_transaction")
    bob.consume("jobs")
    publish(alice, "jobs", 3)
    bob.tell("", "jobs", "new")
    bob.ack(2)
    bob.reject(1)
    bob.ask("rollback")
    bob.ask("commit")
    assert list(bob.peer.channel.unacked) == [1, 2, 3]  # type: ignore[union-attr]
    bob.ack(3)
    bob.leave()
    carol.consume("jobs")
    assert carol.values() == [1, 2, 3]


def test_what_does_not_go_with_a_transaction() -> None:
    _, alice, bob, _ = office()
    bob.tell("amq.fanout", "", 1, CONFIRM, 4)
    text = "PreconditionFailed: PRECONDITION_FAILED - cannot switch from confirm to tx mode"
    assert bob.refused("select_transaction") == text
    text = "PreconditionFailed: PRECONDITION_FAILED - channel is not transactional"
    assert alice.refused("commit") == text
    assert alice.refused("rollback") == text
    alice.ask("select_transaction")
    alice.ask("select_transaction")
    alice.tell("amq.fanout", "", 1, CONFIRM, 4)
    alice.tell("nope", "", 1, serial=5)
    assert alice.told() == [
        ("PreconditionFailed", 4, "PRECONDITION_FAILED - cannot switch from tx to confirm mode"),
        ("NotFound", 5, "NOT_FOUND - no exchange 'nope' in vhost '/'"),
    ]


def test_a_transaction_holds_so_much_and_what_is_more_is_refused() -> None:
    _, alice, bob, _ = office(Limits()._replace(uncommitted=2500))
    bob.queue("jobs")
    alice.ask("select_transaction")
    for number in (1, 2, 3):
        alice.tell("", "jobs", bytes([number]) * 1000, serial=number)
    text = "a transaction holds 2500 bytes of messages at most; commit it more often"
    assert alice.told() == [("LimitExceeded", 3, text)]
    alice.ask("commit")
    alice.tell("", "jobs", bytes([4]) * 1000, serial=4)
    alice.ask("rollback")
    alice.tell("", "jobs", bytes([5]) * 1000, serial=5)
    alice.tell("", "jobs", bytes([6]) * 1000, serial=6)
    assert alice.told() == []
    alice.ask("commit")
    bob.consume("jobs")
    assert [one[:1] for one in bob.values()] == [b"\1", b"\2", b"\5", b"\6"]


def test_an_exchange_that_went_before_the_commit_refuses_its_messages() -> None:
    _, alice, bob, _ = office()
    bob.ask("declare_exchange", "ex")
    alice.ask("select_transaction")
    alice.tell("ex", "k", 1, serial=5)
    bob.ask("delete_exchange", "ex")
    serial = alice.call("org.pybus.Bus", "commit")
    refused, answered = alice.heard()
    assert (refused.kind, refused.serial) == (ERROR, 5)
    assert (answered.kind, answered.serial) == (ANSWER, serial)
