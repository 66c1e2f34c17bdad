"""pybus in bytes: a greeting, one call to subscribe, and signals with a raw body."""

from collections.abc import Sequence

from pybus.protocol.codec import pack
from pybus.protocol.frames import ANSWER, CALL, PREAMBLE, RAW, SIGNAL, WELCOME, frame
from pybus.protocol.handshake import greeting
from tests.bench.wire import SMALL, RawClient, read_exactly


class Client(RawClient):
    """A raw connection to pybus."""

    def subscribe(self, patterns: Sequence[str]) -> None:
        body = pack([[list(patterns)], {}])
        self.sock.sendall(frame(CALL, 0, self._number, 0, 1, b"org.pybus.Bus subscribe", body))
        answer = self.read_message()
        if answer[4] != ANSWER:
            raise ConnectionError(f"the bus did not let us subscribe: {answer!r}")

    def signal(self, topic: str, size: int = SMALL) -> bytes:
        return frame(SIGNAL, RAW, self._number, 0, 0, topic.encode(), b"." * size)

    def read_message(self) -> bytes:
        length = read_exactly(self.sock, 4)
        return length + read_exactly(self.sock, int.from_bytes(length, "little") - 4)

    def _greet(self) -> None:
        self.sock.sendall(greeting("bench"))
        read_exactly(self.sock, len(PREAMBLE))
        welcome = self.read_message()
        if welcome[4] != WELCOME:
            raise ConnectionError(f"the bus did not let us in: {welcome!r}")
        self._number = int.from_bytes(welcome[12:16], "little")
