"""On which line of a TOML file each key stands.

`tomllib` gives lines for errors of syntax only. So the text is walked by the grammar of TOML 1.0 for
the places alone. What is not well-formed is left for `tomllib` to name: there the walk ends; the lines
found until then are right, and the others unknown.

It goes first, as `tomllib` takes seconds for a key of thousands of words, and a bus that reads its
configuration serves nobody meanwhile.
"""

from __future__ import annotations

import re
import tomllib
from itertools import count
from typing import Final

Path = tuple[str | int, ...]
"""Where a value is: the names of the tables and the key, and for a list's item its index."""

MAX_DEPTH: Final = 64
"""Names of tables, words of a key and lists that a value may be in. No file of the bus has more than four."""

_DEEPEST = 4
"""Deeper values have no line of their own: no file of the bus has a use for them."""

_GAP = re.compile(r"(?:[ \t\n]++|#[^\n]*+)*+")
_BLANKS = re.compile(r"[ \t]*+")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]++")
_STRING = re.compile(
    r'"""(?:[^"\\]++|\\.|"{1,2}(?!"))*+"{3,5}'  # a text over several lines may end with quotes of its own
    r"|'''(?:[^']++|'{1,2}(?!'))*+'{3,5}"
    r'|"(?:[^"\\]++|\\.)*+"'
    r"|'[^']*+'",
    re.DOTALL,
)
_OTHER_VALUE = re.compile(r"[^,\]}#\n]++")


def key_lines(text: str) -> dict[Path, int]:
    """The line, from 1, of every table, key and list item that is not nested deeply; where it is named first.

    Of a text that `tomllib` would refuse, those before the mistake. Raises `TooDeep`.
    """
    scan = _Scan(text.replace("\r\n", "\n"))
    try:
        scan.document()
    except _Lost:
        pass
    return scan.lines


class TooDeep(Exception):
    """Something has more than `MAX_DEPTH` names. line: where, from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} is nested more than {MAX_DEPTH} deep")
        self.line = line


class _Lost(Exception):
    """The text is not what the scan takes it for."""


class _Scan:
    """A walk through the text; `at` is the place where it is."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._lists: dict[Path, int] = {}  # by the path of a `[[list]]`, the index of the table that is being filled
        self._line = 1
        self._counted = 0

    def document(self) -> None:
        table: Path = ()
        self._skip(_GAP)
        while self._at < len(self._text):
            if self._next() == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_GAP)

    def _header(self) -> Path:
        """Read `[table]`, or `[[list]]`, which begins one more table in the list."""
        brackets = "]]" if self._text.startswith("[[", self._at) else "]"
        self._at += len(brackets)
        table = self._key(())
        if brackets == "]]":
            self._lists[table] = self._lists.get(table, -1) + 1
            table += (self._lists[table],)
            self._note(table)
        self._take(brackets)
        return table

    def _pair(self, table: Path) -> None:
        key = self._key(table)
        self._take("=")
        self._skip(_BLANKS)
        self._value(key)

    def _key(self, table: Path) -> Path:
        """Read a key, which may have dots, and note where it and the tables in it are."""
        path = table
        while True:
            self._skip(_BLANKS)
            if self._next() in "\"'":
                path += (_unquoted(self._skip(_STRING)),)
            else:
                path += (self._skip(_BARE_KEY),)
            self._note(path)
            self._skip(_BLANKS)
            if self._next() != ".":
                return path
            if path in self._lists:
                path += (self._lists[path],)
            self._at += 1

    def _value(self, path: Path) -> None:
        first = self._next()
        if first == "[":
            self._list(path)
        elif first == "{":
            self._inline_table(path)
        else:
            self._skip(_STRING if first in "\"'" else _OTHER_VALUE)

    def _list(self, path: Path) -> None:
        self._at += 1
        for index in count():
            self._skip(_GAP)
            if self._next() == "]":
                break
            item = (*path, index)
            self._note(item)
            self._value(item)
            self._skip(_GAP)
            if self._next() == ",":
                self._at += 1
        self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        self._skip(_GAP)
        while self._next() != "}":
            self._pair(path)
            self._skip(_GAP)
            if self._next() == ",":
                self._at += 1
                self._skip(_GAP)
        self._at += 1

    # --- steps ------------------------------------------------------------------------------------

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise _Lost
        return self._text[self._at]

    def _skip(self, pattern: re.Pattern[str]) -> str:
        """Pass over what matches here, and return it."""
        found = pattern.match(self._text, self._at)
        if found is None:
            raise _Lost
        self._at = found.end()
        return found[0]

    def _take(self, mark: str) -> None:
        """Pass over this mark and the blanks before it."""
        self._skip(_BLANKS)
        if not self._text.startswith(mark, self._at):
            raise _Lost
        self._at += len(mark)

    def _note(self, path: Path) -> None:
        """Remember that this path is first named here."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        if len(path) <= _DEEPEST:
            self.lines.setdefault(path, self._line)
        elif len(path) > MAX_DEPTH:
            raise TooDeep(self._line)


def _unquoted(written: str) -> str:
    """A quoted key's text."""
    try:
        text: str = tomllib.loads(f"key={written}")["key"]
    except tomllib.TOMLDecodeError:
        raise _Lost from None
    return text
