"""Those who keep a screensaver off on D-Bus, for the scenes of org.pybus.Screensaver."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.daemon import BusDaemon

from .hal_scene import Program, Scene
from .private_dbus import PrivateDBus

SCREENSAVER, MANAGER = "org.freedesktop.ScreenSaver", "org.gnome.SessionManager"


class Keeper(Program):
    """See keeper.py."""

    async def heard(self) -> Any:
        """What it was asked for next."""
        return json.loads(await self.line())

    def answer(self) -> None:
        """Let it answer what waits."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")


class Desktops:
    """The D-Bus session bus, and who is on it."""

    def __init__(self, people: Scene, dbus: PrivateDBus) -> None:
        self._people = people
        self.dbus = dbus

    async def keeper(self, name: str = SCREENSAVER, manner: str = "at once") -> Keeper:
        aid = str(Path(__file__).with_name("keeper.py"))
        environment = {"DBUS_SESSION_BUS_ADDRESS": self.dbus.address}
        keeper = Keeper(await self._people.start(sys.executable, aid, name, manner, environment=environment))
        assert await keeper.heard() == "ready"
        return keeper


def offer_the_service(daemon: BusDaemon) -> None:
    """Let the bus know org.pybus.Screensaver, as it is shipped."""
    daemon.configure('[services]\ndisabled = ["org.pybus.Hal", "org.pybus.DBus"]\n')
    daemon.reload()
