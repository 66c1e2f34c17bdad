"""The lines of keys in a TOML text."""

import pytest

from pybus.toml_lines import TooDeep, key_lines

TEXT = '''\
# limits.outbox = 0
title = "[limits]"                   # frame = 1
limits.frame = 1
"quoted key" = 'a # b'
'literal.key'."a\\u0062c" = 2
long = """
outbox = 3
\\"""
names = 4 ""\\
"""
raw = \'\'\'
patterns = 5
''\'\'\'
point = { x = 1, "y" = [1, { z = 2 }], z = {} }
list = [
  "one",   # two = 2

  "three",
  [ 4,
    5 ],
]

[ log . "level" ]
when = 2026-11-23 12:00:00
[log.a.b.c]
deep = 1
[[many]]
one = 1
[[many]]
one = 2
'''


def test_each_key_is_on_the_line_where_it_is_named_first() -> None:
    assert key_lines(TEXT) == {
        ("title",): 2,
        ("limits",): 3,
        ("limits", "frame"): 3,
        ("quoted key",): 4,
        ("literal.key",): 5,
        ("literal.key", "abc"): 5,
        ("long",): 6,
        ("raw",): 11,
        ("point",): 14,
        ("point", "x"): 14,
        ("point", "y"): 14,
        ("point", "y", 0): 14,
        ("point", "y", 1): 14,
        ("point", "y", 1, "z"): 14,
        ("point", "z"): 14,
        ("list",): 15,
        ("list", 0): 16,
        ("list", 1): 18,
        ("list", 2): 19,
        ("list", 2, 0): 19,
        ("list", 2, 1): 20,
        ("log",): 23,
        ("log", "level"): 23,
        ("log", "level", "when"): 24,
        ("log", "a"): 25,
        ("log", "a", "b"): 25,
        ("log", "a", "b", "c"): 25,
        ("many",): 27,
        ("many", 0): 27,
        ("many", 0, "one"): 28,
        ("many", 1): 29,
        ("many", 1, "one"): 30,
    }


def test_lists_of_tables() -> None:
    text = """\
[[rule]]
topic = "a"
[rule.properties]
x = 1
[[rule.more]]
[[rule.more]]
y = 1

[[ "rule" ]]
properties.x = 2
[[rule.more]]
[other]
"""
    assert key_lines(text) == {
        ("rule",): 1,
        ("rule", 0): 1,
        ("rule", 0, "topic"): 2,
        ("rule", 0, "properties"): 3,
        ("rule", 0, "properties", "x"): 4,
        ("rule", 0, "more"): 5,
        ("rule", 0, "more", 0): 5,
        ("rule", 0, "more", 1): 6,
        ("rule", 1): 9,
        ("rule", 1, "properties"): 10,
        ("rule", 1, "properties", "x"): 10,
        ("rule", 1, "more"): 11,
        ("rule", 1, "more", 0): 11,
        ("other",): 12,
    }


def test_lines_may_end_as_on_windows() -> None:
    assert key_lines(TEXT.replace("\n", "\r\n")) == key_lines(TEXT)


def test_who_gets_lost_knows_the_lines_until_then() -> None:
    assert key_lines("a = 1\nb = 2\n= 3\nc = 4\n") == {("a",): 1, ("b",): 2}
    for text in ("a = 1\n[b", "a = 1\nb = ", "a = 1\nb = [1,", "a = 1\nb = {", 'a = 1\nb = """'):
        assert key_lines(text) == {("a",): 1, ("b",): 2} | ({("b", 0): 2} if text.endswith("[1,") else {})
    assert key_lines('a = 1\n"\\q" = 2') == {("a",): 1}


@pytest.mark.parametrize(
    "text", [".".join("a" * 65) + " = 1", "[" + ".".join("a" * 64) + "]\nb=1", "a=" + "[" * 64 + "1", "a=" + "{b=" * 64]
)
def test_what_is_nested_too_deeply_is_on_its_line(text: str) -> None:
    with pytest.raises(TooDeep) as caught:
        key_lines(f"# one\n{text}")
    assert caught.value.line == 2 + text.count("\n")
