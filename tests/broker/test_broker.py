"""The broker: people come and go, signals reach those who listen, a will is published, rules are kept."""

import pytest

from pybus.errors import AccessDenied, BadName, LimitExceeded, ProtocolError, Shutdown
from pybus.limits import Limits
from pybus.protocol.frames import (
    BYE,
    CLEAR,
    CONFIRM,
    HELLO,
    MISSED,
    PEER,
    PREAMBLE,
    RAW,
    RETAIN,
    RETAINED,
    SIGNAL,
    WELCOME,
    frame,
)
from tests.broker.scene import IDENTITY, Scene, answer, goodbye, name_change, refusal, signal, trio

# --- coming and going -----------------------------------------------------------------------------


def test_a_newcomer_is_welcomed_with_a_number_that_is_never_used_again() -> None:
    scene = Scene()
    alice = scene.join("alice")
    alice.leave()
    bob = scene.join("bob")
    told = bob.welcome
    assert (told.number, told.bus, told.version, told.frame) == (2, IDENTITY, "1.2.3", 16 * 1024 * 1024)
    assert (bob.number, bob.name) == (2, ":2")
    assert list(scene.broker.peers) == [2]


def test_a_goodbye_is_answered_and_ends_what_is_heard() -> None:
    _, alice, bob, _ = trio()
    bob.subscribe("a")
    alice.send(alice.signal("a", 1) + frame(BYE, 0, alice.number, 0, 0) + alice.signal("a", 2))
    assert alice.peer.leaving
    assert alice.heard() == [goodbye()]
    assert bob.heard() == [signal(alice, "a", 1)]


def test_one_who_is_dismissed_hears_the_reason() -> None:
    scene, alice, _, _ = trio()
    scene.broker.dismiss(alice.peer, Shutdown("the bus is stopping"))
    assert alice.heard() == [goodbye(["org.pybus.Error.Shutdown", "the bus is stopping"])]


def test_one_who_leaves_passes_on_its_names_and_those_who_listen_hear_it() -> None:
    scene, alice, bob, carol = trio()
    for person in (alice, bob):
        person.ask("request_name", "org.example.A")
    alice.ask("request_name", "org.example.B")
    carol.subscribe("bus.name.#")
    alice.leave()
    assert carol.heard() == [name_change("org.example.A", alice, bob), name_change("org.example.B", alice, None)]
    assert scene.broker.registry.names() == ["org.example.A"]
    bob.leave()
    assert carol.heard() == [name_change("org.example.A", bob, None)]


def test_one_who_leaves_takes_its_patterns_along() -> None:
    scene, alice, bob, carol = trio()
    bob.subscribe("a.#", "b")
    carol.subscribe("a.#")
    alice.publish("a.b", 1)
    carol.leave()
    alice.publish("a.b", 2)
    assert bob.heard() == [signal(alice, "a.b", 1), signal(alice, "a.b", 2)]
    assert carol.heard() == [signal(alice, "a.b", 1)]
    bob.leave()
    assert scene.broker.signals.index.match("a.b") == []


def test_the_shell_is_told_once_of_each_outbox_that_begins_to_fill() -> None:
    scene, alice, bob, carol = trio()
    bob.subscribe("a")
    carol.subscribe("a")
    scene.broker.ready.clear()
    alice.send(alice.signal("a", 1) + alice.signal("b", 1) + alice.signal("a", 2))
    assert scene.broker.ready == [bob.peer, carol.peer]
    scene.broker.ready.clear()
    assert len(bob.heard()) == 2
    alice.publish("a", 3)
    assert scene.broker.ready == [bob.peer]


# --- signals --------------------------------------------------------------------------------------


def test_a_signal_goes_once_to_each_who_has_a_matching_pattern_the_publisher_included() -> None:
    _, alice, bob, carol = trio()
    alice.subscribe("hal.*.ac")
    bob.subscribe("hal.#", "hal.power.ac", "*.*.*")
    carol.subscribe("hal.power")
    alice.publish("hal.power.ac", "plugged")
    assert alice.heard() == [signal(alice, "hal.power.ac", "plugged")]
    assert bob.heard() == [signal(alice, "hal.power.ac", "plugged")]
    assert carol.heard() == []


