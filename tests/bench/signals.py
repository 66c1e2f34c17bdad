"""Signals a second: from one publisher to one subscriber and to many, small and large, of one topic and of many.

One process sends signals that were encoded beforehand, a chunk in a write; another has all subscribers' connections
and counts the bytes that it reads from each, in large pieces. The same code does so for each bus, so the bus is what is
measured. Neither looks at a signal, so on two cores the bus has nearly one for itself, whichever it is; a
process for each subscriber would take it that core with wake-ups.

It is fair in this: the subscribers acknowledge every chunk to the publisher, outside of the bus, when the slowest of
them has it, and the publisher is never further ahead than `AHEAD` bytes. So none has to queue more than a few
MiB, none drops, none throws a subscriber out (dbus-broker does so past a quota for each user), and none can look
fast by only buffering. The time runs from the first write until the last subscriber has the last byte. A subscriber
that does not get exactly the bytes that it should fails the measurement. How many chunks a round has is found from
a first round, so that each takes about as long on every bus.

A size is that of the body, the same on every bus. Each protocol adds its own header, from 11 bytes (MQTT) to 96
(D-Bus); that is part of what its bus has to move.
"""

import select
from collections.abc import Callable, Sequence
from time import monotonic
from typing import NamedTuple

from tests.bench.buses import Bus
from tests.bench.crew import Crew, Failure, Pipe, hear
from tests.bench.wire import PATIENCE, SMALL, RawClient, raw_client

AHEAD = 2 * 1024 * 1024
"""Bytes of bodies on their way to all subscribers together, at most, but for two chunks that are always allowed."""

READ_SIZE = 256 * 1024
"""Bytes that a subscriber reads at once."""

_TAIL = 32


class Load(NamedTuple):
    """What is published to whom. topics: in turn. patterns: of each subscriber; each topic matches one of them.

    size: of a body, bytes. chunk: signals in one write and one acknowledgement, a multiple of the topics.
    """

    subscribers: int = 1
    topics: Sequence[str] = ("bench.x",)
    patterns: Sequence[str] = ("bench.x",)
    size: int = SMALL
    chunk: int = 2048

    @property
    def ahead(self) -> int:
        """Chunks that the publisher may be ahead of the slowest subscriber."""
        return max(2, AHEAD // (self.chunk * self.size * self.subscribers))


_TURN = [f"bench.{letter}" for letter in "abcdefghijklmnop"]
_ROOMS = [f"home.room{room}" for room in range(10)]
_SENSORS = [f"{room}.sensor{sensor:02}" for sensor in range(100) for room in _ROOMS]

LOADS = {
    "signals_1_1": Load(),
    "signals_16_topics": Load(topics=_TURN, patterns=_TURN),
    "signals_1000_topics": Load(topics=_SENSORS, patterns=[f"{room}.#" for room in _ROOMS], chunk=2000),
    "signals_1_8": Load(subscribers=8, chunk=256),
    "signals_1_64": Load(subscribers=64, chunk=128),
    "signals_1k": Load(size=1024, chunk=128),
    "signals_64k": Load(size=64 * 1024, chunk=8),
}
"""By measure. Only one thing differs from the first each time."""


class SignalLoad:
    """A publisher and subscribers on a bus, ready for rounds."""

    def __init__(self, crew: Crew, bus: Bus, measure: str, load: Load) -> None:
        self._measure = measure
        self._load = load
        acknowledged, acknowledge = crew.link()
        self._subscribers = crew.start(subscribe, bus.protocol, bus.endpoint, load, acknowledge)
        hear(self._subscribers)
        self._publisher = crew.start(publish, bus.protocol, bus.endpoint, load, acknowledged)
        hear(self._publisher, self._subscribers)
        self._chunks = 1

    def warm_up(self, seconds: float) -> None:
        """Find how many chunks a round of that many seconds has."""
        self._chunks = self._load.ahead
        speed = self.round()[self._measure] / self._load.subscribers
        self._chunks = max(1, round(speed * seconds / self._load.chunk))

    def round(self) -> dict[str, float]:
        """Send the chunks; what was delivered in a second."""
        for pipe in (self._subscribers, self._publisher):
            pipe.send(self._chunks)
        started, ended = hear(self._publisher, self._subscribers)
        return {self._measure: self._chunks * self._load.chunk * self._load.subscribers / (ended - started)}


def publish(pipe: Pipe, protocol: str, endpoint: str, load: Load, acknowledged: Pipe) -> None:
    """Role: one signal of each topic for a start, then as many chunks as the harness says, each time."""
    client = raw_client(protocol, endpoint)
    signals = b"".join([client.signal(topic, load.size) for topic in load.topics])
    client.out.sendall(signals)
    chunk = signals * (load.chunk // len(load.topics))
    pipe.send("ready")
    while True:
        chunks: int = pipe.recv()
        started = monotonic()
        for sent in range(chunks):
            if sent >= load.ahead:
                acknowledged.recv_bytes()
            client.out.sendall(chunk)
        for _ in range(min(chunks, load.ahead)):
            acknowledged.recv_bytes()
        pipe.send(started)


def subscribe(pipe: Pipe, protocol: str, endpoint: str, load: Load, acknowledge: Pipe) -> None:
    """Role: learn the signals' size from the first ones, then count bytes, and tell when all have come."""
    clients = [raw_client(protocol, endpoint) for _ in range(load.subscribers)]
    for client in clients:
        client.subscribe(load.patterns)
    for client in clients:
        client.settle()
    pipe.send("subscribed")
    for client in clients:
        first = [client.read_message() for _ in load.topics]
    chunk_size = sum(map(len, first)) * (load.chunk // len(first))
    pipe.send("ready")
    while True:
        chunks: int = pipe.recv()
        pipe.send(_count(clients, chunks * chunk_size, chunk_size, first[-1][-_TAIL:], acknowledge))


def _count(clients: Sequence[RawClient], size: int, step: int, tail: bytes, acknowledge: Pipe) -> float:
    """Read so many bytes from each, and acknowledge each step of them; the time at which the last had come.

    tail: how they end.
    """
    buffer = bytearray(READ_SIZE)
    receivers = {client.sock.fileno(): client.sock.recv_into for client in clients}
    missing = dict.fromkeys(receivers, size)
    next_word = size - step
    ready = _readiness(list(receivers))
    most = size
    while most > 0:
        for number in ready():
            got = receivers[number](buffer)
            if not got:
                raise Failure("the bus closed the connection of a subscriber")
            missing[number] -= got
            if missing[number] <= 0:
                _check_end(bytes(buffer[max(0, got - len(tail)) : got]), tail, -missing[number])
        most = max(missing.values())
        while most <= next_word and next_word >= 0:
            acknowledge.send_bytes(b".")
            next_word -= step
    return monotonic()


def _readiness(numbers: list[int]) -> Callable[[], list[int]]:
    """Tells which descriptors have something to read. One alone can be read without asking: it blocks."""
    if len(numbers) == 1:
        return lambda: numbers
    poll = select.epoll()
    for number in numbers:
        poll.register(number, select.EPOLLIN)

    def ready() -> list[int]:
        found = [number for number, _ in poll.poll(PATIENCE)]
        if not found:
            raise Failure(f"no subscriber got anything for {PATIENCE} s")
        return found

    return ready


def _check_end(got: bytes, tail: bytes, too_many: int) -> None:
    if too_many or not tail.endswith(got):
        raise Failure(f"something else than the published signals came ({too_many} bytes too many)")
