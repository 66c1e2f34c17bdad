"""Channels on pybus's own wire: each connection has one, and its frames go to the connection's outbox."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from pybus.broker.queues.message import with_header
from pybus.protocol.codec import pack
from pybus.protocol.frames import (
    BUS,
    CAUSED,
    CONFIRMED,
    DELIVER,
    ERROR,
    HEADER_SIZE,
    MULTIPLE,
    NACK,
    PERSISTENT,
    RAW,
    REDELIVERED,
    RETURN,
    frame,
)

if TYPE_CHECKING:
    from pybus.broker.peer import Peer
    from pybus.broker.queues.consumer import Consumer
    from pybus.broker.queues.message import Message
    from pybus.broker.queues.queue import Queue
    from pybus.errors import BusError

_SERIAL = 16
"""Where a frame's serial begins, which is the one thing in a message's header that is its own."""
_KEPT = RAW | PERSISTENT | CAUSED
_unpack = Struct("<4xxBHII").unpack_from
_pack = Struct("<IBBHIII").pack


class NativeOutlet:
    """Writes a channel's frames (section 12 of the specification)."""

    __slots__ = ("_delivered", "_peer", "_published", "_serial")

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._published = self._delivered = b""
        self._serial = 0

    @property
    def full(self) -> bool:
        peer = self._peer
        return peer.queued >= peer.limits.delivering

    def deliver(self, consumer: Consumer, message: Message) -> None:
        """As `Outlet` has it. Neighbours mostly have the same header, which then is made once."""
        if message.redelivered or message.returns:
            self._peer.put(deliver_frame(consumer.queue, message, consumer.serial))
            return
        data = message.data
        published = data[:_SERIAL]
        if published != self._published or consumer.serial != self._serial:
            self._published, self._serial = published, consumer.serial
            self._delivered = deliver_frame(consumer.queue, message, consumer.serial)[:HEADER_SIZE]
        self._peer.put(self._delivered + data[HEADER_SIZE:])

    def confirm(self, serial: int, *, multiple: bool, taken: bool) -> None:
        flags = (MULTIPLE if multiple else 0) | (0 if taken else NACK)
        self._peer.owe(frame(CONFIRMED, flags, BUS, self._peer.number, serial))

    def refuse(self, serial: int, reason: BusError) -> None:
        self._peer.owe(self._error(serial, reason))

    def give_back(self, data: bytes) -> None:
        self._peer.owe(data[:4] + bytes((RETURN,)) + data[5:])

    def cancelled(self, consumer: Consumer, reason: BusError) -> None:
        self._peer.put(self._error(consumer.serial, reason))

    def _error(self, serial: int, reason: BusError) -> bytes:
        return frame(ERROR, 0, BUS, self._peer.number, serial, b"", pack([reason.name, reason.message]))


def deliver_frame(queue: Queue, message: Message, serial: int) -> bytes:
    """The DELIVER frame of a message: the publisher's own bytes behind another header.

    In a queue that limits deliveries one that came back has a header `x-delivery-count`, which says how often, as in
    RabbitMQ's quorum queues. Those have it at the first delivery as well, which costs each message a new frame.
    """
    data = message.data
    if message.returns and queue.policy.delivery_limit is not None:
        data = with_header(data, "x-delivery-count", message.returns)
    flags, key_length, sender, target = _unpack(data)
    flags = flags & _KEPT | (REDELIVERED if message.redelivered else 0)
    return _pack(len(data), DELIVER, flags, key_length, sender, target, serial) + data[HEADER_SIZE:]
