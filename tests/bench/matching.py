"""Signals a second beside patterns of others that don't match: 1, 100, 10 000, 1 000 000 of them.

The load is that of 16 topics in turn from one publisher to one subscriber (see `signals`). Meanwhile other connections
hold patterns with wildcards of the shapes that programs have, which begin with the same words as the topics do, or
with a wildcard, so that no bus is rid of them at the first word. Each connection holds at most `_EACH`, on every bus:
pybus allows 16 384, and Mosquitto compares each new one with those that the connection has. The memory of each is
what the daemon's memory has grown by since there were few, divided; of 10 000 that can be nothing, where the
heap of a daemon had room for them.

A bus that has been seen to need more than `_PATIENCE` seconds for the next step is left out of it, by name.
"""

from collections.abc import Iterator
from time import monotonic

from tests.bench.buses import Bus, NotAvailable
from tests.bench.crew import Crew, Pipe, hear
from tests.bench.idle import memory_of
from tests.bench.signals import Load, SignalLoad
from tests.bench.wire import RawClient, raw_client

FEW = 100
"""Patterns up to which neither their memory nor the time for them is worth a measurement."""

_EACH = 10_000
_BATCH = 1000
_PATIENCE = 30

_SHAPES = (
    "home.room{major}.*.sensor{minor}",
    "home.*.{minor}.room{major}",
    "app.{major}.window.{minor}.#",
    "*.battery{major}.cell{minor}",
)

_TOPICS = [f"home.room{number}.lamp.power" for number in range(16)]
_LOAD = Load(topics=_TOPICS, patterns=_TOPICS)


class Matching:
    """A publisher and a subscriber on a bus, beside patterns whose number grows."""

    def __init__(self, crew: Crew, bus: Bus) -> None:
        self._bus = bus
        self._holder = crew.start(hold, bus.protocol, bus.endpoint)
        hear(self._holder)
        self._load = SignalLoad(crew, bus, "matching", _LOAD)
        self._patterns = 0
        self._base = (0, 0)
        self._cost = 0.0

    def grow(self, patterns: int) -> dict[str, float]:
        """Let there be so many; bytes of memory for each, if they are many. Raises `NotAvailable` if it can't."""
        expected = (patterns - self._patterns) * self._cost
        if expected > _PATIENCE:
            raise NotAvailable(f"{patterns} patterns would take some {expected:.0f} s to subscribe to")
        started = monotonic()
        self._holder.send((self._patterns, patterns))
        for _ in _batches(self._patterns, patterns):
            hear(self._holder)
        taken = (monotonic() - started) / (patterns - self._patterns)
        self._patterns = patterns
        memory = memory_of(self._bus.pid)
        if patterns <= FEW:
            self._base = patterns, memory
            return {}
        self._cost = taken
        few, before = self._base
        return {f"matching_memory_{patterns}": (memory - before) / (patterns - few)}

    def warm_up(self, seconds: float) -> None:
        self._load.warm_up(seconds)

    def round(self) -> dict[str, float]:
        """What was delivered in a second."""
        return {f"matching_{self._patterns}": self._load.round()["matching"]}


def hold(pipe: Pipe, protocol: str, endpoint: str) -> None:
    """Role: subscribe to the patterns from one number to another, each time that it is told two; a word a batch."""
    clients: list[RawClient] = []
    pipe.send("ready")
    while True:
        first, end = pipe.recv()
        for start, stop in _batches(first, end):
            if start == len(clients) * _EACH:
                clients.append(raw_client(protocol, endpoint))
            clients[-1].subscribe([pattern(number) for number in range(start, stop)])
            pipe.send("subscribed")


def pattern(number: int) -> str:
    """One of a million."""
    major, minor = divmod(number // len(_SHAPES), 500)
    return _SHAPES[number % len(_SHAPES)].format(major=major, minor=minor)


def _batches(first: int, end: int) -> Iterator[tuple[int, int]]:
    while first < end:
        stop = min(end, first - first % _BATCH + _BATCH)
        yield first, stop
        first = stop
