"""Monitors see all that passes and cost nobody anything; meters count it."""

from typing import Any

import pytest

from pybus.broker.observers import MAX_ENTRIES
from pybus.errors import BadName, NameHasNoOwner
from pybus.limits import Limits
from pybus.protocol.codec import pack
from pybus.protocol.frames import CONFIRM, EPHEMERAL, RETAIN, SIGNAL
from tests.broker.scene import Person, Scene, trio

NAME = "org.example.Player"


def seen(monitor: Person) -> list[dict[str, Any]]:
    """The records that came since the last time."""
    records = [one.value for one in monitor.heard() if (one.kind, one.key) == (SIGNAL, "bus.monitor")]
    assert all(isinstance(one, dict) for one in records)
    return records  # type: ignore[return-value]


def record(
    kind: str, sender: Person | None, to: list[Person], key: str, body: object, **more: object
) -> dict[str, Any]:
    """What a monitor is shown of one frame."""
    bodies = [pack(body)]
    size = 20 + len(bodies[0]) + (len(key) if kind in ("signal", "call") or key else 0)
    shown = {
        "at": 1000.0,
        "kind": kind,
        "sender": sender.number if sender else 0,
        "receivers": [one.number for one in to],
        "missed": [],
        "key": key,
        "serial": 0,
        "flags": 0,
        "ephemeral": False,
        "count": 1,
        "size": size,
        "bodies": bodies,
        "queues": [],
    }
    return {**shown, **more}


def test_a_monitor_sees_signals_with_their_receivers() -> None:
    _, alice, bob, carol = trio()
    bob.subscribe("a.#")
    assert carol.ask("monitor") is None
    alice.publish("a.b", 1)
    alice.publish("c", None, RETAIN)
    alice.publish("c", 2, RETAIN, target=EPHEMERAL)
    alice.publish("c", 3, CONFIRM, target=EPHEMERAL)
    assert seen(carol)[:4] == [
        record("signal", alice, [bob], "a.b", 1),
        record("signal", alice, [], "c", None, flags=RETAIN),
        record("signal", alice, [], "c", 2, flags=RETAIN, ephemeral=True),
        record("signal", alice, [], "c", 3, flags=CONFIRM),
    ]
    assert [one.value for one in bob.heard()] == [1]


def test_neighbouring_signals_are_one_record() -> None:
    _, alice, _, carol = trio()
    carol.ask("monitor")
    alice.send(alice.signal("a", 1) + alice.signal("a", 2))
    (shown,) = seen(carol)
    assert (shown["count"], shown["bodies"], shown["size"]) == (2, [pack(1), pack(2)], 44)


def test_a_monitor_sees_calls_and_their_answers() -> None:
    scene, alice, bob, carol = trio()
    bob.ask("request_name", NAME)
    carol.ask("monitor")
    first, second = alice.call(NAME, "play", "x"), alice.call("org.example.Other", "play")
    scene.wait(1.5)
    bob.answer(bob.heard()[1], True)
    message = ["org.pybus.Error.NameHasNoOwner", "nobody owns the name org.example.Other"]
    assert seen(carol) == [
        record("call", alice, [bob], f"{NAME} play", [["x"], {}], serial=first),
        record("call", alice, [], "org.example.Other play", [[], {}], serial=second),
        record("error", None, [alice], "", message, serial=second),
        record("answer", bob, [alice], "", True, serial=first, at=1001.5),
    ]


def test_a_monitor_sees_calls_to_the_bus_and_refused_signals() -> None:
    _, alice, _, carol = trio()
    carol.ask("monitor")
    alice.ask("ping")
    alice.publish("a..b", 1, serial=7)
    shown = seen(carol)
    assert [(one["kind"], one["sender"], one["receivers"], one["key"]) for one in shown] == [
        ("call", 1, [0], "org.pybus.Bus ping"),
        ("answer", 0, [1], ""),
        ("error", 0, [1], "a..b"),
    ]


def test_a_monitor_does_not_see_itself() -> None:
    _, _, bob, carol = trio()
    carol.ask("monitor")
    carol.ask("ping")
    carol.publish("a", 1)
    assert seen(carol) == []
    bob.ask("monitor")
    seen(bob)
    seen(carol)
    carol.publish("a", 2)
    assert [one["key"] for one in seen(bob)] == ["a"]
    assert seen(carol) == []


def test_a_monitor_may_look_at_some_topics_and_at_no_calls() -> None:
    _, alice, _, carol = trio()
    carol.ask("monitor", ["a.*"], False)
    alice.publish("a.b", 1)
    alice.publish("b", 1)
    alice.ask("ping")
    assert [one["key"] for one in seen(carol)] == ["a.b"]
    carol.ask("monitor", ["b"], False)
    alice.publish("a.b", 1)
    alice.publish("b", 1)
    assert [one["key"] for one in seen(carol)] == ["b"]
    with pytest.raises(BadName):
        carol.ask("monitor", ["a..b"])
    alice.publish("b", 2)
    assert [one["key"] for one in seen(carol)] == ["b"]


