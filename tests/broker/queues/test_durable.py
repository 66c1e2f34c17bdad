"""What is on disk, when that is told, and what comes back."""

from __future__ import annotations

import tracemalloc

from pybus.errors import PreconditionFailed
from pybus.limits import Limits
from pybus.protocol.codec import pack
from pybus.protocol.frames import ANSWER, CONFIRM, ERROR, PERSISTENT
from pybus.storage import place_of
from tests.broker.queues.scene import Got, User
from tests.broker.queues.shelf import Durable, Shelf
from tests.broker.scene import Heard

SAFE = PERSISTENT | CONFIRM


def declare(scene: Durable, who: User, name: str, *bindings: tuple[str, str], **how: object) -> None:
    """Declare a durable queue, whose answers come once it is on disk."""
    who.call("org.pybus.Bus", "declare_queue", name, False, True, False, False, how.get("arguments"))
    for exchange, key in bindings:
        who.call("org.pybus.Bus", "bind_queue", name, exchange, key)
    assert who.heard() == []
    scene.save()
    assert [one.kind for one in who.heard()] == [ANSWER] * (1 + len(bindings))


def publish(who: User, *values: object, queue: str = "jobs", flags: int = PERSISTENT) -> None:
    for value in values:
        who.tell("", queue, value, flags)


def bus(limits: Limits | None = None) -> tuple[Durable, User, User]:
    scene = Durable(Shelf(), limits)
    alice, bob = scene.user("alice"), scene.user("bob")
    declare(scene, bob, "jobs")
    return scene, alice, bob


def consumed(scene: Durable, queue: str = "jobs") -> list[Got]:
    """All that a queue holds, once what has to be written before is written."""
    who = scene.user("reader")
    who.consume(queue)
    found = who.got()
    for _ in range(20):
        scene.save()
        found += who.got()
    return found


def bodies(found: list[Got]) -> list[object]:
    """What messages hold, without the properties that some have."""
    return [one.value[1] if isinstance(one.value, tuple) else one.value for one in found]


# --- confirms follow the disk -----------------------------------------------------------------------


def test_a_confirm_follows_its_commit() -> None:
    scene, alice, _ = bus()
    for number in (1, 2, 3):
        alice.tell("", "jobs", number, SAFE, number)
    assert alice.told() == []
    scene.save()
    assert alice.told() == [("confirmed", 3, "multiple")]


def test_neighbours_are_confirmed_together_or_refused_one_by_one() -> None:
    scene, alice, _ = bus()
    alice.send(b"".join([alice.message("", "jobs", number, SAFE, number) for number in (1, 2, 3)]))
    assert alice.told() == []
    scene.save()
    assert alice.told() == [("confirmed", 3, "multiple")]
    scene.shelf.full = "database or disk is full"
    alice.send(b"".join([alice.message("", "jobs", number, SAFE, number) for number in (4, 5)]))
    scene.save()
    text = "it can't be written to disk for now: database or disk is full"
    assert alice.told() == [("StoreFailed", 4, text), ("StoreFailed", 5, text)]
    alice.send(b"".join([alice.message("", "jobs", number, SAFE, number) for number in (6, 7)]))
    later = "the message can't be written to disk: database or disk is full"
    assert alice.told() == [("StoreFailed", 6, later), ("StoreFailed", 7, later)]
    scene.shelf.full = ""
    scene.save()
    assert [one.value for one in consumed(scene.die())] == [1, 2, 3, 4, 5]


def test_what_waits_behind_the_disk_to_be_confirmed_takes_little_memory() -> None:
    scene, alice, bob = bus()
    bob.queue("quick")
    bob.consume("quick", no_ack=True)
    alice.tell("", "jobs", 1, SAFE, 1)
    letter = bytes(100_000)
    tracemalloc.start()
    try:
        for serial in range(2, 42, 2):
            neighbours = [alice.message("", "quick", letter, CONFIRM, one) for one in (serial, serial + 1)]
            alice.send(b"".join(neighbours))
            assert bob.values() == [letter, letter]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 1_000_000
    assert alice.told() == []
    scene.save()
    assert alice.told() == [("confirmed", 41, "multiple")]


