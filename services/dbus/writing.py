"""A message to its bytes. The only module that knows dbus-next.

dbus-next 0.2.3 turns values into bytes and parses signatures. It does not read messages here, for it
refuses header fields that it does not know; `reading` does. Nor does it write headers, for which it takes
three times as long as for all else of a small message. Neither its connection nor its services are used:
`bus` and `objects` say for which faults of theirs.
"""

import functools
import struct
from collections.abc import Sequence
from typing import Any

from dbus_next._private.marshaller import Marshaller
from dbus_next.signature import SignatureTree, Variant

from .values import Encoder, Type, check_types

LARGEST_SENT = 2**25
"""Bytes of a message from here. dbus-daemon ends the connection of whoever sends a larger one than
max_message_size: 32 MiB unless its configuration has another, as that of the session bus has."""

NO_REPLY, NO_AUTOSTART = 1, 2
"""Flags: no answer is wanted; the bus must not start the destination."""

_FIELDS = {
    "path": (1, "o"),
    "interface": (2, "s"),
    "member": (3, "s"),
    "error": (4, "s"),
    "reply_to": (5, "u"),
    "destination": (6, "s"),
    "signature": (8, "g"),
}
"""The header's fields: the specification's "Header Fields"."""

_PARSED = 1000
"""Signatures that are kept, once parsed."""


@functools.lru_cache(_PARSED)
def types_of(signature: str) -> Sequence[Type]:
    """The types in a signature. Raises `ValueError`."""
    types: list[Type] = SignatureTree(signature).types
    check_types(types)
    return types


def _variant(signature: str, value: object) -> Variant:
    """A variant of a value that fits, so that dbus-next need not check it once more, and again for all around it."""
    made: Variant = Variant.__new__(Variant)
    made.type, made.signature, made.value = types_of(signature)[0], signature, value  # type: ignore[assignment]
    return made


_typed = Encoder(types_of, _variant)
_exact = Encoder(types_of, _variant, exact=True)


def encode(signature: str, values: Sequence[object], *, exact: bool = False, names: Sequence[str] = ()) -> list[Any]:
    """The values of a message as `write` takes them. exact, names: as `Encoder` has them. Raises `ValueError`."""
    return (_exact if exact else _typed).arguments(signature, values, names)


def marshal(signature: str, body: list[Any]) -> bytes:
    """Encoded values as the bytes of a message's body."""
    if len(SignatureTree._cache) > _PARSED:  # dbus-next keeps each for ever
        SignatureTree._cache.clear()
    return bytes(Marshaller(signature, body).marshall()) if signature else b""  # type: ignore[no-untyped-call]


def append_map(data: bytes, entries: bytes) -> bytes:
    """The bytes of values and, behind them, those of one `a{sv}`.

    Its length is at a multiple of 4 and its entries are at one of 8: the specification's "Marshaling".
    """
    start = data + bytes(-len(data) % 4) + entries[:4]
    return start + bytes(-len(start) % 8) + entries[8:]


def write(
    kind: int, serial: int, signature: str, body: list[Any] | bytes, flags: int = 0, **fields: str | int
) -> bytes:
    """A whole message. body: encoded, or marshalled. fields: of the header; an empty one is left out.

    Names must be such. Raises `ValueError` if it is too large.
    """
    data = body if isinstance(body, bytes) else marshal(signature, body)
    header = bytearray()
    for name, value in {**fields, "signature": signature}.items():
        if value:
            header += bytes(-len(header) % 8) + _field(*_FIELDS[name], value)
    start = struct.pack("<cBBBIII", b"l", kind, flags, 1, len(data), serial, len(header))
    message = b"".join([start, header, bytes(-len(header) % 8), data])
    if len(message) > LARGEST_SENT:
        raise ValueError(f"a message of {len(message)} bytes is too large for D-Bus: {LARGEST_SENT} are allowed")
    return message


def _field(code: int, token: str, value: str | int) -> bytes:
    """A field of the header, which begins where a struct may."""
    start = bytes([code, 1, ord(token), 0])
    if isinstance(value, int):
        return start + struct.pack("<I", value)
    text = value.encode()
    length = bytes([len(text)]) if token == "g" else struct.pack("<I", len(text))
    return start + length + text + b"\0"
