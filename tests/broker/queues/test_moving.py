"""Dead letters go back to where they died, and messages from queue to queue."""

from tests.broker.queues.scene import User, office


def bury(who: User, *values: object) -> None:
    """Messages that were rejected."""
    who.queue("dead")
    who.queue("jobs", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
    who.consume("jobs", "gravedigger", prefetch=0)
    channel = who.peer.channel
    assert channel is not None
    for value in values:
        who.tell("", "jobs", value, headers={"mine": 1})
        who.reject(max(channel.unacked))
    who.ask("cancel", "gravedigger")
    who.heard()


def test_dead_letters_go_back_to_where_they_died() -> None:
    scene, alice, bob, _ = office()
    bury(alice, 1, 2, 3)
    assert bob.ask("move_messages", "dead", "", 2) == 2
    bob.consume("jobs", no_ack=True)
    assert bob.values() == [({"headers": {"mine": 1}}, 1), ({"headers": {"mine": 1}}, 2)]
    assert bob.ask("purge_queue", "dead") == 1
    assert scene.broker.queueing.bytes == 0


def test_what_did_not_die_or_has_no_home_any_more_stays() -> None:
    _, alice, bob, _ = office()
    bury(alice, 1)
    alice.tell("", "dead", "alive")
    alice.ask("delete_queue", "jobs")
    assert bob.ask("move_messages", "dead") == 0
    bob.consume("dead", no_ack=True)
    assert [value[1] if isinstance(value, tuple) else value for value in bob.values()] == [1, "alive"]


def test_messages_go_to_another_queue_in_their_order() -> None:
    scene, alice, bob, _ = office()
    alice.queue("from")
    alice.queue("to")
    for number in range(4):
        alice.tell("", "from", number)
    assert bob.ask("move_messages", "from", "to") == 4
    assert bob.ask("move_messages", "to", "to") == 0
    bob.consume("to", no_ack=True)
    assert bob.values() == [0, 1, 2, 3]
    assert scene.broker.queueing.bytes == 0


def test_a_queue_that_takes_no_more_ends_it() -> None:
    scene, alice, bob, _ = office()
    alice.queue("from")
    alice.queue("to", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    for number in range(3):
        alice.tell("", "from", number)
    assert bob.ask("move_messages", "from", "to") == 1
    bob.consume("from", no_ack=True)
    assert bob.values() == [1, 2]
    bob.ask("purge_queue", "to")
    assert scene.broker.queueing.bytes == 0


def test_a_message_keeps_its_time() -> None:
    scene, alice, bob, _ = office()
    alice.queue("from")
    alice.queue("to")
    alice.tell("", "from", 1, expiration="1000")
    scene.wait(0.5)
    bob.ask("move_messages", "from", "to")
    bob.ask("move_messages", "to", "from")
    scene.wait(0.4)
    assert bob.ask("move_messages", "from", "to") == 1
    scene.wait(0.2)
    assert bob.ask("get_message", "to") is None


def test_what_expired_has_the_time_of_its_queue_anew() -> None:
    scene, alice, bob, _ = office()
    alice.queue("dead")
    dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    alice.queue("jobs", arguments={"x-message-ttl": 1000, **dead})
    alice.tell("", "jobs", 1)
    scene.wait(2)
    scene.wait(3600)
    assert bob.ask("move_messages", "dead") == 1
    scene.wait(0.9)
    assert bob.ask("declare_queue", "jobs", passive=True) == {"queue": "jobs", "messages": 1, "consumers": 0}


def test_the_time_of_the_queue_that_it_leaves_counts_no_more() -> None:
    scene, alice, bob, _ = office()
    alice.queue("from", arguments={"x-message-ttl": 1000})
    alice.queue("to")
    alice.tell("", "from", 1)
    assert bob.ask("move_messages", "from", "to") == 1
    scene.wait(3600)
    bob.consume("to", no_ack=True)
    assert bob.values() == [1]


def test_what_is_not_taken_stays_and_is_no_dead_letter_either() -> None:
    scene, alice, bob, _ = office()
    alice.queue("from")
    alice.queue("dead")
    dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    alice.queue("to", arguments={"x-max-length": 0, "x-overflow": "reject-publish-dlx", **dead})
    alice.tell("", "from", 1)
    assert bob.refused("move_messages", "from", "to") == "Nacked: queue 'to' has 0 messages and takes no more"
    assert (bob.ask("purge_queue", "dead"), bob.ask("purge_queue", "from")) == (0, 1)
    assert scene.broker.queueing.bytes == 0
