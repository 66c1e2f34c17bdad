"""Values and tables as text: for people on a terminal, for programs in a pipe."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from datetime import datetime
from typing import TextIO


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


def plain(value: object) -> str:
    """A value on one line: printable text as it is, anything else as JSON.

    So nothing that a stranger published can move the cursor or begin a new line.
    """
    if isinstance(value, str) and value.isprintable():
        return value
    return to_json(value)


def to_json(value: object, *, indent: int | None = None) -> str:
    """A value as JSON. Bytes become {"base64": ...}, points in time text (ISO 8601)."""
    return json.dumps(_jsonable(value), ensure_ascii=False, indent=indent)


def _jsonable(value: object) -> object:
    """What `json` can write; keys of maps that are no text become their JSON."""
    if isinstance(value, (bytes, bytearray)):
        return {"base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key if isinstance(key, str) else to_json(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
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


def table(titles: list[str], rows: list[list[str]]) -> None:
    """Print rows: aligned under titles on a terminal, separated by tabs without titles in a pipe."""
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
