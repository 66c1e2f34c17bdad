"""Redis in bytes: RESP2 (the Redis serialization protocol), and its commands for publishing and subscribing.

A connection that has subscribed can't publish in RESP2, so there are two, as Redis's own clients have it. The one
that publishes asks with CLIENT REPLY OFF for no replies, which would otherwise fill it: the protocol's way for whoever
doesn't want to know how many have got a message. A pattern of Redis has no words: its `*` stands for any text.
"""

import socket
from collections.abc import Sequence

from tests.bench.wire import SMALL, RawClient, open_socket, read_exactly, read_line


def command(*words: bytes) -> bytes:
    """An array of bulk strings, as each command is."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class Client(RawClient):
    """A raw connection to Redis."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._out: socket.socket | None = None
        super().__init__(endpoint)

    @property
    def out(self) -> socket.socket:
        if self._out is None:
            self._out = open_socket(self._endpoint)
            self._out.sendall(command(b"CLIENT", b"REPLY", b"OFF"))
        return self._out

    def subscribe(self, patterns: Sequence[str]) -> None:
        for pattern in patterns:
            text = pattern.replace("#", "*").encode()
            self.sock.sendall(command(b"PSUBSCRIBE" if b"*" in text else b"SUBSCRIBE", text))
            answer = self.read_message()
            if b"subscribe" not in answer:
                raise ConnectionError(f"the bus did not let us subscribe: {answer!r}")

    def signal(self, topic: str, size: int = SMALL) -> bytes:
        return command(b"PUBLISH", topic.encode(), b"." * size)

    def read_message(self) -> bytes:
        line = read_line(self.sock)
        if line.startswith(b"$"):
            return line + read_exactly(self.sock, int(line[1:]) + 2)
        if line.startswith(b"*"):
            return line + b"".join(self.read_message() for _ in range(int(line[1:])))
        return line

    def close(self) -> None:
        super().close()
        if self._out is not None:
            self._out.close()

    def _greet(self) -> None:
        self.sock.sendall(command(b"PING"))
        answer = self.read_message()
        if answer != b"+PONG\r\n":
            raise ConnectionError(f"the bus did not let us in: {answer!r}")
