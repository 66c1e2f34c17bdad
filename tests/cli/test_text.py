"""Values as text: whatever a stranger published, it is one line that only says what it is."""

from __future__ import annotations

import json
import math

import pytest

from pybus.cli.command import complain, explain
from pybus.cli.text import plain, safe, table, to_json
from pybus.errors import ServiceError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë → 日本", "Zoë → 日本"),
        ("a\tb\nc\r", "a\\tb\\nc\\r"),
        ("\x1b[31m\x9b\x7f", "\\x1b[31m\\x9b\\x7f"),
        ("\u202e\u2028\U000e0001\udcff", "\\u202e\\u2028\\U000e0001\\udcff"),
    ],
)
def test_what_cannot_be_printed_is_escaped(text: str, shown: str) -> None:
    assert safe(text) == shown


@pytest.mark.parametrize("text", ["\x00\x1b\n\t", "\x7f\x9b31m", "\u202e\u2028", "\U000e0001", "\ud800", 'a"\\\n'])
def test_json_is_printable_and_says_the_same(text: str) -> None:
    for value in (text, {text: [text]}):
        assert to_json(value).isprintable()
        assert plain(value).isprintable()
        assert json.loads(to_json(value)) == value
        assert json.loads(to_json(value, indent=2)) == value


def test_json_has_texts_for_the_floats_that_it_has_no_number_for() -> None:
    value = {"a": [math.nan, math.inf], "b": -math.inf, "c": 1.5, math.nan: 0}
    assert to_json(value) == '{"a": ["NaN", "Infinity"], "b": "-Infinity", "c": 1.5, "\\"NaN\\"": 0}'
    assert plain(math.nan) == '"NaN"'


def test_json_keeps_its_layout() -> None:
    assert to_json(["\x9b"], indent=2) == '[\n  "\\u009b"\n]'


@pytest.mark.parametrize("depth", [500, 5000])
def test_of_a_value_nested_too_deeply_the_outer_levels_are_shown(depth: int) -> None:
    lists: object = 1
    maps: object = 1
    for _ in range(depth):
        lists, maps = [lists], {"a": maps}
    for value in (lists, maps):
        assert "(nested too deeply to show)" in plain(value)
    assert json.loads(to_json({"topic": "a.b", "body": lists}))["topic"] == "a.b"


def test_a_cell_cannot_forge_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    table(["A", "B"], [["x\ny\tz", "\x1b[2J"]])
    assert capsys.readouterr().out == "x\\ny\\tz\t\\x1b[2J\n"


def test_a_complaint_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert complain("pybus", explain(ServiceError("org.example.Bad\t", "no\nway\x1b")), 1) == 1
    assert capsys.readouterr().err == "pybus: no\\nway\\x1b (org.example.Bad\\t)\n"
