"""The round trip of two signals between two raw clients.

One process publishes a signal and waits for another; a second process gets the first signal and publishes the
other. Both use plain blocking sockets and bytes encoded beforehand, the same code for each bus. So
what is measured is twice the way through the bus, and four wake-ups by the kernel.

It is measured twice. Left to itself the kernel puts the three processes on this core or that, and waking one on
another core takes longer than all the rest; the figures jump, for any bus, between two values. Bound to one
core, where nothing is lost as only one of them has work at a time, they show what the bus itself takes.
"""

from time import perf_counter

from tests.bench.buses import Bus
from tests.bench.crew import Crew, Failure, Pipe, hear
from tests.bench.figures import percentile
from tests.bench.wire import RawClient, raw_client

_GUESS = 50e-6


class RoundTrip:
    """Two clients on a bus, ready for rounds."""

    def __init__(self, crew: Crew, bus: Bus, measure: str) -> None:
        self._measure = measure
        self._bob = crew.start(answer, bus.protocol, bus.path)
        hear(self._bob)
        self._alice = crew.start(ask, bus.protocol, bus.path)
        hear(self._alice)
        self._times = 1

    def warm_up(self, seconds: float) -> None:
        self._times = max(20, round(seconds / _GUESS))
        self.round()

    def round(self) -> dict[str, float]:
        """There and back many times, one after the other; microseconds."""
        self._bob.send(self._times)
        self._alice.send(self._times)
        (seconds,) = hear(self._alice)
        return {
            f"{self._measure}_p50": percentile(seconds, 0.50) * 1e6,
            f"{self._measure}_p99": percentile(seconds, 0.99) * 1e6,
        }


def ask(pipe: Pipe, protocol: str, path: str) -> None:
    """Role: publish x, wait for y, note the time."""
    client = raw_client(protocol, path)
    client.subscribe("y")
    signal = client.signal("x")
    client.sock.sendall(signal)
    size = len(client.read_message())
    pipe.send("ready")
    while True:
        pipe.send(_go_and_return(client, signal, size, pipe.recv()))


def _go_and_return(client: RawClient, signal: bytes, size: int, times: int) -> list[float]:
    send, receive = client.sock.sendall, client.sock.recv
    seconds = []
    for _ in range(times):
        started = perf_counter()
        send(signal)
        data = receive(4096)
        seconds.append(perf_counter() - started)
        _check(data, size)
    return seconds


def answer(pipe: Pipe, protocol: str, path: str) -> None:
    """Role: for each x publish y."""
    client = raw_client(protocol, path)
    client.subscribe("x")
    signal = client.signal("y")
    pipe.send("subscribed")
    size = len(client.read_message())
    send, receive = client.sock.sendall, client.sock.recv
    send(signal)
    while True:
        for _ in range(pipe.recv()):
            data = receive(4096)
            send(signal)
            _check(data, size)


def _check(data: bytes, size: int) -> None:
    if len(data) != size:
        raise Failure(f"{len(data)} bytes came in place of a signal of {size}")
