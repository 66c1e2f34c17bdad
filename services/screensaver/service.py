"""The service: who on this bus wants the screensaver off, and for how long.

An inhibition ends with the connection that asked for it. Ends of connections are told on
`bus.peer.gone`, to which this service listens while there are inhibitions. Only then it asks whether
the caller is still there, so that no end falls between the two. If the connection to the bus is lost
nobody is known any more, and all inhibitions end.
"""

import asyncio
import logging
import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import pybus

from .. import serving
from ..messages import Message
from .desktop import Desktop
from .methods import Screensaver

NAME = "org.pybus.Screensaver"
TOPIC = "desktop.screensaver"

NO_SUCH_INHIBITION = "org.pybus.Screensaver.Error.NoSuchInhibition"
"""The error's name if the caller has no inhibition with that cookie."""

MOST = 100
"""Inhibitions of one caller. The desktop's own tables have no limit, and one that never releases would fill them."""

LARGEST_COOKIE = 2**31 - 1

_BUS = "org.pybus.Bus"
_GONE = "bus.peer.gone"

_log = logging.getLogger("pybus.screensaver")


class Inhibition(NamedTuple):
    caller: pybus.Caller
    reason: str
    since: datetime


class Service:
    """One run of the service, on a connected bus."""

    def __init__(self, bus: pybus.aio.Bus) -> None:
        self._bus = bus
        self._desktop = Desktop(self._note_change)
        self._inhibitions: dict[int, Inhibition] = {}
        self._beginning: set[int] = set()
        self._ends: pybus.aio.Subscription | None = None
        self._changed = asyncio.Event()
        self._publishing = asyncio.Lock()
        self._unsure = False

    async def start(self) -> None:
        """Publish the state, then take the name. Raises `NameTaken`, `NotConnected`."""
        self._bus.on_disconnect(lambda _reason: self._drop(list(self._inhibitions)))
        self._bus.on_missed(self._note_missed)
        async with serving.alone(self._bus, NAME):
            await self._publish()
            await self._bus.register(NAME, Screensaver(self))

    async def run(self) -> None:
        """Hold and tell what there is, until cancelled: then nothing is inhibited any more."""
        await asyncio.gather(self._desktop.run(), self._follow())

    # --- what callers want --------------------------------------------------------------------------

    async def inhibit(self, caller: pybus.Caller, reason: str) -> int:
        """Keep the screensaver off for a caller; the cookie. Raises `CallError`."""
        if sum(one.caller.name == caller.name for one in self._inhibitions.values()) >= MOST:
            raise pybus.LimitExceeded(f"you have {MOST} inhibitions, the limit; release some")
        cookie = self._new_cookie()
        self._inhibitions[cookie] = Inhibition(caller, reason, datetime.now(UTC))
        self._beginning.add(cookie)
        try:
            if self._ends is None:
                self._ends = self._bus.on(_GONE, lambda signal: self._note_gone(signal.body))
            await self._bus.call(_BUS, "peer", caller.name)
            if cookie not in self._inhibitions:  # the news of its end came with that answer
                raise pybus.NameHasNoOwner(f"{caller.name} has gone")
            await self._desktop.hold(cookie, caller.program or caller.name, reason)
            await self._publish()
        except BaseException:
            self._drop([cookie])
            raise
        finally:
            self._beginning.discard(cookie)
        return cookie

    def release(self, caller: pybus.Caller, cookie: int) -> None:
        """End an inhibition of a caller's. Raises `ServiceError` if there is none with this cookie."""
        found = self._inhibitions.get(cookie)
        if found is None or found.caller.name != caller.name:
            raise pybus.ServiceError(NO_SUCH_INHIBITION, f"you have no inhibition with the cookie {cookie}")
        self._drop([cookie])

    def state(self) -> dict[str, object]:
        """What `Screensaver.state` returns."""
        keepers = self._desktop.keepers
        described = [
            {
                "cookie": cookie,
                "reason": one.reason,
                "name": one.caller.name,
                "program": one.caller.program,
                "pid": one.caller.pid,
                "since": one.since,
                "by": keepers.get(cookie),
            }
            for cookie, one in self._inhibitions.items()
            if cookie not in self._beginning
        ]
        return {"state": self._value(), "inhibitions": described}

    def _new_cookie(self) -> int:
        """One that nobody has, or had: a cookie from before a restart of this service is nobody's now."""
        while (cookie := random.randint(1, LARGEST_COOKIE)) in self._inhibitions:
            pass
        return cookie

    def _drop(self, cookies: Iterable[int]) -> None:
        for cookie in cookies:
            self._inhibitions.pop(cookie, None)
            self._desktop.drop(cookie)
        self._note_change()

    # --- who has gone -------------------------------------------------------------------------------

    def _note_gone(self, said: object) -> None:
        if isinstance(said, Mapping):
            self._drop_of(said.get("name"))

    def _drop_of(self, name: object) -> None:
        self._drop([cookie for cookie, one in self._inhibitions.items() if one.caller.name == name])

    def _note_missed(self, topics: Mapping[str, int]) -> None:
        _log.warning("signals were missed: %s", topics)
        self._unsure = True
        self._note_change()

    async def _look_who_is_there(self) -> None:
        """The end of somebody may have been missed: ask for each."""
        for name in {one.caller.name for one in self._inhibitions.values()}:
            try:
                await self._bus.call(_BUS, "peer", name)
            except pybus.NameHasNoOwner:
                self._drop_of(name)

    # --- the state ----------------------------------------------------------------------------------

    def _note_change(self) -> None:
        self._changed.set()

    async def _follow(self) -> None:
        """Do what changes ask for, as soon as there is a bus."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                if self._unsure:
                    self._unsure = False
                    await self._look_who_is_there()
                if self._ends is not None and not self._inhibitions:
                    ends, self._ends = self._ends, None
                    await ends.close()
                await self._publish()
            except pybus.NotConnected:
                pass  # which drops all inhibitions, and that is a change to be told when the bus is back

    async def _publish(self) -> None:
        """Tell the state if it is another one than the bus has."""
        async with self._publishing:  # or an older value might overtake, as it waits for the bus
            await serving.publish(self._bus, Message(TOPIC, self._value(), retained=True), on_change=True)

    def _value(self) -> str:
        return "inhibited" if self._desktop.keepers else "allowed"
