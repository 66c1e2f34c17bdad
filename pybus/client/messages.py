"""Messages of queues as a program sees them, and the inboxes of its consumers."""

from __future__ import annotations

from collections import deque

from pybus.errors import BodyError
from pybus.names import unique_name
from pybus.protocol.codec import unpack, unpack_or_keep
from pybus.protocol.frames import (
    CAUSED,
    HEADER_SIZE,
    PERSISTENT,
    REDELIVERED,
    depth_of,
    key_of,
    properties_size,
    sender_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Delivered:
    """A message that the bus has delivered: what the messages of both faces have in common.

    exchange, key: where it was published. body: its value. properties: what its publisher added, by AMQP's names
    (`content_type`, `correlation_id`, `reply_to`, ...); headers: the publisher's own among them. sender: the
    publisher's unique name. redelivered: whether it may have been delivered before. persistent: whether it was
    published to survive the bus. depth: how many messages caused it, one by one, as its publisher said.
    """

    __slots__ = ("_data", "_properties", "body", "settled", "stream", "tag")

    def __init__(self, data: bytes, tag: int, stream: object) -> None:
        """data: a DELIVER frame. tag: its delivery tag; 0 if it need not be settled. stream: the connection's."""
        self._data = data
        key_end = HEADER_SIZE + (data[6] | data[7] << 8)
        begin = key_end + properties_size(int.from_bytes(data[12:16], "little"))
        self.body: Any = unpack_or_keep(data[5], data[begin:])
        self._properties: dict[str, Any] | None = None if begin > key_end else {}
        self.tag = tag
        self.stream = stream
        self.settled = not tag

    @property
    def exchange(self) -> str:
        return self._where[0].decode()

    @property
    def key(self) -> str:
        return self._where[2].decode(errors="surrogateescape")

    @property
    def _where(self) -> tuple[bytes, bytes, bytes]:
        return key_of(self._data).partition(b"\0")

    @property
    def properties(self) -> dict[str, Any]:
        if self._properties is None:
            key_end = HEADER_SIZE + int.from_bytes(self._data[6:8], "little")
            size = properties_size(int.from_bytes(self._data[12:16], "little"))
            try:
                found = unpack(self._data[key_end : key_end + size])
            except BodyError:
                found = {}
            self._properties = found if isinstance(found, dict) else {}
        return self._properties

    @property
    def headers(self) -> dict[str, Any]:
        found = self.properties.get("headers")
        return found if isinstance(found, dict) else {}

    @property
    def sender(self) -> str:
        return unique_name(sender_of(self._data))

    @property
    def redelivered(self) -> bool:
        return bool(self._data[5] & REDELIVERED)

    @property
    def persistent(self) -> bool:
        return bool(self._data[5] & PERSISTENT)

    @property
    def depth(self) -> int:
        return depth_of(int.from_bytes(self._data[12:16], "little")) if self._data[5] & CAUSED else 0

    def __repr__(self) -> str:
        mark = ", redelivered=True" if self.redelivered else ""
        return f"Message({self.exchange!r}, {self.key!r}, {self.body!r}{mark})"


class Tray:
    """The messages of one consumer that the program has not taken yet.

    make: makes a message of a frame and its tag. wake: called when something came, or it closed. failure: why the
    bus has ended the consumer, if it has.
    """

    __slots__ = ("closed", "failure", "make", "messages", "tag", "wake")

    def __init__(self, tag: str, make: Callable[[bytes, int], Delivered]) -> None:
        self.tag = tag
        self.make = make
        self.messages: deque[Delivered] = deque()
        self.closed = False
        self.failure: Exception | None = None
        self.wake: Callable[[], None] | None = None

    def put(self, data: bytes, tag: int) -> None:
        """A message has come. data: its frame."""
        self.messages.append(self.make(data, tag))
        if len(self.messages) == 1 and self.wake is not None:
            self.wake()

    def close(self, failure: Exception | None = None) -> None:
        """Nothing comes in any more."""
        self.closed = True
        self.failure = failure
        if self.wake is not None:
            self.wake()
