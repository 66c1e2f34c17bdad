"""MQTT 3.1.1 in bytes: CONNECT with a clean session and no keep-alive, SUBSCRIBE and PUBLISH at QoS 0."""

import struct
from collections.abc import Sequence

from tests.bench.wire import SMALL, RawClient, read_exactly

_CONNECT, _CONNACK, _PUBLISH, _SUBSCRIBE, _SUBACK = 0x10, 0x20, 0x30, 0x82, 0x90
_CLEAN_SESSION = 2
_FAILURE = 0x80


def packet(kind: int, content: bytes) -> bytes:
    """A control packet: its first byte, the remaining length in groups of seven bits, the content."""
    length = b""
    rest = len(content)
    while rest > 127:
        length += bytes([rest & 127 | 128])
        rest >>= 7
    return bytes([kind]) + length + bytes([rest]) + content


class Client(RawClient):
    """A raw connection to an MQTT broker."""

    def subscribe(self, patterns: Sequence[str]) -> None:
        filters = b"".join(_text(_filter(pattern)) + b"\0" for pattern in patterns)
        self.sock.sendall(packet(_SUBSCRIBE, b"\0\1" + filters))
        answer = self.read_message()
        if answer[0] != _SUBACK or _FAILURE in answer[-len(patterns) :]:
            raise ConnectionError(f"the bus did not let us subscribe: {answer[:100]!r}")

    def signal(self, topic: str, size: int = SMALL) -> bytes:
        return packet(_PUBLISH, _text(topic.replace(".", "/")) + b"." * size)

    def read_message(self) -> bytes:
        start = read_exactly(self.sock, 2)
        while start[-1] & 128:
            start += read_exactly(self.sock, 1)
        length = sum((byte & 127) << 7 * place for place, byte in enumerate(start[1:]))
        return start + read_exactly(self.sock, length)

    def _greet(self) -> None:
        self.sock.sendall(packet(_CONNECT, _text("MQTT") + bytes([4, _CLEAN_SESSION, 0, 0]) + _text("")))
        answer = self.read_message()
        if answer != bytes([_CONNACK, 2, 0, 0]):
            raise ConnectionError(f"the bus did not let us in: {answer!r}")


def _filter(pattern: str) -> str:
    """`#` can only be the last word of a pattern, where it means the same."""
    return pattern.replace(".", "/").replace("*", "+")


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()
