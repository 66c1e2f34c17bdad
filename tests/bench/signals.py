"""Signals a second, 1 to 1 and 1 to 8.

One process sends signals that were encoded beforehand, 2048 in a write; each subscriber is a process
that counts the bytes it reads. The same code does so for each bus, so the bus is what is measured.

It is fair in this: subscribers acknowledge every 2048 signals to the publisher, outside of the bus,
and the publisher is never more than 16 such chunks ahead (2 with 8 subscribers). So no bus has to queue
more than 3 MiB, none drops, none throws a subscriber out (dbus-broker does so past a quota for each
user), and none can look fast by only buffering. The time runs from the first write until the last
subscriber has the last byte. A subscriber that does not get exactly the bytes that it should fails the
measurement. How many signals a round has is found from a first round, so that each takes about as long
on every bus.
"""

from collections.abc import Sequence
from time import monotonic

from tests.bench.buses import Bus
from tests.bench.crew import Crew, Failure, Pipe, hear
from tests.bench.wire import RawClient, raw_client

CHUNK = 2048
"""Signals in one write, and in one acknowledgement."""

AHEAD = 16
"""Chunks that the publisher may be ahead of the slowest subscriber, shared out among all subscribers."""

_READ_SIZE = 256 * 1024


class SignalLoad:
    """One publisher and some subscribers on a bus, ready for rounds. topics: how many, used in turn."""

    def __init__(self, crew: Crew, bus: Bus, measure: str, subscribers: int, topics: int) -> None:
        self._measure = measure
        self._deliveries = subscribers
        names = "xyzuvwrs"[:topics]
        links = [crew.link() for _ in range(subscribers)]
        self._subscribers = [crew.start(subscribe, bus.protocol, bus.path, names, link[1]) for link in links]
        hear(*self._subscribers)
        self._publisher = crew.start(publish, bus.protocol, bus.path, names, [link[0] for link in links])
        hear(self._publisher, *self._subscribers)
        self._chunks = 1

    def warm_up(self, seconds: float) -> None:
        """Find how many chunks a round of that many seconds has."""
        self._chunks = AHEAD
        speed = self.round()[self._measure] / self._deliveries
        self._chunks = max(1, round(speed * seconds / CHUNK))

    def round(self) -> dict[str, float]:
        """Send the chunks; what was delivered in a second."""
        for pipe in [*self._subscribers, self._publisher]:
            pipe.send(self._chunks)
        started, *ended = hear(self._publisher, *self._subscribers)
        return {self._measure: self._chunks * CHUNK * self._deliveries / (max(ended) - started)}


def publish(pipe: Pipe, protocol: str, path: str, topics: str, acknowledged: list[Pipe]) -> None:
    """Role: one signal of each topic for a start, then as many chunks as the harness says, each time."""
    ahead = max(2, AHEAD // len(acknowledged))
    client = raw_client(protocol, path)
    frames = [client.signal(topic) for topic in topics]
    client.sock.sendall(b"".join(frames))
    chunk = b"".join(frames * (CHUNK // len(frames)))
    pipe.send("ready")
    while True:
        chunks: int = pipe.recv()
        started = monotonic()
        for sent in range(chunks):
            if sent >= ahead:
                _await(acknowledged)
            client.sock.sendall(chunk)
        for _ in range(min(chunks, ahead)):
            _await(acknowledged)
        pipe.send(started)


def subscribe(pipe: Pipe, protocol: str, path: str, topics: str, acknowledge: Pipe) -> None:
    """Role: learn the signals' size from the first ones, then count bytes, and tell when all have come."""
    client = raw_client(protocol, path)
    client.subscribe(topics)
    pipe.send("subscribed")
    first = [client.read_message() for _ in topics]
    pipe.send("ready")
    while True:
        chunks: int = pipe.recv()
        pipe.send(_count(client, first, chunks, acknowledge))


def _count(client: RawClient, first: Sequence[bytes], chunks: int, acknowledge: Pipe) -> float:
    """Read all chunks; the time at which the last byte had come."""
    buffer = bytearray(_READ_SIZE)
    receive = client.sock.recv_into
    chunk_size = sum(map(len, first)) * (CHUNK // len(first))
    missing = chunk_size * chunks
    next_word = missing - chunk_size
    while missing > 0:
        size = receive(buffer)
        if not size:
            raise Failure("the bus closed the connection of a subscriber")
        missing -= size
        while missing <= next_word and next_word >= 0:
            acknowledge.send_bytes(b".")
            next_word -= chunk_size
    ended = monotonic()
    tail = bytes(buffer[max(0, size - len(first[-1])) : size])
    if missing < 0 or not first[-1].endswith(tail):
        raise Failure(f"something else than the published signals came ({-missing} bytes too many)")
    return ended


def _await(acknowledged: list[Pipe]) -> None:
    for pipe in acknowledged:
        pipe.recv_bytes()
