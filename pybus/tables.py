"""TOML files read against a table of what they may hold, every mistake named with its place.

The table has a check for each key, by its name with dots (`limits.frame`). A check takes the value
from the file and returns it as the program wants it, or raises `Wrong` (any other `ValueError` is told
the same way); those that most keys need are in `pybus.checks`. A list of tables (`[[rule]]`) has
`Tables` in place of a check. A problem is one line, such as

    /home/alice/.config/pybus/pybus.toml:7: limits.outbox: must be a whole number of bytes, ...
    /home/alice/.config/pybus/hal.toml:9: [[rule]] topic: is missing; write the topic to publish to

This is public, as are `pybus.checks` and `pybus.xdg`: a service reads its own file by it, as the bus
reads its own.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from pybus.errors import PybusError
from pybus.toml_lines import MAX_DEPTH, Path, TooDeep, key_lines

MAX_BYTES = 1024 * 1024
"""Largest file that is read. A hundred lines are a long one; a larger one is something else."""

MAX_PROBLEMS = 50
"""Mistakes that are named of one file; whoever has more has put something else there."""

Check = Callable[[Any], object]


class ConfigError(PybusError):
    """A configuration file can't be used. problems: one line each, with file, line and key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Wrong(ValueError):
    """A value is not what it should be; says what is expected.

    item: if only one item is wrong, its index in the list, or its key in the table; of lists in a list, the
    index of the outer one's. Where the item has no line of its own, that of what it is in is told.
    """

    def __init__(self, text: str, item: int | str | None = None) -> None:
        super().__init__(text)
        self.item = item


class Tables(NamedTuple):
    """A list of tables, `[[NAME]]`: which keys each of them may have, and which it must, with what to write."""

    allowed: Mapping[str, Check]
    required: Mapping[str, str]


class Contents(NamedTuple):
    """What a file says, or one table of a list in it.

    values: by name with dots, those that are right, as their checks returned them; of a list of
    tables, the `Contents` of each. places: `FILE:LINE` of each key that is there. problems: all that
    is wrong, one line each; those in a list's tables are both in theirs and in the file's.
    """

    values: dict[str, Any]
    places: dict[str, str]
    problems: list[str]


def read_tables(
    path: str, allowed: Mapping[str, Check | Tables], required: Mapping[str, str] | None = None
) -> Contents:
    """Read a TOML file and check all it holds. Never waits, whatever the path is.

    allowed: the check of each key that may be there. required: those that must, and what to write.
    Raises `FileNotFoundError` if there is no file; every other failure is a problem.
    """
    found = Contents({}, {}, [])
    try:
        text = _read(path)
        lines = key_lines(text)
        tables = tomllib.loads(text)
    except _Unreadable as error:
        found.problems.append(f"{path}{error}")
    except TooDeep as error:
        deep = f"more than {MAX_DEPTH} words in a key, or tables or lists in one another"
        found.problems.append(f"{path}:{error.line}: is nested too deeply: {deep}")
    except tomllib.TOMLDecodeError as error:
        found.problems.append(_syntax_problem(path, text, str(error)))
    except ValueError:  # from int(), which takes no more than 4300 digits
        found.problems.append(f"{path}: holds a number with thousands of digits")
    else:
        reader = _Reader(path, lines, allowed, found)
        reader.visit(tables, ())
        reader.miss(required or {})
    return found


def place_of(path: str, key: str) -> str:
    """`FILE:LINE` of a key without dots in a file that has been read before; `FILE` if it is not there any more."""
    try:
        line = key_lines(_read(path)).get((key,))
    except (OSError, _Unreadable, TooDeep):
        line = None
    return path if line is None else f"{path}:{line}"


# --- the file -----------------------------------------------------------------------------------------


class _Unreadable(ValueError):
    """The file has no text for us; says why, in words that follow the file's path."""


