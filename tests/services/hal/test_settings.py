"""The user's file: what it may say, and that a mistake is named and costs nothing else."""

from pathlib import Path

import pytest

from pybus_services.hal.rules import Rule, parse_template, parse_topic
from pybus_services.hal.settings import Settings, load
from tests.services.user_file import settings_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Alice's hal.toml, which is not there yet."""
    file = tmp_path / ".config/pybus/hal.toml"
    file.parent.mkdir(parents=True)
    return file


def settings(file: Path, text: str) -> Settings:
    return settings_of(load, file, text)


def test_without_a_file_everything_is_as_usual(tmp_path: Path) -> None:
    assert load({"HOME": str(tmp_path)}) == Settings(low=20, critical=5, rules=(), problems=())


def test_a_file_that_says_all_it_may(file: Path) -> None:
    text = """\
[battery]
low = 30
critical = 10

[[rule]]
subsystem = "usb"
action = "add"
topic = "desk.{ID_MODEL}.{action}"
value = "{ID_VENDOR} at {name}"
retain = true
[rule.properties]
ID_VENDOR = "Logi*"
ID_MODEL = "*"

[[rule]]
topic = "desk.any"
"""
    first = Rule(
        topic=parse_topic("desk.{ID_MODEL}.{action}"),
        subsystem="usb",
        action="add",
        properties={"ID_VENDOR": "Logi*", "ID_MODEL": "*"},
        value=parse_template("{ID_VENDOR} at {name}"),
        retain=True,
    )
    assert settings(file, text) == Settings(30, 10, (first, Rule(parse_topic("desk.any"))))


def test_the_file_is_in_the_users_folder_of_configuration(tmp_path: Path) -> None:
    (tmp_path / "pybus").mkdir()
    (tmp_path / "pybus/hal.toml").write_text("battery.low = 50\n")
    assert load({"HOME": "/nowhere", "XDG_CONFIG_HOME": str(tmp_path)}) == Settings(low=50)


def test_a_mistake_costs_the_rule_that_it_is_in(file: Path) -> None:
    text = """\
[battery]
low = 30
critical = "few"
[[rule]]
topic = "desk.one"
[[rule]]
topic = "desk.{ID"
retain = "yes"
[[rule]]
tpoic = "desk.three"
[[rule]]
topic = "desk.four"
value = 4
[[rule]]
topic = "desk.five"
[rule.properties]
ID_VENDOR = "Logi*"
ID_MODEL = 5
[[rule]]
topic = "desk.six"
"""
    rules = (Rule(parse_topic("desk.one")), Rule(parse_topic("desk.six")))
    assert settings(file, text) == Settings(
        30,
        5,
        rules,
        (
            "3: battery.critical: must be a whole number, at least 0, not 'few'",
            "7: [[rule]] topic: has a '{' outside of a field; a field is {NAME}, a brace is {{ or }}",
            "8: [[rule]] retain: must be true or false, not 'yes'",
            "10: [[rule]] tpoic: unknown key; did you mean topic?",
            "9: [[rule]] topic: is missing; write the topic to publish to",
            "13: [[rule]] value: must be text, not 4",
            "18: [[rule]] properties: 'ID_MODEL' must be text, not 5",
        ),
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("topic = 'bus.x'", "what begins with bus is published by the bus alone; begin with another word"),
        ("topic = 'hal.x'", "what begins with hal is told by the hardware service itself; begin with another word"),
        (
            "topic = 'desk..x'",
            "topic 'desk..x' has an empty word: join words by single dots, with none at the ends",
        ),
        (
            "value = '{acton}'",
            "has the unknown field {acton}; there are {subsystem}, {action}, {name}, {path} and the event's properties",
        ),
        ("subsystem = ['usb']", "must be text, not a list"),
        ("action = 1", "must be text, not 1"),
        ("properties = 'ID_VENDOR'", "must be a table, not 'ID_VENDOR'"),
    ],
)
def test_each_key_of_a_rule(file: Path, line: str, problem: str) -> None:
    key = line.split(" = ")[0]
    text = "[[rule]]\n" + line + ("" if key == "topic" else "\ntopic = 'desk.x'")
    assert settings(file, text) == Settings(problems=(f"2: [[rule]] {key}: {problem}",))


@pytest.mark.parametrize(
    ("text", "thresholds", "problems"),
    [
        ("battery = { low = 0, critical = 0 }", (0, 0), []),
        ("battery = { low = 100, critical = 100 }", (100, 100), []),
        ("battery.low = 5", (5, 5), []),
        ("battery.low = 101", (20, 5), ["1: battery.low: must be a whole number, at most 100, not 101"]),
        ("battery.low = 4", (20, 5), ["1: battery.low: critical, 5, must not be more than low, 4"]),
        ("battery.critical = 21", (20, 5), ["1: battery.critical: critical, 21, must not be more than low, 20"]),
        (
            "battery.low = 7\nbattery.critical = 8",
            (20, 5),
            ["2: battery.critical: critical, 8, must not be more than low, 7"],
        ),
        (
            "battery.low = 4\nbattery.critical = -1",
            (20, 5),
            [
                "2: battery.critical: must be a whole number, at least 0, not -1",
                "1: battery.low: critical, 5, must not be more than low, 4",
            ],
        ),
        ("battery = 20", (20, 5), ["1: battery: must be a table, [battery], not 20"]),
    ],
)
def test_the_thresholds(file: Path, text: str, thresholds: tuple[int, int], problems: list[str]) -> None:
    assert settings(file, text) == Settings(*thresholds, problems=tuple(problems))


def test_what_is_no_toml_is_one_problem(file: Path) -> None:
    said = settings(file, "[battery]\nlow = 50\n[[rule]\ntopic = 'desk.x'\n")
    assert said == Settings(
        problems=("3: not valid TOML: Expected ']]' at the end of an array declaration (column 7)",)
    )
    file.unlink()
    file.mkdir()
    assert load({"HOME": str(file.parents[2])}) == Settings(problems=(f"{file}: is a folder, not a file",))
