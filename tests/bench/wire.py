"""What the load generator needs from a bus: a raw connection that speaks its protocol in bytes.

The generator sends bytes that were encoded beforehand and counts the bytes that come out, so that the
bus is measured and not a client library. All it asks of a protocol is in `RawClient`; the two that
there are (`pybus_wire`, `dbus_wire`) have the same shape.
"""

import socket
import struct
from collections.abc import Sequence
from typing import Protocol

PATIENCE = 20
"""Seconds without a byte after which a raw client gives up: what it waits for was lost."""


class RawClient(Protocol):
    """One connection, greeted and ready. sock: blocking. unread: nothing is ever read beyond a message."""

    sock: socket.socket

    def subscribe(self, topics: Sequence[str]) -> None:
        """Get the signals of these topics (one letter each); returns when the bus has agreed."""

    def signal(self, topic: str) -> bytes:
        """The bytes of one small signal, which may be sent any number of times."""

    def read_message(self) -> bytes:
        """The next message as it came, whole."""


def open_socket(path: str) -> socket.socket:
    """A connected blocking socket whose reads fail after `PATIENCE` seconds without a byte.

    The kernel keeps the time (SO_RCVTIMEO): a Python timeout would add a poll to each read.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(path)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", PATIENCE, 0))
    return sock


def read_exactly(sock: socket.socket, size: int) -> bytes:
    """So many bytes. Raises `ConnectionError` at the end of the stream."""
    data = sock.recv(size, socket.MSG_WAITALL)
    if len(data) < size:
        raise ConnectionError(f"the bus closed the connection after {len(data)} of {size} bytes")
    return data


def raw_client(protocol: str, path: str) -> RawClient:
    """Connect by the protocol of that name: `pybus` or `dbus`."""
    from tests.bench.dbus_wire import DBusClient
    from tests.bench.pybus_wire import PybusClient

    return PybusClient(path) if protocol == "pybus" else DBusClient(path)
