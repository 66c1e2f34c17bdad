"""Values and tables as text: for people on a terminal, for programs in a pipe."""

from __future__ import annotations

import base64
import json
import math
import os
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from typing import TextIO

Line = tuple[str, str]
"""What a line is about, and one fact."""

_DEEP = "(nested too deeply to show)"
_LEVELS = 100
"""How many levels of a value that is nested too deeply are shown."""

_WIDTH = 60
"""Characters of a cell that a person is shown."""

_ABOUT = 11
"""Characters of what a fact is about."""


def is_terminal(stream: TextIO) -> bool:
    """Whether a person reads this stream."""
    return stream.isatty()


def paint(text: str, colour: str, stream: TextIO | None = None) -> str:
    """The text in a colour ("topic", "dim", "title") if a person reads it and wants colours (no-color.org)."""
    stream = stream if stream is not None else sys.stdout
    if not is_terminal(stream) or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    code = {"topic": "36", "dim": "2", "title": "1"}[colour]
    return f"\x1b[{code}m{text}\x1b[0m"


def safe(text: str) -> str:
    """The text on one line, what can't be printed in it escaped as Python does.

    All that came from other programs goes through here, or through `plain` or `to_json`, to a terminal.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def plain(value: object) -> str:
    """A value on one line: printable text as it is, anything else as JSON.

    So nothing that a stranger published can move the cursor or begin a new line.
    """
    if isinstance(value, str) and value.isprintable():
        return value
    return to_json(value)


def to_json(value: object, *, indent: int | None = None) -> str:
    """A value as JSON. Bytes become {"base64": ...}, points in time text (ISO 8601).

    The floats that JSON has no number for become the texts "NaN", "Infinity" and "-Infinity".

    What can't be printed, or not in the encoding of stdout, is escaped. Of a value that is nested very
    deeply the outer levels are there.
    """
    text = _dump(_jsonable(value, _LEVELS), indent)
    if text.isprintable():
        return text
    # A newline is there only as layout: within a text `json` has escaped it.
    return "".join(one if one == "\n" or one.isprintable() else json.dumps(one)[1:-1] for one in text)


def _dump(value: object, indent: int | None) -> str:
    is_unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    return json.dumps(value, ensure_ascii=not is_unicode, indent=indent, allow_nan=False)


def _jsonable(value: object, levels: int) -> object:
    """What `json` can write; keys of maps that are no text become their JSON."""
    if isinstance(value, (bytes, bytearray)):
        return {"base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        if not levels:
            return _DEEP
        return {
            key if isinstance(key, str) else to_json(key): _jsonable(item, levels - 1) for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_jsonable(item, levels - 1) for item in value] if levels else _DEEP
    return value


def age(seconds: float) -> str:
    """A time span for people: `12 s`, `5 min`, `3 h`, `2 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def moment(seconds_ago: float) -> str:
    """A point in time for programs: ISO 8601 in local time, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(time.time() - seconds_ago))


def since(seconds: float) -> str:
    """What began so many seconds ago: its age for people, the point in time for programs."""
    return age(seconds) if is_terminal(sys.stdout) else moment(seconds)


def short(text: str) -> str:
    """The text as it fits into a table for people; for programs as it is."""
    return text[: _WIDTH - 1] + "…" if len(text) > _WIDTH and is_terminal(sys.stdout) else text


def print_json(value: object) -> None:
    """Print a value as JSON: laid out for people, on one line for programs."""
    print(to_json(value, indent=2 if is_terminal(sys.stdout) else None))


def print_value(value: object, *, as_json: bool = False) -> None:
    """Print one value alone; in a pipe bytes are written as they are."""
    if isinstance(value, bytes) and not is_terminal(sys.stdout):
        sys.stdout.buffer.write(value)
    else:
        print(to_json(value) if as_json else plain(value))


def print_lines(lines: Iterable[Line]) -> None:
    """Print lines: what each is about, and a fact; for people aligned, tabs between for programs."""
    for about, fact in lines:
        print(
            f"{paint(f'{about:<10}', 'title')}  {safe(fact)}" if is_terminal(sys.stdout) else f"{about}\t{safe(fact)}"
        )


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Print facts, each with what it is about: for people aligned, and what several are about said once."""
    before = ""
    for about, fact in pairs:
        if is_terminal(sys.stdout):
            title = "" if about == before else about
            print(f"{paint(f'{title:<{_ABOUT}}', 'title')}  {safe(fact)}")
        else:
            print(f"{about}\t{safe(fact)}")
        before = about


def table(titles: list[str], rows: list[list[str]]) -> None:
    """Print rows: aligned under titles on a terminal, separated by tabs without titles in a pipe.

    What can't be printed in a cell is escaped, so that it is one cell.
    """
    rows = [[safe(cell) for cell in row] for row in rows]
    if not is_terminal(sys.stdout):
        for row in rows:
            print("\t".join(row))
        return
    widths = [max(len(cell) for cell in column) for column in zip(titles, *rows, strict=True)]
    print(paint(_line(titles, widths), "title"))
    for row in rows:
        print(_line(row, widths))


def _line(cells: list[str], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
