"""A bus of D-Bus and a pybus with the exporter between them, and who uses it from the side of D-Bus."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import pybus
from pybus_services.dbus.bus import Bus, DBusError, Signal
from pybus_services.dbus.watches import Watch
from tests.daemon import PATIENCE, BusDaemon
from tests.descriptors import descriptors

NAME = "org.pybus.Bus"
PATH = "/org/pybus/Bus"
BUS1 = "org.pybus.Bus1"
PROPERTIES = "org.freedesktop.DBus.Properties"


class Bridge:
    """The exporter, a process of its own, between a bus of D-Bus and a daemon that ends with it.

    environ: for other programs, on both buses. daemon: of pybus. process: the exporter.
    """

    def __init__(self, dbus: str, *options: str) -> None:
        """dbus: its address. options: of the exporter."""
        self.dbus = dbus
        self.daemon = BusDaemon()
        self.environ = {**self.daemon.environ, "DBUS_SESSION_BUS_ADDRESS": dbus}
        self._options = options
        self.start()

    def start(self) -> None:
        """Start the exporter, and wait until it serves."""
        self.launch()
        self.wait_until_it_serves()

    def launch(self) -> None:
        """Start the exporter. Not with `-X dev`, as asyncio then complains of a turn of 0.1 s, which is the load's."""
        command = [sys.executable, "-W", "error", "-m", "pybus_services.dbus.export", *self._options]
        self.process = subprocess.Popen(command, env=self.environ, stderr=subprocess.PIPE, text=True)

    def wait_until_it_serves(self) -> list[str]:
        """What it said before."""
        assert self.process.stderr is not None
        said: list[str] = []
        while (line := self.process.stderr.readline()) != "pybus-dbus-export: serving\n":
            assert line, f"the exporter ended: {said}"
            said.append(line)
        return said

    def descriptors(self) -> list[str]:
        """What the exporter has open, by kind."""
        return sorted(kind.partition("[")[0] for _, kind in descriptors(self.process.pid))

    async def has_closed_all_but(self, before: list[str], carol: pybus.aio.Bus) -> None:
        """Wait until no more of any kind is open than before: others hear of an end before its descriptor is closed."""
        async with asyncio.timeout(PATIENCE):
            while not Counter(self.descriptors()) <= Counter(before):
                await carol.call("org.pybus.Bus", "peers")

    def stop(self) -> str:
        """End the exporter; what it said."""
        self.process.terminate()
        _, said = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, said
        return said

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program on both buses."""
        return subprocess.run(words, env=self.environ, capture_output=True, text=True, timeout=PATIENCE)

    def gdbus(self, method: str, *arguments: str) -> str:
        """Call a method with gdbus; its output without the newline, the error if there was one."""
        words = ("gdbus", "call", "--session", "--dest", NAME, "--object-path", PATH, "--method", f"{BUS1}.{method}")
        done = self.run(*words, *arguments)
        return (done.stdout + done.stderr).strip()

    def busctl(self, method: str, *arguments: str) -> Any:
        """Call a method with busctl; the answer with its types."""
        words = ("busctl", "--user", f"--address={self.dbus}", "--json=short", "call", NAME, PATH, BUS1, method)
        done = self.run(*words, *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["data"]

    def __enter__(self) -> Bridge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.process.poll() is None:
                self.process.kill()
            self.process.communicate(timeout=PATIENCE)
        finally:
            self.daemon.__exit__(kind, error, trace)


class Applet:
    """A program on D-Bus that uses the bus. bus: its connection. name: its unique name there."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.name = bus.name
        self._heard: asyncio.Queue[Signal] = asyncio.Queue()
        self._watch: Watch | None = None

    async def call(self, method: str, signature: str = "", *body: object) -> Any:
        """Call a method of Bus1; the answer's only value, None if it has none."""
        answer = await self.bus.call(NAME, PATH, BUS1, method, signature, body)
        return answer[0] if answer else None

    async def publish(self, topic: str, body: object, **options: bool) -> None:
        await self.call("Publish", "sva{sv}", topic, body, options)

    async def refusal(self, method: str, signature: str = "", *body: object) -> tuple[str, str]:
        """The name and the message of the error that a call ends with."""
        try:
            answer = await self.call(method, signature, *body)
        except DBusError as error:
            return error.name, error.message
        raise AssertionError(f"it was answered with {answer}")

    async def subscribe(self, pattern: str) -> int:
        number = await self.call("Subscribe", "s", pattern)
        assert isinstance(number, int)
        return number

    async def property(self, name: str) -> object:
        [value] = await self.bus.call(NAME, PATH, PROPERTIES, "Get", "ss", [BUS1, name])
        return value

    async def next(self, member: str = "Message") -> Any:
        """The values of the next signal of the interface, which must be this one."""
        signal = await self.next_signal()
        assert (signal.path, signal.member) == (PATH, member), signal
        return signal.body

    async def has_become(self, name: str, value: object) -> None:
        """Wait until a property is told to have this value."""
        while (await self.next("PropertiesChanged"))[1].get(name) != value:
            pass

    async def next_signal(self) -> Signal:
        """The next signal of the interface, whichever it is."""
        async with asyncio.timeout(PATIENCE):
            return await self._heard.get()

    def heard_nothing_more(self) -> bool:
        return self._heard.empty()

    async def hear(self, interface: str = BUS1) -> None:
        """Hear the signals of an interface, as every library does that has a proxy for it."""
        self._watch = await self.bus.watch(self._heard.put_nowait, path=PATH, interface=interface)


class Reader:
    """A program on D-Bus that can be stopped: see reader.py. process: its process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def next(self) -> Any:
        """What it got next."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            return json.loads(await self.process.stdout.readline())


@asynccontextmanager
async def reader(bridge: Bridge, pattern: str) -> AsyncIterator[Reader]:
    """A reader that has subscribed."""
    aid = str(Path(__file__).with_name("reader.py"))
    words = (sys.executable, aid, bridge.dbus, pattern)
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    try:
        running = Reader(process)
        assert await running.next() == "ready"
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def applets(bridge: Bridge, number: int) -> AsyncIterator[Sequence[Applet]]:
    """So many programs, who hear the signals of Bus1."""
    made = [Applet(await Bus.connect(bridge.dbus)) for _ in range(number)]
    try:
        for one in made:
            await one.hear()
        yield made
    finally:
        for one in made:
            one.bus.close()
