"""The exporter: a connection to D-Bus and one to pybus, each of which comes and goes as the other side does."""

import asyncio
import contextlib
import functools
import logging
import math
from collections.abc import Callable

import pybus

from ..bus import Bus, DBusError
from ..objects import Objects
from .interface import PROPERTY_OF, Bus1, offer
from .peers import INTERFACE, PATH, Peers
from .upstream import Upstream

NAME = "org.pybus.Bus"

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
"""Seconds between tries to reach a session bus that is not there, from the first to the longest."""

FAREWELL = 5.0
"""Seconds that calls in progress have when this program ends."""

_log = logging.getLogger("pybus.dbus")


class NameTaken(Exception):
    """Another program has the name on D-Bus."""


class Exporter:
    """Offers pybus on the session bus of D-Bus."""

    def __init__(self, idle: float, say_ready: Callable[[], None]) -> None:
        """idle: seconds without calls and subscribers, or without a session bus, after which it ends, 0 for never.
        say_ready: called whenever it has the name on D-Bus.
        """
        self._idle = idle
        self._say_ready = say_ready
        self._upstream = Upstream(self._changed, self._connected, self._missed)
        self._bus1 = Bus1(self._upstream)
        self._objects = Objects()
        self._objects.add(PATH, offer(self._bus1, self._upstream))
        self._bus: Bus | None = None
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve until `stop`, or until nobody needs it; then answer the calls that it has. Raises `NameTaken`."""
        upstream = asyncio.ensure_future(self._upstream.run())
        self._running = asyncio.ensure_future(self._serve_each())
        try:
            done, _ = await asyncio.wait([self._running, upstream], return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                if not one.cancelled():
                    one.result()
        finally:
            for one in (self._running, upstream):
                one.cancel()
            await asyncio.gather(self._running, upstream, return_exceptions=True)

    def stop(self) -> None:
        """End `run`. If it is about to end by itself, it goes on with that: systemd tells every service to end
        that has given its name up.
        """
        if self._running is not None and not self._bus1.leaving:
            self._running.cancel()

    async def _serve_each(self) -> None:
        """Serve on the session bus, and on the next when that has gone, until nobody needs it."""
        await self._upstream.tried()  # so that the call which starts this program finds the bus
        while (bus := await self._connect()) is not None:
            try:
                if await self._serve(bus):
                    return
            finally:
                bus.close()

    async def _connect(self) -> Bus | None:
        """The session bus as soon as there is one; None if there is none for so long that nobody needs this program."""
        time = asyncio.get_running_loop().time
        end = time() + (self._idle or math.inf)
        pause = FIRST_PAUSE
        while True:
            try:
                return await Bus.connect("session")
            except OSError as error:
                if pause == FIRST_PAUSE:
                    _log.warning("no session bus of D-Bus: %s", error)
            left = end - time()
            if left <= 0:
                return None
            await asyncio.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _serve(self, bus: Bus) -> bool:
        """Serve on a session bus until it goes, which returns False, or until nobody needs this program."""
        ended = asyncio.Event()
        bus.on_close(lambda _reason: ended.set())
        peers = self._bus1.peers = Peers(bus)
        bus.serve(functools.partial(self._objects.take, bus))
        waiting: list[asyncio.Future[object]] = [asyncio.ensure_future(ended.wait())]
        may_own = True  # from the moment that it is asked for: calls may be here before the answer
        try:
            if not await bus.request_name(NAME):
                may_own = False
                raise NameTaken(f"another program has the name {NAME} on D-Bus")
            self._bus = bus
            self._say_ready()
            waiting.append(asyncio.ensure_future(self._nobody_needs_it(peers)))
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return not ended.is_set()
        except (OSError, DBusError) as error:
            _log.warning("the session bus of D-Bus: %s", error)
            return False
        finally:
            for one in waiting:
                one.cancel()
            self._bus = None
            if may_own:
                await self._leave(bus)
            peers.close()

    async def _nobody_needs_it(self, peers: Peers) -> None:
        """Wait until there was no call for some time, nor a peer that holds something."""
        if not self._idle:
            await asyncio.Event().wait()
        calls = -1
        while calls != self._objects.calls or self._objects.busy or not peers.none_holds.is_set():
            await peers.none_holds.wait()
            calls = self._objects.calls
            await asyncio.sleep(self._idle)

    async def _leave(self, bus: Bus) -> None:
        """Give the name up first: who calls it then gets a new process, who called before the answer."""
        self._bus1.leaving = True
        with contextlib.suppress(OSError, DBusError):
            async with asyncio.timeout(FAREWELL):
                await bus.release_name(NAME)
                await self._objects.finish()
        self._bus1.leaving = False

    # --- news of pybus ----------------------------------------------------------------------------

    def _changed(self, what: str) -> None:
        if self._bus is not None:
            self._objects.changed(self._bus, PATH, INTERFACE, PROPERTY_OF[what])

    def _connected(self, bus: pybus.aio.Bus) -> None:
        if self._bus1.peers is not None:
            for subscription in self._bus1.peers.subscriptions():
                subscription.listen(bus)

    def _missed(self, topics: dict[str, int]) -> None:
        if self._bus1.peers is not None:
            self._bus1.peers.miss(topics)
