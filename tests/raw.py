"""A peer that writes and reads bytes itself, to do what the client library would never do."""

from __future__ import annotations

import socket
from types import TracebackType

from pybus.protocol.codec import pack, unpack
from pybus.protocol.frames import ANSWER, CALL, HEADER_SIZE, PREAMBLE, FrameReader, Run, body_of, frame
from pybus.protocol.handshake import Welcome, greeting
from tests.daemon import PATIENCE


class RawPeer:
    """One connection. number: its own, once it has greeted."""

    def __init__(self, path: str, *, greet: bool = True) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.number = 0
        self._reader = FrameReader(2**31)
        self._runs: list[Run] = []
        self._opened = False
        try:
            self.sock.connect(path)
            if greet:
                self.sock.sendall(greeting("raw"))
                self.number = Welcome(self.read()).number
        except BaseException:
            self.sock.close()
            raise

    def read(self) -> Run:
        """The next run of frames. Raises `EOFError` at the end of the connection."""
        while not self._runs:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            if not self._opened:
                assert data.startswith(PREAMBLE)
                data = data[len(PREAMBLE) :]
                self._opened = True
            self._runs = self._reader.feed(data)
        return self._runs.pop(0)

    def read_value(self) -> tuple[int, object]:
        """The next frame's kind and decoded body."""
        run = self.read()
        return run[0], unpack(body_of(run))

    def read_to_the_end(self) -> list[tuple[int, object]]:
        """All frames that still come, until the connection ends."""
        found = []
        try:
            while True:
                found.append(self.read_value())
        except EOFError:
            return found

    def ask(self, method: str, *args: object, serial: int = 1) -> object:
        """Call the bus and return the answer; signals that come before it are left out."""
        key = f"org.pybus.Bus {method}".encode()
        self.sock.sendall(frame(CALL, 0, self.number, 0, serial, key, pack([list(args), {}])))
        while True:
            run = self.read()
            if run[4] == serial and run[0] == ANSWER:
                return unpack(body_of(run))

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> RawPeer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def header(length: int, kind: int, flags: int, key_length: int, sender: int, target: int, serial: int) -> bytes:
    """A header that may lie."""
    made = frame(kind, flags, sender, target, serial, b"\0" * key_length)[:HEADER_SIZE]
    return length.to_bytes(4, "little") + made[4:]
