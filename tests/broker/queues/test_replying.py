"""Answers by queue: direct reply-to, and services that are called by messages."""

from typing import Any

from pybus.broker.life import Service
from pybus.errors import Nacked
from pybus.protocol.codec import pack
from pybus.protocol.frames import ANSWER, CALL, CONFIRM, ERROR, MANDATORY, NO_REPLY, frame
from tests.broker.queues.scene import User, office
from tests.broker.scene import Heard, Scene, acquaintance

REPLY_TO = "amq.rabbitmq.reply-to"
NAME = "org.example.Player"


def reply_queue(who: User) -> str:
    """The queue behind the direct replies of somebody who consumes them."""
    who.consume(REPLY_TO, "replies", no_ack=True)
    channel = who.peer.channel
    assert channel is not None
    return channel.reply_queue


# --- direct reply-to --------------------------------------------------------------------------------


def test_an_answer_goes_straight_to_who_asked() -> None:
    _, alice, bob, _ = office()
    bob.queue("rpc")
    bob.consume("rpc", no_ack=True)
    own = reply_queue(alice)
    assert own.startswith(f"{REPLY_TO}.")
    alice.tell("", "rpc", "question", reply_to=REPLY_TO, correlation_id="7")
    ((properties, value),) = bob.values()
    assert (properties, value) == ({"reply_to": own, "correlation_id": "7"}, "question")
    bob.tell("", properties["reply_to"], "answer", MANDATORY, correlation_id="7")
    assert alice.values() == [({"correlation_id": "7"}, "answer")]
    assert bob.told() == []


def test_the_replies_end_with_their_consumer() -> None:
    _, alice, bob, _ = office()
    own = reply_queue(alice)
    alice.ask("cancel", "replies")
    bob.tell("", own, "late", MANDATORY, 3)
    assert bob.told() == [("returned", 3, "late")]
    again = reply_queue(alice)
    assert again != own
    alice.leave()
    assert bob.ask("queues") == []


def test_a_consumer_of_replies_that_is_refused_leaves_no_queue_behind() -> None:
    scene, alice, _, _ = office()
    alice.queue("jobs")
    alice.consume("jobs", "replies")
    text = "NotAllowed: NOT_ALLOWED - attempt to reuse consumer tag 'replies'"
    assert alice.refused("consume", REPLY_TO, "replies", True) == text
    assert list(scene.broker.queueing.vhost.queues) == ["jobs"]
    assert alice.consume(REPLY_TO, "others", no_ack=True) == "others"


def test_what_direct_reply_to_refuses() -> None:
    _, alice, _, _ = office()
    start = "PreconditionFailed: PRECONDITION_FAILED - "
    assert alice.refused("consume", REPLY_TO) == f"{start}reply consumer cannot acknowledge"
    alice.tell("", "rpc", 1, serial=4, reply_to=REPLY_TO)
    missing = "PRECONDITION_FAILED - fast reply consumer does not exist"
    assert alice.told() == [("PreconditionFailed", 4, missing)]
    reply_queue(alice)
    assert alice.refused("consume", REPLY_TO, no_ack=True) == f"{start}reply consumer already set"


# --- services ---------------------------------------------------------------------------------------


def player() -> tuple[Scene, User, User]:
    """A scene where bob is the player, and alice has a queue for answers."""
    scene, alice, bob, _ = office()
    assert bob.ask("request_name", NAME) == "owner"
    alice.queue("answers")
    alice.consume("answers", no_ack=True)
    return scene, alice, bob


def play(who: User, value: object = None, flags: int = 0, serial: int = 0, **properties: Any) -> None:
    who.tell("", NAME, value, flags, serial, **properties)


def test_a_message_calls_a_service_and_its_answer_comes_by_the_queue() -> None:
    _, alice, bob = player()
    play(alice, [["x.ogg"], {}], CONFIRM | MANDATORY, 9, type="play", reply_to="answers", correlation_id="7")
    assert alice.told() == [("confirmed", 9)]
    introduction, called = bob.heard()
    assert introduction == acquaintance(bob, alice)
    assert called == Heard(CALL, 0, alice.number, 0, called.serial, f"{NAME} play", [["x.ogg"], {}])
    bob.answer(called, True)
    assert alice.values() == [({"correlation_id": "7"}, True)]
    bob.answer(called, True)
    assert alice.heard() == []