def test_the_publishers_own_bytes_are_passed_on() -> None:
    _, alice, bob, carol = trio()
    bob.subscribe("a")
    carol.subscribe("#")
    data = frame(SIGNAL, RAW, alice.number, 0, 3, b"a", b"\xc1")
    alice.send(data + data)
    assert list(bob.peer.outbox) == [data + data]
    assert list(carol.peer.outbox) == [data + data]
    assert bob.heard() == [signal(alice, "a", b"\xc1", flags=RAW, serial=3)] * 2


def test_carol_who_comes_late_hears_what_is_published_from_then_on() -> None:
    _, alice, bob, carol = trio()
    bob.subscribe("a")
    alice.publish("a", 1)
    carol.subscribe("a")
    alice.publish("a", 2)
    bob.ask("unsubscribe", ["a"])
    alice.publish("a", 3)
    assert bob.heard() == [signal(alice, "a", 1), signal(alice, "a", 2)]
    assert carol.heard() == [signal(alice, "a", 2), signal(alice, "a", 3)]


def test_signals_of_one_publisher_arrive_in_its_order() -> None:
    _, alice, bob, carol = trio()
    carol.subscribe("#")
    alice.send(b"".join(alice.signal(topic, n) for n, topic in enumerate("aabab")))
    bob.publish("a", 5)
    assert carol.heard() == [signal(alice, topic, n) for n, topic in enumerate("aabab")] + [signal(bob, "a", 5)]


def test_a_confirmed_signal_is_answered_with_how_many_got_it() -> None:
    _, alice, bob, carol = trio()
    bob.subscribe("a", "#")
    carol.subscribe("a")
    alice.publish("a", 1, CONFIRM, serial=7)
    alice.publish("b", 1, CONFIRM, serial=8)
    carol.leave()
    alice.publish("a", 1, CONFIRM, serial=9)
    assert alice.heard() == [answer(None, alice, 7, 2), answer(None, alice, 8, 1), answer(None, alice, 9, 1)]
    assert bob.heard()[0] == signal(alice, "a", 1, flags=CONFIRM, serial=7)


# --- retained -------------------------------------------------------------------------------------


def test_carol_who_comes_late_is_handed_the_kept_values() -> None:
    _, alice, bob, carol = trio()
    bob.subscribe("hal.#")
    alice.publish("hal.ac", "plugged", RETAIN)
    alice.publish("hal.ac", "unplugged", RETAIN)
    bob.publish("hal.lid", b"\xc1", RETAIN)
    alice.publish("hal.event", 1)
    carol.subscribe("hal.#", "hal.ac")
    assert carol.heard() == [
        signal(alice, "hal.ac", "unplugged", flags=RETAINED, target=carol.number, serial=1),
        signal(bob, "hal.lid", b"\xc1", flags=RETAINED | RAW, target=carol.number, serial=1),
    ]
    assert bob.heard() == [
        signal(alice, "hal.ac", "plugged", flags=RETAIN),
        signal(alice, "hal.ac", "unplugged", flags=RETAIN),
        signal(bob, "hal.lid", b"\xc1", flags=RETAIN | RAW),
        signal(alice, "hal.event", 1),
    ]


def test_kept_values_outlive_their_publisher() -> None:
    _, alice, bob, _ = trio()
    alice.publish("hal.ac", "plugged", RETAIN)
    alice.leave()
    bob.subscribe("hal.ac")
    assert bob.heard() == [signal(alice, "hal.ac", "plugged", flags=RETAINED, target=bob.number, serial=1)]


@pytest.mark.parametrize("flags", [CLEAR, CLEAR | RETAIN])
def test_a_cleared_topic_is_not_handed_out_and_those_who_listen_hear_it(flags: int) -> None:
    _, alice, bob, carol = trio()
    alice.publish("hal.ac", "plugged", RETAIN)
    bob.ask("subscribe", ["hal.ac"], False)
    alice.publish("hal.ac", None, flags)
    carol.subscribe("hal.ac")
    assert bob.heard() == [signal(alice, "hal.ac", None, flags=flags)]
    assert carol.heard() == []


# --- wills ----------------------------------------------------------------------------------------


def test_the_will_of_one_who_is_lost_is_published_and_kept() -> None:
    _, alice, bob, carol = trio()
    bob.subscribe("alice.#")
    alice.ask("set_will", "alice.here", b"\xc2", False, True)
    alice.leave()
    assert bob.heard() == [signal(alice, "alice.here", False, flags=RETAIN)]
    carol.subscribe("alice.here")
    assert carol.heard() == [signal(alice, "alice.here", False, flags=RETAINED, target=carol.number, serial=1)]


