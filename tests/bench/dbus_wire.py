"""D-Bus in bytes: SASL, Hello, AddMatch, and the smallest signals that carry something.

Written out by hand, as the generator needs four kinds of messages only, and so that dbus-daemon and
dbus-broker can be measured where no D-Bus library is installed. A signal has the path /a, the
interface a.b, a member of one letter and a body of one uint32: 76 bytes. The bus adds its sender, as
the D-Bus specification asks for; so about 92 come out.
"""

import os
import struct
from collections.abc import Sequence

from tests.bench.wire import open_socket, read_exactly

SIGNAL_SIZE = 76

_METHOD_CALL, _METHOD_RETURN, _ERROR, _SIGNAL = 1, 2, 3, 4
_NO_REPLY_EXPECTED = 1
_PATH, _INTERFACE, _MEMBER, _REPLY_SERIAL, _DESTINATION, _SIGNATURE = 1, 2, 3, 5, 6, 8
_FIELD_TYPES = {_PATH: b"o", _INTERFACE: b"s", _MEMBER: b"s", _DESTINATION: b"s"}
_BUS = ((_PATH, "/org/freedesktop/DBus"), (_INTERFACE, "org.freedesktop.DBus"), (_DESTINATION, "org.freedesktop.DBus"))


def message(kind: int, serial: int, fields: Sequence[tuple[int, str]], signature: str = "", body: bytes = b"") -> bytes:
    """One message, little-endian, with fields that are texts."""
    flags = _NO_REPLY_EXPECTED if kind == _SIGNAL else 0
    marshalled = b""
    for code, text in fields:
        value = text.encode()
        marshalled = _padded(marshalled) + bytes([code, 1]) + _FIELD_TYPES[code] + b"\0"
        marshalled += struct.pack("<I", len(value)) + value + b"\0"
    if signature:
        marshalled = _padded(marshalled) + bytes([_SIGNATURE, 1]) + b"g\0"
        marshalled += bytes([len(signature)]) + signature.encode() + b"\0"
    header = struct.pack("<cBBBIII", b"l", kind, flags, 1, len(body), serial, len(marshalled))
    return _padded(header + marshalled) + body


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


class DBusClient:
    """A raw connection to a D-Bus message bus."""

    def __init__(self, path: str) -> None:
        self.sock = open_socket(path)
        self._authenticate()
        self._call("Hello")

    def subscribe(self, topics: Sequence[str]) -> None:
        for topic in topics:
            rule = f"type='signal',interface='a.b',member='{topic}'".encode()
            self._call("AddMatch", "s", struct.pack("<I", len(rule)) + rule + b"\0")

    def signal(self, topic: str) -> bytes:
        return message(_SIGNAL, 9, [(_PATH, "/a"), (_INTERFACE, "a.b"), (_MEMBER, topic)], "u", struct.pack("<I", 7))

    def read_message(self) -> bytes:
        start = read_exactly(self.sock, 16)
        body, _, fields = struct.unpack("<III", start[4:])
        return start + read_exactly(self.sock, fields + -fields % 8 + body)

    def _authenticate(self) -> None:
        uid = str(os.getuid()).encode().hex().encode()
        self.sock.sendall(b"\0AUTH EXTERNAL " + uid + b"\r\n")
        answer = b""
        while not answer.endswith(b"\r\n"):
            answer += read_exactly(self.sock, 1)
        if not answer.startswith(b"OK "):
            raise ConnectionError(f"the bus did not let us in: {answer!r}")
        self.sock.sendall(b"BEGIN\r\n")

    def _call(self, member: str, signature: str = "", body: bytes = b"") -> None:
        """Call a method of the bus and wait for its return; NameAcquired may come before it."""
        self.sock.sendall(message(_METHOD_CALL, 1, [*_BUS, (_MEMBER, member)], signature, body))
        while True:
            answer = self.read_message()
            if answer[1] == _ERROR:
                raise ConnectionError(f"{member} failed: {answer!r}")
            if answer[1] == _METHOD_RETURN:
                return
