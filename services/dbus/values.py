"""Python values to the values of D-Bus, by a signature.

A value that does not fit raises `ValueError` saying which argument, what it must be and what it is:
a bus ends the connection of whoever sends a message with a malformed value.
"""

import reprlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from .names import check_path

MOST_VALUES = 50_000
"""Values in one message, containers and what is in them. To turn so many into bytes or back takes a tenth of
a second or two, in which nobody else is served. systemd's list of a thousand units has 11 000 values."""

PATH_LETTERS, SIGNATURE_LETTERS = 16, 4
"""Letters that count as one more value, for each of them is looked at."""

DEEPEST = 64
"""Containers in each other, variants among them: the specification's "Valid Signatures", 32 arrays and 32 structs."""

NESTED = 32
"""Arrays around a type in one signature, and structs around it; the same section."""

_INTEGERS = {
    "y": ("byte", 0, 2**8 - 1),
    "n": ("16-bit integer", -(2**15), 2**15 - 1),
    "q": ("unsigned 16-bit integer", 0, 2**16 - 1),
    "i": ("32-bit integer", -(2**31), 2**31 - 1),
    "u": ("unsigned 32-bit integer", 0, 2**32 - 1),
    "x": ("64-bit integer", -(2**63), 2**63 - 1),
    "t": ("unsigned 64-bit integer", 0, 2**64 - 1),
}
_TEXTS = {"s": "text", "o": "object path", "g": "signature"}
_PLAIN = {**{token: name for token, (name, _, _) in _INTEGERS.items()}, **_TEXTS, "b": "bool", "d": "number"}
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 60
"""An argument can be a whole picture, and the complaint about it is for a person."""


class Signature(str):
    """A signature, which is a text of a type of its own."""

    __slots__ = ()


class Typed(NamedTuple):
    """A value that goes as a variant of this type. signature: of one type."""

    signature: str
    value: Any


_VARIANTS: dict[type, str] = {bool: "b", float: "d", str: "s", bytes: "ay", Signature: "g"}
_EXACT: dict[type, str] = {**_VARIANTS, type(None): "g", datetime: "s"}
_KEYS = ("s", "i", "x", "t", "d", "b")
"""What the keys of a dict can be, in a variant."""


class Type(Protocol):
    """One complete type of a signature, as dbus-next parses it. token: its letter, `(` or `{`."""

    token: Any
    children: Any

    @property
    def signature(self) -> str: ...


def check_types(types: Sequence[Type], arrays: int = 0, structs: int = 0) -> None:
    """Raises `ValueError` for what dbus-next takes in a signature and a bus does not."""
    for kind in types:
        deeper = arrays + (kind.token == "a"), structs + (kind.token == "(")
        if max(deeper) > NESTED:
            raise ValueError(f"a signature can have {NESTED} arrays in each other, and {NESTED} structs")
        if kind.token == "{":
            raise ValueError("a dict entry {..} can only be in an array: a{..}")
        if kind.token == "a" and kind.children[0].token == "{":
            key, value = kind.children[0].children
            if key.token not in _PLAIN:
                raise ValueError(f"a key can't be of type {key.token!r}")
            check_types([value], *deeper)
        else:
            check_types(kind.children, *deeper)


