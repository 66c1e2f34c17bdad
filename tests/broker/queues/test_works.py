"""Work on many messages goes on in slices, while everybody else has a turn, and survives whatever happens meanwhile."""

from __future__ import annotations

from pybus.broker.queues.works import LIGHT_SLICE, SLICE
from pybus.limits import Limits
from pybus.protocol.codec import pack
from pybus.protocol.frames import ANSWER, ERROR, PERSISTENT
from tests.broker.queues.scene import User, office
from tests.broker.queues.shelf import Durable, Shelf
from tests.broker.scene import Scene

MANY = 2 * SLICE + 10
VERY_MANY = LIGHT_SLICE + 10
STORED = 20000
BUS = "org.pybus.Bus"


def fill(who: User, queue: str, count: int, flags: int = 0) -> None:
    who.send(b"".join(who.message("", queue, number, flags) for number in range(count)))


def depth(who: User, queue: str) -> object:
    found = who.ask("declare_queue", queue, passive=True)
    assert isinstance(found, dict)
    return found["messages"]


def turn(scene: Scene) -> None:
    scene.broker.queueing.works.go_on()
    scene.finish()


def turns(scene: Scene) -> int:
    """Let all be done; in how many turns."""
    count = 0
    while scene.broker.queueing.works.ready:
        turn(scene)
        count += 1
    return count


def answers(who: User) -> list[object]:
    """What calls were answered."""
    found = who.heard()
    assert [one.kind for one in found if one.kind not in (ANSWER, ERROR)] == []
    return [one.value for one in found]


def test_a_move_goes_on_in_slices_and_is_answered_at_the_end() -> None:
    scene, alice, bob, carol = office()
    alice.queue("from")
    alice.queue("to")
    fill(alice, "from", MANY)
    bob.call(BUS, "move_messages", "from", "to")
    assert (depth(carol, "from"), depth(carol, "to"), answers(bob)) == (MANY - SLICE, SLICE, [])
    fill(carol, "from", 5)
    turn(scene)
    assert (depth(carol, "from"), depth(carol, "to"), answers(bob)) == (MANY + 5 - 2 * SLICE, 2 * SLICE, [])
    assert turns(scene) == 1
    assert answers(bob) == [MANY]
    assert carol.ask("purge_queue", "from") == 5
    carol.consume("to", no_ack=True)
    assert carol.values() == list(range(MANY))
    assert scene.broker.queueing.bytes == 0


def test_who_consumes_meanwhile_gets_each_message_once() -> None:
    scene, alice, bob, carol = office()
    alice.queue("from")
    alice.queue("to")
    fill(alice, "from", MANY)
    bob.call(BUS, "move_messages", "from", "to")
    carol.consume("from", "here", no_ack=True)
    carol.consume("to", "there", no_ack=True)
    turns(scene)
    assert answers(bob) == [SLICE]
    assert sorted(carol.values()) == list(range(MANY))


def test_two_pieces_of_work_take_turns() -> None:
    scene, alice, bob, carol = office()
    for name in ("a", "b", "to"):
        alice.queue(name)
    fill(alice, "a", MANY)
    fill(alice, "b", MANY)
    bob.call(BUS, "move_messages", "a", "to")
    carol.call(BUS, "move_messages", "b", "to")
    turn(scene)
    turn(scene)
    assert depth(alice, "to") == 4 * SLICE
    turns(scene)
    assert (answers(bob), answers(carol), depth(alice, "to")) == ([MANY], [MANY], 2 * MANY)


def test_a_move_ends_with_its_queues() -> None:
    for gone, left in (("from", "to"), ("to", "from")):
        scene, alice, bob, carol = office()
        alice.queue("from")
        alice.queue("to")
        fill(alice, "from", MANY)
        bob.call(BUS, "move_messages", "from", "to")
        carol.ask("delete_queue", gone)
        turns(scene)
        assert answers(bob) == [SLICE]
        assert depth(carol, left) == (SLICE if left == "to" else MANY - SLICE)
        carol.ask("delete_queue", left)
        assert scene.broker.queueing.bytes == 0


