"""`x-consumer-timeout`: what a program has and does not settle in time goes back to its queue."""

from __future__ import annotations

from pybus.protocol.frames import ERROR
from tests.broker.queues.scene import Got, User, office

TIMEOUT: dict[str, object] = {"x-consumer-timeout": 1000}
LATE = (
    "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 1000 ms."
    " It is the argument x-consumer-timeout of queue 'jobs'"
)
UNKNOWN = ("PreconditionFailed", 0, "PRECONDITION_FAILED - unknown delivery tag 1")


def lost(who: User) -> list[tuple[int, object]]:
    """The consumers that the bus says are some no more: their serials, and why."""
    found = [one for one in who.heard() if one.kind == ERROR]
    return [(one.serial, one.value) for one in found]


def test_a_late_delivery_goes_back_with_all_that_its_consumer_has_which_is_one_no_more() -> None:
    scene, alice, bob, carol = office()
    alice.queue("jobs", arguments=TIMEOUT)
    alice.queue("other")
    bob.consume("jobs", "slow", prefetch=2)
    bob.consume("other", "also")
    for queue, value in (("jobs", 1), ("jobs", 2), ("jobs", 3), ("other", 4)):
        alice.tell("", queue, value)
    assert bob.values() == [1, 2, 4]
    scene.wait(0.5)
    carol.consume("jobs", "quick")
    assert carol.values() == [3]
    carol.ack(1)
    assert scene.broker.next_deadline() == scene.now + 0.5
    scene.wait(0.5)
    assert lost(bob) == [(bob.consumers["slow"], ["org.pybus.Error.PreconditionFailed", LATE])]
    assert carol.got() == [Got("", "jobs", 1, redelivered=True), Got("", "jobs", 2, redelivered=True)]
    bob.ack(1)
    assert bob.told() == [UNKNOWN]
    bob.ack(3)
    assert bob.told() == []
    carol.ack(0, multiple=True)
    scene.wait(1)
    assert (carol.heard(), scene.broker.next_deadline()) == ([], None)
    assert bob.ask("cancel", "slow") is None


def test_what_is_settled_in_time_is_not_late_however_it_is_settled() -> None:
    scene, alice, bob, _ = office()
    alice.queue("jobs", arguments=TIMEOUT)
    bob.consume("jobs")
    for value in (1, 2, 3):
        alice.tell("", "jobs", value)
    assert bob.values() == [1, 2, 3]
    scene.wait(0.9)
    bob.ack(1)
    bob.reject(2)
    bob.requeue(3)
    assert bob.got() == [Got("", "jobs", 3, redelivered=True)]
    scene.wait(0.9)
    assert bob.heard() == []
    bob.ack(4)
    scene.wait(0.1)
    assert (bob.heard(), scene.broker.next_deadline()) == ([], None)


def test_a_message_that_was_got_can_be_late_as_well() -> None:
    scene, alice, bob, _ = office()
    alice.queue("jobs", arguments=TIMEOUT)
    alice.tell("", "jobs", 1)
    alice.tell("", "jobs", 2)
    assert bob.ask("get_message", "jobs") is not None
    assert bob.ask("get_message", "jobs", True) is not None
    scene.wait(1)
    assert bob.heard() == []
    bob.ack(1)
    assert bob.told() == [UNKNOWN]
    bob.consume("jobs")
    assert bob.got() == [Got("", "jobs", 1, redelivered=True)]


def test_without_acks_nothing_is_late() -> None:
    scene, alice, bob, _ = office()
    alice.queue("jobs", arguments=TIMEOUT)
    bob.consume("jobs", no_ack=True)
    alice.tell("", "jobs", 1)
    assert (bob.values(), scene.broker.next_deadline()) == ([1], None)


def test_a_message_on_which_consumers_hang_goes_to_the_dead_letters_in_the_end() -> None:
    scene, alice, bob, carol = office()
    carol.queue("dead")
    how = {**TIMEOUT, "x-delivery-limit": 1, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    alice.queue("jobs", arguments=how)
    alice.tell("", "jobs", "hangs")
    for who in (bob, carol):
        who.consume("jobs")
        scene.wait(1)
    found = alice.ask("queue", "dead")
    assert isinstance(found, dict)
    assert found["messages"] == 1


def test_an_auto_delete_queue_goes_with_its_late_consumer() -> None:
    scene, alice, bob, _ = office()
    alice.queue("jobs", auto_delete=True, arguments=TIMEOUT)
    bob.consume("jobs")
    alice.tell("", "jobs", 1)
    scene.wait(1)
    assert (alice.ask("queues"), scene.broker.queueing.bytes) == ([], 0)


def test_a_new_consumer_of_the_same_tag_is_not_ended_for_the_old_one() -> None:
    scene, alice, bob, _ = office()
    alice.queue("jobs", arguments=TIMEOUT)
    bob.consume("jobs", "tag")
    alice.tell("", "jobs", 1)
    bob.ask("cancel", "tag")
    scene.wait(0.5)
    bob.consume("jobs", "tag")
    bob.heard()
    scene.wait(0.5)
    assert bob.got() == [Got("", "jobs", 1, redelivered=True)]


def test_what_a_transaction_settles_is_not_late_unless_it_is_rolled_back() -> None:
    scene, alice, bob, _ = office()
    alice.queue("jobs", arguments=TIMEOUT)
    bob.consume("jobs", "tag")
    bob.ask("select_transaction")
    alice.tell("", "jobs", 1)
    assert bob.values() == [1]
    bob.ack(1)
    scene.wait(1)
    assert bob.heard() == []
    bob.ask("rollback")
    scene.wait(1)
    assert lost(bob) == [(bob.consumers["tag"], ["org.pybus.Error.PreconditionFailed", LATE])]


def test_what_a_program_that_has_left_had_is_not_late() -> None:
    scene, alice, bob, _ = office()
    alice.queue("jobs", arguments=TIMEOUT)
    bob.consume("jobs")
    alice.tell("", "jobs", 1)
    bob.leave()
    scene.wait(1)
    assert scene.broker.next_deadline() is None
    assert alice.ask("get_message", "jobs", True) is not None
