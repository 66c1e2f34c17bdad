"""The round trip of a method call through Python clients, a text and a float as arguments.

A service and a caller, each a process of its own; calls one after the other. pybus' asyncio client is
compared with dbus-next's, which is asyncio too; its blocking client stands beside. The service is
written as each library's documentation shows it. For dbus-next the caller uses `MessageBus.call`, which
is quicker than the library's proxies. As in `roundtrip`, all is measured once as the kernel places the
processes, and once with all of them on one core.
"""

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable
from time import perf_counter

import pybus
from tests.bench.buses import Bus, NotAvailable
from tests.bench.crew import Crew, Pipe, Role, hear
from tests.bench.figures import percentile

_NAME = "org.example.Bench"
_GUESS = 250e-6


class Calls:
    """A service and a caller on a bus, ready for rounds. blocking: with pybus' blocking client."""

    def __init__(self, crew: Crew, bus: Bus, measure: str, *, blocking: bool) -> None:
        self._measure = measure
        serve, call = _roles(bus, blocking)
        hear(crew.start(serve, bus.address))
        self._caller = crew.start(call, bus.address)
        hear(self._caller)
        self._times = 1

    def warm_up(self, seconds: float) -> None:
        self._times = max(10, round(seconds / _GUESS))
        self.round()

    def round(self) -> dict[str, float]:
        """Many calls, one after the other; microseconds."""
        self._caller.send(self._times)
        (seconds,) = hear(self._caller)
        return {
            f"{self._measure}_p50": percentile(seconds, 0.50) * 1e6,
            f"{self._measure}_p99": percentile(seconds, 0.99) * 1e6,
        }


def need_dbus_next() -> None:
    """Raises `NotAvailable` if there is no D-Bus client to compare with."""
    if importlib.util.find_spec("dbus_next") is None:
        raise NotAvailable("dbus-next is not installed, so there are no Python clients to compare with")


def _roles(bus: Bus, blocking: bool) -> tuple[Role, Role]:
    if bus.protocol == "dbus":
        need_dbus_next()
        from tests.bench import dbus_next_roles

        return dbus_next_roles.serve, dbus_next_roles.call
    return (serve_blocking, call_blocking) if blocking else (serve_aio, call_aio)


class _Scale:
    """The service."""

    def scale(self, name: str, factor: float) -> str:
        """Take a text and a float, return a text."""
        return name


def serve_blocking(pipe: Pipe, address: str) -> None:
    """Role: the service, with the blocking client."""
    with pybus.connect(address) as bus:
        bus.register(_NAME, _Scale())
        pipe.send("ready")
        bus.run()


def call_blocking(pipe: Pipe, address: str) -> None:
    """Role: the caller, with the blocking client."""
    with pybus.connect(address) as bus:
        pipe.send("ready")
        while True:
            seconds = []
            for _ in range(pipe.recv()):
                started = perf_counter()
                result = bus.call(_NAME, "scale", "front", 0.5)
                seconds.append(perf_counter() - started)
                assert result == "front"
            pipe.send(seconds)


def serve_aio(pipe: Pipe, address: str) -> None:
    """Role: the service, with the asyncio client."""
    asyncio.run(_serve_aio(pipe, address))


async def _serve_aio(pipe: Pipe, address: str) -> None:
    async with pybus.aio.connect(address) as bus:
        await bus.register(_NAME, _Scale())
        pipe.send("ready")
        await bus.run()


def call_aio(pipe: Pipe, address: str) -> None:
    """Role: the caller, with the asyncio client."""
    asyncio.run(_call_aio(pipe, address))


async def _call_aio(pipe: Pipe, address: str) -> None:
    async with pybus.aio.connect(address) as bus:

        async def once() -> object:
            return await bus.call(_NAME, "scale", "front", 0.5)

        await time_calls(pipe, once)


async def time_calls(pipe: Pipe, once: Callable[[], Awaitable[object]]) -> None:
    """Call as often as the harness says, each time; report the seconds. Used for each asyncio client."""
    pipe.send("ready")
    while True:
        seconds = []
        for _ in range(pipe.recv()):
            started = perf_counter()
            result = await once()
            seconds.append(perf_counter() - started)
            assert result == "front"
        pipe.send(seconds)
