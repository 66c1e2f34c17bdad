"""A peer's outbox: what waits is counted, signals past the limit are dropped and the gap is told."""

from pybus.errors import ReceiverFull
from pybus.limits import Limits
from pybus.protocol.frames import CONFIRM, RETAIN
from tests.broker.scene import Heard, Person, Scene, answer, missed, refusal, signal

SIZE = 25
"""Bytes of each signal here: header, a topic of one letter, a raw body of four."""


def pair(**limits: int) -> tuple[Scene, Person, Person]:
    """alice publishes, bob listens to all, with room for four signals."""
    scene = Scene(Limits()._replace(outbox=4 * SIZE, **limits))
    alice, bob = scene.join("alice"), scene.join("bob")
    bob.subscribe("#")
    return scene, alice, bob


def publish(who: Person, topics: str) -> None:
    for topic in topics:
        who.publish(topic, b"body")


def topics(who: Person) -> list[str]:
    return [one.key for one in who.heard()]


def asked_twice() -> tuple[Person, Person, Heard, Heard]:
    """alice, and bob who waits for her answers to the two calls."""
    _, alice, bob = pair()
    bob.call(alice.name, "hello")
    _, one = alice.heard()
    bob.call(alice.name, "hello")
    (two,) = alice.heard()
    return alice, bob, one, two


def test_signals_are_taken_up_to_the_limit_and_dropped_past_it() -> None:
    _, alice, bob = pair()
    publish(alice, "abcd")
    assert (bob.peer.queued, bob.peer.dropped, bob.peer.full) == (4 * SIZE, 0, True)
    publish(alice, "e")
    assert (bob.peer.queued, bob.peer.dropped, bob.peer.full) == (4 * SIZE, 1, True)
    assert topics(bob) == ["a", "b", "c", "d", ""]


def test_one_byte_below_the_limit_a_signal_still_fits() -> None:
    _, alice, bob = pair()
    publish(alice, "abc")
    alice.publish("d", b"123")
    publish(alice, "ef")
    assert (bob.peer.queued, bob.peer.dropped) == (5 * SIZE - 1, 1)


def test_a_gap_is_told_at_its_place_once_half_is_taken() -> None:
    _, alice, bob = pair()
    publish(alice, "abcdxxy")
    bob.take_one()
    publish(alice, "y")
    assert (bob.peer.queued, bob.peer.missed) == (3 * SIZE, {b"x": 2, b"y": 2})
    bob.take_one()
    assert bob.peer.missed is None
    publish(alice, "e")
    assert bob.heard() == [
        signal(alice, "c", b"body", flags=1),
        signal(alice, "d", b"body", flags=1),
        missed(bob, {"x": 2, "y": 2}),
        signal(alice, "e", b"body", flags=1),
    ]
    assert (bob.peer.dropped, bob.peer.queued) == (4, 0)


def test_a_run_is_dropped_as_a_whole_and_each_of_it_is_counted() -> None:
    _, alice, bob = pair()
    publish(alice, "abcd")
    alice.send(alice.signal("x", b"body") * 5)
    assert bob.heard()[-1] == missed(bob, {"x": 5})


def test_topics_past_the_limit_are_counted_together() -> None:
    _, alice, bob = pair(missed_topics=2)
    publish(alice, "abcd" + "xyx")
    assert bob.peer.missed == {b"x": 2, b"y": 1}
    publish(alice, "zzwxy")
    assert bob.heard()[-1] == missed(bob, {"x": 3, "y": 2, "#": 3})


def test_a_slow_one_costs_nobody_else_anything() -> None:
    scene, alice, bob = pair()
    carol = scene.join("carol")
    carol.subscribe("#")
    for topic in "abcdef":
        publish(alice, topic)
        assert topics(carol) == [topic]
    assert (bob.peer.dropped, carol.peer.dropped) == (2, 0)


def test_who_did_not_get_a_signal_is_not_counted_as_reached() -> None:
    scene, alice, bob = pair()
    carol = scene.join("carol")
    carol.subscribe("*")
    publish(alice, "abcd")
    carol.heard()
    alice.publish("e", 1, CONFIRM, serial=9)
    assert alice.heard() == [answer(None, alice, 9, 1)]
    assert bob.peer.missed == {b"e": 1}


def test_kept_values_past_the_limit_are_dropped_and_told_too() -> None:
    scene, alice, _ = pair()
    carol = scene.join("carol")
    for topic in "abcdef":
        alice.publish(topic, b"body", RETAIN)
    carol.subscribe("#")
    assert [(one.key, one.value) for one in carol.heard()] == [
        *[(topic, b"body") for topic in "abcd"],
        ("", {"e": 1, "f": 1}),
    ]


def test_a_call_to_one_who_is_full_is_refused_and_after_the_gap_was_told_it_is_not() -> None:
    _, alice, bob = pair()
    publish(alice, "abcd")
    serial = alice.call(bob.name, "hello")
    assert alice.heard() == [
        refusal(alice, serial, ReceiverFull, ":2 does not read what is sent to it (100 bytes wait)")
    ]
    bob.heard()
    alice.call(bob.name, "hello")
    assert [one.kind for one in bob.heard()] == [8, 4]


def test_answers_are_not_dropped_up_to_twice_the_limit() -> None:
    alice, bob, one, two = asked_twice()
    publish(alice, "abcd")
    alice.answer(one, b"x" * (4 * SIZE - 23))
    assert bob.peer.queued == 8 * SIZE - 1
    alice.answer(two, 1)
    assert bob.heard()[4:] == [answer(alice, bob, one.serial, b"x" * 77), answer(alice, bob, two.serial, 1)]


def test_an_answer_at_twice_the_limit_is_replaced_by_an_error() -> None:
    alice, bob, one, two = asked_twice()
    publish(alice, "abcd")
    alice.answer(one, b"x" * (4 * SIZE - 22))
    assert bob.peer.queued == 8 * SIZE
    alice.answer(two, b"lost")
    full = "the answer came, but you do not read what is sent to you"
    assert bob.heard()[4:] == [answer(alice, bob, one.serial, b"x" * 78), refusal(bob, two.serial, ReceiverFull, full)]


def test_answers_that_were_taken_are_owed_no_more_though_signals_wait_behind_them() -> None:
    _, alice, bob = pair()
    bob.call("org.pybus.Bus", "ping")
    publish(alice, "a")
    assert (bob.peer.owed, bob.peer.queued) == (21, 21 + SIZE)
    bob.take_one()
    assert (bob.peer.owed, bob.peer.queued) == (0, SIZE)


def test_answers_are_owed_until_all_is_taken() -> None:
    _, alice, bob = pair()
    publish(alice, "a")
    bob.call("org.pybus.Bus", "ping")
    bob.call("org.pybus.Bus", "ping")
    assert (bob.peer.owed, bob.peer.queued) == (2 * 21, SIZE + 2 * 21)
    bob.take_one()
    bob.take_one()
    assert (bob.peer.owed, bob.peer.queued) == (2 * 21, 21)
    bob.take_one()
    assert (bob.peer.owed, bob.peer.queued) == (0, 0)