def test_a_message_that_need_not_be_written_is_confirmed_at_once() -> None:
    _, alice, bob = bus()
    bob.queue("quick")
    alice.tell("", "jobs", 1, CONFIRM, 1)
    alice.tell("", "quick", 1, SAFE, 2)
    assert alice.told() == [("confirmed", 1), ("confirmed", 2)]


def test_confirms_come_in_the_order_of_the_messages() -> None:
    scene, alice, bob = bus()
    bob.queue("quick")
    alice.tell("", "jobs", 1, SAFE, 1)
    alice.tell("", "quick", 1, CONFIRM, 2)
    assert alice.told() == []
    scene.save()
    assert alice.told() == [("confirmed", 2, "multiple")]


def test_what_comes_while_the_disk_is_busy_waits_for_the_next_batch() -> None:
    scene, alice, _ = bus()
    disk = scene.broker.queueing.disk
    alice.tell("", "jobs", 1, SAFE, 1)
    batch = disk.take()
    assert batch is not None
    alice.tell("", "jobs", 2, SAFE, 2)
    assert disk.take() is None
    scene.shelf.commit(batch)
    disk.committed()
    scene.finish()
    assert alice.told() == [("confirmed", 1)]
    scene.save()
    assert alice.told() == [("confirmed", 2)]


def test_what_is_acked_before_it_is_written_never_is() -> None:
    scene, alice, bob = bus()
    bob.consume("jobs")
    alice.tell("", "jobs", 1, SAFE, 1)
    bob.ack(1)
    scene.save()
    assert alice.told() == [("confirmed", 1)]
    assert (scene.shelf.messages, scene.shelf.written) == ({}, 0)


def test_a_commit_of_a_transaction_is_answered_once_it_is_on_disk() -> None:
    scene, alice, _ = bus()
    alice.ask("select_transaction")
    alice.tell("", "jobs", 1, PERSISTENT)
    serial = alice.call("org.pybus.Bus", "commit")
    assert alice.heard() == []
    scene.save()
    assert alice.heard() == [Heard(ANSWER, 0, 0, alice.number, serial, "", None)]
    assert len(scene.shelf.messages) == 1


# --- what comes back --------------------------------------------------------------------------------


def bindings(who: User) -> list[dict[str, object]]:
    """All bindings, without their numbers, which a new bus gives anew."""
    found = who.ask("bindings")
    assert isinstance(found, list)
    return [{name: value for name, value in one.items() if name != "number"} for one in found]


def test_exchanges_queues_and_bindings_come_back() -> None:
    scene, alice, bob = bus()
    alice.call("org.pybus.Bus", "declare_exchange", "logs", "headers", False, True, False, True, {"x": 1})
    alice.call("org.pybus.Bus", "bind_exchange", "logs", "amq.topic", "log.#")
    bob.call("org.pybus.Bus", "bind_queue", "jobs", "logs", "", {"x-match": "any", "a": 1})
    bob.call("org.pybus.Bus", "bind_queue", "jobs", "amq.topic", "hal.#")
    bob.queue("passing")
    bob.ask("bind_queue", "passing", "amq.fanout")
    scene.save()
    before = bindings(alice)
    assert len(before) == 4
    again = scene.die()
    carol = again.user("carol")
    passing = {"source": "amq.fanout", "destination": "passing", "to": "queue", "key": "", "arguments": {}}
    assert sorted(map(str, [*bindings(carol), passing])) == sorted(map(str, before))
    exchanges = carol.ask("exchanges")
    assert isinstance(exchanges, list)
    assert [one["name"] for one in exchanges][-1] == "logs"
    carol.publish("hal.usb", 1)
    assert consumed(again) == [Got("amq.topic", "hal.usb", 1)]