class Budget:
    """Counts the values of one message."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def spend(self, number: int, container: object = None) -> None:
        """Take so many. container: what they are to be followed by, if it is a list or dict.

        Raises `ValueError` if that is more than are left.
        """
        self._left -= number
        following = len(container) if isinstance(container, (list, tuple, dict)) else 0
        if self._left < following:
            raise ValueError(f"a message can have {MOST_VALUES} values here, and this one has more")


class Encoder:
    """Makes what dbus-next writes.

    parse: the types of a signature. variant: one of a signature and a value. exact: what goes as a variant
    is the value and nothing else, so that a map of signature and value is a map (only `Typed` gives a type).
    Then None goes as the empty signature, which no other value is, and a point in time as its text in ISO 8601.
    """

    def __init__(
        self,
        parse: Callable[[str], Sequence[Type]],
        variant: Callable[[str, object], object],
        *,
        exact: bool = False,
    ) -> None:
        self._parse = parse
        self._variant = variant
        self._exact = exact
        self._budget = Budget()

    def arguments(self, signature: str, values: Sequence[object], names: Sequence[str] = ()) -> list[object]:
        """The values of a message. names: what a complaint calls them.

        Raises `ValueError`, also for a malformed signature.
        """
        types = self._parse(signature)
        if len(types) != len(values):
            raise ValueError(f"given are {len(values)} arguments, and the signature {signature!r} has {len(types)}")
        self._budget = Budget()
        names = names or [f"argument {number}" for number in range(1, len(values) + 1)]
        return [self._value(*one, 0) for one in zip(types, values, names, strict=True)]

    def _value(self, kind: Type, value: Any, place: str, depth: int) -> object:
        self._budget.spend(1, value)
        token = kind.token
        if self._exact and (value is None or isinstance(value, datetime)):
            value = _as_text(token, value)
        if token in _INTEGERS and isinstance(value, int) and not isinstance(value, bool):
            return _integer(token, value, place)
        if token in _TEXTS and isinstance(value, str):
            return self._text(token, value, place)
        if token == "b" and isinstance(value, bool):
            return value
        if token == "d" and isinstance(value, (int, float)) and not isinstance(value, bool):
            return _double(value, place)
        if token in "av(":
            return self._container(kind, value, place, _deeper(depth, place))
        raise _misfit(kind, value, place)

    def _container(self, kind: Type, value: Any, place: str, depth: int) -> object:
        if kind.token == "v":
            return self._typed(value, place, depth)
        children = kind.children
        if kind.token == "(":
            if isinstance(value, (list, tuple)) and len(value) == len(children):
                return self._items(children, value, place, depth)
        elif children[0].token == "{":
            if isinstance(value, dict):
                return self._entries(children[0].children, value, place, _deeper(depth, place))
        elif children[0].token == "y" and isinstance(value, bytes):
            return value
        elif isinstance(value, (list, tuple)):
            items = self._items(list(children) * len(value), value, place, depth)
            return bytes(items) if children[0].token == "y" else items  # type: ignore[arg-type]
        raise _misfit(kind, value, place)

    def _typed(self, value: Any, place: str, depth: int) -> object:
        """A variant: of the type that the caller gives, else of the one that fits the value."""
        if isinstance(value, Typed):
            signature, value = value
        elif not self._exact and _gives_type(value):
            signature, value = value["signature"], value["value"]
            self._budget.spend(len(signature) // SIGNATURE_LETTERS)
        else:
            signature = variant_signature(value, place, _EXACT if self._exact else _VARIANTS)
        try:
            types = self._parse(signature)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
        if len(types) != 1:
            raise ValueError(f"{place}: a variant has a signature of one type, not {signature!r}")
        return self._variant(signature, self._value(types[0], value, place, depth))

    def _items(self, types: Sequence[Type], values: Sequence[object], place: str, depth: int) -> list[object]:
        numbered = enumerate(zip(types, values, strict=True))
        return [self._value(kind, value, f"{place}[{index}]", depth) for index, (kind, value) in numbered]

    def _entries(self, types: Sequence[Type], entries: dict[Any, Any], place: str, depth: int) -> dict[object, object]:
        made = {}
        for key, value in entries.items():
            shown = repr(key) if isinstance(key, int) else _REPR.repr(key)
            made_key = self._value(types[0], key, f"key {shown} of {place}", depth)
            made[made_key] = self._value(types[1], value, f"{place}[{shown}]", depth)
        return made

    def _text(self, token: str, value: str, place: str) -> str:
        if "\0" in value or not _encodable(value):
            raise ValueError(f"{place} has a character that no text of D-Bus can have: NUL or a lone surrogate")
        try:
            if token == "o":
                self._budget.spend(len(value) // PATH_LETTERS)
                check_path(value)
            elif token == "g":
                self._budget.spend(len(value) // SIGNATURE_LETTERS)
                self._parse(value)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
        return value


def _gives_type(value: object) -> bool:
    """Whether a value is a map that says of which type a variant is to be."""
    return isinstance(value, dict) and value.keys() == {"signature", "value"} and isinstance(value["signature"], str)


def _as_text(token: str, value: datetime | None) -> object:
    """What D-Bus has no type for, where it goes as a text of this type."""
    if value is None:
        return "" if token == "g" else None
    return value.isoformat() if token == "s" else value


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def variant_signature(value: Any, place: str = "the value", kinds: Mapping[type, str] = _VARIANTS) -> str:
    """The signature under which a value goes as a variant. Raises `ValueError` for one that can't.

    bool is `b`, float `d`, str `s`, bytes `ay`, int the first of `i`, `x`, `t` that can hold it; a list
    whose items are all of one of these is an array of it (of the widest integer), any other list is `av`.
    A dict is `a{sv}`, or has its keys' type if all keys are integers, numbers or bools. kinds: the types of
    plain values beside integers.
    """
    if isinstance(value, dict):
        keys = _common(list(value) or [""], kinds)
        if keys not in _KEYS:
            raise ValueError(f"{place}: the keys of a dict must be all texts, all integers, all numbers or all bools")
        return f"a{{{keys}v}}"
    if isinstance(value, (list, tuple)):
        return "a" + (_common(value, kinds) or "v")
    found = _common([value], kinds)
    if not found:
        raise ValueError(f"{place} is a value for which D-Bus has no type: {_REPR.repr(value)}")
    return found


def _common(values: Sequence[object], kinds: Mapping[type, str]) -> str:
    """The one type of plain values, "" if they have none."""
    if {type(value) for value in values} == {int}:
        for token in "ixt":
            if all(_INTEGERS[token][1] <= value <= _INTEGERS[token][2] for value in values):  # type: ignore[operator]
                return token
        return ""
    found = {kinds.get(type(value), "") for value in values}
    return found.pop() if len(found) == 1 else ""


def _deeper(depth: int, place: str) -> int:
    if depth == DEEPEST:
        raise ValueError(f"{place.partition('[')[0]} has more than {DEEPEST} levels")
    return depth + 1


def _integer(token: str, value: int, place: str) -> int:
    name, least, most = _INTEGERS[token]
    if not least <= value <= most:
        raise ValueError(f"{place} is {value}, and type {token!r}, {name}, is from {least} to {most}")
    return value


def _double(value: float, place: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{place} is too large for a number (type 'd')") from None


def _misfit(kind: Type, value: object, place: str) -> ValueError:
    if kind.token == "h":
        return ValueError(f"{place} would be a file descriptor (type 'h'), and those can't be sent")
    return ValueError(f"{place} must be {_named(kind)} (type {kind.signature!r}), not {_REPR.repr(value)}")


def _named(kind: Type) -> str:
    if kind.token in _PLAIN:
        name = _PLAIN[kind.token]
        return f"an {name}" if name.startswith(("u", "o")) else f"a {name}"
    if kind.token == "(":
        return f"a list of {len(kind.children)}"
    return {"{": "a dict", "y": "bytes"}.get(kind.children[0].token, "a list")
