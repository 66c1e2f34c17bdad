"""Values that the bus keeps for as long as their publisher is there, and what its subscribers are told."""

import pytest

from pybus.broker.broker import Broker
from pybus.errors import LimitExceeded, ServiceDied
from pybus.limits import Limits
from pybus.protocol.codec import pack
from pybus.protocol.frames import CAUSED, CLEAR, CONFIRM, EPHEMERAL, ON_CHANGE, RETAIN, RETAINED, SIGNAL, caused_target
from tests.broker.scene import Heard, Person, Scene, answer, name_change, refusal, signal, trio

AC = "hal.power.ac"


def say(who: Person, value: object, flags: int = RETAIN, topic: str = AC) -> Heard:
    """Publish an ephemeral value; what others hear of it."""
    who.publish(topic, value, flags, target=EPHEMERAL)
    return signal(who, topic, value, flags, target=EPHEMERAL)


def forgotten(who: Person, topic: str = AC) -> Heard:
    """What is told when a value is forgotten because its holder has gone."""
    return signal(who, topic, None, CLEAR)


def kept(broker: Broker) -> dict[str, tuple[object, int]]:
    """The kept values, with their holders."""
    return {value.topic: (value.body, value.holder) for value in broker.signals.retained.matching("#")}


# --- the end of the publisher -------------------------------------------------------------------------


@pytest.mark.parametrize("goodbye", [True, False])
def test_it_is_forgotten_when_its_publisher_leaves_and_that_is_told(goodbye: bool) -> None:
    scene, alice, bob, carol = trio()
    bob.subscribe("hal.#")
    said = [say(alice, "plugged"), say(alice, 80, topic="hal.battery")]
    alice.publish("hal.lasting", 1, RETAIN)
    bob.heard()
    alice.leave(goodbye=goodbye)
    assert bob.heard() == [forgotten(alice), forgotten(alice, "hal.battery")]
    assert kept(scene.broker) == {"hal.lasting": (pack(1), 0)}
    carol.subscribe(said[0].key)
    assert carol.heard() == []


def test_others_values_stay() -> None:
    scene, alice, bob, carol = trio()
    carol.subscribe("#")
    say(alice, "plugged")
    say(bob, 1, topic="media.volume")
    carol.heard()
    alice.leave()
    assert carol.heard() == [forgotten(alice)]
    assert kept(scene.broker) == {"media.volume": (pack(1), bob.number)}


def test_one_who_left_nothing_behind_is_not_told_of() -> None:
    _, alice, bob, _ = trio()
    bob.subscribe("#")
    alice.publish(AC, "plugged", RETAIN)
    bob.heard()
    alice.leave()
    assert bob.heard() == []


def test_the_bytes_of_the_news_and_of_the_end() -> None:
    _, alice, bob, _ = trio()
    bob.subscribe("a")
    bob.heard()
    news = b"\x19\0\0\0\x03\x02\x01\0\x01\0\0\0\x01\0\0\0\0\0\0\0a\xa3off"
    alice.send(news)
    assert bob.take_one() == news  # as it came
    alice.leave()
    assert bob.take_one() == b"\x16\0\0\0\x03\x08\x01\0\x01\0\0\0\0\0\0\0\0\0\0\0a\xc0"


def test_what_is_handed_out_does_not_say_how_long_it_is_kept() -> None:
    _, alice, bob, carol = trio()
    say(alice, "plugged")
    for who in (bob, carol):  # whose numbers differ in the lowest bit
        who.subscribe("hal.#")
        assert who.heard() == [signal(alice, AC, "plugged", RETAINED, target=who.number, serial=1)]


def test_the_bus_tells_which_values_are_ephemeral() -> None:
    _, alice, bob, _ = trio()
    say(alice, 1, topic="a")
    alice.publish("b", 1, RETAIN)
    value = {"topic": "a", "body": pack(1), "raw": False, "sender": ":1", "age": 0.0, "ephemeral": True, "holder": ":1"}
    assert bob.ask("get", "a") == value
    assert bob.ask("topics") == [
        {**value, "program": "alice"},
        {**value, "topic": "b", "ephemeral": False, "holder": None, "program": "alice"},
    ]


def test_of_one_that_stands_in_both_the_sender_and_the_holder_are_told() -> None:
    _, alice, bob, _ = trio()
    say(alice, 1, topic="a")
    bob.publish("a", 2, RETAIN)
    value = {"topic": "a", "body": pack(2), "raw": False, "sender": bob.name, "age": 0.0}
    assert bob.ask("get", "a") == {**value, "ephemeral": True, "holder": alice.name}


