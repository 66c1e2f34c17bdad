"""Who is who, from the bus's `peers` and its signals."""

from __future__ import annotations

from pybus.cli.directory import Directory
from pybus.client.inbox import Signal

BOB = {"name": ":2", "names": ["org.example.Player"], "program": "bob", "pid": 20, "monitor": False}


def signal(topic: str, body: object) -> Signal:
    return Signal(topic, body, "org.pybus.Bus", False, False, 0)


def directory() -> Directory:
    """One who has been told of bob."""
    found = Directory()
    found.learn([BOB])
    return found


def test_who_is_here_is_known_by_names_and_program() -> None:
    bob = directory().who(2)
    assert (bob.label, bob.short) == ("org.example.Player (bob)", "org.example.Player")
    assert bob.json == '{"name": ":2", "names": ["org.example.Player"], "program": "bob", "pid": 20}'
    assert [bob.answers_to(name) for name in (":2", "org.example.Player", ":20")] == [True, True, False]


def test_the_bus_is_known_and_a_stranger_has_a_number() -> None:
    assert [directory().who(number).label for number in (0, 7)] == ["org.pybus.Bus", ":7"]


def test_one_who_joins_is_known_from_then_on() -> None:
    people = directory()
    people.hear(signal("bus.peer.joined", {"name": ":3", "program": "carol", "pid": 30}))
    assert people.who(3).label == ":3 (carol)"


def test_late_news_of_a_joining_does_not_undo_what_is_known() -> None:
    people = directory()
    people.hear(signal("bus.peer.joined", {"name": ":2", "program": "bob", "pid": 20}))
    assert people.who(2).names == ("org.example.Player",)


def test_a_name_passes_from_one_to_the_next() -> None:
    people = directory()
    people.hear(signal("bus.peer.joined", {"name": ":3", "program": "carol", "pid": 30}))
    people.hear(signal("bus.name.org.example.Player", {"name": "org.example.Player", "old": ":2", "new": ":3"}))
    assert [people.who(number).label for number in (2, 3)] == [":2 (bob)", "org.example.Player (carol)"]
    people.hear(signal("bus.name.org.example.Player", {"name": "org.example.Player", "old": ":3", "new": None}))
    assert people.who(3).names == ()


def test_one_who_left_is_remembered_with_the_names_it_had() -> None:
    people = directory()
    people.hear(signal("bus.name.org.example.Player", {"name": "org.example.Player", "old": ":2", "new": None}))
    people.hear(signal("bus.peer.gone", {**BOB, "how": "goodbye"}))
    assert people.who(2).label == "org.example.Player (bob)"


def test_only_the_last_thousand_who_left_are_remembered() -> None:
    people = Directory()
    for number in range(1, 1002):
        people.hear(signal("bus.peer.gone", {"name": f":{number}", "names": [], "program": "x", "pid": 1}))
    assert [people.who(number).label for number in (1, 2, 1001)] == [":1", ":2 (x)", ":1001 (x)"]


def test_another_bus_has_others_behind_the_same_numbers() -> None:
    people = directory()
    people.hear(signal("bus.peer.gone", BOB))
    people.forget()
    assert people.who(2).label == ":2"


def test_a_program_that_calls_itself_something_odd_stays_on_its_line() -> None:
    people = Directory()
    people.learn([{**BOB, "names": [], "program": "b\x1b[31m\nob"}])
    assert people.who(2).label == ":2 (b\\x1b[31m\\nob)"


def test_monitors_are_known_until_they_leave() -> None:
    people = directory()
    people.learn([BOB, {**BOB, "name": ":3", "names": [], "monitor": True}])
    assert people.monitors == {3}
    people.hear(signal("bus.peer.gone", {"name": ":3", "names": [], "program": "dave", "pid": 30}))
    assert people.monitors == set()
