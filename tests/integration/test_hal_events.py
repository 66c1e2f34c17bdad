"""The hal service and real kernel events: from the kernel through the daemon to another process."""

import asyncio
import fcntl
import glob
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import pybus
from pybus_services.hal.block import block_kind
from pybus_services.hal.catalogue import Catalogue
from pybus_services.hal.device import Device, State
from pybus_services.hal.service import BATCH, Service
from pybus_services.hal.udev import Monitor
from tests.daemon import BusDaemon

from .hal_scene import PATIENCE, Program, Scene, needs, needs_root

NULL_UEVENT = Path("/sys/class/mem/null/uevent")
"""Writing an action here makes a uevent of a device that is everywhere and to which nobody minds one."""

BURST = 300
SMALL_BUFFER = 8192

needs_uevents = pytest.mark.skipif(not os.access(NULL_UEVENT, os.W_OK), reason="/sys can't be written to")


def _run(*command: str | bytes) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _make_event(action: str) -> None:
    NULL_UEVENT.write_text(action)


@pytest.fixture
def loop_device(only_loops: None, tmp_path: Path) -> Iterator[str]:
    """A loop device over a file of 1 MiB: its name."""
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    try:
        node = _run("losetup", "--find", "--show", str(disk))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no loop device: {error.stderr.strip()}")
    yield Path(node).name
    subprocess.run(["losetup", "--detach", node], check=False, capture_output=True)


# --- events ---------------------------------------------------------------------------------------


async def _service_of_a_net(people: Scene) -> tuple[Program, tuple[str, ...]]:
    """The service in a network namespace of its own, and the command that enters it.

    `unshare` becomes the service, so its process is the namespace's.
    """
    service = await people.service("--source", "kernel", under=("unshare", "--net"))
    return service, ("nsenter", f"--net=/proc/{service.process.pid}/ns/net")


@needs_root
@needs("unshare", "nsenter", "ip")
async def test_a_network_interface_comes_and_goes(people: Scene) -> None:
    listener = await people.listener()
    _, inside = await _service_of_a_net(people)
    _run(*inside, "ip", "link", "add", "pbv0", "type", "veth", "peer", "name", "pbv1")
    added = await listener.hear("hal.net.added", about={"name": "pbv0"})
    _run(*inside, "ip", "link", "set", "pbv0", "name", "pbv9")
    renamed = await listener.hear("hal.net.renamed")
    _run(*inside, "ip", "link", "delete", "pbv9")
    removed = await listener.hear("hal.net.removed", about={"name": "pbv9"})
    record = {"path": "/devices/virtual/net/pbv0", "name": "pbv0", "index": added[1]["index"]}
    later = {**record, "path": "/devices/virtual/net/pbv9", "name": "pbv9"}
    assert [added, renamed, removed] == [
        ["hal.net.added", record, False, False],
        ["hal.net.renamed", {**later, "old": "pbv0"}, False, False],
        ["hal.net.removed", later, False, False],
    ]


@needs_root
@needs("unshare", "nsenter", "ip")
async def test_a_name_that_is_not_text_does_no_harm(people: Scene) -> None:
    listener = await people.listener()
    _, inside = await _service_of_a_net(people)
    _run(*inside, "ip", "link", "add", b"pb\xffx", "type", "veth", "peer", "name", "pbv1")
    event = await listener.hear("hal.net.added", about={"name": "pb\\xffx"})
    assert event[1]["path"] == "/devices/virtual/net/pb\\xffx"


@needs_root
@needs("losetup")
async def test_a_loop_device_goes_with_its_file(people: Scene, loop_device: str) -> None:
    listener = await people.listener()
    await people.service("--source", "kernel")
    _run("losetup", "--detach", f"/dev/{loop_device}")
    record = {
        "path": f"/devices/virtual/block/{loop_device}",
        "node": f"/dev/{loop_device}",
        "kind": "loop",
        "size": 1 << 20,
        "removable": False,
    }
    assert await listener.hear("hal.block.removed") == ["hal.block.removed", record, False, False]