@pytest.mark.parametrize("flags", [RETAIN, RETAIN | ON_CHANGE])
def test_one_connection_holds_no_more_than_its_limit_of_what_others_published(flags: int) -> None:
    scene = Scene(Limits()._replace(retained_topics_each=2))
    alice, bob = scene.join("alice"), scene.join("bob")
    for topic in ("a", "b"):
        say(alice, 1, topic=topic)
        bob.publish(topic, 2, RETAIN)
    carol = scene.join("carol")
    carol.publish("c", 1, RETAIN)
    alice.publish("c", 1, flags, serial=5, target=EPHEMERAL)
    message = "this connection holds 2 ephemeral values, its limit"
    assert alice.heard() == [refusal(alice, 5, LimitExceeded, message, "c")]
    say(alice, 3, topic="b")
    assert (alice.heard(), kept(scene.broker)["b"]) == ([], (pack(3), alice.number))


# --- the end, and the names ---------------------------------------------------------------------------


def test_the_names_pass_on_last() -> None:
    _, alice, bob, carol = trio()
    alice.ask("request_name", "org.example.Hal")
    bob.ask("request_name", "org.example.Hal")
    alice.ask("set_will", "hal.gone", pack("alice"))
    bob.subscribe("hal.#", "bus.name.#")
    say(alice, "plugged")
    serial = carol.call("org.example.Hal", "ping")
    bob.heard()
    alice.leave()
    died = "alice (pid 101) ended before it answered"
    assert carol.heard() == [refusal(carol, serial, ServiceDied, died)]
    assert bob.heard() == [
        signal(alice, "hal.gone", "alice"),
        forgotten(alice),
        name_change("org.example.Hal", alice, bob),
    ]


# --- the will -----------------------------------------------------------------------------------------


def test_a_will_for_another_topic_comes_first() -> None:
    _, alice, bob, _ = trio()
    bob.subscribe("hal.#")
    say(alice, "plugged")
    alice.ask("set_will", "hal.gone", pack("alice"))
    bob.heard()
    alice.leave()
    assert bob.heard() == [signal(alice, "hal.gone", "alice"), forgotten(alice)]


def test_a_will_that_sets_the_topic_makes_a_lasting_value_and_is_all_that_is_heard() -> None:
    scene, alice, bob, _ = trio()
    bob.subscribe("hal.#")
    say(alice, "plugged")
    alice.ask("set_will", AC, pack("unknown"), False, True)
    bob.heard()
    alice.leave()
    assert bob.heard() == [signal(alice, AC, "unknown", RETAIN)]
    assert kept(scene.broker) == {AC: (pack("unknown"), 0)}


def test_a_will_that_clears_the_topic_is_all_that_is_heard() -> None:
    _, alice, bob, _ = trio()
    bob.subscribe("hal.#")
    say(alice, "plugged")
    alice.ask("set_will", AC, pack(None), False, False, True)
    bob.heard()
    alice.leave()
    assert bob.heard() == [forgotten(alice)]


def test_a_will_that_is_only_told_leaves_the_value_to_be_forgotten() -> None:
    scene, alice, bob, _ = trio()
    bob.subscribe("hal.#")
    say(alice, "plugged")
    alice.ask("set_will", AC, pack("unknown"))
    bob.heard()
    alice.leave()
    assert bob.heard() == [signal(alice, AC, "unknown"), forgotten(alice)]
    assert kept(scene.broker) == {}


def test_a_will_over_the_value_of_another_goes_with_that_one() -> None:
    scene, alice, bob, carol = trio()
    carol.subscribe("hal.#")
    say(alice, "plugged")
    bob.ask("set_will", AC, pack("unknown"), False, True)
    carol.heard()
    bob.leave()
    assert kept(scene.broker) == {AC: (pack("unknown"), alice.number)}
    alice.leave()
    assert carol.heard() == [signal(bob, AC, "unknown", RETAIN), forgotten(alice)]


# --- who else publishes there -------------------------------------------------------------------------


def test_what_another_one_publishes_goes_with_the_holder() -> None:
    scene, alice, bob, carol = trio()
    say(alice, "plugged")
    bob.publish(AC, "unplugged", RETAIN)
    carol.subscribe(AC)
    assert carol.heard() == [signal(bob, AC, "unplugged", RETAINED, target=carol.number, serial=1)]
    bob.leave(goodbye=True)
    assert (kept(scene.broker), carol.heard()) == ({AC: (pack("unplugged"), alice.number)}, [])
    alice.leave()
    assert (kept(scene.broker), carol.heard()) == ({}, [forgotten(alice)])


def test_the_last_one_who_says_ephemeral_holds_it() -> None:
    scene, alice, bob, carol = trio()
    say(alice, "plugged")
    say(bob, "plugged")
    carol.subscribe(AC)
    carol.heard()
    alice.leave()
    assert (kept(scene.broker), carol.heard()) == ({AC: (pack("plugged"), bob.number)}, [])
    bob.leave()
    assert (kept(scene.broker), carol.heard()) == ({}, [forgotten(bob)])


