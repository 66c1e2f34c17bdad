"""Bodies: values to bytes and back, with msgpack.

What survives the way: None, bool, int (64 bits), float, str, bytes, list, dict, and points in time
(`datetime` with a time zone, which arrives in UTC). A tuple arrives as a list. A body that is bytes
itself travels raw, without msgpack.
"""

import msgpack

from pybus.errors import BodyError
from pybus.protocol.frames import RAW

_pack = msgpack.Packer(datetime=True).pack
_unpack = msgpack.unpackb


class Undecodable(bytes):
    """A body that claims to be msgpack and is not, as it came; so that nothing is lost silently."""


def encode(value: object) -> tuple[int, bytes]:
    """The flags (0 or RAW) and the bytes of a value. Raises `BodyError` naming what can't be sent."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return RAW, bytes(value)
    return 0, pack(value)


def pack(value: object) -> bytes:
    """The msgpack bytes of a value. Raises `BodyError` naming what can't be sent."""
    try:
        return _pack(value)  # type: ignore[no-any-return]
    except (TypeError, ValueError, OverflowError) as error:
        raise BodyError(_complaint(value, error)) from None


def decode(flags: int, body: bytes) -> object:
    """The value of a body. Raises `BodyError` if it is not msgpack."""
    return body if flags & RAW else unpack(body)


def unpack(body: bytes) -> object:
    """The value of msgpack bytes. Raises `BodyError` if they are none, or more than one value."""
    try:
        return _unpack(body, timestamp=3, strict_map_key=False)
    except Exception as error:
        # msgpack's extension raises ValueError, its own classes, and RecursionError for deep nesting;
        # bytes from a peer must never end in anything but a BodyError.
        raise BodyError(f"the body is not valid msgpack: {str(error) or type(error).__name__}") from None


def unpack_or_keep(flags: int, body: bytes) -> object:
    """The value of a body, or the bytes as `Undecodable` if they are not msgpack."""
    try:
        return decode(flags, body)
    except BodyError:
        return Undecodable(body)


def _complaint(value: object, error: Exception) -> str:
    if isinstance(error, OverflowError):
        return "an integer of more than 64 bits can't be sent"
    if isinstance(error, UnicodeEncodeError):
        return "a text that can't be written in UTF-8 can't be sent; send its bytes"
    if "tzinfo" in str(error):
        return "a datetime without a time zone can't be sent: give it one, such as datetime.now(timezone.utc)"
    if "recursion" in str(error):
        return "the value is nested too deeply, or holds itself"
    found = _first_unsendable(value)
    if found is None:
        return f"the value can't be sent: {error}"
    return (
        f"a value of type {type(found).__name__} can't be sent:"
        " None, bool, int, float, str, bytes, list, dict and datetime can"
    )


def _first_unsendable(value: object) -> object | None:
    if value is None or isinstance(value, (bool, int, float, str, bytes, bytearray, memoryview)):
        return None
    inner: list[object]
    if isinstance(value, (list, tuple)):
        inner = list(value)
    elif isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    else:
        return value
    return next((found for item in inner if (found := _first_unsendable(item)) is not None), None)
