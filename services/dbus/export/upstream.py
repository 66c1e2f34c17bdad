"""The exporter's connection to pybus, which comes back by itself, and what it tells of the bus."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import pybus

PROGRAM = "pybus-dbus-export"
"""What the exporter is seen as on pybus."""

BUS_NAME = "org.pybus.Bus"

PATIENCE = 5.0
"""Seconds that a call waits for a bus that is being started again."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between tries to reach a bus that is not there, from the first to the longest."""

LOOK_PAUSE = 0.1
"""Seconds between looks at the number of names: everybody on D-Bus with a proxy is told what they find."""

_log = logging.getLogger("pybus.dbus")


class Upstream:
    """The bus as it is now.

    bus: the connection, None before the first. up: whether the bus is there. version: its version, and names:
    how many well-known names it has; both are what was known last while it is not up.
    """

    def __init__(
        self,
        changed: Callable[[str], None],
        connected: Callable[[pybus.aio.Bus], None],
        missed: Callable[[dict[str, int]], None],
    ) -> None:
        """changed: called with "up", "version" or "names" when that has changed. connected: with each new
        connection, which then comes back by itself. missed: with what the bus dropped, by topic.
        """
        self.bus: pybus.aio.Bus | None = None
        self.up = False
        self.version = ""
        self.names = 0
        self._changed = changed
        self._connected = connected
        self._missed = missed
        self._is_up = asyncio.Event()
        self._tried = asyncio.Event()
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Stay connected until cancelled, then say goodbye."""
        pause = FIRST_PAUSE
        while True:
            try:
                async with pybus.aio.connect(program=PROGRAM) as bus:
                    pause = FIRST_PAUSE
                    await self._live(bus)
            except (pybus.PybusError, OSError) as error:
                if pause == FIRST_PAUSE:
                    _log.warning("no bus: %s", error)
            self._set_up(False)
            self._tried.set()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def tried(self) -> None:
        """Wait until it is known whether there is a bus."""
        await self._tried.wait()

    async def ready(self) -> pybus.aio.Bus:
        """The connection to a bus that is up. Raises `pybus.NoBus` if it does not come back in time."""
        if not self.up:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._is_up.wait()
        if self.bus is None or not self.up:
            raise pybus.NoBus("the bus is not there; `systemctl --user status pybus` may say why")
        return self.bus

    async def _live(self, bus: pybus.aio.Bus) -> None:
        """Be connected, until that ends for good."""
        bus.on_disconnect(lambda _reason: self._set_up(False))
        bus.on_reconnect(self._come_back)
        bus.on_missed(self._missed)
        bus.on("bus.name.#", lambda _signal: self._news.set(), retained=False)
        await self._look(bus)
        self.bus = bus
        self._set_up(True)
        self._connected(bus)
        self._tried.set()
        looking = asyncio.ensure_future(self._keep_looking(bus))
        try:
            await bus.run()
        finally:
            looking.cancel()
            self.bus = None

    def _come_back(self) -> None:
        self._news.set()
        self._set_up(True)

    def _set_up(self, up: bool) -> None:
        if up == self.up:
            return
        self.up = up
        if up:
            self._is_up.set()
        else:
            self._is_up.clear()
        self._changed("up")

    async def _keep_looking(self, bus: pybus.aio.Bus) -> None:
        """Look again when names have changed hands, once for all that did so in a moment."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._look(bus)
            except pybus.PybusError:
                self._news.set()  # it has seen nothing, so there is still something to see
            await asyncio.sleep(LOOK_PAUSE)

    async def _look(self, bus: pybus.aio.Bus) -> None:
        found: dict[str, Any] = await bus.call(BUS_NAME, "stats")
        for what in ("version", "names"):
            if getattr(self, what) != found[what]:
                setattr(self, what, found[what])
                self._changed(what)
