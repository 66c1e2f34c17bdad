"""The format of recordings: JSON lines.

The first line is a header, each other line a signal:

    {"pybus": "recording", "version": 1, "started": "2026-01-02T03:04:05.678901+00:00"}
    {"t": 0.0, "topic": "hal.power.ac", "body": "plugged", "retain": true, "initial": true, "sender": "hal"}
    {"t": 1.204518, "topic": "demo.door", "body": {"open": true}, "sender": "pybus-send"}

`t` is the time since the start, in seconds. `sender` is the program that published it, null if it is not
known. Four marks are there only where they are true: `retain`, the bus is to keep the value; `ephemeral`,
only for as long as its publisher is there; `clear`, the topic's kept value was forgotten; `initial`, the
value had been kept from before the start.

A body is what JSON makes of it, but for what JSON does not have. That is an object with one key:

| value | as JSON |
|---|---|
| bytes | `{"$bytes": "AAE="}`, in base64 |
| a point in time | `{"$time": "2026-01-02T03:04:05.678901+00:00"}` |
| a float that is no number | `{"$float": "nan"}`, `"inf"` or `"-inf"` |
| a map with a key that is no text, or that begins with `$` | `{"$map": [[KEY, VALUE], ...]}` |
| a type of the program's own in msgpack | `{"$ext": [CODE, "AAE="]}` |

So every body comes back as it was; one that is not valid msgpack comes back as bytes.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from msgpack import ExtType

from pybus.errors import BodyError, InvalidName
from pybus.names import check_topic
from pybus.protocol.codec import encode

VERSION = 1

_MARKS = ("retain", "ephemeral", "clear", "initial")

_MOST_SECONDS = 10**9
"""Thirty years; what is more was not recorded."""


class Malformed(Exception):
    """A line that is not one of a recording. The text says why."""


class Unwritable(Exception):
    """A value that can't be written: it is nested too deeply."""


class Recorded(NamedTuple):
    """One signal of a recording; the fields are those of its line."""

    t: float
    topic: str
    body: object
    retain: bool = False
    ephemeral: bool = False
    clear: bool = False
    initial: bool = False
    sender: str | None = None


def header(started: datetime) -> bytes:
    """The first line."""
    return _line({"pybus": "recording", "version": VERSION, "started": started.isoformat(timespec="microseconds")})


def check_header(line: bytes) -> None:
    """See that a line is a header. Raises `Malformed`."""
    found = _parse(line) if line else None
    if not isinstance(found, dict) or found.get("pybus") != "recording":
        raise Malformed('is no header of a recording: {"pybus": "recording", "version": 1, ...}')
    if found.get("version") != VERSION:
        raise Malformed(f"says version {found.get('version')!r}; this pybus reads version {VERSION}")


def to_line(signal: Recorded) -> bytes:
    """A signal as a line. Raises `Unwritable`."""
    try:
        shown: dict[str, object] = {"t": round(signal.t, 6), "topic": signal.topic, "body": _written(signal.body)}
        shown.update((mark, True) for mark in _MARKS if getattr(signal, mark))
        return _line({**shown, "sender": signal.sender})
    except RecursionError:
        raise Unwritable("the value is nested too deeply") from None


def from_line(line: bytes) -> Recorded:
    """The signal of a line, which can be published if its topic can. Raises `Malformed`."""
    found = _parse(line)
    if not isinstance(found, dict):
        raise Malformed("is not a JSON object")
    missing = [field for field in ("t", "topic", "body") if field not in found]
    if missing:
        raise Malformed(f"has no {' and no '.join(repr(field) for field in missing)}")
    unknown = [field for field in found if field not in Recorded._fields]
    if unknown:
        raise Malformed(f"has {unknown[0]!r}, which is not a field of a signal")
    _check_types(found)
    try:
        check_topic(found["topic"])
        signal = Recorded(**{**found, "body": _read(found["body"])})
        encode(signal.body)
    except (InvalidName, BodyError) as error:
        raise Malformed(f"can't be published: {error}") from None
    except RecursionError:
        raise Malformed("is nested too deeply") from None
    return signal


def _line(value: object) -> bytes:
    # All but ASCII is escaped, and so is what `json` leaves: nothing in it can reach a terminal.
    return json.dumps(value, separators=(",", ":")).replace("\x7f", "\\u007f").encode("ascii") + b"\n"


def _parse(line: bytes) -> Any:
    if not line.endswith(b"\n"):
        raise Malformed("has no end; the file seems to be cut off")
    try:
        return json.loads(line, parse_constant=_refuse)
    except ValueError as error:
        raise Malformed(f"is not JSON: {error}") from None
    except RecursionError:
        raise Malformed("is nested too deeply") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _check_types(found: dict[str, Any]) -> None:
    t = found["t"]
    if not isinstance(t, (int, float)) or isinstance(t, bool) or not 0 <= t <= _MOST_SECONDS:
        raise Malformed(f"must have as 't' a number of seconds from 0 to {_MOST_SECONDS}")
    if not isinstance(found["topic"], str):
        raise Malformed("must have text as 'topic'")
    for mark in _MARKS:
        if not isinstance(found.get(mark, False), bool):
            raise Malformed(f"must have true or false as {mark!r}")


# --- bodies -----------------------------------------------------------------------------------------


def _written(value: object) -> object:
    """What `json` can write."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    if isinstance(value, bytes):
        return {"$bytes": _base64(value)}
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    if isinstance(value, ExtType):
        return {"$ext": [value.code, _base64(value.data)]}
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: _written(item) for key, item in value.items()}
        return {"$map": [[_written(key), _written(item)] for key, item in value.items()]}
    if isinstance(value, list):
        return [_written(item) for item in value]
    return value


def _read(value: Any) -> object:
    """The value that was written. Raises `Malformed`."""
    if isinstance(value, list):
        return [_read(item) for item in value]
    if not isinstance(value, dict):
        return value
    if not any(key.startswith("$") for key in value):
        return {key: _read(item) for key, item in value.items()}
    try:
        [(mark, content)] = value.items()
        return _READERS[mark](content)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Malformed(f"holds an object with {next(iter(value))!r} that means nothing in a recording") from None


def _read_float(content: str) -> float:
    if content not in ("nan", "inf", "-inf"):
        raise ValueError(content)
    return float(content)


def _read_bytes(content: str) -> bytes:
    return base64.b64decode(content, validate=True)


def _read_map(content: list[list[Any]]) -> dict[object, object]:
    return {_read(key): _read(item) for key, item in content}


def _read_ext(content: list[Any]) -> ExtType:
    code, data = content
    return ExtType(code, _read_bytes(data))


_READERS: dict[str, Callable[[Any], object]] = {
    "$bytes": _read_bytes,
    "$time": datetime.fromisoformat,
    "$float": _read_float,
    "$map": _read_map,
    "$ext": _read_ext,
}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
