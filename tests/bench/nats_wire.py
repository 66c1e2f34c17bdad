"""NATS in bytes: its client protocol, which is lines of text, with PUB, SUB and MSG.

The server measures the round trip to a client by a PING of its own, some 2 s after the client has connected, whatever
interval it is told for later ones. It would come among the messages, so `settle` waits for it.
"""

from collections.abc import Sequence

from tests.bench.wire import SMALL, RawClient, read_exactly, read_line

_CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"name":"bench","lang":"python","version":"1","protocol":0}\r\n'


class Client(RawClient):
    """A raw connection to NATS."""

    def subscribe(self, patterns: Sequence[str]) -> None:
        first = self._subscriptions
        self._subscriptions += len(patterns)
        lines = [f"SUB {_subject(pattern)} {number}\r\n" for number, pattern in enumerate(patterns, first)]
        self.sock.sendall("".join(lines).encode())
        self._ping()

    def settle(self) -> None:
        if not self._settled:
            self._expect(b"PING\r\n")
            self._answer_ping()

    def signal(self, topic: str, size: int = SMALL) -> bytes:
        return b"PUB %b %d\r\n%b\r\n" % (topic.encode(), size, b"." * size)

    def read_message(self) -> bytes:
        line = read_line(self.sock)
        return line + read_exactly(self.sock, int(line.split()[-1]) + 2) if line.startswith(b"MSG ") else line

    def _greet(self) -> None:
        self._subscriptions = 0
        self._settled = False
        self._expect(b"INFO ")
        self.sock.sendall(_CONNECT)
        self._ping()

    def _ping(self) -> None:
        """Returns when the server has done all that was sent before."""
        self.sock.sendall(b"PING\r\n")
        self._expect(b"PONG\r\n")

    def _answer_ping(self) -> None:
        self.sock.sendall(b"PONG\r\n")
        self._settled = True

    def _expect(self, wanted: bytes) -> None:
        line = read_line(self.sock)
        if line == b"PING\r\n" != wanted:
            self._answer_ping()
            line = read_line(self.sock)
        if not line.startswith(wanted):
            raise ConnectionError(f"the bus said {line!r} in place of {wanted!r}")


def _subject(pattern: str) -> str:
    """`#` can only be the last word of a pattern, as NATS's `>`, which stands for one word or more."""
    return pattern.removesuffix("#") + ">" if pattern.endswith("#") else pattern
