"""What the load generator needs from a bus: a raw connection that speaks its protocol in bytes.

The generator sends bytes that were encoded beforehand and counts the bytes that come out, so that the
bus is measured and not a client library. All it asks of a protocol is in `RawClient`; each protocol is a small
file of the same shape (`pybus_wire`, `dbus_wire`, `redis_wire`, `nats_wire`, `mqtt_wire`, `amqp_wire`),
written from its specification.

Topics and patterns are given in pybus's words: joined by dots, in a pattern `*` is one word and `#` any number of
them. Each protocol says the same in its own way. A size is that of the body that a program would send, the same on
every bus; what a protocol adds to it is its own affair.
"""

import importlib
import socket
import struct
from collections.abc import Sequence

PATIENCE = 20
"""Seconds without a byte after which a raw client gives up: what it waits for was lost."""

SMALL = 64
"""The size of a small body."""


class RawClient:
    """One connection, greeted and ready.

    sock: blocking; what was subscribed to comes from it, and nothing is ever read beyond a message.
    out: what is published goes there; the same socket where the protocol allows it.
    """

    def __init__(self, endpoint: str) -> None:
        """Connect and greet. endpoint: see `open_socket`."""
        self.sock = open_socket(endpoint)
        self._greet()

    @property
    def out(self) -> socket.socket:
        return self.sock

    def subscribe(self, patterns: Sequence[str]) -> None:
        """Get the signals whose topics match; returns when the bus has agreed. Those subscribed before stay."""
        raise NotImplementedError

    def settle(self) -> None:
        """Take what the bus sends of its own accord after a while, so that from now on only signals come."""

    def signal(self, topic: str, size: int = SMALL) -> bytes:
        """The bytes of one signal, which may be sent any number of times."""
        raise NotImplementedError

    def read_message(self) -> bytes:
        """The next message as it came, whole."""
        raise NotImplementedError

    def close(self) -> None:
        self.sock.close()

    def _greet(self) -> None:
        raise NotImplementedError


def open_socket(endpoint: str) -> socket.socket:
    """A connected blocking socket whose reads fail after `PATIENCE` seconds without a byte.

    endpoint: the path of a Unix socket, or host:port. The kernel keeps the time (SO_RCVTIMEO): a Python
    timeout would add a poll to each read.
    """
    if endpoint.startswith("/"):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(endpoint)
    else:
        host, _, port = endpoint.rpartition(":")
        sock = socket.create_connection((host, int(port)))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", PATIENCE, 0))
    return sock


def read_exactly(sock: socket.socket, size: int) -> bytes:
    """So many bytes. Raises `ConnectionError` at the end of the stream."""
    data = sock.recv(size, socket.MSG_WAITALL) if size else b""
    if len(data) < size:
        raise ConnectionError(f"the bus closed the connection after {len(data)} of {size} bytes")
    return data


def read_line(sock: socket.socket) -> bytes:
    """A line with its CR LF, and nothing beyond it."""
    line = b""
    while not line.endswith(b"\r\n"):
        line += read_exactly(sock, 1)
    return line


def raw_client(protocol: str, endpoint: str) -> RawClient:
    """Connect by the protocol of that name, the module's without `_wire`."""
    client = importlib.import_module(f"tests.bench.{protocol}_wire").Client(endpoint)
    assert isinstance(client, RawClient)
    return client
