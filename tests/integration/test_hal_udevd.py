"""The hardware service beside a real udevd: loop devices with real filesystems, and real interfaces."""

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from .hal_scene import Listener, Program, Scene, needs, needs_root, scene

pytestmark = [
    needs_root,
    needs("unshare", "nsenter", "udevadm", "losetup", "mkfs.ext4", "mkswap", "e2label", "ip"),
    pytest.mark.skipif(not Path("/lib/systemd/systemd-udevd").exists(), reason="udevd is not installed"),
]

_SCRIPT = Path(__file__).with_name("with-udevd")
SIZE = 4 << 20
EXT4_UUID = "0c0ffee0-1234-4321-8888-000000000001"
SWAP_UUID = "0c0ffee0-1234-4321-8888-000000000002"


class Place:
    """Where a real udevd runs, and the service beside it."""

    def __init__(self, people: Scene, pid: str) -> None:
        self.people = people
        self._enter = ("nsenter", f"--target={pid}", "--mount", "--net", "--pid")

    async def run(self, *command: str) -> str:
        """Run a command there; returns what it prints."""
        done = await asyncio.to_thread(
            subprocess.run, [*self._enter, *command], check=True, capture_output=True, text=True, timeout=20
        )
        return str(done.stdout).strip()

    async def service(self) -> Program:
        return await self.people.service(under=self._enter)


@pytest.fixture
async def place(bus_env: Mapping[str, str]) -> AsyncIterator[Place]:
    async with scene(bus_env) as people:
        namespace = Program(await people.start(str(_SCRIPT), "sleep", "infinity"))
        try:
            yield Place(people, await namespace.line())
        finally:
            namespace.process.send_signal(signal.SIGKILL)


@pytest.fixture
async def node(only_loops: None, place: Place, tmp_path: Path) -> AsyncIterator[str]:
    """A free loop device."""
    image = tmp_path / "image"
    image.write_bytes(bytes(SIZE))
    free = await place.run("losetup", "--find")
    yield free
    with contextlib.suppress(subprocess.CalledProcessError):  # it is detached already
        await place.run("losetup", "--detach", free)


def _loop(node: str, **more: object) -> dict[str, object]:
    name = node.removeprefix("/dev/")
    return {"path": f"/devices/virtual/block/{name}", "node": node, "kind": "loop", **more}


async def _hear(listener: Listener, node: str, word: str) -> dict[str, object]:
    """The next such message about the device; others of it may come before, as udevd looks several times."""
    while True:
        [_, body, _, _] = await listener.hear(f"hal.block.{word}", about={"node": node})
        return dict(body)


async def _hear_first(listener: Listener, node: str, record: object) -> str:
    """The topic under which the device was told first. Waits for this record, which udevd may find at a later look."""
    first = body = None
    while body != record:
        [topic, body, _, _] = await listener.hear("hal.block.added", "hal.block.changed", about={"node": node})
        first = first or topic
    return str(first)


async def test_a_filesystem_comes_with_its_label_is_renamed_and_goes(place: Place, node: str, tmp_path: Path) -> None:
    image = str(tmp_path / "image")
    await place.run("mkfs.ext4", "-q", "-L", "HOLI DAY", "-U", EXT4_UUID, image)
    await place.service()
    listener = await place.people.listener()

    await place.run("losetup", node, image)
    came = _loop(node, label="HOLI DAY", uuid=EXT4_UUID, filesystem="ext4", size=SIZE, removable=False)
    assert await _hear_first(listener, node, came) == "hal.block.added"

    await place.run("e2label", node, "WORK")  # udevd notices that somebody has written to it
    assert await _hear(listener, node, "changed") == {**came, "label": "WORK"}

    await place.run("losetup", "--detach", node)
    assert await _hear(listener, node, "removed") == {**came, "label": "WORK"}


async def test_what_udevd_is_not_done_with_is_told_when_it_is(place: Place, node: str, tmp_path: Path) -> None:
    """As when a listener starts the service because something was plugged in."""
    image = str(tmp_path / "image")
    await place.run("mkfs.ext4", "-q", "-L", "HOLIDAY", "-U", EXT4_UUID, image)
    await place.run("udevadm", "control", "--stop-exec-queue")
    await place.run("ip", "link", "add", "pbv0", "type", "veth", "peer", "name", "pbv1")
    await place.service()
    listener = await place.people.listener()
    await place.run("losetup", node, image)
    await place.run("udevadm", "control", "--start-exec-queue")
    heard: dict[str, list[str]] = {"pbv0": [], node: []}
    label = None
    while not heard["pbv0"] or label != "HOLIDAY":  # udevd's workers see to both at once
        [topic, body, _, _] = await listener.hear("hal.net.added", "hal.block.added", "hal.block.changed")
        heard.get(body.get("node") or body["name"], []).append(topic)
        label = body.get("label", label)
    assert heard["pbv0"] == ["hal.net.added"]
    assert heard[node].count("hal.block.added") == 1


async def test_what_is_there_already_goes_with_what_was_known(place: Place, node: str, tmp_path: Path) -> None:
    image = str(tmp_path / "image")
    await place.run("mkswap", "--quiet", "--label", "SWAP", "--uuid", SWAP_UUID, image)
    await place.run("losetup", node, image)
    await place.run("udevadm", "settle", "--timeout=20")
    await place.service()
    listener = await place.people.listener()
    await place.run("losetup", "--detach", node)
    known = _loop(node, label="SWAP", uuid=SWAP_UUID, filesystem="swap", size=SIZE, removable=False)
    assert await _hear(listener, node, "removed") == known


async def test_an_interface_comes_is_renamed_and_goes(place: Place) -> None:
    await place.service()
    listener = await place.people.listener()
    await place.run("ip", "link", "add", "pbv0", "type", "veth", "peer", "name", "pbv1")
    [_, added, _, _] = await listener.hear("hal.net.added", about={"name": "pbv0"})
    assert added.pop("address").count(":") == 5
    index = added["index"]
    assert added == {"path": "/devices/virtual/net/pbv0", "name": "pbv0", "index": index, "kind": "virtual"}
    await place.run("ip", "link", "set", "pbv0", "name", "pbv9")
    [_, renamed, _, _] = await listener.hear("hal.net.renamed")
    renamed.pop("address")
    assert renamed == {
        "path": "/devices/virtual/net/pbv9",
        "name": "pbv9",
        "index": index,
        "kind": "virtual",
        "old": "pbv0",
    }
    await place.run("ip", "link", "delete", "pbv9")
    [_, removed, _, _] = await listener.hear("hal.net.removed", about={"name": "pbv9"})
    assert removed["path"] == "/devices/virtual/net/pbv9"


async def test_udevadm_trigger_tells_nothing_twice(place: Place, node: str, tmp_path: Path) -> None:
    """It sends `add` for what is there, as some package's installation does."""
    image = str(tmp_path / "image")
    await place.run("mkfs.ext4", "-q", "-L", "HOLIDAY", image)
    await place.run("losetup", node, image)
    await place.run("udevadm", "settle", "--timeout=20")
    await place.service()
    listener = await place.people.listener()
    trigger = ("udevadm", "trigger", "--type=devices", "--action=add", "--settle")
    await place.run(*trigger, "--subsystem-match=block")
    await place.run(*trigger, "--sysname-match=null", "--subsystem-match=mem")
    [first, *_] = await listener.hear("hal.block.added", "hal.block.changed", "hal.mem.add")
    assert first == "hal.mem.add"
