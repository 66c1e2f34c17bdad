"""On which line of a TOML file each key stands.

`tomllib` gives lines for errors of syntax only. So a text that it has accepted is walked once more,
by the grammar of TOML 1.0, for the places alone. As the text is known to be well-formed, this needs
no checks of its own; should it get lost nevertheless, the lines found until then are right, and the
others unknown.
"""

from __future__ import annotations

import re
import tomllib
from itertools import count

Path = tuple[str | int, ...]
"""Where a value is: the names of the tables and the key, and for a list's item its index."""

_DEEPEST = 3
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

    text: accepted by `tomllib.loads`.
    """
    scan = _Scan(text.replace("\r\n", "\n"))
    try:
        scan.document()
    except (_Lost, RecursionError):
        pass
    return scan.lines


class _Lost(Exception):
    """The text is not what the scan takes it for."""


class _Scan:
    """A walk through the text; `at` is the place where it is."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0

    def document(self) -> None:
        table: Path = ()
        self._skip(_GAP)
        while self._at < len(self._text):
            if self._next() == "[":
                brackets = "]]" if self._text.startswith("[[", self._at) else "]"
                self._at += len(brackets)
                table = self._key(())
                self._take(brackets)
            else:
                self._pair(table)
            self._skip(_GAP)

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
                path += (tomllib.loads("key=" + self._skip(_STRING))["key"],)
            else:
                path += (self._skip(_BARE_KEY),)
            self._note(path)
            self._skip(_BLANKS)
            if self._next() != ".":
                return path
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
