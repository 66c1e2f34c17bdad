"""The same call by a program on D-Bus: to a dbus-next service there, and through org.pybus.Bus1 to a service on pybus.

The caller is dbus-next's `MessageBus.call` both times, the services are those of `calls`, a text and a
float are the arguments. Each is a process of its own, so that the way through pybus has two more: the
exporter and the daemon. The two are measured in turn in each round.

Then a program on pybus publishes a burst of signals to a subscriber on D-Bus, who counts what arrives and
what it is told that it missed; meanwhile a third program asks the exporter for a Ping again and again. The
longest that it waits for one is the longest that the exporter did nothing else.
"""

import asyncio
import os
import subprocess
import sys
from time import perf_counter
from types import TracebackType

import pybus
from pybus_services.dbus.bus import Bus as DBus
from pybus_services.dbus.bus import Signal
from tests.bench.buses import Bus, Pybus
from tests.bench.calls import call, serve, time_calls
from tests.bench.client import client_of, need
from tests.bench.crew import Crew, Failure, Pipe, hear
from tests.bench.figures import percentile

_GUESS = 1e-3
_BURST = 5000
_OBJECT = ("org.pybus.Bus", "/org/pybus/Bus")
_BUS1 = "org.pybus.Bus1"


class Export:
    """Both services and both callers; `with` starts and ends the exporter."""

    def __init__(self, crew: Crew, dbus: Bus, pybus: Pybus) -> None:
        """Raises `NotAvailable` without dbus-next."""
        self._caller = need(client_of("dbus-next"))
        crew.environment = pybus.environment
        self._crew = crew
        self._dbus = dbus
        self._pybus = pybus
        self._times = 1

    def __enter__(self) -> "Export":
        environment = {
            **os.environ,
            **self._pybus.environment,
            "PYBUS_ADDRESS": self._pybus.address,
            "DBUS_SESSION_BUS_ADDRESS": self._dbus.address,
        }
        command = [sys.executable, "-m", "pybus_services.dbus.export"]
        self._exporter = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, process_group=0)
        assert self._exporter.stderr is not None
        line = self._exporter.stderr.readline()
        if line != "pybus-dbus-export: serving\n":
            raise Failure(f"the exporter did not start: {line}")
        hear(self._crew.start(serve, client_of("asyncio"), self._pybus.address))
        hear(self._crew.start(serve, self._caller, self._dbus.address))
        self._callers = {
            "export_bare": self._crew.start(call, self._caller, self._dbus.address),
            "export_call": self._crew.start(call_exported, self._dbus.address),
        }
        hear(*self._callers.values())
        self._publisher = self._crew.start(publish, self._pybus.address)
        self._subscriber = self._crew.start(subscribe, self._dbus.address)
        self._probe = self._crew.start(probe, self._dbus.address)
        hear(self._publisher, self._subscriber, self._probe)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exporter.terminate()
        self._exporter.communicate()

    def warm_up(self, seconds: float) -> None:
        self._times = max(10, round(seconds / _GUESS))
        self.round()

    def round(self) -> dict[str, float]:
        """Many calls of each, one after the other; microseconds."""
        found = {}
        for measure, caller in self._callers.items():
            caller.send(self._times)
            (seconds,) = hear(caller)
            found[f"{measure}_p50"] = percentile(seconds, 0.50) * 1e6
        return {**found, **self._burst()}

    def _burst(self) -> dict[str, float]:
        """One burst: the longest wait for a Ping beside it, ms, and what arrived or was told as missed, a second."""
        self._probe.send("begin")
        hear(self._probe)
        for pipe in (self._subscriber, self._publisher):
            pipe.send(_BURST)
        begun, ended = hear(self._publisher, self._subscriber)
        self._probe.send("end")
        (longest,) = hear(self._probe)
        return {"export_wait": longest * 1e3, "export_burst": _BURST / (ended - begun)}


def call_exported(pipe: Pipe, address: str) -> None:
    """Role: the caller on D-Bus of a service on pybus."""
    from tests.bench.clients.dbus_next_client import ExportedCalls

    asyncio.run(time_calls(pipe, ExportedCalls(), address))


def publish(pipe: Pipe, address: str) -> None:
    """Role: the publisher on pybus."""
    with pybus.connect(address) as bus:
        pipe.send("ready")
        while True:
            count: int = pipe.recv()
            begun = perf_counter()
            for number in range(count):
                bus.publish("bench.burst", {"number": number, "text": "unplugged"})
            bus.flush()
            pipe.send(begun)


def subscribe(pipe: Pipe, address: str) -> None:
    """Role: the subscriber on D-Bus."""
    asyncio.run(_subscribe(pipe, address))


async def _subscribe(pipe: Pipe, address: str) -> None:
    bus = await DBus.connect(address)
    count = 0
    news = asyncio.Event()

    def hear_one(signal: Signal) -> None:
        nonlocal count
        count += 1 if signal.member == "Message" else sum(signal.body[1].values())
        news.set()

    await bus.watch(hear_one, path=_OBJECT[1], interface=_BUS1)
    await bus.call(*_OBJECT, _BUS1, "Subscribe", "s", ["bench.burst"])
    pipe.send("ready")
    while True:
        wanted = await asyncio.to_thread(pipe.recv)
        while count < wanted:
            news.clear()
            await news.wait()
        pipe.send(perf_counter())
        count = 0


def probe(pipe: Pipe, address: str) -> None:
    """Role: who asks for a Ping again and again."""
    asyncio.run(_probe(pipe, address))


async def _probe(pipe: Pipe, address: str) -> None:
    bus = await DBus.connect(address)
    pipe.send("ready")
    while True:
        pipe.recv()
        await bus.call(*_OBJECT, "org.freedesktop.DBus.Peer", "Ping")
        pipe.send("begun")
        longest = 0.0
        while not pipe.poll():
            begun = perf_counter()
            await bus.call(*_OBJECT, "org.freedesktop.DBus.Peer", "Ping")
            longest = max(longest, perf_counter() - begun)
        pipe.recv()
        pipe.send(longest)