def test_a_move_goes_on_when_who_wanted_it_has_left_or_wants_no_answer() -> None:
    scene, alice, bob, carol = office()
    for name in ("a", "b", "to"):
        alice.queue(name)
    fill(alice, "a", MANY)
    fill(alice, "b", MANY)
    bob.call(BUS, "move_messages", "a", "to")
    bob.leave()
    carol.call(BUS, "move_messages", "b", "to", reply=False)
    turns(scene)
    assert (depth(alice, "a"), depth(alice, "b"), depth(alice, "to")) == (0, 0, 2 * MANY)
    assert answers(carol) == []


def test_what_stays_is_back_at_its_place_in_the_end() -> None:
    scene, alice, bob, carol = office()
    alice.queue("dead")
    fill(alice, "dead", MANY)
    bob.call(BUS, "move_messages", "dead")
    turns(scene)
    assert answers(bob) == [0]
    carol.consume("dead", no_ack=True)
    assert carol.values() == list(range(MANY))


def test_what_stays_goes_to_who_waits_for_it() -> None:
    scene, alice, bob, carol = office()
    alice.queue("dead")
    fill(alice, "dead", MANY)
    bob.call(BUS, "move_messages", "dead")
    carol.consume("dead", no_ack=True)
    turns(scene)
    assert answers(bob) == [0]
    assert sorted(carol.values()) == list(range(MANY))


def test_what_stays_counts_for_the_length_of_its_queue_again() -> None:
    scene, alice, bob, carol = office()
    alice.queue("dead", arguments={"x-max-length": MANY})
    fill(alice, "dead", MANY)
    bob.call(BUS, "move_messages", "dead")
    carol.tell("", "dead", "new")
    turns(scene)
    assert answers(bob) == [0]
    carol.consume("dead", no_ack=True)
    assert carol.values() == [*range(1, MANY), "new"]


def test_what_stays_is_counted_all_the_time() -> None:
    scene, alice, bob, carol = office()
    alice.queue("dead", arguments={"x-max-length": MANY, "x-overflow": "reject-publish"})
    fill(alice, "dead", MANY)
    bob.call(BUS, "move_messages", "dead")
    seen = [depth(carol, "dead")]
    alice.tell("", "dead", "one too many")
    peeked = carol.ask("peek_messages", "dead", 1)
    assert isinstance(peeked, list)
    assert peeked[0]["message"].endswith(pack(0))
    while scene.broker.queueing.works.ready:
        turn(scene)
        seen.append(depth(carol, "dead"))
        assert carol.refused("delete_queue", "dead", if_empty=True) == (
            "PreconditionFailed: PRECONDITION_FAILED - queue 'dead' in vhost '/' not empty"
        )
    assert seen == [MANY] * 5
    assert answers(bob) == [0]
    assert carol.ask("purge_queue", "dead") == MANY


def test_a_purge_takes_what_a_move_lets_stay() -> None:
    scene, alice, bob, carol = office()
    alice.queue("dead")
    fill(alice, "dead", MANY)
    bob.call(BUS, "move_messages", "dead")
    turn(scene)
    assert carol.ask("purge_queue", "dead") == MANY
    carol.tell("", "dead", "new")
    turns(scene)
    assert (answers(bob), depth(carol, "dead")) == ([0], 1)
    carol.consume("dead", no_ack=True)
    assert (carol.values(), scene.broker.queueing.bytes) == (["new"], 0)


def test_two_moves_let_all_stay_in_its_order() -> None:
    scene, alice, bob, carol = office()
    alice.queue("dead")
    fill(alice, "dead", MANY)
    bob.call(BUS, "move_messages", "dead")
    carol.call(BUS, "move_messages", "dead")
    turns(scene)
    assert (answers(bob), answers(carol), depth(carol, "dead")) == ([0], [0], MANY)
    carol.consume("dead", no_ack=True)
    assert carol.values() == list(range(MANY))