def test_a_monitor_sees_the_bus_s_own_signals() -> None:
    _, alice, _, carol = trio()
    carol.ask("monitor")
    alice.ask("request_name", NAME)
    assert [one["key"] for one in seen(carol) if one["kind"] == "signal"] == [f"bus.name.{NAME}"]


def test_a_monitor_is_no_receiver() -> None:
    _, alice, _, carol = trio()
    carol.ask("monitor")
    alice.publish("a", 1, CONFIRM, serial=5)
    assert [one.value for one in alice.heard()] == [0]
    assert [(one["kind"], one["receivers"]) for one in seen(carol)] == [("signal", []), ("answer", [alice.number])]


def test_a_monitor_is_shown_who_missed_a_signal() -> None:
    scene = Scene(Limits()._replace(outbox=100))
    alice, bob, carol = scene.join("alice"), scene.join("bob"), scene.join("carol")
    bob.subscribe("a")
    carol.ask("monitor")
    missed = []
    for number in range(7):
        alice.publish("a", number)
        missed += [one["missed"] for one in seen(carol)]
    assert missed == [[], [], [], [], [], [2], [2]]


def test_a_monitor_that_does_not_read_misses_records_and_is_told() -> None:
    scene = Scene(Limits()._replace(outbox=400))
    alice, bob, carol = scene.join("alice"), scene.join("bob"), scene.join("carol")
    bob.subscribe("a")
    carol.ask("monitor")
    for number in range(20):
        alice.publish("a", number)
        assert [one.value for one in bob.heard()] == [number]
    while carol.peer.outbox:
        carol._reader.feed(b"")
        records = carol.heard()
    shown = [one for one in records if one.key == "bus.monitor"]
    gap = records[-1].value
    assert gap == {"bus.monitor": 20 - len(shown)}


def test_a_monitor_that_leaves_is_forgotten() -> None:
    scene, alice, _, carol = trio()
    carol.ask("monitor")
    carol.leave()
    assert (scene.broker.observers, scene.broker.signals.index._root.children) == ([], None)
    alice.publish("a", 1)
    with pytest.raises(NameHasNoOwner):
        alice.ask("peer", carol.name)


def test_a_meter_counts_by_topic_and_method() -> None:
    scene, alice, bob, carol = trio()
    bob.ask("request_name", NAME)
    bob.subscribe("a")
    before = carol.ask("traffic")
    assert before == {"seconds": 0.0, "topics": [], "methods": []}
    alice.send(alice.signal("a", 1) + alice.signal("a", 2))
    alice.publish("b", 1)
    alice.call(NAME, "play")
    alice.call(NAME, "stop")
    scene.wait(0.25)
    bob.peer.arrived(scene.now)  # the shell has written nothing yet
    heard = bob.heard()
    bob.peer.arrived(scene.now)
    calls = [one for one in heard if one.kind == 4]
    bob.answer(calls[0], 1)
    scene.wait(0.5)
    bob.fail(calls[1], "org.example.Error", "no")
    found = carol.ask("traffic")
    assert isinstance(found, dict)
    assert found["seconds"] == 0.75
    a = {"topic": "a", "messages": 2, "bytes": 44, "dropped": 0, "delay": 0.25, "delay_worst": 0.25}
    b = {"topic": "b", "messages": 1, "bytes": 22, "dropped": 0, "delay": None, "delay_worst": 0.0}
    assert found["topics"] == [a, b]
    play, stop = [one for one in found["methods"] if one["name"] == NAME]
    assert play == {"name": NAME, "method": "play", "calls": 1, "errors": 0, "time": 0.25, "time_worst": 0.25}
    assert stop == {"name": NAME, "method": "stop", "calls": 1, "errors": 1, "time": 0.75, "time_worst": 0.75}


def test_a_meter_has_a_limit() -> None:
    _, alice, _, carol = trio()
    carol.ask("traffic")
    for number in range(MAX_ENTRIES + 3):
        alice.publish(f"a.{number}", None)
    found = carol.ask("traffic")
    assert isinstance(found, dict)
    assert len(found["topics"]) == MAX_ENTRIES + 1
    others = next(one for one in found["topics"] if one["topic"] == "#")
    assert others["messages"] == 3


def test_subscriptions_are_listed() -> None:
    _, alice, bob, carol = trio()
    bob.ask("request_name", NAME)
    bob.subscribe("a", "b.#")
    carol.ask("monitor")
    assert alice.ask("subscriptions") == [
        {"name": ":2", "names": [NAME], "program": "bob", "pid": 102, "patterns": ["a", "b.#"]}
    ]
    found = alice.ask("peers")
    assert isinstance(found, list)
    assert [one["monitor"] for one in found] == [False, False, True]


def test_a_topic_whose_receiver_leaves_is_measured_at_the_next() -> None:
    scene, alice, bob, carol = trio()
    bob.subscribe("a")
    carol.ask("traffic")
    alice.publish("a", 1)
    bob.leave()
    dave = scene.join("dave")
    dave.subscribe("a")
    alice.publish("a", 2)
    scene.wait(0.5)
    dave.heard()
    dave.peer.arrived(scene.now)
    found = carol.ask("traffic")
    assert isinstance(found, dict)
    assert [one["delay"] for one in found["topics"] if one["topic"] == "a"] == [0.5]