def test_a_lasting_value_is_taken_over_by_who_says_ephemeral() -> None:
    scene, alice, bob, _ = trio()
    alice.publish(AC, "plugged", RETAIN)
    say(bob, "plugged")
    alice.leave()
    assert kept(scene.broker) == {AC: (pack("plugged"), bob.number)}
    bob.leave()
    assert kept(scene.broker) == {}


def test_its_publisher_makes_it_last_by_saying_it_once_more_without() -> None:
    scene, alice, bob, _ = trio()
    bob.subscribe(AC)
    say(alice, "plugged")
    alice.publish(AC, "plugged", RETAIN)
    bob.heard()
    alice.leave()
    assert (kept(scene.broker), bob.heard()) == ({AC: (pack("plugged"), 0)}, [])


def test_a_cleared_one_has_no_holder_any_more() -> None:
    scene, alice, bob, carol = trio()
    carol.subscribe(AC)
    say(alice, "plugged")
    bob.publish(AC, None, CLEAR, target=EPHEMERAL)
    bob.publish(AC, "unplugged", RETAIN)
    carol.heard()
    alice.leave()
    assert (kept(scene.broker), carol.heard()) == ({AC: (pack("unplugged"), 0)}, [])


# --- with other flags ---------------------------------------------------------------------------------


def test_on_change_with_the_same_value_is_told_to_nobody_and_settles_who_holds_it() -> None:
    scene, alice, bob, carol = trio()
    alice.publish(AC, "plugged", RETAIN)
    carol.subscribe(AC)
    carol.heard()
    say(bob, "plugged", RETAIN | ON_CHANGE)
    assert kept(scene.broker) == {AC: (pack("plugged"), bob.number)}
    alice.publish(AC, "plugged", RETAIN | ON_CHANGE)
    assert kept(scene.broker) == {AC: (pack("plugged"), bob.number)}
    bob.publish(AC, "plugged", RETAIN | ON_CHANGE)
    assert kept(scene.broker) == {AC: (pack("plugged"), 0)}
    assert carol.heard() == []


def test_it_can_be_confirmed_and_be_part_of_a_chain() -> None:
    scene, alice, bob, _ = trio()
    bob.subscribe(AC)
    bob.heard()
    flags, target = RETAIN | CONFIRM | CAUSED, caused_target(5, EPHEMERAL)
    alice.publish(AC, "plugged", flags, serial=7, target=target)
    assert bob.heard() == [signal(alice, AC, "plugged", flags, target, serial=7)]
    assert alice.heard() == [answer(None, alice, 7, 1)]
    assert kept(scene.broker) == {AC: (pack("plugged"), alice.number)}


@pytest.mark.parametrize("target", [2, 0x03FF_FFFE, 0xFFFF_FFFE])
def test_other_bits_of_the_target_say_nothing(target: int) -> None:
    scene, alice, bob, _ = trio()
    bob.subscribe(AC)
    bob.heard()
    alice.publish(AC, "plugged", RETAIN, target=target)
    assert bob.heard() == [signal(alice, AC, "plugged", RETAIN, target)]
    assert kept(scene.broker) == {AC: (pack("plugged"), 0)}


@pytest.mark.parametrize("flags", [0, CONFIRM, CLEAR, CLEAR | RETAIN])
def test_without_a_value_to_keep_it_says_nothing(flags: int) -> None:
    scene, alice, bob, _ = trio()
    bob.subscribe(AC)
    bob.heard()
    alice.publish(AC, None, flags, target=EPHEMERAL)
    assert bob.heard() == [signal(alice, AC, None, flags, EPHEMERAL)]
    alice.leave()
    assert (kept(scene.broker), bob.heard()) == ({}, [])


def test_a_monitor_sees_that_it_is_forgotten() -> None:
    _, alice, bob, carol = trio()
    carol.ask("monitor", ["hal.#"])
    bob.subscribe(AC)
    say(alice, "plugged")
    carol.heard()
    alice.leave()
    records = [one.value for one in carol.heard() if one.kind == SIGNAL and isinstance(one.value, dict)]
    fields = ("kind", "sender", "receivers", "key", "flags", "bodies")
    assert [[record[field] for field in fields] for record in records] == [
        ["signal", alice.number, [bob.number], AC, CLEAR, [pack(None)]]
    ]


def test_one_who_does_not_read_counts_it_as_missed() -> None:
    scene = Scene(Limits()._replace(outbox=100))
    alice, bob = scene.join("alice"), scene.join("bob")
    bob.subscribe("#")
    say(alice, "plugged")
    alice.publish("noise", "x" * 100)
    alice.leave()
    assert bob.peer.missed == {AC.encode(): 1}
