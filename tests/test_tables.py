"""Reading TOML against a table of keys: files that are none, and mistakes with their lines."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from pybus.checks import count, flag, table, text
from pybus.tables import MAX_BYTES, MAX_PROBLEMS, Check, Contents, Tables, Wrong, place_of, read_tables

ALLOWED: dict[str, Check] = {
    "title": text,
    "limits.names": count(1, 9),
    "limits.frame": count(1, 9),
    "log.loud": flag,
}
RULES: dict[str, Check | Tables] = {
    "title": text,
    "rule": Tables({"topic": text, "wants.loud": flag, "properties": table(text)}, {"topic": "write one"}),
}

DEEP = "is nested too deeply: more than 64 words in a key, or tables or lists in one another"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "alice.toml"


def problems(file: Path, written: str | bytes) -> list[str]:
    """What is said of a file with this text, without the file's path, which each line has to begin with."""
    file.write_bytes(written if isinstance(written, bytes) else written.encode())
    return without_path(file)


def without_path(file: Path, allowed: Mapping[str, Check | Tables] = ALLOWED) -> list[str]:
    found = read_tables(str(file), allowed).problems
    assert [line for line in found if not line.startswith(f"{file}:")] == []
    return [line.removeprefix(f"{file}:") for line in found]


def test_values_come_with_their_places(file: Path) -> None:
    file.write_text("title = 'x'\n\nlimits.names = 3\n[log]\nloud = true\n")
    assert read_tables(str(file), ALLOWED) == (
        {"title": "x", "limits.names": 3, "log.loud": True},
        {"title": f"{file}:1", "limits.names": f"{file}:3", "log.loud": f"{file}:5"},
        [],
    )
    file.write_bytes(b"\xef\xbb\xbftitle = 'x'\r\n[limits]\r\nnames = 3\r\n")
    assert read_tables(str(file), ALLOWED) == (
        {"title": "x", "limits.names": 3},
        {"title": f"{file}:1", "limits.names": f"{file}:3"},
        [],
    )
    file.write_text("")
    assert read_tables(str(file), ALLOWED) == ({}, {}, [])


def test_a_check_may_raise_any_value_error(file: Path) -> None:
    file.write_text("title = 'x'\n")
    assert without_path(file, {"title": int}) == ["1: title: invalid literal for int() with base 10: 'x'"]


def test_an_item_without_a_line_of_its_own_is_told_with_that_of_its_list(file: Path) -> None:
    def check(value: object) -> object:
        raise Wrong("is wrong", 7)

    file.write_text("\ntitle = [[1]]\n")
    assert without_path(file, {"title": check}) == ["2: title: is wrong"]


def test_all_mistakes_are_told_in_their_order(file: Path) -> None:
    written = """\
title = 5
colour = "red"
[limits]
names = 10
nmaes = 3
frame = 1
[log]
loud = "very"
[lgo]
loud = true
"""
    assert problems(file, written) == [
        "1: title: must be text, not 5",
        "2: colour: unknown key; there are: limits, log, title",
        "4: limits.names: must be a whole number, at most 9, not 10",
        "5: limits.nmaes: unknown key; did you mean limits.names?",
        "8: log.loud: must be true or false, not 'very'",
        "9: lgo: unknown table; did you mean log?",
    ]


