"""The limits that the broker keeps: each at the limit and one past it.

Those of retained values are in `test_retained.py`, those of the outbox in `test_peer.py`, and those
of the reader in `tests/protocol`.
"""

import pytest

from pybus.errors import LimitExceeded, ProtocolError, ReceiverFull, TooLarge
from pybus.limits import Limits
from pybus.names import BUS_NAME
from pybus.protocol.codec import pack
from pybus.protocol.frames import CONFIRM, RETAIN, RETAINED
from tests.broker.scene import Person, Scene, refusal, signal


def crowd(limits: Limits) -> tuple[Scene, Person, Person, Person]:
    scene = Scene(limits)
    return scene, scene.join("alice"), scene.join("bob"), scene.join("carol")


def refused(who: Person, method: str, *args: object) -> str:
    with pytest.raises(LimitExceeded) as caught:
        who.ask(method, *args)
    return caught.value.message


def test_connections() -> None:
    scene, alice, _, _ = crowd(Limits()._replace(connections=3))
    with pytest.raises(LimitExceeded) as caught:
        scene.join("dave")
    assert caught.value.message == "the bus has 3 connections, its limit"
    alice.leave()
    dave = scene.join("dave")
    assert dave.number == 4


def test_frames_from_a_peer() -> None:
    _, alice, bob, _ = crowd(Limits()._replace(frame=100))
    assert bob.welcome.frame == 100
    alice.publish("a", b"x" * 79)
    with pytest.raises(ProtocolError) as caught:
        alice.publish("a", b"x" * 80)
    assert str(caught.value) == "a frame of 101 bytes is over the limit of 100"


def test_frames_from_the_bus() -> None:
    size = len(pack(Scene().join("alice").ask("introspect")))
    assert Scene(Limits()._replace(frame=size + 20)).join("alice").ask("introspect") is not None
    with pytest.raises(TooLarge) as caught:
        Scene(Limits()._replace(frame=size + 19)).join("alice").ask("introspect")
    assert caught.value.message == f"the answer has {size + 20} bytes; the limit is {size + 19}"


def test_names_owned_or_waited_for() -> None:
    _, alice, bob, _ = crowd(Limits()._replace(names=2))
    bob.ask("request_name", "b.b")
    alice.ask("request_name", "a.a")
    assert alice.ask("request_name", "b.b") == "queued"
    assert refused(alice, "request_name", "c.c") == "this connection has 2 names, its limit"
    assert alice.ask("request_name", "a.a") == "already owner"
    assert alice.ask("release_name", "b.b") == "released"
    assert alice.ask("request_name", "c.c") == "owner"
    assert bob.ask("request_name", "d.d") == "owner"


def test_patterns() -> None:
    scene, alice, bob, _ = crowd(Limits()._replace(patterns=2))
    alice.subscribe("a")
    assert refused(alice, "subscribe", ["b", "c"]) == "this connection has 1 of at most 2 patterns"
    assert scene.broker.signals.index.match("b") == []
    alice.subscribe("a", "b")
    alice.subscribe("b")
    assert refused(alice, "subscribe", ["c"]) == "this connection has 2 of at most 2 patterns"
    alice.ask("unsubscribe", ["a"])
    alice.subscribe("c")
    bob.subscribe("a", "b")
    assert list(alice.peer.patterns) == ["b", "c"]


def test_unanswered_calls_of_a_caller() -> None:
    _, alice, bob, carol = crowd(Limits()._replace(pending=2))
    alice.call(bob.name, "play")
    alice.call(carol.name, "play")
    serial = alice.call(bob.name, "stop")
    assert alice.heard() == [refusal(alice, serial, LimitExceeded, "2 of your calls are unanswered, the limit")]
    alice.call(bob.name, "note", reply=False)
    assert alice.ask("ping") is None
    play, note = bob.heard()[1:]
    assert (play.key, note.key) == (":2 play", ":2 note")
    bob.answer(play, 1)
    alice.call(bob.name, "again")
    assert [one.key for one in bob.heard()] == [":2 again"]


def test_calls_that_wait_in_a_service() -> None:
    _, alice, bob, carol = crowd(Limits()._replace(serving=2))
    alice.call(bob.name, "play")
    carol.call(bob.name, "play")
    serial = alice.call(bob.name, "stop")
    assert alice.heard() == [refusal(alice, serial, ReceiverFull, ":2 has 2 calls waiting, its limit")]
    alice.call(bob.name, "note", reply=False)
    bob.answer(bob.heard()[1], 1)
    carol.call(bob.name, "again")
    assert [one.key for one in bob.heard()] == [":2 again"]


def test_the_time_of_a_call_that_names_none() -> None:
    scene, alice, bob, _ = crowd(Limits()._replace(deadline=5.0))
    alice.call(bob.name, "play")
    assert scene.broker.next_deadline() == scene.now + 5.0
    alice.call(bob.name, "play", allowed=1)
    assert scene.broker.next_deadline() == scene.now + 0.001


def test_remembered_routes() -> None:
    scene, alice, bob, _ = crowd(Limits()._replace(routes=2))
    bob.subscribe("#")
    for topic in "abab":
        alice.publish(topic, 1)
    assert list(scene.broker.signals.routes.known) == [b"a", b"b"]
    alice.publish("c", 1)
    assert list(scene.broker.signals.routes.known) == [b"c"]
    assert bob.heard() == [signal(alice, topic, 1) for topic in "ababc"]


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        (Limits()._replace(retained_topics=1), "the bus retains 1 topics, its limit"),
        (Limits()._replace(retained_topics_each=1), "this connection has 1 retained topics, its limit"),
        (Limits()._replace(retained_bytes=1), "all retained values together are at their limit of 1 bytes"),
        (Limits()._replace(retained_value=1), "the value of b has 2 bytes; at most 1 are retained"),
    ],
)
def test_a_value_past_a_limit_is_neither_kept_nor_published(limits: Limits, complaint: str) -> None:
    _, alice, bob, carol = crowd(limits)
    bob.subscribe("#")
    alice.publish("a", 1, RETAIN)
    alice.publish("b", "1", RETAIN | CONFIRM, serial=5)
    assert alice.heard() == [refusal(alice, 5, LimitExceeded, complaint, topic="b")]
    assert bob.heard() == [signal(alice, "a", 1, flags=RETAIN)]
    carol.subscribe("#")
    assert carol.heard() == [signal(alice, "a", 1, flags=RETAINED, target=carol.number, serial=1)]


def test_the_size_of_a_will() -> None:
    _, alice, _, _ = crowd(Limits()._replace(retained_value=4))
    assert alice.ask("set_will", "a", b"1234") is None
    assert refused(alice, "set_will", "a", b"12345") == "the will has 5 bytes; the limit is 4"
    assert alice.peer.will is not None
    assert alice.peer.will.body == b"1234"


def test_the_bus_itself_answers_one_who_has_reached_its_limits() -> None:
    _, alice, bob, _ = crowd(Limits()._replace(pending=1))
    alice.call(bob.name, "play")
    serial = alice.call(BUS_NAME, "ping")
    assert [(one.serial, one.value) for one in alice.heard()] == [(serial, None)]
