"""The user's file and the shipped rules: what they may say, and that a mistake is named and costs one rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybus_services.dbus.rules.rule import Entry, Rule
from pybus_services.dbus.rules.settings import Settings, load
from pybus_services.templates import parse_topic
from tests.services.user_file import settings_of

SHIPPED = [
    "media-track",
    "media-status",
    "screensaver-shell",
    "screensaver-gnome",
    "screensaver",
    "lock",
    "sleep",
    "network",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Alice's dbus.toml, which is not there yet."""
    file = tmp_path / ".config/pybus/dbus.toml"
    file.parent.mkdir(parents=True)
    return file


def settings(file: Path, text: str) -> Settings:
    return settings_of(load, file, text)


def names(found: Settings) -> list[str]:
    return [rule.name for rule in found.rules]


def test_without_a_file_the_shipped_rules_are_in_force(tmp_path: Path) -> None:
    found = load({"HOME": str(tmp_path)})
    assert (names(found), found.problems) == (SHIPPED, ())
    assert found.rules[1] == Rule(
        name="media-status",
        topic=parse_topic("media.{name}.status", str),
        interface="org.mpris.MediaPlayer2.Player",
        sender="org.mpris.MediaPlayer2.*",
        path="/org/mpris/MediaPlayer2",
        property="PlaybackStatus",
        words={"Playing": "playing", "Paused": "paused", "Stopped": "stopped"},
    )


def test_a_rule_that_says_all_it_may(file: Path) -> None:
    found = settings(
        file,
        """\
[[rule]]
name = "radio"
bus = "system"
sender = "org.example.Radio.*"
path = "/org/example/*"
interface = "org.example.Radio"
signal = "Tuned"
topic = "desk.{name}.{path}.{arg0}"
arg = 1
[rule.map]
station = "name"
strength = { key = "strength", kind = "number", divisor = 100.0 }
""",
    )
    assert found.problems == ()
    assert found.rules[0] == Rule(
        name="radio",
        topic=parse_topic("desk.{name}.{path}.{arg0}", str),
        interface="org.example.Radio",
        bus="system",
        sender="org.example.Radio.*",
        path="/org/example/*",
        signal="Tuned",
        arg=1,
        map={"station": Entry("name"), "strength": Entry("strength", "number", 100.0)},
    )


OWN = '[[rule]]\nname = "{name}"\ninterface = "a.b"\nsignal = "C"\ntopic = "desk.{name}"\n'


def test_ones_own_come_first_take_the_place_of_shipped_ones_and_switch_them_off(file: Path) -> None:
    own = OWN.replace("{name}", "mine") + OWN.replace("{name}", "sleep")
    found = settings(file, f'disabled = ["lock", "network"]\n{own}')
    assert (names(found), found.problems) == (["mine", *SHIPPED[:5], "sleep"], ())
    assert found.rules[-1].topic == parse_topic("desk.sleep", str)


def test_a_file_that_is_no_toml_leaves_the_shipped_rules(file: Path) -> None:
    found = settings(file, "[[rule]]\nname = sleep\n")
    assert (names(found), found.problems) == (SHIPPED, ("2: not valid TOML: Invalid value (column 8)",))


STATE = {"name": "'x'", "sender": "'a.b'", "path": "'/a'", "interface": "'a.b'", "topic": "'desk.x'", "property": "'P'"}
METHOD = {key: value for key, value in STATE.items() if key != "property"} | {"method": "'M'", "signal": "'S'"}
SIGNAL = {"name": "'x'", "interface": "'a.b'", "topic": "'desk.x'", "signal": "'S'"}
NAMED = "it must be like {}, of 255 characters at most"
ENTRY = 'the key that it is taken from, or a table such as { key = "title", kind = "text" }'
KEYS = "arg, bus, interface, map, method, name, path, property, sender, signal, topic, words"


