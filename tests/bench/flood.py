"""One who publishes small signals to some subscribers, as fast as the bus takes them or at an even pace.

The bytes, chunks and acknowledgements are those of the measurement of signals a second (see `signals`), outside of
the bus: the flooder is at most 16 chunks ahead, shared out among its subscribers, so that no bus drops
signals or throws somebody out.
"""

import time
from select import select
from time import monotonic

from tests.bench.buses import Bus
from tests.bench.crew import Crew, Failure, Pipe, hear
from tests.bench.signals import READ_SIZE
from tests.bench.wire import raw_client

_AHEAD = 16


class Flood:
    """A flooder and its subscribers, at rest until `start`. chunk: signals in one write."""

    def __init__(self, crew: Crew, bus: Bus, topic: str, subscribers: int, chunk: int = 2048) -> None:
        links = [crew.link() for _ in range(subscribers)]
        self._subscribers = [
            crew.start(swallow, bus.protocol, bus.endpoint, topic, chunk, acknowledge) for _, acknowledge in links
        ]
        hear(*self._subscribers)
        acknowledged = [pipe for pipe, _ in links]
        self._flooder = crew.start(flood, bus.protocol, bus.endpoint, topic, chunk, acknowledged)
        hear(self._flooder, *self._subscribers)

    def start(self, pause: float = 0.0) -> None:
        """Returns when the flood flows. pause: seconds from chunk to chunk, 0 for as fast as it can."""
        self._flooder.send(pause)
        hear(self._flooder)

    def stop(self) -> float:
        """End it; how many signals a second were published. Returns when all of them have arrived."""
        self._flooder.send("stop")
        (speed,) = hear(self._flooder)
        return float(speed)


def flood(pipe: Pipe, protocol: str, endpoint: str, topic: str, size: int, acknowledged: list[Pipe]) -> None:
    """Role: publish chunks of so many signals, from a pause to "stop"; signals a second."""
    ahead = max(2, _AHEAD // len(acknowledged))
    client = raw_client(protocol, endpoint)
    signal = client.signal(topic)
    client.out.sendall(signal)
    chunk = signal * size
    pipe.send("ready")
    while True:
        pause: float = pipe.recv()
        started = monotonic()
        chunks = 0
        while not pipe.poll():
            if chunks >= ahead:
                _await(acknowledged)
            if pause:
                time.sleep(max(0.0, started + chunks * pause - monotonic()))
            client.out.sendall(chunk)
            chunks += 1
            if chunks == ahead:
                pipe.send("flowing")
        for _ in range(ahead):
            _await(acknowledged)
        pipe.recv()
        pipe.send(chunks * size / (monotonic() - started))


def swallow(pipe: Pipe, protocol: str, endpoint: str, topic: str, chunk: int, acknowledge: Pipe) -> None:
    """Role: read what comes, and acknowledge each chunk, until ended."""
    client = raw_client(protocol, endpoint)
    client.subscribe([topic])
    client.settle()
    pipe.send("subscribed")
    chunk_size = len(client.read_message()) * chunk
    pipe.send("ready")
    buffer = bytearray(READ_SIZE)
    size = 0
    while True:
        select([client.sock], [], [])  # as long as there is no flood
        got = client.sock.recv_into(buffer)
        if not got:
            raise Failure("the bus closed the connection of a subscriber")
        size += got
        while size >= chunk_size:
            acknowledge.send_bytes(b".")
            size -= chunk_size


def _await(acknowledged: list[Pipe]) -> None:
    for pipe in acknowledged:
        pipe.recv_bytes()