def test_what_was_deleted_does_not_come_back() -> None:
    scene, alice, bob = bus()
    publish(alice, 1, 2)
    scene.save()
    publish(alice, 3)
    bob.call("org.pybus.Bus", "delete_queue", "jobs")
    scene.save()
    assert (scene.shelf.queues, scene.shelf.messages) == ({}, {})
    assert [one.value for one in bob.heard()] == [3]
    declare(scene, bob, "jobs")
    assert list(scene.shelf.queues) == [2]
    assert consumed(scene.die()) == []


def test_messages_come_back_in_their_order_once_and_unmarked() -> None:
    scene, alice, _ = bus()
    publish(alice, 1, 2)
    scene.save()
    publish(alice, 3)
    publish(alice, "transient", flags=0)
    scene.save()
    publish(alice, "unconfirmed")
    again = scene.die()
    assert consumed(again) == [Got("", "jobs", number) for number in (1, 2, 3)]
    assert again.broker.queueing.bytes > 0


def test_a_message_that_several_queues_take_is_one_frame_for_the_disk() -> None:
    scene, alice, bob = bus()
    names = [f"jobs.{number}" for number in range(10)]
    for name in names:
        declare(scene, bob, name, ("amq.fanout", ""))
    alice.tell("amq.fanout", "", "for all", PERSISTENT)
    alice.tell("amq.fanout", "", "for all", PERSISTENT, priority=1)
    scene.save()
    rows = list(scene.shelf.messages.values())
    assert (len(rows), len({id(row.data) for row in rows})) == (20, 2)
    again = scene.die()
    for name in names:
        assert bodies(consumed(again, name)) == ["for all", "for all"]


def test_an_exclusive_queue_does_not_come_back() -> None:
    scene, alice, bob = bus()
    bob.queue("mine", durable=True, exclusive=True)
    publish(alice, 1, queue="mine", flags=SAFE)
    scene.save()
    assert list(scene.shelf.queues) == [1]
    assert scene.shelf.messages == {}


def test_a_queue_of_which_an_argument_is_not_accepted_any_more_keeps_its_messages_and_the_others() -> None:
    scene, alice, bob = bus()
    declare(scene, bob, "dead")
    publish(alice, "given up", "kept")
    scene.save()
    dead = {"x-dead-letter-routing-key": "dead", "x-dead-letter-exchange": "", "x-max-length": 2}
    scene.shelf.queues[1] = scene.shelf.queues[1]._replace(arguments=pack({"x-queue-type": "stream", **dead}))
    scene = scene.die()
    ((meaning, error),) = scene.broker.queueing.faults
    assert meaning == "queue 'jobs' goes on without its argument x-queue-type"
    assert isinstance(error, PreconditionFailed)
    assert "unsupported queue type 'stream'" in error.message
    publish(scene.user("alice"), "new")
    assert consumed(scene) == [Got("", "jobs", "kept"), Got("", "jobs", "new")]
    assert bodies(consumed(scene, "dead")) == ["given up"]


def test_messages_with_a_priority_come_back_into_a_queue_that_has_none_any_more() -> None:
    scene, alice, bob = bus()
    declare(scene, bob, "best", arguments={"x-max-priority": 5})
    alice.tell("", "best", "kept", PERSISTENT, priority=5)
    scene.save()
    stored = scene.shelf.queues[2]
    scene.shelf.queues[2] = stored._replace(arguments=pack({"x-max-priority": 256}))
    assert bodies(consumed(scene.die(), "best")) == ["kept"]


def test_properties_of_messages_come_back() -> None:
    scene, alice, bob = bus()
    declare(scene, bob, "best", arguments={"x-max-priority": 5, "x-message-ttl": 60_000})
    alice.tell("", "best", "low", PERSISTENT)
    alice.tell("", "best", "high", PERSISTENT, priority=5, headers={"a": 1})
    scene.save()
    scene.wait(30)
    again = scene.die()
    carol = again.user("carol")
    found = carol.ask("peek_messages", "best")
    assert isinstance(found, list)
    assert [one["age"] for one in found] == [30.0, 30.0]
    again.wait(29)
    assert consumed(again, "best") == [
        Got("", "best", ({"priority": 5, "headers": {"a": 1}}, "high")),
        Got("", "best", "low"),
    ]
    later = scene.die()
    later.wait(31)
    assert consumed(later, "best") == []