def test_the_will_of_one_who_says_goodbye_is_not_published() -> None:
    _, alice, bob, _ = trio()
    bob.subscribe("#")
    alice.ask("set_will", "alice.here", b"\xc2")
    alice.leave(goodbye=True)
    assert bob.heard() == []


def test_a_will_may_make_the_bus_forget_a_value() -> None:
    _, alice, bob, carol = trio()
    alice.publish("alice.here", True, RETAIN)
    alice.ask("set_will", "alice.here", b"\xc0", False, False, True)
    bob.ask("subscribe", ["alice.here"], False)
    alice.leave()
    assert bob.heard() == [signal(alice, "alice.here", None, flags=CLEAR)]
    carol.subscribe("alice.here")
    assert carol.heard() == []


def test_a_will_that_can_not_be_kept_is_still_heard() -> None:
    _, alice, bob, carol = trio(Limits()._replace(retained_topics=0))
    bob.subscribe("alice.here")
    alice.ask("set_will", "alice.here", b"\x01", True, True)
    alice.leave()
    assert bob.heard() == [signal(alice, "alice.here", b"\x01", flags=RAW)]
    carol.subscribe("alice.here")
    assert carol.heard() == []


# --- refusals -------------------------------------------------------------------------------------


def test_signals_to_a_topic_that_is_none_are_refused_by_one_error() -> None:
    scene, alice, bob, _ = trio()
    bob.subscribe("#")
    alice.send(alice.signal("a.*", 1, serial=1) + alice.signal("a.*", 2, serial=2) + alice.signal("a", 3))
    wrong = "topic 'a.*' holds a wildcard: '*' and '#' are for patterns only (2 signals)"
    assert alice.heard() == [refusal(alice, 2, BadName, wrong, topic="a.*")]
    assert bob.heard() == [signal(alice, "a", 3)]
    assert list(scene.broker.signals.routes.known) == [b"a"]


@pytest.mark.parametrize("flags", [0, RETAIN, CLEAR, CONFIRM, RETAIN | CONFIRM])
def test_the_topics_of_the_bus_are_refused_to_people(flags: int) -> None:
    scene, alice, bob, _ = trio()
    bob.subscribe("#")
    alice.publish("bus.name.org.example.A", "mine", flags, serial=4)
    denied = "topic bus.name.org.example.A: the topics under 'bus.' are the bus's own"
    assert alice.heard() == [refusal(alice, 4, AccessDenied, denied, topic="bus.name.org.example.A")]
    assert bob.heard() == []
    assert len(scene.broker.signals.retained) == 0


# --- violations -----------------------------------------------------------------------------------


def test_a_false_sender_is_a_violation_and_what_came_before_it_counts() -> None:
    _, alice, bob, _ = trio()
    bob.subscribe("a")
    with pytest.raises(ProtocolError) as caught:
        alice.send(alice.signal("a", 1) + bob.signal("a", 2))
    assert str(caught.value) == "a frame from connection 1 names 2 as its sender"
    assert bob.heard() == [signal(alice, "a", 1)]


@pytest.mark.parametrize("kind", [HELLO, WELCOME, MISSED, PEER])
def test_the_kinds_of_the_bus_are_a_violation(kind: int) -> None:
    _, alice, _, _ = trio()
    with pytest.raises(ProtocolError) as caught:
        alice.send(frame(kind, 0, alice.number, 0, 0))
    assert str(caught.value) == f"only the bus may send frames of kind {kind}"


def test_only_the_bus_marks_a_signal_as_retained() -> None:
    _, alice, bob, _ = trio()
    bob.subscribe("a")
    with pytest.raises(ProtocolError) as caught:
        alice.publish("a", 1, RETAINED)
    assert str(caught.value) == "only the bus may mark a signal as retained"
    assert bob.heard() == []


def test_when_all_numbers_are_given_out_nobody_may_join() -> None:
    scene = Scene()
    scene.broker._last_number = 2**32 - 2
    last = scene.join("alice")
    assert last.number == 2**32 - 1
    with pytest.raises(LimitExceeded) as caught:
        scene.join("bob")
    assert caught.value.message == "the bus has given out all its numbers; restart it"


def test_the_welcome_comes_before_everything_else() -> None:
    scene = Scene()
    alice = scene.join("alice")
    bob = scene.broker.join(alice.peer.credentials, scene.now)
    alice.call(bob.name, "hello")
    assert [data[: len(PREAMBLE)] == PREAMBLE for data in bob.outbox] == [True, False, False]
