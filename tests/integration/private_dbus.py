"""A D-Bus bus of the test's own, and a notification service on it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from .hal_scene import PATIENCE, needs

needs_dbus = needs("dbus-daemon", "dbus-send")


CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>{address}</listen>
  <servicedir>{folder}</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
"""Everything is allowed, what has a .service file in the bus's folder is started, and the limits are those of
a system bus: the compiled-in ones."""


class PrivateDBus:
    """A `dbus-daemon` in a folder. address: of the bus, the same after a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._socket = folder / "dbus"
        self.address = f"unix:path={self._socket}"
        self._configuration = folder / "dbus.conf"
        self._configuration.write_text(CONFIGURATION.format(address=self.address, folder=folder))
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        options = (f"--config-file={self._configuration}", "--nofork", "--nopidfile", "--print-address")
        # Else it says on stderr that it may not have as many descriptors as it would like.
        process = subprocess.Popen(
            ("dbus-daemon", *options), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline().startswith(self.address)
        return process

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait(PATIENCE)
        self._socket.unlink(missing_ok=True)

    def restart(self) -> None:
        self._process = self._start()

    def emit(self, path: str, member: str, *arguments: str) -> None:
        """A signal from a program that comes and goes. member: with its interface. arguments: as dbus-send has it."""
        environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": self.address}
        command = ("dbus-send", "--session", "--type=signal", path, member, *arguments)
        subprocess.run(command, env=environment, check=True, timeout=PATIENCE)

    def __enter__(self) -> PrivateDBus:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class Notifier:
    """A desktop's notification service, a process of its own: see notifier.py. Everything it gets can be read here."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def next(self) -> Any:
        """What it got next."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            return json.loads(await self._process.stdout.readline())


@asynccontextmanager
async def notifier(address: str) -> AsyncIterator[Notifier]:
    """A notifier that owns its name."""
    aid = str(Path(__file__).with_name("notifier.py"))
    process = await asyncio.create_subprocess_exec(sys.executable, aid, address, stdout=asyncio.subprocess.PIPE)
    try:
        running = Notifier(process)
        assert await running.next() == "ready"
        yield running
    finally:
        process.kill()
        await process.communicate()
