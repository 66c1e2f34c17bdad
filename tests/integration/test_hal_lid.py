"""`hal.lid`: from a switch that people move, and from those who may read it, through the daemon to a listener."""

import asyncio
import contextlib
import importlib.util
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pybus_services.hal.device import Device
from pybus_services.hal.lid import Lid
from tests.descriptors import descriptors

from .hal_scene import PATIENCE, Bed, Program, Scene, needs_umockdev
from .mockbed import PRELOAD

ROOT = str(Path(__file__).parents[2])
LID = "hal.lid"

SYNCHRONISE, DROPPED = (0, 0, 0), (0, 3, 0)
OPEN, CLOSED = (5, 0, 0), (5, 0, 1)
TABLET = (5, 1, 0)

needs_evdev = pytest.mark.skipif(importlib.util.find_spec("evdev") is None, reason="evdev is not installed")


# --- D-Bus ----------------------------------------------------------------------------------------


class SystemBus:
    """A D-Bus system bus of the test's own, which can go away and come back."""

    def __init__(self, people: Scene, folder: Path) -> None:
        self.address = f"unix:path={folder}/system_bus"
        self._people = people
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = ("dbus-daemon", "--session", "--nofork", f"--address={self.address}", "--print-address")
        self._process = await self._people.start(*command)
        await Program(self._process).line()

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def witness(self, *arguments: str) -> "Witness":
        """Somebody on it who knows the lid, see `lidwitness`."""
        aid = str(Path(__file__).with_name("lidwitness.py"))
        environment = {"DBUS_SESSION_BUS_ADDRESS": self.address}
        witness = Witness(await self._people.start(sys.executable, aid, *arguments, environment=environment))
        assert await witness.line() == "ready"
        return witness


class Witness(Program):
    def turn(self, state: str) -> None:
        """The lid is `open` or `closed` now."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{state}\n".encode())

    async def leave(self) -> None:
        self.process.kill()
        await self.process.wait()


class Watcher:
    """Looks at a lid when it is told that it may have changed. Its switch is there, but can't be read."""

    def __init__(self) -> None:
        self.devices = [
            Device(
                "/devices/platform/lid/input9/event9",
                "event9",
                "input",
                properties={"DEVNAME": "/nonexistent/event9"},
                attributes={"device/capabilities/sw": "1"},
            )
        ]
        self.lid = Lid(lambda: self.devices)
        self._called = asyncio.Event()

    def changed(self) -> None:
        self._called.set()

    async def see(self, *expected: str) -> None:
        """Wait until the lid is this; nothing for unknown."""
        async with asyncio.timeout(PATIENCE):
            while list(self.lid.values().values()) != list(expected):
                self._called.clear()
                await self._called.wait()


@contextlib.asynccontextmanager
async def watching() -> AsyncIterator[Watcher]:
    """Somebody who watches the lid."""
    watcher = Watcher()
    try:
        await watcher.lid.open(watcher.changed)
        yield watcher
    finally:
        watcher.lid.close()


async def _end_of_others(tasks: set[asyncio.Task[Any]]) -> None:
    """Wait until those that are not among the tasks have ended."""
    others = asyncio.all_tasks() - tasks
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*others, return_exceptions=True)


@pytest.fixture
async def system_bus(people: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SystemBus:
    if shutil.which("dbus-daemon") is None:
        pytest.skip("not installed: dbus-daemon")
    system_bus = SystemBus(people, tmp_path)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", system_bus.address)
    await system_bus.start()
    return system_bus


async def test_logind_is_asked_about_a_switch_that_can_not_be_read(system_bus: SystemBus) -> None:
    logind = await system_bus.witness("logind", "closed")
    async with watching() as watcher:
        assert watcher.lid.values() == {LID: "closed"}
        for state in ("open", "closed", "open"):
            logind.turn(state)
            await watcher.see(state)


async def test_without_evdev_logind_is_asked(system_bus: SystemBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "evdev", None)
    await system_bus.witness("logind", "closed")
    async with watching() as watcher:
        assert watcher.lid.values() == {LID: "closed"}


async def test_a_machine_without_a_lid_asks_nobody(system_bus: SystemBus) -> None:
    await system_bus.witness("logind", "open")
    lid = Lid(list)
    before, tasks = descriptors(), asyncio.all_tasks()
    await lid.open(lambda: None)
    assert asyncio.all_tasks() == tasks
    assert descriptors() <= before
    assert lid.values() == {}
    lid.close()


async def test_a_lid_that_vanishes_and_comes_back(system_bus: SystemBus) -> None:
    await system_bus.witness("logind", "open")
    async with watching() as watcher:
        lid, watcher.devices = watcher.devices, []
        watcher.lid.refresh()
        assert watcher.lid.values() == {}
        watcher.devices = lid
        watcher.lid.refresh()
        await watcher.see("open")


async def test_who_keeps_changes_secret_is_not_believed(system_bus: SystemBus) -> None:
    """logind before systemd 256. UPower, which is started later, tells them."""
    await system_bus.witness("logind", "open", "secretly")
    async with watching() as watcher:
        assert watcher.lid.values() == {}
        upower = await system_bus.witness("upower", "closed")
        await watcher.see("closed")
        upower.turn("open")
        await watcher.see("open")
        upower.turn("absent")
        await watcher.see()


async def test_who_comes_later_is_asked_and_who_leaves_is_not_quoted_any_more(system_bus: SystemBus) -> None:
    async with watching() as watcher:
        assert watcher.lid.values() == {}
        logind = await system_bus.witness("logind", "closed")
        await watcher.see("closed")
        await logind.leave()
        await watcher.see()
        await system_bus.witness("logind", "open")
        await watcher.see("open")


async def test_a_system_bus_that_goes_away_and_comes_back(system_bus: SystemBus) -> None:
    await system_bus.witness("logind", "closed")
    async with watching() as watcher:
        assert watcher.lid.values() == {LID: "closed"}
        await system_bus.kill()
        await watcher.see()
        await system_bus.start()
        await system_bus.witness("logind", "open")
        await watcher.see("open")


async def test_without_a_system_bus_nobody_knows_until_there_is_one(system_bus: SystemBus) -> None:
    await system_bus.kill()
    async with watching() as watcher:
        assert watcher.lid.values() == {}
        await system_bus.start()
        await system_bus.witness("logind", "closed")
        await watcher.see("closed")


async def test_closing_leaves_nothing(system_bus: SystemBus) -> None:
    await system_bus.witness("logind", "open")
    before, tasks = descriptors(), asyncio.all_tasks()
    for _ in range(3):
        async with watching() as watcher:
            assert watcher.lid.values() == {LID: "open"}
        await _end_of_others(tasks)
        assert descriptors() <= before


async def test_closing_ends_an_attempt_to_connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system bus is one that takes connections and says nothing."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/mute")
    connected = asyncio.Event()
    parted = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        parted.set()

    async with await asyncio.start_unix_server(say_nothing, tmp_path / "mute"):
        watcher = Watcher()
        opening = asyncio.create_task(watcher.lid.open(watcher.changed))
        async with asyncio.timeout(PATIENCE):
            await connected.wait()
            opening.cancel()
            await asyncio.wait([opening])
            watcher.lid.close()
            await parted.wait()
        assert watcher.lid.values() == {}


