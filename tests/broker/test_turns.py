"""Turns: what one peer sends in one go does not go before everybody else's."""

import pytest

from pybus.errors import LimitExceeded
from pybus.limits import Limits
from pybus.names import BUS_NAME
from pybus.protocol.frames import CALL, NO_REPLY, RETAIN, FrameReader, Run, frame
from tests.broker.scene import Person, Scene, body


def runs(person: Person, data: bytes) -> list[Run]:
    return FrameReader(len(data)).feed(data)


def asked(person: Person, method: str, times: int) -> list[Run]:
    one = frame(CALL, NO_REPLY, person.number, 0, 0, f"{BUS_NAME} {method}".encode(), body())
    return runs(person, one * times)


def test_a_turn_ends_after_so_many_deliveries_and_the_rest_waits_in_order() -> None:
    scene = Scene(Limits()._replace(turn=6))
    alice, bob, carol = scene.join("alice"), scene.join("bob"), scene.join("carol")
    bob.subscribe("a", "b", "c", "d")
    carol.subscribe("#")
    sent = runs(alice, b"".join(alice.signal(topic, 1) for topic in "abcd"))
    rest = scene.broker.receive(alice.peer, sent, scene.now)
    assert [run[5] for run in rest] == [b"c", b"d"]
    assert [one.key for one in bob.heard()] == ["a", "b"]
    assert scene.broker.receive(alice.peer, rest, scene.now) == []
    assert [one.key for one in carol.heard()] == ["a", "b", "c", "d"]


def test_neighbouring_signals_to_one_topic_count_once() -> None:
    scene = Scene(Limits()._replace(turn=4))
    alice, bob = scene.join("alice"), scene.join("bob")
    bob.subscribe("a")
    sent = runs(alice, alice.signal("a", 1) * 100)
    assert scene.broker.receive(alice.peer, sent, scene.now) == []
    assert len(bob.heard()) == 100


@pytest.mark.parametrize(("method", "handled"), [("topics", 1), ("peers", 1), ("ping", 6)])
def test_a_call_that_may_look_at_much_ends_the_turn(method: str, handled: int) -> None:
    scene = Scene(Limits()._replace(turn=24))
    alice = scene.join("alice")
    rest = scene.broker.receive(alice.peer, asked(alice, method, 6), scene.now)
    assert len(rest) == 6 - handled


@pytest.mark.parametrize("method", ["subscribe", "unsubscribe", "monitor"])
def test_more_patterns_than_anybody_may_have_are_refused_unseen(method: str) -> None:
    scene = Scene(Limits()._replace(patterns=3))
    alice = scene.join("alice")
    with pytest.raises(LimitExceeded, match="4 patterns in one call; a connection may have 3"):
        alice.ask(method, ["no..pattern"] * 4)
    assert scene.broker.observers == []


def test_a_kept_signal_counts_with_its_receivers() -> None:
    scene = Scene(Limits()._replace(turn=10))
    alice = scene.join("alice")
    for _ in range(8):
        scene.join("somebody").subscribe("a")
    sent = runs(alice, alice.signal("a", 1, RETAIN) * 3)
    assert len(scene.broker.receive(alice.peer, sent, scene.now)) == 2
