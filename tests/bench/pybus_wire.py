"""pybus in bytes: a greeting, one call to subscribe, and signals of 64 bytes."""

from collections.abc import Sequence

from pybus.protocol.codec import pack
from pybus.protocol.frames import ANSWER, CALL, PREAMBLE, SIGNAL, frame
from pybus.protocol.handshake import Welcome, greeting
from tests.bench.wire import open_socket, read_exactly

SIGNAL_SIZE = 64
_HEADER = 27  # the frame's 20 bytes and the key, "bench.x"
_BODY = pack("." * (SIGNAL_SIZE - _HEADER - 2))


class PybusClient:
    """A raw connection to pybus."""

    def __init__(self, path: str) -> None:
        self.sock = open_socket(path)
        self.sock.sendall(greeting("bench"))
        read_exactly(self.sock, len(PREAMBLE))
        self._number = int.from_bytes(self._welcome()[12:16], "little")

    def subscribe(self, topics: Sequence[str]) -> None:
        body = pack([[[f"bench.{topic}" for topic in topics]], {}])
        self.sock.sendall(frame(CALL, 0, self._number, 0, 1, b"org.pybus.Bus subscribe", body))
        answer = self.read_message()
        if answer[4] != ANSWER:
            raise ConnectionError(f"the bus did not let us subscribe: {answer!r}")

    def signal(self, topic: str) -> bytes:
        return frame(SIGNAL, 0, self._number, 0, 0, f"bench.{topic}".encode(), _BODY)

    def read_message(self) -> bytes:
        length = read_exactly(self.sock, 4)
        return length + read_exactly(self.sock, int.from_bytes(length, "little") - 4)

    def _welcome(self) -> bytes:
        """The WELCOME frame; its target is our number."""
        message = self.read_message()
        assert message[4] == 2, Welcome
        return message