def test_the_right_ones_are_there_beside_the_wrong(file: Path) -> None:
    file.write_text("title = 'x'\nlimits.names = 0\n")
    found = read_tables(str(file), ALLOWED)
    assert (found.values, len(found.problems)) == ({"title": "x"}, 1)


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("limits = 3", "1: limits: must be a table, [limits], not 3"),
        ("[[limits]]", "1: limits: must be a table, [limits], not a list"),
        ("[title]", "1: title: must be text, not a table"),
        ("names = 3", "1: names: unknown key; did you mean limits.names?"),
        ("[log]\nnames = 3", "2: log.names: unknown key; did you mean limits.names?"),
        ("log.colour = 3", "1: log.colour: unknown key; there are: loud"),
        ('"limits.names" = 3', "1: 'limits.names': unknown key; did you mean limits.names?"),
        ('"a\\nb" = 3', "1: 'a\\nb': unknown key; there are: limits, log, title"),
        ("limits.names.x = 3", "1: limits.names: must be a whole number, at least 1, not a table"),
        ("limits = { names = true }", "1: limits.names: must be a whole number, at least 1, not true"),
        ("limits.names = 2.0", "1: limits.names: must be a whole number, at least 1, not 2.0"),
        ("limits.names = nan", "1: limits.names: must be a whole number, at least 1, not nan"),
        (
            "limits.names = 0x" + "f" * 5000,
            "1: limits.names: must be a whole number, at most 9, not a number of more than 20 digits",
        ),
        ("limits.names = 07:30:00", "1: limits.names: must be a whole number, at least 1, not the time 07:30:00"),
        (
            "limits.names = '" + "x" * 99 + "'",
            "1: limits.names: must be a whole number, at least 1, not '" + "x" * 60 + "'...",
        ),
        ('title = "a\\u001bb"', "1: title: must be one line of printable text, not 'a\\x1bb'"),
    ],
)
def test_a_mistake_is_named(file: Path, written: str, problem: str) -> None:
    assert problems(file, written) == [problem]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("a = 1\nb 2\n", "2: not valid TOML: Expected '=' after a key in a key/value pair (column 3)"),
        ("title = 'a'\ntitle = 'b'\nx = 1\n", "2: not valid TOML: Cannot overwrite a value (column 12)"),
        ("a = 1\nb = [1,\n\n\n", "2: not valid TOML: Invalid value"),
        ("a = " + "1" * 5000, " holds a number with thousands of digits"),
        ("a = 1\nb = " + "[" * 100_000, f"2: {DEEP}"),
        ("a = " + "{a = " * 100_000, f"1: {DEEP}"),
        ("a = 1\n[" + "a." * 500_000 + "a]\n", f"2: {DEEP}"),
        ("x = 'a\\n'\n" + ".".join(["'a'"] * 65) + " = 1", f"2: {DEEP}"),
        ("[" + ".".join("a" * 64) + "]\nb = 1", f"2: {DEEP}"),
        (b"a = 1\nb = '\xff'\n", "2: is not in UTF-8; it has the byte 0xff"),
        (b"a = 1\nb = '\xc3", "2: is not in UTF-8; it has the byte 0xc3"),
        ("#" * (MAX_BYTES + 1), " has more than 1024 KiB, so it can't be what it should be"),
    ],
)
def test_what_is_no_toml(file: Path, written: str | bytes, problem: str) -> None:
    assert problems(file, written) == [problem]


def test_the_deepest_that_is_read(file: Path) -> None:
    assert problems(file, ".".join("a" * 64) + " = 1") == ["1: a: unknown table; there are: limits, log, title"]
    dots = "." * 1000 + "a." * 1000
    file.write_text(f"title = '{dots}'  # {dots}\nlog.loud = true\n")
    assert read_tables(str(file), ALLOWED).values == {"title": dots, "log.loud": True}


def test_of_very_many_mistakes_the_first_are_named(file: Path) -> None:
    found = problems(file, "[limits]\n" + "".join(f"name{number} = 1\n" for number in range(50_000)))
    assert found[:2] == [
        f"{number + 2}: limits.name{number}: unknown key; did you mean limits.names?" for number in (0, 1)
    ]
    assert (len(found), found[-1]) == (MAX_PROBLEMS + 1, f" has more mistakes; the first {MAX_PROBLEMS} are named")
    assert len(problems(file, "".join(f"x{number} = 1\n" for number in range(MAX_PROBLEMS)))) == MAX_PROBLEMS


def test_the_largest_file(file: Path) -> None:
    assert problems(file, "#" * MAX_BYTES) == []


