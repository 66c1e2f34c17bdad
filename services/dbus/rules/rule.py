"""A rule: what it is about on D-Bus, and what it makes of it."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...templates import Template

LONGEST_TEXT = 4096
"""Letters of a text in a map. A longer one is no fact but a thing, such as a cover as a `data:` URL."""

LARGEST = 60_000
"""Bytes, more or less, of a body: less than a value that the bus retains may have."""

_ARGUMENT = re.compile(r"arg(\d{1,2})")


class Untold(ValueError):
    """There is nothing to tell; says why, in words that follow the rule's name."""


class Entry(NamedTuple):
    """What is in a body that is a map, under one name.

    key: of the dict that D-Bus gives, or `arg0`, `arg1`, ... of the arguments. kind: "text", "texts" or
    "number", and what is something else is left out; "" takes anything. divisor: of a number.
    """

    key: str
    kind: str = ""
    divisor: float = 1


class Rule(NamedTuple):
    """What turns something on D-Bus into a topic.

    bus: "session" or "system". sender: a well-known name, which may end with `.*` for all that begin so;
    "" for anybody. path: of the object, which may end with `/*` for all below; "" for any. One of
    signal, property, and method with signal is there, see the package.
    arg: which argument counts; None for all. words: the body by what D-Bus says, as text; what is not in
    it is not told. map: the body's entries, by their names.
    """

    name: str
    topic: Template
    interface: str
    bus: str = "session"
    sender: str = ""
    path: str = ""
    signal: str = ""
    property: str = ""
    method: str = ""
    arg: int | None = None
    words: Mapping[str, str] = {}
    map: Mapping[str, Entry] = {}

    def is_state(self) -> bool:
        """Whether it has a value that can be asked for."""
        return bool(self.property or self.method)

    def family(self) -> str:
        """What the sender's names begin with, its last dot left out; "" if it is one name."""
        return self.sender.removesuffix(".*") if self.sender.endswith(".*") else ""

    def has_path(self, path: str) -> bool:
        """Whether it is about this object."""
        return self.path in ("", path) or (self.path.endswith("/*") and path.startswith(self.path[:-1]))

    def topic_for(self, name: str, path: str, arguments: Sequence[Any] = ()) -> str:
        """The topic. name: whose it is, of those that the sender stands for. Raises `Untold`."""
        known = {
            "name": name.removeprefix(f"{self.family()}."),
            "path": path.removeprefix(self.path[:-1]) if self.path.endswith("/*") else path,
        }
        for field in self.topic.fields:
            if field not in known:
                known[field] = as_text(_argument(field, arguments))
        return self.topic.topic(known)

    def body(self, arguments: Sequence[Any]) -> Any:
        """What is to be told of a signal's arguments, a property's value or what a method answers. Raises `Untold`."""
        if self.arg is not None and self.arg >= len(arguments):
            raise Untold(f"there is no argument {self.arg}")
        if self.arg is not None:
            found = arguments[self.arg]
        else:
            found = arguments[0] if len(arguments) == 1 else list(arguments) or None
        if self.words:
            found = self._word(found)
        elif self.map:
            found = self._mapped(found, arguments)
        if _size(found) > LARGEST:
            raise Untold(f"it has more than {LARGEST} bytes")
        return found

    def _word(self, found: object) -> str:
        text = as_text(found)
        if text not in self.words:
            raise Untold(f"there is no word for {text[:60]!r}")
        return self.words[text]

    def _mapped(self, found: object, arguments: Sequence[Any]) -> dict[str, object]:
        fields = found if isinstance(found, Mapping) else {}
        values = {}
        for name, entry in self.map.items():
            number = _ARGUMENT.fullmatch(entry.key)
            if number:
                value = arguments[int(number[1])] if int(number[1]) < len(arguments) else None
            else:
                value = fields.get(entry.key)
            value = _of_kind(value, entry)
            if value is not None:
                values[name] = value
        if not values:
            raise Untold("nothing of its map is there")
        return values


def is_argument(field: str) -> bool:
    """Whether this names an argument: `arg0`, `arg1`, ..."""
    return _ARGUMENT.fullmatch(field) is not None


def as_text(value: object) -> str:
    """A value as a rule's words and topics have it: text, a whole number, `true` or `false`. Raises `Untold`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    raise Untold(f"it is no text, whole number or bool, but of type {type(value).__name__}")


def _argument(field: str, arguments: Sequence[Any]) -> object:
    index = int(field.removeprefix("arg"))
    if index >= len(arguments):
        raise Untold(f"there is no argument {index}")
    return arguments[index]


def _of_kind(value: object, entry: Entry) -> object:
    """The value, None if there is none of that kind: programs put all sorts of things there."""
    if entry.kind == "text":
        return _fact(value) or None
    if entry.kind == "texts":
        items = value if isinstance(value, list) else [value]
        return [fact for item in items if (fact := _fact(item))] or None
    if entry.kind == "number":
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return None
        return value if entry.divisor == 1 else value / entry.divisor
    return value


def _fact(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= LONGEST_TEXT else ""


def _size(value: object) -> int:
    """Its bytes on the bus, at most or so."""
    if isinstance(value, str):
        return len(value.encode()) + 5
    if isinstance(value, bytes):
        return len(value) + 5
    if isinstance(value, Mapping):
        return 5 + sum(_size(key) + _size(item) for key, item in value.items())
    return 5 + sum(map(_size, value)) if isinstance(value, list) else 9
