"""AMQP 0-9-1 in bytes: one channel, a transient queue of the connection's own bound to amq.topic, no acks.

A signal is a `basic.publish` and what comes a `basic.deliver`, each three frames: method, content header, body.
"""

import struct
from collections.abc import Sequence

from tests.bench.wire import SMALL, RawClient, read_exactly

_METHOD, _HEADER, _BODY = 1, 2, 3
_FRAME_END = b"\xce"
_CHANNEL = 1

_START, _START_OK, _TUNE, _TUNE_OK, _OPEN, _OPEN_OK = (10, 10), (10, 11), (10, 30), (10, 31), (10, 40), (10, 41)
_CHANNEL_OPEN, _CHANNEL_OPEN_OK = (20, 10), (20, 11)
_DECLARE, _DECLARE_OK, _BIND, _BIND_OK = (50, 10), (50, 11), (50, 20), (50, 21)
_CONSUME, _CONSUME_OK, _PUBLISH, _DELIVER = (60, 20), (60, 21), (60, 40), (60, 60)

_EXCLUSIVE_AND_AUTO_DELETE = bytes([4 | 8])
_NO_ACK = bytes([2])
_NO_TABLE = b"\0\0\0\0"
_CHANNEL_MAX, _FRAME_MAX = 2047, 131072


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + _FRAME_END


def method(which: tuple[int, int], arguments: bytes, channel: int = _CHANNEL) -> bytes:
    """A method's frame. which: numbers of class and method."""
    return frame(_METHOD, channel, struct.pack(">HH", *which) + arguments)


class Client(RawClient):
    """A raw connection to an AMQP broker."""

    def subscribe(self, patterns: Sequence[str]) -> None:
        if not self._queue:
            self._declare_and_consume()
        for pattern in patterns:
            names = _short(self._queue) + _short("amq.topic") + _short(pattern)
            self.sock.sendall(method(_BIND, b"\0\0" + names + b"\0" + _NO_TABLE))
        for _ in patterns:
            self._expect(_BIND_OK)

    def signal(self, topic: str, size: int = SMALL) -> bytes:
        published = method(_PUBLISH, b"\0\0" + _short("amq.topic") + _short(topic) + b"\0")
        header = frame(_HEADER, _CHANNEL, struct.pack(">HHQH", _PUBLISH[0], 0, size, 0))
        return published + header + frame(_BODY, _CHANNEL, b"." * size)

    def read_message(self) -> bytes:
        """A method, or a delivery with its header and body."""
        data = self._read_frame()
        return data + self._read_frame() + self._read_frame() if _method_of(data) == _DELIVER else data

    def _greet(self) -> None:
        self._queue = ""
        self.sock.sendall(b"AMQP\0\0\x09\x01")
        self._expect(_START)
        response = b"\0guest\0guest"
        arguments = _NO_TABLE + _short("PLAIN") + struct.pack(">I", len(response)) + response + _short("en_US")
        self.sock.sendall(method(_START_OK, arguments, channel=0))
        self._expect(_TUNE)
        self.sock.sendall(method(_TUNE_OK, struct.pack(">HIH", _CHANNEL_MAX, _FRAME_MAX, 0), channel=0))
        self.sock.sendall(method(_OPEN, _short("/") + b"\0\0", channel=0))
        self._expect(_OPEN_OK)
        self.sock.sendall(method(_CHANNEL_OPEN, b"\0"))
        self._expect(_CHANNEL_OPEN_OK)

    def _declare_and_consume(self) -> None:
        self.sock.sendall(method(_DECLARE, b"\0\0" + _short("") + _EXCLUSIVE_AND_AUTO_DELETE + _NO_TABLE))
        arguments = self._expect(_DECLARE_OK)
        self._queue = arguments[1 : 1 + arguments[0]].decode()
        self.sock.sendall(method(_CONSUME, b"\0\0" + _short(self._queue) + _short("c") + _NO_ACK + _NO_TABLE))
        self._expect(_CONSUME_OK)

    def _expect(self, which: tuple[int, int]) -> bytes:
        """The arguments of the next method, which has to be this one."""
        data = self._read_frame()
        if _method_of(data) != which:
            raise ConnectionError(f"the bus said {data!r} in place of the method {which}")
        return data[11:-1]

    def _read_frame(self) -> bytes:
        start = read_exactly(self.sock, 7)
        return start + read_exactly(self.sock, int.from_bytes(start[3:7], "big") + 1)


def _method_of(data: bytes) -> tuple[int, ...]:
    return struct.unpack(">HH", data[7:11])


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()
