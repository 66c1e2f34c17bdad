"""A method call through Python clients: the round trip, and how many a second with a hundred under way.

A service and a caller, each a process of its own. The service is written as each library's documentation shows it,
and takes a text and a float; NATS, whose client encodes nothing, carries 64 bytes there and back. The round trip is
that of calls one after the other, measured, as in `roundtrip`, once as the kernel places the processes and once with
all of them on one core. Clients that can have many calls under way have a hundred at any moment for the other figure.
"""

import asyncio
from time import monotonic, perf_counter

from tests.bench.buses import Bus
from tests.bench.client import Calls, Client, under_way
from tests.bench.crew import Crew, Pipe, hear
from tests.bench.figures import percentile

_IN_FLIGHT = 100

_FIRST = 100
"""Calls of the first round, from which the number for the others is found."""


class CallByCall:
    """A service and a caller on a bus, ready for rounds."""

    def __init__(self, crew: Crew, bus: Bus, client: Client, measure: str) -> None:
        self._measure = measure
        hear(crew.start(serve, client, bus.address))
        self._caller = crew.start(call, client, bus.address)
        hear(self._caller)
        self._times = _FIRST

    def warm_up(self, seconds: float) -> None:
        self._times = max(10, round(seconds * 1e6 / self.round()[f"{self._measure}_p50"]))

    def round(self) -> dict[str, float]:
        """Many calls, one after the other; microseconds."""
        self._caller.send(self._times)
        (seconds,) = hear(self._caller)
        return {
            f"{self._measure}_p50": percentile(seconds, 0.50) * 1e6,
            f"{self._measure}_p99": percentile(seconds, 0.99) * 1e6,
        }


class CallsInFlight:
    """A service and a caller on a bus, ready for rounds."""

    def __init__(self, crew: Crew, bus: Bus, client: Client) -> None:
        hear(crew.start(serve, client, bus.address))
        self._caller = crew.start(call_many, client, bus.address)
        hear(self._caller)
        self._times = 10 * _IN_FLIGHT

    def warm_up(self, seconds: float) -> None:
        self._times = max(_IN_FLIGHT, round(self.round()["call_100_in_flight"] * seconds))

    def round(self) -> dict[str, float]:
        """Many calls, a hundred at any moment; how many a second were answered."""
        self._caller.send(self._times)
        (seconds,) = hear(self._caller)
        return {"call_100_in_flight": self._times / seconds}


def serve(pipe: Pipe, client: Client, address: str) -> None:
    """Role: the service."""
    asyncio.run(_serve(pipe, client.calls(), address))


async def _serve(pipe: Pipe, calls: Calls, address: str) -> None:
    await calls.open(address)
    await calls.serve(lambda: pipe.send("ready"))


def call(pipe: Pipe, client: Client, address: str) -> None:
    """Role: the caller, one after the other; the seconds of each."""
    asyncio.run(time_calls(pipe, client.calls(), address))


async def time_calls(pipe: Pipe, calls: Calls, address: str) -> None:
    """Call as often as the harness says, each time; report the seconds."""
    await calls.open(address)
    pipe.send("ready")
    while True:
        seconds = []
        for _ in range(pipe.recv()):
            started = perf_counter()
            await calls.call()
            seconds.append(perf_counter() - started)
        pipe.send(seconds)


def call_many(pipe: Pipe, client: Client, address: str) -> None:
    """Role: the caller, a hundred at any moment; the seconds of all."""
    asyncio.run(_call_many(pipe, client.calls(), address))


async def _call_many(pipe: Pipe, calls: Calls, address: str) -> None:
    await calls.open(address)
    pipe.send("ready")
    while True:
        times: int = pipe.recv()
        started = monotonic()
        await under_way(_IN_FLIGHT, calls.call, times)
        pipe.send(monotonic() - started)