@pytest.mark.parametrize(
    ("keys", "changes", "key", "problem"),
    [
        (
            STATE,
            {"name": None},
            "",
            "name: is missing; write a name of your own, or that of a shipped rule to take its place",
        ),
        (STATE, {"interface": None}, "", "interface: is missing; write the interface of the signal or property"),
        (STATE, {"topic": None}, "", "topic: is missing; write the topic to publish to"),
        (STATE, {"property": None}, "name", "signal: is missing; write the signal to tell of, or a property"),
        (METHOD, {"signal": None}, "name", "signal: is missing; write the signal that tells its changes"),
        (STATE, {"sender": None}, "name", "sender: is missing; write the sender that is to be asked"),
        (METHOD, {"path": None}, "name", "path: is missing; write the path that is to be asked"),
        (STATE, {"signal": "'S'"}, "signal", "signal: can't be beside a property, which tells its changes itself"),
        (STATE, {"method": "'M'"}, "method", "method: can't be beside a property, which tells its changes itself"),
        (STATE, {"arg": "0"}, "arg", "arg: can't be beside a property, which tells its changes itself"),
        (
            STATE,
            {"path": "'/a/*'"},
            "path",
            "path: must be one object, which is asked; only signals can be those of many",
        ),
        (
            STATE,
            {"topic": "'d.{arg0}'"},
            "topic",
            "topic: has the field {arg0}, which is a signal's; a state has one topic",
        ),
        (
            SIGNAL,
            {"topic": "'d.{name}'"},
            "topic",
            "topic: has the field {name}, which is the sender's; write a sender",
        ),
        (
            SIGNAL,
            {"topic": "'d.{who}'"},
            "topic",
            "topic: has the unknown field {who}; there are {name}, {path}, {arg0}, {arg1}, ...",
        ),
        (
            SIGNAL,
            {"topic": "'hal.x'"},
            "topic",
            "topic: what begins with hal is told by the hardware service itself; begin with another word",
        ),
        (
            SIGNAL,
            {"words": "{a = 'b'}", "map": "{a = 'b'}"},
            "map",
            "map: can't be beside words: the body is a word or a map",
        ),
        (SIGNAL, {"bus": "'user'"}, "bus", 'bus: must be "session" or "system", not \'user\''),
        (
            SIGNAL,
            {"sender": "'a'"},
            "sender",
            "sender: 'a' is no bus name: " + NAMED.format("org.example.Player or :1.17"),
        ),
        (
            SIGNAL,
            {"sender": "'*'"},
            "sender",
            "sender: '*' is no bus name: " + NAMED.format("org.example.Player or :1.17"),
        ),
        (SIGNAL, {"sender": "':1.7'"}, "sender", "sender: must be a name that lasts, not a connection's"),
        (SIGNAL, {"path": "'a'"}, "path", "path: 'a' is no object path: it must be like /org/example/Player"),
        (
            SIGNAL,
            {"interface": "'a'"},
            "interface",
            "interface: 'a' is no interface: " + NAMED.format("org.example.Player"),
        ),
        (SIGNAL, {"signal": "'a.b'"}, "signal", "signal: 'a.b' is no member: " + NAMED.format("PlayPause")),
        (SIGNAL, {"arg": "-1"}, "arg", "arg: must be a whole number, at least 0, not -1"),
        (SIGNAL, {"words": "{a = 1}"}, "words", "words: 'a' must be text, not 1"),
        (SIGNAL, {"words": "{}"}, "words", "words: must be a table with entries"),
        (SIGNAL, {"map": "{}"}, "map", "map: must be a table with entries"),
        (SIGNAL, {"map": "{a = 1}"}, "map", f"map: 'a' must be {ENTRY}"),
        (
            SIGNAL,
            {"map": "{a = {key = 'k', unit = 's'}}"},
            "map",
            "map: 'a' has the unknown key 'unit'; there are: key, kind, divisor",
        ),
        (
            SIGNAL,
            {"map": "{a = {key = 'k', kind = 'list'}}"},
            "map",
            'map: \'a\' has the kind \'list\'; there are "text", "texts" and "number"',
        ),
        (
            SIGNAL,
            {"map": "{a = {key = 'k', kind = 'number', divisor = 0}}"},
            "map",
            "map: 'a' has a divisor that is no number, or 0",
        ),
        (
            SIGNAL,
            {"map": "{a = {key = 'k', kind = 'number', divisor = nan}}"},
            "map",
            "map: 'a' has a divisor that is no number, or 0",
        ),
        (
            SIGNAL,
            {"map": "{a = {key = 'k', kind = 'number', divisor = inf}}"},
            "map",
            "map: 'a' has a divisor that is no number, or 0",
        ),
        (
            SIGNAL,
            {"map": "{a = {key = 'k', divisor = 2}}"},
            "map",
            "map: 'a' has a divisor, so its kind must be \"number\"",
        ),
        (SIGNAL, {"member": "'S'"}, "member", f"member: unknown key; there are: {KEYS}"),
    ],
)
def test_a_wrong_rule_is_named_and_the_others_work(
    file: Path, keys: dict[str, str], changes: dict[str, str | None], key: str, problem: str
) -> None:
    """key: the one on whose line the problem is, "" for the rule's first."""
    written = {name: value for name, value in {**keys, **changes}.items() if value is not None}
    lines = "".join(f"{name} = {value}\n" for name, value in written.items())
    found = settings(file, f"[[rule]]\n{lines}{OWN.replace('{name}', 'right')}")
    line = 1 if not key else [*written].index(key) + 2
    assert found.problems == (f"{line}: [[rule]] {problem}",)
    assert names(found) == ["right", *SHIPPED]


def test_two_of_a_name(file: Path) -> None:
    own = OWN.replace("{name}", "mine")
    found = settings(file, own + own)
    assert found.problems == ("7: [[rule]] name: there is another rule 'mine' in this file",)
    assert names(found) == ["mine", *SHIPPED]


def test_a_shipped_rule_that_is_none(file: Path) -> None:
    found = settings(file, 'disabled = ["lock", "door"]\n')
    assert found.problems == (f"1: disabled: there is no shipped rule 'door'; there are: {', '.join(SHIPPED)}",)
    assert names(found) == [name for name in SHIPPED if name != "lock"]
