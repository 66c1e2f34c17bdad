"""Bodies: values to bytes and back, with msgpack.

What survives the way: None, bool, int (64 bits), float, str, bytes, list, dict, and points in time
(`datetime` with a time zone, which arrives in UTC). A tuple arrives as a list. A body that is bytes
itself travels raw, without msgpack.

Most signals carry a word. A short text is read and written here, and so are None, True and False: msgpack, made for
everything, takes twice as long to read one. Loading msgpack takes a fifth of the time that `pybus-send` has, so it is
loaded when the first value needs it; `pybus-send` with a short text ends without.
"""

from __future__ import annotations

from pybus.errors import BodyError
from pybus.protocol.frames import RAW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TEXT = 0xA0
"""The head of a text of less than 32 bytes, to which its size is added (msgpack's fixstr)."""
_HEADS = [bytes((_TEXT + size,)) for size in range(32)]
_LONGER = b"\xd9"
"""The head of a text of less than 256 bytes; its size follows in one byte (str 8)."""
_MAP = 0x80
"""The head of a map of less than 16 pairs, to which their number is added (fixmap). Below it are the small numbers."""
_UNSIGNED = 0xCC
"""The heads of numbers of 1, 2, 4 and 8 bytes begin here (uint 8)."""
_CONSTANTS = {b"\xc0": None, b"\xc2": False, b"\xc3": True}
_NONE = b"\xc0"


_packers: list[Any] = []


def _pack(value: object) -> Any:
    """As msgpack does. A packer has one value at a time, as a value may run code that packs another, in any thread."""
    try:
        pack_one = _packers.pop()
    except IndexError:
        import msgpack

        pack_one = msgpack.Packer(datetime=True).pack
    packed = pack_one(value)
    _packers.append(pack_one)
    return packed


def _first_unpack(body: bytes, **options: object) -> Any:
    global _unpack
    import msgpack

    _unpack = msgpack.unpackb
    return _unpack(body, **options)


_unpack = _first_unpack


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
        if type(value) is str:
            text = value.encode()
            size = len(text)
            if size < 32:
                return _HEADS[size] + text
            if size < 256:
                return _LONGER + bytes((size,)) + text
        elif value is None:
            return _NONE
        return _pack(value)  # type: ignore[no-any-return]
    except (TypeError, ValueError, OverflowError) as error:
        raise BodyError(_complaint(value, error)) from None


def decode(flags: int, body: bytes) -> object:
    """The value of a body. Raises `BodyError` if it is not msgpack."""
    return body if flags & RAW else unpack(body)


def unpack(body: bytes) -> object:
    """The value of msgpack bytes. Raises `BodyError` if they are none, or more than one value."""
    try:
        size = len(body)
        if size > 1:
            if body[0] == _TEXT - 1 + size and size <= 32:
                return body[1:].decode()
        elif body in _CONSTANTS:
            return _CONSTANTS[body]
        return _unpack(body, timestamp=3, strict_map_key=False)
    except Exception as error:
        # msgpack's extension raises ValueError, its own classes, and RecursionError for deep nesting;
        # bytes from a peer must never end in anything but a BodyError.
        raise BodyError(f"the body is not valid msgpack: {str(error) or type(error).__name__}") from None


def unpack_map(body: bytes) -> object:
    """As `unpack`, for a map of a few texts and numbers: what the bus greets with. It does without msgpack then."""
    try:
        if body[0] & 0xF0 == _MAP:
            found = {}
            end = 1
            for _ in range(body[0] & 0x0F):
                key, end = _read(body, end)
                found[key], end = _read(body, end)
            if end == len(body):
                return found
    except (LookupError, UnicodeDecodeError):
        pass  # whatever it is, msgpack knows
    return unpack(body)


def _read(body: bytes, pos: int) -> tuple[object, int]:
    """The text or number at `pos`, and where it ends. Raises `LookupError` if there is none."""
    head = body[pos]
    pos += 1
    if head < _MAP:
        return head, pos
    if head & 0xE0 == _TEXT:
        end = pos + (head & 0x1F)
    elif head == _LONGER[0]:
        pos += 1
        end = pos + body[pos - 1]
    elif _UNSIGNED <= head < _UNSIGNED + 4:
        end = pos + (1 << head - _UNSIGNED)
        return int.from_bytes(body[pos:end], "big"), end
    else:
        raise LookupError
    return body[pos:end].decode(), end


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