# --- redelivered marks ------------------------------------------------------------------------------


def test_what_was_delivered_and_not_acked_comes_back_marked() -> None:
    scene, alice, bob = bus()
    bob.consume("jobs", prefetch=1)
    publish(alice, 1, 2, 3)
    scene.save()
    assert bob.values() == [1]
    assert consumed(scene.die()) == [
        Got("", "jobs", 1, redelivered=True),
        Got("", "jobs", 2),
        Got("", "jobs", 3),
    ]


def test_nothing_is_delivered_before_its_mark_is_on_disk() -> None:
    scene, alice, bob = bus()
    publish(alice, 1, 2, 3)
    scene.save()
    bob.consume("jobs", prefetch=1)
    assert bob.values() == []
    assert consumed(scene.die())[0] == Got("", "jobs", 1)
    scene.save()
    assert bob.values() == [1]
    assert [one.redelivered for one in consumed(scene.die())] == [True, False, False]
    bob.ack(1)
    assert bob.values() == []
    scene.save()
    assert bob.values() == [2]


def test_marks_run_ahead_of_a_consumer_that_goes_on() -> None:
    scene, alice, bob = bus()
    publish(alice, *range(1000))
    scene.save()
    bob.consume("jobs", prefetch=1)
    saves, got = 0, 0
    while got < 1000:
        if bob.values():
            got += 1
            bob.ack(got)
        else:
            scene.save()
            saves += 1
    assert saves < 30
    falsely = [one for one in consumed(scene.die()) if one.redelivered]
    assert len(falsely) <= 1024


def test_what_comes_after_a_restart_is_not_marked_for_what_was_delivered_before() -> None:
    scene, alice, bob = bus()
    publish(alice, *range(20))
    scene.save()
    bob.consume("jobs", no_ack=True)
    scene.save(20)
    assert bob.values() == list(range(20))
    scene.broker.queueing.disk.end()
    scene.save()
    scene = scene.die()
    publish(scene.user("alice"), "new", "newer")
    scene.save()
    assert consumed(scene.die()) == [Got("", "jobs", "new"), Got("", "jobs", "newer")]


def test_a_message_that_is_got_waits_for_its_mark_as_well() -> None:
    scene, alice, bob = bus()
    publish(alice, 1)
    scene.save()
    serial = bob.call("org.pybus.Bus", "get_message", "jobs")
    assert bob.heard() == []
    scene.save()
    (answer,) = bob.heard()
    assert (answer.kind, answer.serial, answer.value["tag"]) == (ANSWER, serial, 1)  # type: ignore[index]
    assert consumed(scene.die()) == [Got("", "jobs", 1, redelivered=True)]


def test_a_mark_that_is_on_its_way_is_enough_for_messages_that_are_got() -> None:
    scene, alice, bob = bus()
    publish(alice, *range(8))
    scene.save()
    disk = scene.broker.queueing.disk
    serials, got = [], []
    for _ in range(4):
        serials += [bob.call("org.pybus.Bus", "get_message", "jobs", True)]
        batch = disk.take()
        serials += [bob.call("org.pybus.Bus", "get_message", "jobs", True)]
        if batch is not None:
            scene.shelf.commit(batch)
            disk.committed()
            scene.finish()
        scene.save(2)
        got += [(one.kind, one.serial) for one in bob.heard()]
    assert got == [(ANSWER, serial) for serial in serials]
    assert not disk._calls
    assert bob.ask("get_message", "jobs") is None