def test_what_stays_goes_with_its_queue() -> None:
    scene, alice, bob, carol = office()
    alice.queue("dead")
    fill(alice, "dead", MANY)
    bob.call(BUS, "move_messages", "dead")
    carol.ask("delete_queue", "dead")
    turns(scene)
    assert answers(bob) == [["org.pybus.Error.NotFound", "NOT_FOUND - no queue 'dead' in vhost '/'"]]
    assert scene.broker.queueing.bytes == 0


def test_why_nothing_could_be_moved_is_told() -> None:
    scene, alice, bob, _ = office()
    alice.queue("from")
    alice.queue("to", arguments={"x-max-length": SLICE + 1, "x-overflow": "reject-publish"})
    fill(alice, "from", MANY)
    bob.call(BUS, "move_messages", "from", "to")
    turns(scene)
    assert answers(bob) == [SLICE + 1]
    assert bob.refused("move_messages", "from", "to") == "Nacked: queue 'to' has 257 messages and takes no more"
    bob.consume("from", no_ack=True)
    assert bob.values() == list(range(SLICE + 1, MANY))


def test_a_queue_is_empty_at_once_and_its_purge_answered_at_the_end() -> None:
    scene, alice, bob, carol = office()
    alice.queue("jobs")
    fill(alice, "jobs", VERY_MANY)
    bob.call(BUS, "purge_queue", "jobs")
    assert (depth(carol, "jobs"), answers(bob)) == (0, [])
    carol.tell("", "jobs", "new")
    assert turns(scene) == 1
    assert answers(bob) == [VERY_MANY]
    carol.consume("jobs", no_ack=True)
    assert (carol.values(), scene.broker.queueing.bytes) == (["new"], 0)


def test_a_long_queue_is_deleted_at_once_and_its_messages_by_and_by() -> None:
    scene, alice, bob, _ = office()
    alice.queue("jobs")
    fill(alice, "jobs", VERY_MANY)
    assert bob.ask("delete_queue", "jobs") == VERY_MANY
    alice.queue("jobs")
    alice.tell("", "jobs", "new")
    assert scene.broker.queueing.bytes > 0
    assert turns(scene) == 1
    assert bob.ask("purge_queue", "jobs") == 1
    assert scene.broker.queueing.bytes == 0