# --- the switch -----------------------------------------------------------------------------------


@pytest.fixture
async def bed(people: Scene) -> AsyncIterator[Bed]:
    """A bed whose methods are those of `lidbed.LidBed`."""
    environment = {"LD_PRELOAD": PRELOAD, "PYTHONPATH": ROOT}
    program = Program(await people.start(sys.executable, "-m", "tests.integration.lidbed", environment=environment))
    bed = Bed(program, json.loads(await program.line()))
    yield bed
    await bed.close()


@needs_umockdev
@needs_evdev
async def test_the_switch_is_moved(people: Scene, bed: Bed) -> None:
    """Closed at the start, which no event says."""
    await bed.do("plug", "closed")
    await people.service("--source", "udev", bed=bed)
    listener = await people.listener()
    assert await listener.hear(LID) == [LID, "closed", True, False]
    await bed.do("switch", [OPEN, SYNCHRONISE])
    assert await listener.hear(LID) == [LID, "open", False, False]
    await bed.do("switch", [CLOSED, SYNCHRONISE, OPEN, SYNCHRONISE, CLOSED, SYNCHRONISE, TABLET, SYNCHRONISE])
    assert await listener.hear(LID) == [LID, "closed", False, False]


@needs_umockdev
@needs_evdev
async def test_after_dropped_events_the_state_is_read_again(people: Scene, bed: Bed) -> None:
    """The state that can be read is `closed` all the time."""
    await bed.do("plug", "closed")
    await people.service("--source", "udev", bed=bed)
    listener = await people.listener()
    assert await listener.hear(LID) == [LID, "closed", True, False]
    await bed.do("switch", [OPEN, SYNCHRONISE])
    assert await listener.hear(LID) == [LID, "open", False, False]
    await bed.do("switch", [DROPPED, OPEN, SYNCHRONISE])
    assert await listener.hear(LID) == [LID, "closed", False, False]


@needs_umockdev
@needs_evdev
async def test_a_switch_that_comes_goes_and_comes_back(people: Scene, bed: Bed) -> None:
    listener = await people.listener()
    await people.service("--source", "udev", bed=bed)
    await bed.do("plug", "open")
    assert await listener.hear(LID) == [LID, "open", False, False]
    await bed.do("unplug")
    assert await listener.hear(LID) == [LID, None, False, True]
    await bed.do("plug", "closed")
    assert await listener.hear(LID) == [LID, "closed", False, False]


@needs_umockdev
@needs_evdev
async def test_while_the_switch_can_not_be_read_logind_is_asked(people: Scene, bed: Bed, system_bus: SystemBus) -> None:
    """The node vanishes before the events that say so."""
    logind = await system_bus.witness("logind", "closed")
    bed.environment["DBUS_SYSTEM_BUS_ADDRESS"] = system_bus.address
    await bed.do("plug", "open")
    await people.service("--source", "udev", bed=bed)
    listener = await people.listener()
    assert await listener.hear(LID) == [LID, "open", True, False]
    await bed.do("hang_up")
    heard = [await listener.hear(LID)]
    if heard == [[LID, None, False, True]]:  # the answer comes a moment later
        heard.append(await listener.hear(LID))
    assert heard[-1] == [LID, "closed", False, False]
    logind.turn("open")
    assert await listener.hear(LID) == [LID, "open", False, False]