def test_nothing_is_taken_for_who_is_gone_or_does_not_wait_any_more() -> None:
    scene, alice, bob = bus()
    carol = scene.user("carol")
    publish(alice, 1)
    scene.save()
    serial = bob.call("org.pybus.Bus", "get_message", "jobs", True)
    carol.call("org.pybus.Bus", "get_message", "jobs", True)
    carol.leave()
    scene.now += scene.broker.limits.deadline
    scene.broker.now = scene.now
    scene.save()
    (answer,) = bob.heard()
    assert (answer.kind, answer.serial) == (ERROR, serial)
    assert answer.value == ["org.pybus.Error.DeadlinePassed", "the queue was not ready in time"]
    assert [one.value for one in consumed(scene)] == [1]


def test_acks_are_on_disk_with_the_next_batch() -> None:
    scene, alice, bob = bus()
    bob.consume("jobs", prefetch=10)
    publish(alice, 1, 2, 3)
    scene.save()
    bob.ack(2)
    assert len(consumed(scene.die())) == 3
    scene.save()
    assert [one.value for one in consumed(scene.die())] == [1, 3]


def test_a_message_that_kills_even_the_bus_goes_to_the_dead_letters_in_the_end() -> None:
    scene, _, bob = bus()
    arguments = {"x-delivery-limit": 2, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    declare(scene, bob, "risky", arguments=arguments)
    declare(scene, bob, "dead")
    publish(bob, "poison", queue="risky")
    for returns in range(3):
        if returns:
            scene = scene.die()
        victim = scene.user("victim")
        victim.consume("risky")
        scene.save(2)
        assert victim.values() == [({"headers": {"x-delivery-count": returns}}, "poison") if returns else "poison"]
        victim.leave()
        scene.save()
    scene.save()
    assert len(consumed(scene.die(), "dead")) == 1
    assert consumed(scene.die(), "risky") == []


# --- a disk that fails ------------------------------------------------------------------------------


def test_a_full_disk_refuses_what_is_to_be_durable_and_nothing_else() -> None:
    scene, alice, bob = bus()
    publish(alice, "before")
    scene.save()
    scene.shelf.full = "database or disk is full"
    alice.tell("", "jobs", "caught", SAFE, 1)
    declaring = bob.call("org.pybus.Bus", "declare_queue", "late", False, True)
    scene.save()
    text = "it can't be written to disk for now: database or disk is full"
    assert alice.told() == [("StoreFailed", 1, text)]
    (answer,) = bob.heard()
    assert (answer.serial, answer.value) == (declaring, ["org.pybus.Error.StoreFailed", text])
    alice.tell("", "jobs", "refused", SAFE, 2)
    alice.tell("", "jobs", "refused", PERSISTENT, 3)
    later = "the message can't be written to disk: database or disk is full"
    assert alice.told() == [("StoreFailed", 2, later), ("StoreFailed", 3, later)]
    assert bob.refused("declare_queue", "other", durable=True) == (
        "StoreFailed: the queues can't be written to disk: database or disk is full"
    )
    alice.tell("", "jobs", "transient", CONFIRM, 4)
    assert alice.told() == [("confirmed", 4)]
    assert bob.ask("names") == []
    scene.shelf.full = ""
    scene.save()
    alice.tell("", "jobs", "after", SAFE, 5)
    scene.save()
    assert alice.told() == [("confirmed", 5)]
    assert [one.value for one in consumed(scene.die())] == ["before", "caught", "after"]


def test_a_full_disk_can_be_emptied() -> None:
    scene, alice, bob = bus()
    publish(alice, *range(5))
    scene.save()
    scene.shelf.crowded = "database or disk is full"
    publish(alice, "caught", "caught and consumed")
    bob.consume("jobs", prefetch=3)
    assert bob.values() == []
    scene.save()
    assert bob.values() == [0, 1, 2]
    bob.ack(3, multiple=True)
    assert bob.values() == [3, 4, "caught"]
    scene.save()
    assert [one.value for one in consumed(scene.die())] == [3, 4]
    bob.ack(5, multiple=True)
    assert bob.values() == ["caught and consumed"]
    bob.ack(7)
    scene.shelf.crowded = ""
    scene.save()
    assert scene.broker.queueing.journal.broken == ""
    assert consumed(scene.die()) == [Got("", "jobs", "caught", redelivered=True)]


def test_a_message_that_is_got_does_not_wait_for_a_mark_that_can_t_be_written() -> None:
    scene, alice, bob = bus()
    publish(alice, 1)
    scene.save()
    scene.shelf.full = "input/output error"
    serial = bob.call("org.pybus.Bus", "get_message", "jobs", True)
    scene.save()
    assert [(one.kind, one.serial) for one in bob.heard()] == [(ANSWER, serial)]


def test_messages_that_could_not_be_written_go_with_their_queue() -> None:
    scene, alice, bob = bus()
    declare(scene, bob, "other")
    scene.shelf.full = "database or disk is full"
    publish(alice, 1)
    publish(alice, 2, queue="other")
    batch = scene.broker.queueing.disk.take()
    assert batch is not None
    bob.call("org.pybus.Bus", "delete_queue", "jobs")
    scene.broker.queueing.disk.failed(scene.shelf.full)
    scene.shelf.full = ""
    scene.save()
    assert list(scene.shelf.messages) == [place_of(2, 1)]


def test_a_full_disk_does_not_hold_up_who_wrote_much() -> None:
    scene, alice, _ = bus(Limits()._replace(unsafe=1000))
    scene.shelf.full = "database or disk is full"
    publish(alice, b"x" * 1500)
    waits = [alice.peer.must_wait]
    scene.save()
    assert [*waits, alice.peer.must_wait] == [True, False]
    publish(alice, b"x" * 1500)
    assert [one[0] for one in alice.told()] == ["StoreFailed"]
    assert not alice.peer.must_wait


# --- memory -----------------------------------------------------------------------------------------


def test_past_a_budget_bodies_are_on_disk_only_and_come_back_for_their_turn() -> None:
    limits = Limits()._replace(queue_memory=5000)
    scene, alice, bob = bus(limits)
    bob.queue("quick")
    values = [bytes([number]) * 1000 for number in range(20)]
    publish(alice, *values)
    publish(alice, *values, queue="quick", flags=0)
    scene.save(2)
    queues = scene.broker.queueing.vhost.queues
    assert [queues[name].memory < 6500 for name in ("jobs", "quick")] == [True, True]
    assert [len(queues[name]) for name in ("jobs", "quick")] == [20, 20]
    again = scene.die()
    assert again.broker.queueing.vhost.queues["jobs"].memory < 6500
    assert [one.value for one in consumed(again)] == values
    assert [one.value for one in consumed(scene, "quick")] == values
    assert bob.ask("purge_queue", "jobs") == 20
    scene.save()
    assert queues["jobs"].memory == 0


def test_what_left_its_queue_before_it_was_on_disk_is_counted_once() -> None:
    scene, alice, bob = bus(Limits()._replace(queue_memory=100))
    bob.queue("quick")
    bob.consume("quick")
    publish(alice, b"x" * 200, b"y" * 200, queue="quick", flags=0)
    disk = scene.broker.queueing.disk
    batch = disk.take()
    assert batch is not None
    bob.ack(0, multiple=True)
    scene.shelf.commit(batch)
    disk.committed()
    assert (scene.broker.queueing.bytes, scene.broker.queueing.vhost.queues["quick"].memory) == (0, 0)


def test_what_is_on_disk_only_can_be_peeked_at_moved_and_die() -> None:
    limits = Limits()._replace(queue_memory=0)
    scene, alice, bob = bus(limits)
    declare(scene, bob, "dead")
    declare(scene, bob, "risky", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
    publish(alice, b"one", b"two", queue="risky")
    scene.save(2)
    found = bob.ask("peek_messages", "risky")
    assert isinstance(found, list)
    assert [one["message"][-3:] for one in found] == [b"one", b"two"]
    scene.save()
    bob.consume("risky")
    scene.save(3)
    bob.reject(0, multiple=True)
    scene.save(3)
    assert bob.ask("move_messages", "dead") == 2
    scene.save(3)
    assert [one.value for one in bob.got()] == [b"one", b"two", b"one", b"two"]


def test_a_publisher_that_is_faster_than_the_disk_has_to_wait() -> None:
    scene, alice, _ = bus(Limits()._replace(unsafe=2000))
    publish(alice, b"x" * 1500)
    publish(alice, b"x" * 1500)
    waits = [alice.peer.must_wait]
    scene.broker.ready.clear()
    scene.save()
    assert [*waits, alice.peer.must_wait] == [True, False]
    assert scene.broker.ready == [alice.peer]


def test_what_dies_while_the_disk_is_full_is_a_dead_letter_once_there_is_room() -> None:
    scene, alice, bob = bus()
    declare(scene, bob, "dead")
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead", "x-message-ttl": 5000}
    declare(scene, bob, "risky", arguments=arguments)
    publish(alice, "one", "two", queue="risky")
    scene.save()
    scene.shelf.full = "no space left on device"
    publish(alice, "three")
    scene.save()
    scene.wait(5)
    queues = scene.broker.queueing.vhost.queues
    assert (len(queues["risky"]), len(queues["dead"])) == (2, 0)
    assert {meaning for meaning, _ in scene.broker.queueing.faults} == {"dead letters of queue 'risky' have to wait"}
    scene.shelf.full = ""
    scene.save()
    scene.wait(1)
    scene.save(2)
    assert (len(queues["risky"]), len(queues["dead"])) == (0, 2)
    assert bodies(consumed(scene.die(), "dead")) == ["one", "two"]


def test_what_expired_while_the_bus_was_away_dies_once_all_else_is_there() -> None:
    scene, alice, bob = bus()
    declare(scene, bob, "risky", arguments={"x-dead-letter-exchange": "amq.fanout", "x-message-ttl": 5000})
    declare(scene, bob, "dead", ("amq.fanout", ""))
    publish(alice, "old", queue="dead")
    publish(alice, "one", queue="risky")
    scene.save()
    scene.now += 5
    assert bodies(consumed(scene.die(), "dead")) == ["old", "one"]


def test_a_dead_letter_that_can_t_be_made_costs_nothing_but_itself() -> None:
    scene, alice, bob = bus()
    declare(scene, bob, "dead")
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead", "x-message-ttl": 5000}
    declare(scene, bob, "odd", arguments=arguments)
    declare(scene, bob, "risky", arguments=arguments)
    publish(alice, "one", queue="odd")
    publish(alice, "two", queue="risky")
    scene.save()
    (odd,) = [one for one in scene.shelf.queues.values() if one.name == "odd"]
    key = {**arguments, "x-dead-letter-routing-key": "k" * 70_000}
    scene.shelf.queues[odd.number] = odd._replace(arguments=pack(key))
    scene.now += 5
    again = scene.die()
    ((meaning, error),) = again.broker.queueing.faults
    assert (meaning, type(error).__name__) == ("a dead letter of queue 'odd' is lost", "error")
    assert bodies(consumed(again, "dead")) == ["two"]
    assert again.die().broker.queueing.faults == []


def test_what_can_t_be_read_for_now_is_read_later_and_stops_nobody_else() -> None:
    scene, alice, bob = bus(Limits()._replace(queue_memory=0))
    declare(scene, bob, "others")
    publish(alice, 1, 2)
    scene.save(2)
    scene.shelf.full = "input/output error"
    bob.consume("jobs")
    assert bob.got() == []
    ((meaning, error),) = scene.broker.queueing.faults
    assert meaning == "messages of queue 'jobs' have to wait"
    assert str(error).startswith("the queues can't be read from disk: input/output error")
    assert scene.broker.next_deadline() == scene.now + 1
    scene.wait(1)
    assert (bob.got(), scene.broker.next_deadline()) == ([], scene.now + 1)
    scene.shelf.full = ""
    alice.tell("", "others", 3, SAFE, 3)
    scene.wait(1)
    scene.save(3)
    assert alice.told() == [("confirmed", 3)]
    assert bob.got() == [Got("", "jobs", 1), Got("", "jobs", 2)]
    assert scene.broker.next_deadline() is None