def _read(path: str) -> str:
    """The file's text. Raises `FileNotFoundError`, `_Unreadable`."""
    try:
        data = _read_bytes(path)
    except FileNotFoundError:
        if os.path.islink(path):
            raise _Unreadable(": is a link to a file that is not there") from None
        raise
    except OSError as error:
        raise _Unreadable(f": can't be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise _Unreadable(f": has more than {MAX_BYTES // 1024} KiB, so it can't be what it should be")
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Unreadable(f":{line}: is not in UTF-8; it has the byte 0x{error.object[error.start]:02x}") from None


def _read_bytes(path: str) -> bytes:
    """What is in the file, up to one byte more than is allowed."""
    # Without O_NONBLOCK the opening of a FIFO waits for a writer.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise _Unreadable(": is a folder, not a file")
        if not stat.S_ISREG(mode):
            raise _Unreadable(": is not a regular file")
        with open(fd, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    finally:
        os.close(fd)


def _syntax_problem(path: str, text: str, said: str) -> str:
    """What tomllib said, with the line in front: "Invalid value (at line 3, column 7)"."""
    what, _, where = said.rpartition(" (at ")
    numbers = re.fullmatch(r"line (\d+), column (\d+)\)", where)
    if numbers:
        return f"{path}:{numbers[1]}: not valid TOML: {what} (column {numbers[2]})"
    line = text.rstrip().count("\n") + 1
    return f"{path}:{line}: not valid TOML: {what or said}"


# --- what is in it ------------------------------------------------------------------------------------


class _Reader:
    """Compares a file's tables with what is allowed, or one table of a list.

    inside: where that table is. title: what is written before its keys, to say which list it is in.
    """

    def __init__(
        self,
        path: str,
        lines: Mapping[Path, int],
        allowed: Mapping[str, Check | Tables],
        found: Contents,
        inside: Path = (),
        title: str = "",
    ) -> None:
        self._path = path
        self._lines = lines
        self._checks = {tuple(name.split(".")): check for name, check in allowed.items()}
        self._tables = {key[:-1] for key in self._checks}
        self._found = found
        self._inside = inside
        self._title = title

    def visit(self, table: Mapping[str, object], path: tuple[str, ...]) -> None:
        for name, value in table.items():
            key = (*path, name)
            if self._is_enough():
                return
            if key in self._checks:
                self._check(key, value)
            elif key not in self._tables:
                self._complain(key, f"unknown {'table' if isinstance(value, dict) else 'key'}; {self._advice(key)}")
            elif isinstance(value, dict):
                self.visit(value, key)
            else:
                self._complain(key, f"must be a table, [{self._header(key)}], not {shown(value)}")

    def miss(self, required: Mapping[str, str]) -> None:
        """Name what is required and was not visited."""
        for name, advice in required.items():
            if name not in self._found.places and not self._is_enough():
                self._found.problems.append(f"{self._place(())}: {self._title}{name}: is missing; {advice}")

    def _is_enough(self) -> bool:
        """Whether so much is wrong that the rest is not looked at; says so once."""
        problems = self._found.problems
        if len(problems) == MAX_PROBLEMS:
            problems.append(f"{self._path}: has more mistakes; the first {MAX_PROBLEMS} are named")
        return len(problems) > MAX_PROBLEMS

    def _check(self, key: tuple[str, ...], value: object) -> None:
        name = ".".join(key)
        check = self._checks[key]
        try:
            self._found.values[name] = self._list(key, value, check) if isinstance(check, Tables) else check(value)
        except ValueError as error:
            self._complain(key, str(error), error.item if isinstance(error, Wrong) else None)
        self._found.places[name] = self._place(key)

    def _list(self, key: tuple[str, ...], value: object, each: Tables) -> list[Contents]:
        """The tables of a list, as many as were looked at."""
        title = f"[[{self._header(key)}]]"
        if not isinstance(value, list):
            raise Wrong(f"must be a list of tables, {title}, not {shown(value)}")
        tables: list[Contents] = []
        for index, table in enumerate(value):
            if self._is_enough():
                break
            if not isinstance(table, dict):
                self._complain(key, f"must be a table, {title}, not {shown(table)}", index)
                continue
            problems = self._found.problems
            found, before = Contents({}, {}, problems), len(problems)
            inside = (*self._inside, *key, index)
            reader = _Reader(self._path, self._lines, each.allowed, found, inside, f"{title} ")
            reader.visit(table, ())
            reader.miss(each.required)
            tables.append(found._replace(problems=problems[before:]))
        return tables

    def _complain(self, key: tuple[str, ...], text: str, item: int | str | None = None) -> None:
        place = self._place(key if item is None else (*key, item))
        self._found.problems.append(f"{place}: {self._title}{_written(key)}: {text}")

    def _header(self, key: tuple[str, ...]) -> str:
        """What the table with this key has in its brackets."""
        return _written(word for word in (*self._inside, *key) if isinstance(word, str))

    def _place(self, path: Path) -> str:
        path = (*self._inside, *path)
        while path and path not in self._lines:  # nested too deeply to have a line
            path = path[:-1]
        line = self._lines.get(path)
        return self._path if line is None else f"{self._path}:{line}"

    def _advice(self, key: tuple[str, ...]) -> str:
        """What may have been meant by an unknown key."""
        import difflib  # a file seldom has a mistake

        *table, name = key
        beside = sorted({known[len(table)] for known in self._checks if [*known[: len(table)]] == table})
        near = [".".join(known) for known in self._checks if name in (known[-1], ".".join(known))]
        near += [".".join([*table, known]) for known in difflib.get_close_matches(name, beside, 1, 0.65)]
        return f"did you mean {near[0]}?" if near else f"there are: {', '.join(beside)}"


def _written(key: Iterable[str]) -> str:
    """A key as it is written in TOML, on one line."""
    return ".".join(word if re.fullmatch(r"[A-Za-z0-9_-]+", word) else shown(word) for word in key)


def shown(value: object) -> str:
    """A value of a file in a few words, for a message."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value) if len(value) <= 60 else repr(value[:60]) + "..."
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**20 else "a number of more than 20 digits"
    if isinstance(value, dict):
        return "a table"
    return "a list" if isinstance(value, list) else f"the time {value}"
