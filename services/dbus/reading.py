"""Bytes to a message of D-Bus with plain values: the specification's "Message Format" and "Marshaling".

Variants are what is in them, structs lists, paths texts, and signatures texts that can be told apart. A file
descriptor is None: they are closed as they come. The bus has checked the header of what it passes on; the rest
is as somebody wrote it.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from .names import check_interface
from .values import SIGNATURE_LETTERS, Budget, Signature, Type

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4

_FIELDS = {
    1: ("path", "o"),
    2: ("interface", "s"),
    3: ("member", "s"),
    4: ("error", "s"),
    5: ("reply_to", "u"),
    7: ("sender", "s"),
    8: ("signature", "g"),
    9: ("descriptors", "u"),
}
"""The header's fields, as far as they are of use here; others are passed over."""

_REQUIRED = {
    CALL: ("path", "member"),
    RETURN: ("reply_to",),
    ERROR: ("error", "reply_to"),
    SIGNAL: ("path", "interface", "member"),
}

_FIXED = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d", "h": "I"}
"""Types that are as long as they are aligned, as `struct` has them."""

_FORMS = {
    order: {code: struct.Struct(order + code) for code in sorted({*_FIXED.values(), "B"})} for order in ("<", ">")
}
_HEADER = 16


class Incoming(NamedTuple):
    """A message that came; what it lacks is empty.

    error: the name. reply_to: the serial of a call from here. descriptors: how many came with it.
    """

    kind: int
    flags: int
    serial: int
    body: list[Any]
    path: str = ""
    interface: str = ""
    member: str = ""
    error: str = ""
    reply_to: int = 0
    sender: str = ""
    signature: str = ""
    descriptors: int = 0


class Unreadable(ValueError):
    """A message that breaks the rules, or has more values than this program takes.

    message: its header, as far as that could be read, and no body.
    """

    def __init__(self, message: Incoming, reason: str) -> None:
        super().__init__(reason)
        self.message = message


def read(data: bytes, parse: Callable[[str], Sequence[Type]]) -> Incoming:
    """A whole message. parse: the types of a signature. Raises `Unreadable`."""
    fields: dict[str, Any] = {}
    try:
        return _read(data, parse, fields)
    except RecursionError:
        reason = "its values are too deep in each other"
    except ValueError as error:
        reason = str(error)
    order: Literal["little", "big"] = "little" if data[:1] == b"l" else "big"
    serial = int.from_bytes(data[8:12], order)
    raise Unreadable(Incoming(data[1], data[2], serial, [], **fields), reason)


def _read(data: bytes, parse: Callable[[str], Sequence[Type]], fields: dict[str, Any]) -> Incoming:
    """fields: get what the header has, one after the other."""
    reader = _Reader(data, parse, _HEADER)
    kind, flags, serial, length = struct.unpack_from(reader.order + "BBx4xII", data, 1)
    while reader.at < _HEADER + length:
        reader.align(8)
        code = reader.fixed("B")
        signature = reader.signature()
        value = reader.single(signature)
        name, wanted = _FIELDS.get(code, ("", signature))
        if signature != wanted:
            raise ValueError(f"its {name} is of type {signature!r}")
        if name:
            fields[name] = value
    reader.align(8)
    missing = [name for name in _REQUIRED.get(kind, ("known type",)) if not fields.get(name)]
    if missing or not serial:
        raise ValueError(f"it has no {', '.join(missing) or 'serial'}")
    if "error" in fields:
        check_interface(fields["error"])  # whose grammar an error's name has
    body = [reader.value(one) for one in parse(fields.get("signature", ""))]
    return Incoming(kind, flags, serial, body, **fields)


class _Reader:
    """Reads values one after the other. Its methods raise `ValueError`, `RecursionError`."""

    def __init__(self, data: bytes, parse: Callable[[str], Sequence[Type]], at: int) -> None:
        self.order = "<" if data[:1] == b"l" else ">"
        self._forms = _FORMS[self.order]
        self.at = at
        self._data = data
        self._parse = parse
        self._budget = Budget()

    def value(self, kind: Type) -> Any:
        self._budget.spend(1)
        token = kind.token
        if token in "so":
            return self._text(self.fixed("I"))
        if token == "v":
            return self.single(self.signature())
        if token == "a":
            return self._array(kind.children[0])
        if token == "g":
            return self.signature()
        if token == "(":
            self.align(8)
            return [self.value(child) for child in kind.children]
        found = self.fixed(_FIXED[token])
        return None if token == "h" else bool(found) if token == "b" else found

    def single(self, signature: str) -> Any:
        """A value whose type is told beside it."""
        self._budget.spend(len(signature) // SIGNATURE_LETTERS)
        types = self._parse(signature)
        if len(types) != 1:
            raise ValueError(f"a variant has a signature of one type, not {signature!r}")
        return self.value(types[0])

    def signature(self) -> Signature:
        return Signature(self._text(self.fixed("B")))

    def fixed(self, code: str) -> Any:
        form = self._forms[code]
        padding = -self.at % form.size
        return form.unpack_from(self._data, self._step(padding + form.size) + padding)[0]

    def align(self, size: int) -> None:
        self._step(-self.at % size)

    def _text(self, length: int) -> str:
        begin = self._step(length + 1)  # a NUL is behind it
        return self._data[begin : begin + length].decode()

    def _array(self, child: Type) -> Any:
        length = self.fixed("I")
        if child.token in "xtd({":
            self.align(8)
        begin = self._step(length)
        if child.token == "y":
            return self._data[begin : self.at]
        end, self.at = self.at, begin
        found: Any = {} if child.token == "{" else []
        while self.at < end:
            if child.token == "{":
                self.align(8)
                key = self.value(child.children[0])
                found[key] = self.value(child.children[1])
            else:
                found.append(self.value(child))
        return found

    def _step(self, size: int) -> int:
        """Go on; returns where it was."""
        begin = self.at
        if begin + size > len(self._data):
            raise ValueError("it is cut short")
        self.at = begin + size
        return begin
