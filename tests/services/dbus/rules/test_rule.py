"""What a rule makes of what D-Bus says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus.names import check_topic
from pybus_services.dbus.rules.rule import LARGEST, LONGEST_TEXT, Entry, Rule, Untold, as_text, is_argument
from pybus_services.templates import parse_topic


def rule(topic: str = "desk.radio", **fields: Any) -> Rule:
    return Rule("a rule", parse_topic(topic, str), "org.example.Radio", **fields)


def why_untold(one: Rule, *arguments: object) -> str:
    with pytest.raises(Untold) as untold:
        one.body(arguments)
    return str(untold.value)


# --- topics ---------------------------------------------------------------------------------------

PLAYERS = "org.mpris.MediaPlayer2.*"


@pytest.mark.parametrize(
    ("sender", "name", "word"),
    [
        (PLAYERS, "org.mpris.MediaPlayer2.mpv", "mpv"),
        (PLAYERS, "org.mpris.MediaPlayer2.vlc.instance42", "vlc_instance42"),
        (PLAYERS, "org.mpris.MediaPlayer2.a-b_c", "a-b_c"),
        ("org.example.Radio", "org.example.Radio", "org_example_Radio"),
    ],
)
def test_a_name_in_a_topic(sender: str, name: str, word: str) -> None:
    assert rule("media.{name}.status", sender=sender).topic_for(name, "/a") == f"media.{word}.status"


def test_a_path_in_a_topic() -> None:
    assert rule("desk.{path}", path="/org/bluez/hci0").topic_for("", "/org/bluez/hci0") == "desk./org/bluez/hci0"
    assert rule("desk.{path}").topic_for("", "/org/bluez/hci0") == "desk./org/bluez/hci0"
    assert rule("desk.{path}", path="/org/bluez/*").topic_for("", "/org/bluez/hci0") == "desk.hci0"


def test_arguments_in_a_topic() -> None:
    topic = rule("desk.{arg0}.{arg2}-{arg1}")
    assert topic.topic_for("", "/", ["a.b *", True, -3]) == "desk.a_b__.-3-true"
    for arguments, reason in (
        (["a", 1], "there is no argument 2"),
        (["a", 1, [2]], "it is no text, whole number or bool, but of type list"),
    ):
        with pytest.raises(Untold) as untold:
            topic.topic_for("", "/", arguments)
        assert str(untold.value) == reason


@given(st.lists(st.text() | st.integers() | st.booleans(), min_size=2, max_size=2), st.text(), st.text())
def test_whatever_is_said_the_topic_has_the_words_of_its_template(said: list[object], name: str, path: str) -> None:
    topic = rule("desk.{name}.{arg0}-{arg1}.{path}").topic_for(name, path, said)
    assert check_topic(topic).count(".") == 3
    assert topic.startswith("desk.")


@pytest.mark.parametrize(
    ("path", "object_path", "has"),
    [
        ("", "/a", True),
        ("/a", "/a", True),
        ("/a", "/a/b", False),
        ("/a/*", "/a/b/c", True),
        ("/a/*", "/a", False),
        ("/a/*", "/ab", False),
        ("/*", "/a", True),
    ],
)
def test_which_objects_it_is_about(path: str, object_path: str, has: bool) -> None:
    assert rule(path=path).has_path(object_path) is has


# --- bodies ---------------------------------------------------------------------------------------


def test_what_is_said_as_it_is() -> None:
    assert rule().body([]) is None
    assert rule().body([{"a": [1, 2.5]}]) == {"a": [1, 2.5]}
    assert rule().body(["a", b"\0", False]) == ["a", b"\0", False]
    assert rule(arg=1).body(["a", 7]) == 7
    assert why_untold(rule(arg=1), "a") == "there is no argument 1"


def test_words() -> None:
    words = rule(words={"Playing": "playing", "true": "on", "70": "online", "-1": "below"})
    assert [words.body([said]) for said in ("Playing", True, 70, "70", -1)] == [
        "playing",
        "on",
        "online",
        "online",
        "below",
    ]
    assert why_untold(words, "playing") == "there is no word for 'playing'"
    assert why_untold(words, 7.0) == "it is no text, whole number or bool, but of type float"
    assert why_untold(words, "a", "b") == "it is no text, whole number or bool, but of type list"
    assert why_untold(words) == "it is no text, whole number or bool, but of type NoneType"


TRACK = rule(
    map={
        "title": Entry("xesam:title", "text"),
        "artist": Entry("xesam:artist", "texts"),
        "length": Entry("mpris:length", "number", 1000000),
        "rating": Entry("xesam:userRating"),
    }
)


LONG = "a" * (LONGEST_TEXT + 1)


@pytest.mark.parametrize(
    ("metadata", "track"),
    [
        ({"xesam:title": "Lunch", "mpris:length": 90500000}, {"title": "Lunch", "length": 90.5}),
        ({"xesam:artist": ["Alice", "Bob"], "xesam:userRating": 0.5}, {"artist": ["Alice", "Bob"], "rating": 0.5}),
        ({"xesam:artist": "Alice", "mpris:length": 1.5e6}, {"artist": ["Alice"], "length": 1.5}),
        ({"xesam:artist": ["", 7, "Bob"], "xesam:title": ["Lunch"]}, {"artist": ["Bob"]}),
        ({"xesam:artist": [], "mpris:length": "90", "xesam:userRating": [1]}, {"rating": [1]}),
        ({"mpris:length": True, "xesam:title": 7, "xesam:userRating": False}, {"rating": False}),
        ({"mpris:length": float("nan"), "xesam:title": LONG, "xesam:artist": "Al"}, {"artist": ["Al"]}),
    ],
)
def test_a_map_has_what_is_known_whatever_a_player_says(metadata: object, track: object) -> None:
    assert TRACK.body([metadata]) == track


@pytest.mark.parametrize("said", [{}, {"xesam:title": ""}, {"title": "Lunch"}, "Lunch", None, ["xesam:title"], 7])
def test_a_map_of_nothing_is_not_told(said: object) -> None:
    assert why_untold(TRACK, said) == "nothing of its map is there"


def test_a_map_of_arguments() -> None:
    alarm = rule(map={"what": Entry("arg1", "text"), "level": Entry("arg0"), "why": Entry("arg2")})
    assert alarm.body([3, "fire"]) == {"what": "fire", "level": 3}
    assert rule(map={"a": Entry("arg0"), "b": Entry("key")}, arg=1).body([1, {"key": 2}]) == {"a": 1, "b": 2}


def test_what_is_too_large_for_a_topic_is_not_told() -> None:
    assert rule().body(["a" * (LARGEST - 5)]) == "a" * (LARGEST - 5)
    for large in ("a" * LARGEST, b"a" * LARGEST, [0] * LARGEST, {"a": {1: ["ä" * (LARGEST // 2)]}}):
        assert why_untold(rule(), large) == f"it has more than {LARGEST} bytes"


def test_names_of_arguments() -> None:
    assert [is_argument(name) for name in ("arg0", "arg12", "arg", "arg100", "argument", "xarg0")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    assert [as_text(value) for value in (True, False, 0, "x")] == ["true", "false", "0", "x"]