def test_an_error_of_the_service_comes_by_the_queue() -> None:
    _, alice, bob = player()
    play(alice, [["x.ogg"], {}], type="play", reply_to="answers")
    bob.fail(bob.heard()[-1], "org.example.NoSuchFile", "no x.ogg")
    headers = {"error": "org.example.NoSuchFile"}
    assert alice.values() == [({"headers": headers}, ["org.example.NoSuchFile", "no x.ogg"])]
    play(alice, [[], {}], type="play", reply_to="answers")
    bob.leave()
    ((properties, (name, _)),) = alice.values()
    assert properties == {"headers": {"error": name}}
    assert name == "org.pybus.Error.ServiceDied"


def test_without_reply_to_no_answer_is_wanted() -> None:
    _, alice, bob = player()
    play(alice, [[], {}], type="play")
    called = bob.heard()[-1]
    assert (called.kind, called.flags, called.serial) == (CALL, NO_REPLY, 0)


def test_a_message_without_a_method_is_refused() -> None:
    _, alice, bob = player()
    play(alice, [[], {}], serial=4, reply_to="answers")
    text = f"a message to the service {NAME} needs its method as the property 'type'"
    assert alice.told() == [("InvalidArguments", 4, text)]
    assert bob.heard() == []


def test_a_queue_for_answers_that_can_t_be_one_is_refused_and_the_service_not_bothered() -> None:
    _, alice, bob = player()
    play(alice, [[], {}], CONFIRM, 5, type="play", reply_to="x" * 70_000)
    text = f"the routing key {'x' * 40!r}... is longer than 255 bytes"
    assert alice.told() == [("BadName", 5, text)]
    assert bob.heard() == []


def test_a_queue_of_a_service_s_name_comes_first() -> None:
    _, alice, bob = player()
    alice.queue(NAME)
    play(alice, 1, type="play")
    assert bob.heard() == []
    assert alice.ask("purge_queue", NAME) == 1


def test_a_service_that_does_not_run_is_started() -> None:
    scene, alice, bob, _ = office()
    scene.offer(Service(NAME, ("player",)))
    alice.queue("answers")
    alice.consume("answers", no_ack=True)
    play(alice, [[], {}], CONFIRM, 3, type="play", reply_to="answers")
    scene.start(NAME, bob.peer.credentials.pid)
    bob.ask("request_name", NAME)
    called = bob.heard()[-1]
    bob.answer(called, 1)
    assert [one for one in alice.heard() if one.kind != ANSWER][-1].value == 1


def test_a_caller_s_own_calls_are_none_of_it() -> None:
    _, alice, bob = player()
    play(alice, [[], {}], type="play", reply_to="answers")
    serial = alice.call(NAME, "stop")
    _, first, second = bob.heard()
    bob.answer(second, "own")
    bob.answer(first, "by message")
    own, message = alice.heard()
    assert (own.kind, own.serial, own.value) == (ANSWER, serial, "own")
    assert message.value == "by message"


def test_a_caller_that_left_gets_no_answer() -> None:
    scene, alice, bob = player()
    play(alice, [[], {}], type="play", reply_to="answers")
    called = bob.heard()[-1]
    alice.leave()
    bob.answer(called, 1)
    assert scene.broker.dispatch.late_answers == 1
    assert scene.broker.queueing.replying.awaited == {}


def test_an_answer_that_its_queue_does_not_take_is_told_in_the_log() -> None:
    scene, alice, bob = player()
    carol = User(scene, "carol")
    carol.queue("full", arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
    play(alice, [[], {}], type="play", reply_to="full")
    bob.answer(bob.heard()[-1], 1)
    ((meaning, error),) = scene.broker.queueing.faults
    assert meaning == "an answer for queue 'full' is lost"
    assert isinstance(error, Nacked)
    assert error.message == "queue 'full' has 0 messages and takes no more"


def test_an_error_s_body_may_be_anything() -> None:
    _, alice, bob = player()
    play(alice, [[], {}], type="play", reply_to="answers")
    called = bob.heard()[-1]
    bob.send(frame(ERROR, 0, bob.number, called.sender, called.serial, b"", pack({"odd": 1})))
    assert alice.values() == [({"headers": {"error": "org.pybus.Error.Failed"}}, {"odd": 1})]
    play(alice, [[], {}], type="play", reply_to="answers")
    called = bob.heard()[-1]
    bob.send(frame(ERROR, 0, bob.number, called.sender, called.serial, b"", b"\xc1"))
    ((properties, _),) = alice.values()
    assert properties == {"headers": {"error": "org.pybus.Error.Failed"}}
