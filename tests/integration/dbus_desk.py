"""A desktop for the rules' scenes: both buses of D-Bus, a bus, and programs on D-Bus, real ones among them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

import pybus
from pybus_services.dbus.bus import Bus
from pybus_services.dbus.watches import DBUS, DBUS_PATH
from tests.cli.programs import BIN, run
from tests.daemon import PATIENCE, BusDaemon

from .hal_scene import Program, Scene
from .private_dbus import PrivateDBus

NAME = "org.pybus.DBus"
MPRIS_PLUGIN = Path("/usr/lib/mpv-mpris/mpris.so")
_SYSTEM_PYTHON = "/usr/bin/python3"
"""Where Debian's python3-dbusmock is."""


def _has_dbusmock() -> bool:
    command = [_SYSTEM_PYTHON, "-c", "import dbusmock"]
    return (
        Path(_SYSTEM_PYTHON).exists()
        and subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
    )


needs_players = pytest.mark.skipif(
    not all(map(shutil.which, ("mpv", "ffmpeg", "playerctl"))) or not MPRIS_PLUGIN.exists(),
    reason="needs mpv with mpv-mpris, ffmpeg and playerctl",
)
needs_dbusmock = pytest.mark.skipif(not _has_dbusmock(), reason="not installed: python3-dbusmock")


class Listener(Program):
    """`pybus-listen`, as a person types it."""

    async def hear(self, *lines: str) -> None:
        """Its next lines are these."""
        heard = [await self.line() for _ in lines]
        assert heard == list(lines), heard

    async def hear_all(self, *lines: str) -> None:
        """Its next lines are these, in any order."""
        heard = [await self.line() for _ in lines]
        assert sorted(heard) == sorted(lines), heard

    async def hear_until(self, line: str) -> None:
        """Lines until this one."""
        while await self.line() != line:
            pass


class Radio(Program):
    """A program that does what it is told: see radio.py."""

    async def do(self, method: str, *args: object) -> Any:
        """Have it do something; returns when it is done."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([method, *args]).encode() + b"\n")
        return json.loads(await self.line())


class Desk:
    """Everything together. rules: the user's file. environment: of programs on the desk."""

    def __init__(self, session: PrivateDBus, system: PrivateDBus, daemon: BusDaemon) -> None:
        self.session = session
        self.system = system
        self.daemon = daemon
        self.rules = Path(daemon.configuration).with_name("dbus.toml")
        self.environment = {
            **daemon.environ,
            "DBUS_SESSION_BUS_ADDRESS": session.address,
            "DBUS_SYSTEM_BUS_ADDRESS": system.address,
        }

    @asynccontextmanager
    async def scene(self) -> AsyncIterator[DeskScene]:
        """The programs of one scene; the service is not running before it, nor after it."""
        async with AsyncExitStack() as stack:
            alice = await stack.enter_async_context(pybus.aio.connect(self.daemon.address, program="alice"))
            yield DeskScene(stack, self.environment, alice)
            await asyncio.to_thread(run, self.daemon, "pybus", "service", NAME, "stop")


class DeskScene(Scene):
    """alice: who is on the bus, too."""

    def __init__(self, stack: AsyncExitStack, environment: Mapping[str, str], alice: pybus.aio.Bus) -> None:
        super().__init__(stack, environment)
        self.alice = alice
        self.session = environment["DBUS_SESSION_BUS_ADDRESS"]

    async def listen(self, *patterns: str) -> Listener:
        """A listener that has subscribed, which has started the service. There is one in a scene."""
        async with self.alice.subscribe(f"bus.listeners.{NAME}") as news:
            listener = Listener(await self.start(str(BIN / "pybus-listen"), *patterns))
            assert await news.receive(PATIENCE) is not None
        await self.alice.call(NAME, "introspect")
        return listener

    async def play(self, clip: Path, *options: str) -> Program:
        """mpv with this clip, over and over."""
        quiet = ("--no-config", "--vo=null", "--ao=null", "--really-quiet", "--loop=inf")
        return Program(await self.start("mpv", *quiet, f"--script={MPRIS_PLUGIN}", *options, str(clip)))

    async def control(self, player: str, command: str) -> None:
        """What a person's key does, by playerctl."""
        process = await self.start("playerctl", "--player", player, command)
        output, _ = await process.communicate()
        assert (process.returncode, output) == (0, b"")

    async def radio(self, *names: str) -> Radio:
        """A radio on the session bus that owns these names."""
        aid = str(Path(__file__).with_name("radio.py"))
        radio = Radio(await self.start(sys.executable, aid, self.session))
        assert json.loads(await radio.line()) == "ready"
        for name in names:
            await radio.do("own", name)
        return radio

    async def mock(self, template: str) -> Program:
        """A service of dbusmock's, which comes soon; on which bus says the template."""
        return Program(await self.start(_SYSTEM_PYTHON, "-m", "dbusmock", "--template", template))

    async def until_owned(self, bus: str, name: str) -> None:
        """Wait until somebody owns a name on D-Bus."""
        owned = asyncio.Event()
        with contextlib.closing(await Bus.connect(bus)) as watching:
            await watching.watch(lambda _: owned.set(), sender=DBUS, member="NameOwnerChanged", arg0=name)
            [is_owned] = await watching.call(DBUS, DBUS_PATH, DBUS, "NameHasOwner", "s", (name,))
            if not is_owned:
                async with asyncio.timeout(PATIENCE):
                    await owned.wait()

    async def on_dbus(
        self, bus: str, destination: str, path: str, method: str, *args: object, signature: str = ""
    ) -> Any:
        """Call a method on D-Bus, by the service itself."""
        return await self.alice.call(NAME, "call", destination, path, method, list(args), signature, bus)


@contextmanager
def desk(folder: Path) -> Iterator[Desk]:
    """A desktop in a folder, whose bus starts the shipped service when it is needed."""
    for name in ("session", "system"):
        (folder / name).mkdir()
    with PrivateDBus(folder / "session") as session, PrivateDBus(folder / "system") as system:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DBUS_SESSION_BUS_ADDRESS", session.address)
            patch.setenv("DBUS_SYSTEM_BUS_ADDRESS", system.address)
            with BusDaemon() as daemon:
                daemon.configure('[services]\ndisabled = ["org.pybus.Hal"]\n')
                daemon.reload()
                yield Desk(session, system, daemon)
