"""The round trip of two signals between two raw clients.

One process publishes a signal and waits for another; a second process gets the first signal and publishes the
other. Both use plain blocking sockets and bytes encoded beforehand, the same code for each bus. So
what is measured is twice the way through the bus, and four wake-ups by the kernel.

It is measured twice without anything else. Left to itself the kernel puts the three processes on this core or that,
and waking one on another core takes longer than all the rest; the figures jump, for any bus, between two values. Bound
to one core, where nothing is lost as only one of them has work at a time, they show what the bus itself takes.

And once beside a load: a third process publishes small signals to a fourth, half as many a second as a burst before
has shown that they get through the bus at most, in even steps of `_STEP` signals. The four share the cores
with the bus. A bus may take less than that (pybus slows who sends more than 100 000 a second for long
while others use the bus as well); what it took is shown.
"""

import time
from time import perf_counter

from tests.bench.buses import Bus
from tests.bench.crew import Crew, Failure, Pipe, hear
from tests.bench.figures import percentile
from tests.bench.flood import Flood
from tests.bench.wire import RawClient, raw_client

_LEAST = 20
"""Round trips in a round, at least."""

_STEP = 128


class RoundTrip:
    """Two clients on a bus, ready for rounds."""

    def __init__(self, crew: Crew, bus: Bus, measure: str) -> None:
        self._measure = measure
        self._bob = crew.start(answer, bus.protocol, bus.endpoint)
        self._alice = crew.start(ask, bus.protocol, bus.endpoint)
        hear(self._bob, self._alice)
        self._alice.send("publish one")
        hear(self._alice)
        self._times = _LEAST

    def warm_up(self, seconds: float) -> None:
        """Find how many round trips a round of that many seconds has."""
        p50 = self.round()[f"{self._measure}_p50"]
        self._times = max(_LEAST, round(seconds * 1e6 / p50))

    def round(self) -> dict[str, float]:
        """There and back many times, one after the other; microseconds."""
        self._bob.send(self._times)
        self._alice.send(self._times)
        (seconds,) = hear(self._alice)
        return {
            f"{self._measure}_p50": percentile(seconds, 0.50) * 1e6,
            f"{self._measure}_p99": percentile(seconds, 0.99) * 1e6,
        }


class LoadedRoundTrip(RoundTrip):
    """The same beside a load of half the maximum."""

    def __init__(self, crew: Crew, bus: Bus) -> None:
        super().__init__(crew, bus, "roundtrip_loaded")
        self._flood = Flood(crew, bus, "f", subscribers=1, chunk=_STEP)
        self._pause = 0.0

    def warm_up(self, seconds: float) -> None:
        self._flood.start()
        time.sleep(seconds)  # nothing is waited for: this is the burst that is measured
        self._pause = 2 * _STEP / self._flood.stop()
        super().warm_up(seconds)

    def round(self) -> dict[str, float]:
        self._flood.start(self._pause)
        found = super().round()
        return {**found, "roundtrip_load": self._flood.stop()}


def ask(pipe: Pipe, protocol: str, endpoint: str) -> None:
    """Role: publish x, wait for y, note the time."""
    client = raw_client(protocol, endpoint)
    client.subscribe(["y"])
    client.settle()
    pipe.send("subscribed")
    pipe.recv()
    signal = client.signal("x")
    client.out.sendall(signal)
    size = len(client.read_message())
    pipe.send("ready")
    while True:
        pipe.send(_go_and_return(client, signal, size, pipe.recv()))


def _go_and_return(client: RawClient, signal: bytes, size: int, times: int) -> list[float]:
    send, receive = client.out.sendall, client.sock.recv
    seconds = []
    for _ in range(times):
        started = perf_counter()
        send(signal)
        data = receive(4096)
        seconds.append(perf_counter() - started)
        _check(data, size)
    return seconds


def answer(pipe: Pipe, protocol: str, endpoint: str) -> None:
    """Role: for each x publish y."""
    client = raw_client(protocol, endpoint)
    client.subscribe(["x"])
    client.settle()
    signal = client.signal("y")
    pipe.send("subscribed")
    size = len(client.read_message())
    send, receive = client.out.sendall, client.sock.recv
    send(signal)
    while True:
        for _ in range(pipe.recv()):
            data = receive(4096)
            send(signal)
            _check(data, size)


def _check(data: bytes, size: int) -> None:
    if len(data) != size:
        raise Failure(f"{len(data)} bytes came in place of a signal of {size}")
