"""A message to its bytes. The only module that knows dbus-next.

dbus-next 0.2.3 turns values into bytes and parses signatures. It does not read messages here, for it
refuses header fields that it does not know; `reading` does. Neither its connection nor its services are
used: `bus` and `objects` say for which faults of theirs.
"""

import functools
from collections.abc import Sequence
from typing import Any

from dbus_next.constants import MessageFlag, MessageType
from dbus_next.message import Message
from dbus_next.signature import SignatureTree, Variant

from .values import Encoder, Type, check_types

LARGEST_SENT = 2**25
"""Bytes of a message from here. dbus-daemon ends the connection of whoever sends a larger one than
max_message_size: 32 MiB unless its configuration has another, as that of the session bus has."""

NO_REPLY = int(MessageFlag.NO_REPLY_EXPECTED)
NO_AUTOSTART = int(MessageFlag.NO_AUTOSTART)

_PARSED = 1000
"""Signatures that are kept, once parsed."""


@functools.lru_cache(_PARSED)
def types_of(signature: str) -> Sequence[Type]:
    """The types in a signature. Raises `ValueError`."""
    types: list[Type] = SignatureTree(signature).types
    check_types(types)
    return types


def _variant(signature: str, value: object) -> Variant:
    return Variant(types_of(signature)[0], value)  # type: ignore[arg-type]


_typed = Encoder(types_of, _variant)
_exact = Encoder(types_of, _variant, exact=True)


def encode(signature: str, values: Sequence[object], *, exact: bool = False, names: Sequence[str] = ()) -> list[Any]:
    """The values of a message as `write` takes them. exact, names: as `Encoder` has them. Raises `ValueError`."""
    return (_exact if exact else _typed).arguments(signature, values, names)


def write(kind: int, serial: int, signature: str, body: list[Any], flags: int = 0, **fields: Any) -> bytes:
    """A whole message. body: encoded. fields: of the header, by dbus-next's names. Raises `ValueError` if it is too large."""
    message = Message(
        message_type=MessageType(kind),
        flags=MessageFlag(flags),
        serial=serial,
        signature=signature,
        body=body,
        **fields,
    )
    if len(SignatureTree._cache) > _PARSED:  # dbus-next keeps each for ever
        SignatureTree._cache.clear()
    data = bytes(message._marshall())  # type: ignore[no-untyped-call]
    if len(data) > LARGEST_SENT:
        raise ValueError(f"a message of {len(data)} bytes is too large for D-Bus: {LARGEST_SENT} are allowed")
    return data
