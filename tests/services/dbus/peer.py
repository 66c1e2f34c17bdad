"""A bus that is played, byte by byte, for what a real one never does."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

HELLO_SERIAL = 1
NAME = ":1.7"
"""What it calls its only client."""

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _REPLY_SERIAL, _SENDER, _SIGNATURE = 1, 2, 3, 4, 5, 7, 8


def text(value: str) -> bytes:
    """A string, path or the like."""
    data = value.encode()
    return struct.pack("<I", len(data)) + data + b"\0"


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def message(kind: int, serial: int, fields: dict[int, tuple[str, str | int]], body: bytes = b"") -> bytes:
    """A message. fields: code to type and value."""
    array = b""
    for code, (token, value) in fields.items():
        array = _padded(array) + bytes([code, 1, ord(token), 0])
        if isinstance(value, int):
            array += struct.pack("<I", value)
        elif token == "g":
            array += bytes([len(value)]) + value.encode() + b"\0"
        else:
            array += text(value)
    start = struct.pack("<cBBBIII", b"l", kind, 0, 1, len(body), serial, len(array))
    return _padded(start + array) + body


def signal(
    member: str, signature: str = "", body: bytes = b"", interface: str = "a.b", **unknown: tuple[str, str]
) -> bytes:
    """A signal of /a."""
    fields: dict[int, tuple[str, str | int]] = {
        _PATH: ("o", "/a"),
        _INTERFACE: ("s", interface),
        _MEMBER: ("s", member),
        _SENDER: ("s", ":1.1"),
        **({_SIGNATURE: ("g", signature)} if signature else {}),
    }
    fields.update({int(code.removeprefix("field_")): value for code, value in unknown.items()})
    return message(SIGNAL, 9, fields, body)


def call(member: str, serial: int) -> bytes:
    """A call of a method of the client's."""
    return message(CALL, serial, {_PATH: ("o", "/"), _MEMBER: ("s", member), _SENDER: ("s", ":1.1")})


def answer(to: int, signature: str = "", body: bytes = b"") -> bytes:
    """The answer to the call of that serial."""
    fields: dict[int, tuple[str, str | int]] = {_REPLY_SERIAL: ("u", to)}
    return message(RETURN, 9, {**fields, **({_SIGNATURE: ("g", signature)} if signature else {})}, body)


def refusal(to: int, name: str) -> bytes:
    """An error in place of the answer."""
    return message(ERROR, 9, {_ERROR_NAME: ("s", name), _REPLY_SERIAL: ("u", to)})


class Peer:
    """Listens at `address`. Its socket to the client, `to_client`, is there after `welcome`."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "played")
        self.address = f"unix:path={self.path}"
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._listening.bind(self.path)
        self._listening.listen()
        self._loop = asyncio.get_running_loop()

    async def accept(self) -> None:
        self.to_client, _ = await self._loop.sock_accept(self._listening)

    async def heard(self, part: bytes) -> bytes:
        """All that comes, until these bytes have come."""
        data = bytearray(await self._loop.sock_recv(self.to_client, 2**20))
        searched = 0
        while data.find(part, searched) < 0:
            searched = max(0, len(data) - len(part))
            data += await self._loop.sock_recv(self.to_client, 2**20)
        return bytes(data)

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.to_client, data)

    async def welcome(self) -> None:
        """Take the client in, up to its name."""
        await self.accept()
        await self.heard(b"\r\n")
        await self.send(b"OK 1234\r\n")
        await self.heard(b"NEGOTIATE_UNIX_FD\r\n")
        await self.send(b"ERROR\r\n")
        await self.heard(b"Hello\0")
        await self.send(answer(HELLO_SERIAL, "s", text(NAME)))

    def close(self) -> None:
        self._listening.close()
        if hasattr(self, "to_client"):
            self.to_client.close()
