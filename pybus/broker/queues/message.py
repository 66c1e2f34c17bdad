"""A message as it waits in a queue: the frame that its publisher sent, and what the queue has to know of it."""

from __future__ import annotations

from typing import NamedTuple

from pybus.broker.queues import replies
from pybus.broker.queues.arguments import LONGEST_TIME
from pybus.errors import BodyError, InvalidArguments
from pybus.protocol.codec import pack, unpack
from pybus.protocol.frames import (
    HEADER_SIZE,
    PERSISTENT,
    PUBLISH,
    frame,
    key_of,
    message_target,
    properties_size,
    sender_of,
)

OVERHEAD = 200
"""About what a message costs beside its frame, bytes."""
_MOST_DIGITS = 100
"""So many of a number are looked at: Python does not convert some thousands of them."""


class Message:
    """One message in one queue; the same frame may be in others.

    data: a PUBLISH frame, as it came. size: the bytes of its payload. since: when it came, and due: when it
    expires, monotonic seconds; None is never. position: its place in the queue, growing. returns: how often
    it came back from a consumer that had it in hand. redelivered: whether it may have been delivered before. priority:
    within the queue's bounds. batch: with which it goes to disk, 0 if it does not; then `data` may be there only, and
    b"" here.
    """

    __slots__ = ("batch", "data", "due", "position", "priority", "redelivered", "returns", "since", "size")

    def __init__(self, data: bytes, size: int, since: float) -> None:
        self.data = data
        self.size = size
        self.since = since
        self.due: float | None = None
        self.position = 0
        self.returns = 0
        self.redelivered = False
        self.priority = 0
        self.batch = 0

    def __lt__(self, other: Message) -> bool:
        return self.position < other.position

    def __hash__(self) -> int:
        return object.__hash__(self)  # which a compiled class with an order does not have by itself

    @property
    def weight(self) -> int:
        """About the bytes of memory that it takes."""
        return len(self.data) + OVERHEAD

    @property
    def persistent(self) -> bool:
        """Whether its publisher wants it to survive the daemon."""
        return bool(self.data[5] & PERSISTENT)


class Content(NamedTuple):
    """The parts of a PUBLISH frame. flags, sender, depth: as in the frame; payload: its bytes, not decoded."""

    exchange: str
    key: str
    properties: dict[str, object]
    payload: bytes
    flags: int
    sender: int
    target: int

    def frame(self) -> bytes:
        """The frame again, which has to be made anew when a part has changed."""
        packed = pack(self.properties) if self.properties else b""
        target = message_target(self.target, len(packed))
        key = address(self.exchange, self.key)
        return frame(PUBLISH, self.flags, self.sender, target, 0, key, packed + self.payload)

    @property
    def headers(self) -> dict[str, object]:
        """The message's headers, which a publisher adds to the properties as it likes."""
        found = self.properties.get("headers")
        return found if isinstance(found, dict) else {}


def address(exchange: str, key: str) -> bytes:
    """The key of a PUBLISH frame."""
    return exchange.encode() + b"\0" + key.encode(errors="surrogateescape")


def parse(data: bytes) -> Content:
    """Take a PUBLISH frame apart. Raises `InvalidArguments` if its properties can't be right."""
    where = key_of(data)
    exchange, _, key = where.partition(b"\0")
    target = int.from_bytes(data[12:16], "little")
    begin = HEADER_SIZE + len(where)
    end = begin + properties_size(target)
    if end > len(data):
        raise InvalidArguments(f"a message of {len(data) - begin} bytes can't have {end - begin} of properties")
    properties = read_properties(data[begin:end]) if end > begin else {}
    return Content(
        exchange.decode(),
        key.decode(errors="surrogateescape"),
        properties,
        data[end:],
        data[5],
        sender_of(data),
        target,
    )


def with_header(data: bytes, name: str, value: object) -> bytes:
    """A PUBLISH frame's bytes with a header more."""
    content = parse(data)
    properties = {**content.properties, "headers": {**content.headers, name: value}}
    return content._replace(properties=properties).frame()


_TEXTS = frozenset(
    (
        "content_type",
        "content_encoding",
        "correlation_id",
        "reply_to",
        "expiration",
        "message_id",
        "type",
        "user_id",
        "app_id",
        "cluster_id",
    )
)


def read_properties(data: bytes) -> dict[str, object]:
    """Decode properties and check them (AMQP 0-9-1 section 4.2.6.1 has the list). Raises `InvalidArguments`."""
    try:
        found = unpack(data)
    except BodyError as error:
        raise InvalidArguments(f"the properties of a message can't be read: {error}") from None
    if not isinstance(found, dict):
        raise InvalidArguments("the properties of a message must be a map")
    for name, value in found.items():
        _check(name, value)
    return found


def _check(name: object, value: object) -> None:
    if name in _TEXTS:
        right = isinstance(value, str)
    elif name == "priority":
        right = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255
    elif name == "headers":
        right = isinstance(value, dict) and all(isinstance(key, str) for key in value)
    elif name == "timestamp":
        right = not isinstance(value, (str, bytes, list, dict))
    else:
        raise InvalidArguments(f"a message has no property {name!r}; what is your own belongs into its headers")
    if not right:
        raise InvalidArguments(f"the property {name!r} can't be {value!r}")


def expiration(properties: dict[str, object]) -> float | None:
    """For how many seconds a message wants to be kept, at most. Raises `PreconditionFailed`, in RabbitMQ's words."""
    text = properties.get("expiration")
    if text is None:
        return None
    assert isinstance(text, str)
    digits = text[1:] if text.startswith(("+", "-")) else text
    rest = digits.lstrip("0123456789")
    if rest == digits:
        raise replies.failed(f"invalid expiration '{text}': no_integer")
    if rest:
        raise replies.failed(f"invalid expiration '{text}': {{leftover_string,\"{rest}\"}}")
    number = int(digits.lstrip("0")[:_MOST_DIGITS] or 0)
    if number and text.startswith("-"):
        raise replies.failed(f"invalid expiration '{text}': {{value_negative,-{number}}}")
    if number > LONGEST_TIME:
        raise replies.failed(f"invalid expiration '{text}': {{value_too_large,{number}}}")
    return number / 1000