# --- overflow -------------------------------------------------------------------------------------


@pytest.fixture
def only_burst() -> Iterator[None]:
    """No other run of these tests on this machine makes its burst now: it would reach our small buffer, too."""
    with NULL_UEVENT.open("w") as device:
        fcntl.flock(device, fcntl.LOCK_EX)
        yield


def _shrink_buffer(monitor: Monitor) -> None:
    with socket.socket(fileno=os.dup(monitor.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)


def _size_state(loop_device: str) -> State:
    """A state that the burst's own events don't touch: whether the loop device has a disk."""

    def values(devices: Sequence[Device]) -> dict[str, object]:
        sizes = {device.name: device.attributes["size"] for device in devices}
        return {"hal.test.disk": "present" if sizes[loop_device] != "0" else "absent"}

    return State("block", "hal.test.disk", ("size",), values)


@needs_root
@needs_uevents
@needs("losetup")
@pytest.mark.usefixtures("only_burst")
@pytest.mark.parametrize("batch", [1, 4, BATCH])
async def test_lost_events_are_told_and_states_read_afresh(
    people: Scene, bus_env: Mapping[str, str], loop_device: str, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """The service runs in this process, so that nothing reads while the burst is made.

    With batches smaller than what the buffer holds it has to tell of the gap where the gap is: at
    the queue's end, even if that is also the end of a batch.
    """
    monkeypatch.setattr("pybus_services.hal.service.BATCH", batch)
    listener = await people.listener()
    monitor = Monitor("kernel")
    _shrink_buffer(monitor)
    async with pybus.aio.connect(bus_env["PYBUS_ADDRESS"]) as bus:
        service = Service(bus, monitor, Catalogue(kinds=(block_kind(),), states=(_size_state(loop_device),)))
        await service.start()
        assert await listener.hear("hal.test.disk") == ["hal.test.disk", "present", False, False]
        serving = asyncio.create_task(service.run())
        for number in range(BURST):
            _make_event(f"change 00000000-0000-0000-0000-{number:012} NUMBER={number}")  # each another one
        _run("losetup", "--detach", f"/dev/{loop_device}")  # its event is lost, too

        heard: list[Any] = []
        while heard[-1:] != [["hal.test.disk", "absent", False, False]]:
            heard.append(await listener.hear("hal.mem.change", "hal.block.removed", "hal.lost", "hal.test.disk"))
        *before, lost, removed, _ = heard
        assert lost == ["hal.lost", {"why": "overflow", "overflows": 1}, False, False]
        assert removed[0] == "hal.block.removed"
        assert removed[1]["node"] == f"/dev/{loop_device}"
        assert 0 < len(before) < BURST
        assert {event[0] for event in before} == {"hal.mem.change"}

        _make_event("online")
        assert (await listener.hear("hal.mem.change", "hal.mem.online", "hal.lost"))[0] == "hal.mem.online"
        serving.cancel()
        await asyncio.wait([serving])
    assert await listener.hear("hal.test.disk") == ["hal.test.disk", None, False, True]


@needs_uevents
@pytest.mark.usefixtures("only_burst")
async def test_a_burst_of_equal_changes_is_one_message(people: Scene, bus_env: Mapping[str, str]) -> None:
    """The service runs in this process, so that nothing reads while the burst is made."""
    listener = await people.listener()
    async with pybus.aio.connect(bus_env["PYBUS_ADDRESS"]) as bus:
        service = Service(bus, Monitor("kernel"), Catalogue())
        await service.start()
        for _ in range(BATCH - 10):
            _make_event("change")
        _make_event("online")
        serving = asyncio.create_task(service.run())
        heard = [await listener.hear("hal.mem.change", "hal.mem.online") for _ in range(2)]
        serving.cancel()
        await asyncio.wait([serving])
    assert [event[0] for event in heard] == ["hal.mem.change", "hal.mem.online"]


# --- starting and ending --------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly(people: Scene, number: signal.Signals) -> None:
    service = await people.service("--source", "kernel")
    assert await service.end(number) == 0
    assert await service.rest() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_dead_or_hanging_bus_does_not_hold_it_up(
    people: Scene, daemon: BusDaemon, number: signal.Signals
) -> None:
    service = await people.service("--source", "kernel")
    daemon.process.send_signal(number)
    assert await service.end(signal.SIGTERM) == 0
    assert await service.rest() == []


async def _outcome(people: Scene, *command: str, environment: Mapping[str, str] | None = None) -> tuple[int, list[str]]:
    program = Program(await people.start(sys.executable, *command, environment=environment))
    lines = await program.rest()
    return await program.process.wait(), lines


async def test_a_second_one_is_turned_away(people: Scene) -> None:
    await people.service("--source", "kernel")
    code, [line] = await _outcome(people, "-m", "pybus_services.hal", "--source", "kernel")
    assert code == 5
    assert re.fullmatch(r"pybus-hal: org\.pybus\.Hal is owned by .+", line)


async def test_of_two_that_start_at_once_one_is_turned_away_and_the_values_stay(
    people: Scene, bus_env: Mapping[str, str]
) -> None:
    command = (sys.executable, "-m", "pybus_services.hal", "--source", "kernel")
    both = [Program(await people.start(*command)) for _ in range(2)]
    async with asyncio.timeout(PATIENCE):
        done, _ = await asyncio.wait(
            [asyncio.create_task(one.process.wait()) for one in both], return_when=asyncio.FIRST_COMPLETED
        )
    assert [task.result() for task in done] == [5]
    async with pybus.aio.connect(bus_env["PYBUS_ADDRESS"]) as bus:
        async with asyncio.timeout(PATIENCE):
            while [one["name"] for one in await bus.call("org.pybus.Bus", "names")] != ["org.pybus.Hal"]:
                pass
        kept = await bus.call("org.pybus.Bus", "topics", "hal.#")
        assert sorted(one["topic"] for one in kept) == sorted(await bus.call("org.pybus.Hal", "state"))


async def test_without_a_bus_it_says_so(people: Scene, tmp_path: Path) -> None:
    nowhere = {"PYBUS_ADDRESS": f"unix:{tmp_path}/bus"}
    code, [line] = await _outcome(people, "-m", "pybus_services.hal", "--source", "kernel", environment=nowhere)
    assert code == 4
    assert line.startswith(f"pybus-hal: no bus at unix:{tmp_path}/bus")


async def test_without_pyudev_it_says_what_to_install(people: Scene) -> None:
    hide = (
        "import runpy, sys; sys.modules['pyudev'] = None; runpy.run_module('pybus_services.hal', run_name='__main__')"
    )
    assert await _outcome(people, "-c", hide) == (
        3,
        ["pybus-hal: pyudev is not installed; install it with: pip install 'pybus[services]'"],
    )


async def test_debug_shows_where_an_error_comes_from(people: Scene, tmp_path: Path) -> None:
    nowhere = {"PYBUS_ADDRESS": f"unix:{tmp_path}/bus"}
    command = ("-m", "pybus_services.hal", "--source", "kernel", "--debug")
    code, lines = await _outcome(people, *command, environment=nowhere)
    assert code == 1
    assert lines[0].strip() == "Traceback (most recent call last):"


async def test_without_udevd_it_says_so_once(people: Scene) -> None:
    program = Program(await people.start(sys.executable, "-m", "pybus_services.hal"))
    if not glob.glob("/run/udev/control"):
        assert await program.line() == "pybus-hal: no udevd runs, so events come from the kernel, with fewer properties"
    assert await program.line() == "pybus-hal: serving"


@pytest.mark.skipif(bool(glob.glob("/sys/class/power_supply/*")), reason="this machine has a power supply")
async def test_without_a_mains_supply_nothing_is_retained(people: Scene, bus_env: Mapping[str, str]) -> None:
    await people.service("--source", "kernel")
    async with pybus.aio.connect(bus_env["PYBUS_ADDRESS"]) as bus:
        assert await bus.call("org.pybus.Bus", "topics", "hal.power.#") == []