def test_what_is_no_file(file: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_tables(str(file), ALLOWED)
    file.symlink_to("nowhere")
    assert without_path(file) == [" is a link to a file that is not there"]
    file.unlink()
    file.mkdir()
    assert without_path(file) == [" is a folder, not a file"]
    file.rmdir()
    os.mkfifo(file)
    assert without_path(file) == [" is not a regular file"]
    file.unlink()
    file.symlink_to("/dev/zero")
    assert without_path(file) == [" is not a regular file"]
    file.unlink()
    file.symlink_to(file.name)
    assert without_path(file) == [" can't be read: Too many levels of symbolic links"]
    file.unlink()
    file.symlink_to("/proc/self/mem")
    assert without_path(file) == [" can't be read: Input/output error"]


def test_a_file_that_is_huge_is_not_read(file: Path) -> None:
    with file.open("wb") as sparse:
        sparse.truncate(100_000_000_000)
    assert without_path(file) == [" has more than 1024 KiB, so it can't be what it should be"]


def test_what_is_required_and_missing(file: Path) -> None:
    required = {"title": "write a title", "log.loud": "write it"}
    file.write_text("title = 5")
    assert read_tables(str(file), ALLOWED, required).problems == [
        f"{file}:1: title: must be text, not 5",
        f"{file}: log.loud: is missing; write it",
    ]
    file.write_text("title = ")
    assert read_tables(str(file), ALLOWED, required).problems == [f"{file}:1: not valid TOML: Invalid value"], (
        "a file that can't be read misses nothing"
    )


def test_the_place_of_a_key(file: Path) -> None:
    assert place_of(str(file), "title") == str(file)
    file.write_text("\n\ntitle = 'x'\n")
    assert place_of(str(file), "title") == f"{file}:3"
    assert place_of(str(file), "limits") == str(file)
    file.write_text("a." * 100 + "a = 1\ntitle = 'x'\n")
    assert place_of(str(file), "title") == str(file)


# --- lists of tables ----------------------------------------------------------------------------------


def test_each_table_of_a_list_has_its_own_contents(file: Path) -> None:
    file.write_text("""\
title = "x"
[[rule]]
topic = "a"
wants.loud = true
[[rule]]
topic = "b"
[rule.properties]
colour = "red"
""")
    first = Contents({"topic": "a", "wants.loud": True}, {"topic": f"{file}:3", "wants.loud": f"{file}:4"}, [])
    properties = {"colour": "red"}
    second = Contents({"topic": "b", "properties": properties}, {"topic": f"{file}:6", "properties": f"{file}:7"}, [])
    places = {"title": f"{file}:1", "rule": f"{file}:2"}
    assert read_tables(str(file), RULES) == ({"title": "x", "rule": [first, second]}, places, [])
    file.write_text("rule = []")
    assert read_tables(str(file), RULES) == ({"rule": []}, {"rule": f"{file}:1"}, [])


def test_a_mistake_in_a_list_is_that_of_one_table(file: Path) -> None:
    file.write_text("""\
[[rule]]
topic = 5
tpoic = "a"

[[rule]]
topic = "b"

[[rule]]
wants = true
[rule.properties]
size = "1"
colour = 5
[title]
""")
    first = ["2: [[rule]] topic: must be text, not 5", "3: [[rule]] tpoic: unknown key; did you mean topic?"]
    third = [
        "9: [[rule]] wants: must be a table, [rule.wants], not true",
        "12: [[rule]] properties: 'colour' must be text, not 5",
        "8: [[rule]] topic: is missing; write one",
    ]
    assert without_path(file, RULES) == [*first, *third, "13: title: must be text, not a table"]
    found = read_tables(str(file), RULES).values["rule"]
    assert [len(one.problems) for one in found] == [2, 0, 3]
    assert found[1].values == {"topic": "b"}


@pytest.mark.parametrize(
    ("written", "problem", "good"),
    [
        ("rule = 5", "1: rule: must be a list of tables, [[rule]], not 5", None),
        ("[rule]\ntopic = 'a'", "1: rule: must be a list of tables, [[rule]], not a table", None),
        ("rule = [{ topic = 'a' },\n5]", "2: rule: must be a table, [[rule]], not 5", 1),
        ("[[rule]]\ntopic = 'a'\n[[rule.properties]]", "3: [[rule]] properties: must be a table, not a list", 0),
    ],
)
def test_what_is_no_list_of_tables(file: Path, written: str, problem: str, good: int | None) -> None:
    file.write_text(written)
    assert without_path(file, RULES) == [problem]
    found = read_tables(str(file), RULES).values.get("rule")
    assert (None if found is None else sum(not one.problems for one in found)) == good


def test_of_very_many_tables_with_mistakes_the_first_are_named(file: Path) -> None:
    file.write_text("[[rule]]\n" * 10_000)
    said = without_path(file, RULES)
    assert said == [
        *(f"{number}: [[rule]] topic: is missing; write one" for number in range(1, MAX_PROBLEMS + 1)),
        f" has more mistakes; the first {MAX_PROBLEMS} are named",
    ]
    file.write_text("[[rule]]\n" + "".join(f"x{number} = 1\n" for number in range(10_000)))
    assert without_path(file, RULES)[-1] == f" has more mistakes; the first {MAX_PROBLEMS} are named"
    assert len(read_tables(str(file), RULES).problems) == MAX_PROBLEMS + 1