def test_very_many_messages_expire_in_slices() -> None:
    scene, alice, bob, carol = office()
    alice.queue("dead")
    arguments = {"x-message-ttl": 1000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    alice.queue("jobs", arguments=arguments)
    fill(alice, "jobs", MANY)
    scene.wait(1.5)
    assert (depth(carol, "dead"), scene.broker.next_deadline()) == (SLICE, None)
    alice.tell("", "jobs", "new")
    bob.consume("jobs", no_ack=True)
    assert bob.values() == []
    turns(scene)
    assert (bob.values(), depth(carol, "dead")) == (["new"], MANY)


def test_very_many_dead_letters_that_have_to_wait_are_tried_again_in_slices() -> None:
    scene, alice, _, carol = office(Limits()._replace(queue_length=MANY))
    alice.queue("dead")
    fill(alice, "dead", MANY)
    arguments = {"x-message-ttl": 1000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    alice.queue("jobs", arguments=arguments)
    fill(alice, "jobs", MANY)
    faults = scene.broker.queueing.faults
    tried = []
    for seconds in (1.0, 1.0, 0.25, 0.25, 0.5):
        scene.wait(seconds)
        turns(scene)
        tried.append(len(faults))
        faults.clear()
    assert tried == [MANY, SLICE, SLICE, 10, SLICE]
    assert carol.ask("purge_queue", "dead") == MANY
    scene.wait(1)
    turns(scene)
    assert (depth(carol, "jobs"), depth(carol, "dead"), len(faults)) == (0, MANY, 0)


def test_a_queue_that_is_got_from_while_very_many_expire_gives_what_has_not() -> None:
    scene, alice, bob, carol = office()
    alice.queue("jobs", arguments={"x-message-ttl": 1000})
    fill(alice, "jobs", MANY)
    scene.now += 1.5
    alice.tell("", "jobs", "new")
    bob.call(BUS, "get_message", "jobs", True)
    carol.call(BUS, "get_message", "jobs", True)
    assert (answers(bob), answers(carol), depth(alice, "jobs")) == ([], [], MANY - SLICE + 1)
    turns(scene)
    (found,) = answers(bob)
    assert isinstance(found, dict)
    assert (found["messages"], answers(carol)) == (0, [None])
    assert scene.broker.queueing.bytes == 0


def test_a_get_that_waits_for_what_expires_ends_with_its_queue() -> None:
    scene, alice, bob, carol = office()
    alice.queue("jobs", arguments={"x-message-ttl": 1000})
    fill(alice, "jobs", MANY)
    scene.now += 1.5
    bob.call(BUS, "get_message", "jobs")
    carol.ask("delete_queue", "jobs")
    turns(scene)
    assert answers(bob) == [["org.pybus.Error.NotFound", "NOT_FOUND - no queue 'jobs' in vhost '/'"]]
    assert scene.broker.queueing.bytes == 0


def test_there_is_a_limit_to_what_goes_on_at_once() -> None:
    scene, alice, bob, _ = office(Limits()._replace(pending=1))
    for name in ("a", "b", "to"):
        alice.queue(name)
    fill(alice, "a", MANY)
    fill(alice, "b", MANY)
    bob.call(BUS, "move_messages", "a", "to")
    text = bob.refused("move_messages", "b", "to")
    assert text.startswith("LimitExceeded: the bus moves and throws away as many queues at once as it can")
    turns(scene)
    assert (answers(bob), depth(alice, "a"), depth(alice, "b")) == ([MANY], 0, MANY)


# --- with a disk ------------------------------------------------------------------------------------


def cellar() -> tuple[Durable, User, User]:
    """Two durable queues; all messages are in the one that is called `from`."""
    scene = Durable(Shelf())
    alice, bob = scene.user("alice"), scene.user("bob")
    for name in ("from", "to"):
        alice.call(BUS, "declare_queue", name, False, True)
    scene.save()
    alice.heard()
    fill(alice, "from", STORED, PERSISTENT)
    scene.save()
    return scene, alice, bob


def test_a_move_that_runs_ahead_of_the_disk_waits_for_it() -> None:
    scene, alice, bob = cellar()
    bob.call(BUS, "move_messages", "from", "to")
    turns(scene)
    assert (answers(bob), depth(alice, "from")) == ([], STORED - 65 * SLICE)
    again = scene.die()  # each message is in one of the two queues
    carol = again.user("carol")
    assert (depth(carol, "from"), depth(carol, "to")) == (STORED, 0)
    scene.save()
    again = scene.die()
    carol = again.user("carol")
    assert (depth(carol, "from"), depth(carol, "to")) == (STORED - 65 * SLICE, 65 * SLICE)
    turns(scene)
    scene.save()
    assert answers(bob) == [STORED]
    again = scene.die()
    carol = again.user("carol")
    assert (depth(carol, "from"), depth(carol, "to")) == (0, STORED)


def test_a_move_ends_when_nothing_can_be_written() -> None:
    scene, alice, bob = cellar()
    bob.call(BUS, "move_messages", "from", "to")
    turns(scene)
    scene.shelf.full = "no space left"
    scene.save()
    turns(scene)
    assert answers(bob) == [65 * SLICE]
    assert bob.refused("move_messages", "from", "to").startswith("StoreFailed: ")
    assert (depth(alice, "from"), depth(alice, "to")) == (STORED - 65 * SLICE, 65 * SLICE)
