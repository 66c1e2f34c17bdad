"""D-Bus in bytes: SASL, Hello, AddMatch, and signals with as little around the body as can be.

Written out by hand, as the generator needs four kinds of messages only, and so that dbus-daemon and
dbus-broker can be measured where no D-Bus library is installed. A topic is the path of a signal, as a match
rule's `path_namespace` is D-Bus's only pattern that stands for any number of words; interface and member are
as short as they can be. The body is an array of bytes. The bus adds its sender, as the D-Bus specification asks for;
so about 16 bytes more come out.
"""

import os
import struct
from collections.abc import Sequence

from tests.bench.wire import SMALL, RawClient, read_exactly, read_line

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


def _path(topic: str) -> str:
    return "/" + topic.replace(".", "/")


class Client(RawClient):
    """A raw connection to a D-Bus message bus."""

    def subscribe(self, patterns: Sequence[str]) -> None:
        for pattern in patterns:
            words, anything = pattern.removesuffix(".#"), pattern.endswith(".#")
            if set("*#") & set(words):
                raise ValueError(f"D-Bus has no match rule for {pattern}")
            rule = f"type='signal',interface='a.b',path{'_namespace' if anything else ''}='{_path(words)}'".encode()
            self._call("AddMatch", "s", struct.pack("<I", len(rule)) + rule + b"\0")

    def signal(self, topic: str, size: int = SMALL) -> bytes:
        body = struct.pack("<I", size - 4) + b"." * (size - 4)
        return message(_SIGNAL, 9, [(_PATH, _path(topic)), (_INTERFACE, "a.b"), (_MEMBER, "c")], "ay", body)

    def read_message(self) -> bytes:
        start = read_exactly(self.sock, 16)
        body, _, fields = struct.unpack("<III", start[4:])
        return start + read_exactly(self.sock, fields + -fields % 8 + body)

    def _greet(self) -> None:
        uid = str(os.getuid()).encode().hex().encode()
        self.sock.sendall(b"\0AUTH EXTERNAL " + uid + b"\r\n")
        answer = read_line(self.sock)
        if not answer.startswith(b"OK "):
            raise ConnectionError(f"the bus did not let us in: {answer!r}")
        self.sock.sendall(b"BEGIN\r\n")
        self._call("Hello")

    def _call(self, member: str, signature: str = "", body: bytes = b"") -> None:
        """Call a method of the bus and wait for its return; NameAcquired may come before it."""
        self.sock.sendall(message(_METHOD_CALL, 1, [*_BUS, (_MEMBER, member)], signature, body))
        while True:
            answer = self.read_message()
            if answer[1] == _ERROR:
                raise ConnectionError(f"{member} failed: {answer!r}")
            if answer[1] == _METHOD_RETURN:
                return
