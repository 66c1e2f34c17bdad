"""The screensaver as the desktop's own services know it, on the session bus of D-Bus.

| who | where | method |
|---|---|---|
| org.freedesktop.ScreenSaver | GNOME's settings daemon, KDE, xscreensaver and others | `Inhibit`, `UnInhibit` |
| org.gnome.SessionManager | GNOME, and desktops that came from it | `Inhibit` with flag 8 (idle), `Uninhibit` |

Each wish is an inhibition of its own there, with the name and the reason of whoever has it, as desktops
list them for people. All are held over one connection, for they end with it.

Calls go to the one who owns the name at the time, and what was held by an earlier owner is held anew. Of
a call that is not answered nobody knows what became of it; then the connection is ended, which ends
whatever was held over it, and all is held anew over another one.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import pybus

from ..dbus.bus import PAUSES, Bus, DBusError, Signal

NO_SCREENSAVER = "org.pybus.Screensaver.Error.NoScreensaver"
"""The error's name if there is no session bus, or nobody on it who could keep a screensaver off."""

_SHORTEST, _LONGEST = 0.25, 8.0
"""Seconds from a lost or failed connection to the next one while there are wishes, doubled each time."""

ANSWER = 10.0
"""Seconds that an answer may take."""

_DBUS, _DBUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"

_IDLE = 8
"""The flag of org.gnome.SessionManager's Inhibit that keeps the session from counting as idle."""

_log = logging.getLogger("pybus.screensaver")


class Wish(NamedTuple):
    """That the screensaver stay off. program, reason: for people. first: what became of it at first."""

    program: str
    reason: str
    first: "asyncio.Future[None]"


class Keeper(NamedTuple):
    """Somebody on D-Bus who keeps the screensaver off. release: the method that takes a cookie back."""

    name: str
    path: str
    release: str

    def arguments(self, wish: Wish) -> tuple[str, tuple[object, ...]]:
        """What its Inhibit takes: the signature, and the values."""
        if self is SESSION_MANAGER:
            return "susu", (wish.program, 0, wish.reason, _IDLE)  # 0: no window of X11
        return "ss", (wish.program, wish.reason)


SCREENSAVER = Keeper("org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver", "UnInhibit")
SESSION_MANAGER = Keeper("org.gnome.SessionManager", "/org/gnome/SessionManager", "Uninhibit")

KEEPERS = (SCREENSAVER, SESSION_MANAGER)
"""The first one that is there and takes a wish has it. Nobody is started for it."""


class Held(NamedTuple):
    """An inhibition on D-Bus. owner: the unique name of the one who granted it."""

    keeper: Keeper
    owner: str
    cookie: int


class Desktop:
    """Holds wishes, while `run` runs. changed: is called when `keepers` differs."""

    def __init__(self, changed: Callable[[], None], answer: float = ANSWER) -> None:
        """answer: seconds that an answer may take."""
        self._changed = changed
        self._answer = answer
        self._wishes: dict[int, Wish] = {}
        self._held: dict[int, Held] = {}
        self._refused: set[int] = set()
        self._owners: dict[str, str] = {}
        self._stirred = asyncio.Event()

    @property
    def keepers(self) -> dict[int, str]:
        """The wishes that are held now, and under which name on D-Bus."""
        return {key: held.keeper.name for key, held in self._held.items() if key in self._wishes}

    async def hold(self, key: int, program: str, reason: str) -> None:
        """Keep the screensaver off until `drop`; returns once it is off. What is lost later is held again.

        Raises `ServiceError` if nobody takes the wish, or it is dropped meanwhile; `InvalidArguments` if D-Bus
        has no way to say its words. Cancelled or failed, there is no such wish.
        """
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wishes[key] = Wish(program, reason, first)
        self._stirred.set()
        try:
            await first
        except BaseException:
            self.drop(key)
            raise

    def drop(self, key: int) -> None:
        """It need not be kept off for this wish any more. Once more does nothing."""
        wish = self._wishes.pop(key, None)
        self._refused.discard(key)
        if wish is not None:
            _settle_first(wish, pybus.ServiceError(NO_SCREENSAVER, "the inhibition was given up before it began"))
            self._stirred.set()
            self._changed()

    # --- the connection -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect when there is a wish, and have wishes held, until cancelled: then all is let go."""
        pause = _SHORTEST
        while True:
            self._stirred.clear()
            if self._wishes:
                try:
                    with contextlib.closing(await Bus.connect("session")) as bus:
                        await self._watch(bus)
                        pause = _SHORTEST
                        await self._serve(bus)
                except (OSError, DBusError) as error:
                    self._fail(error, again=pause > _SHORTEST)
                self._held.clear()
                self._changed()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause if self._wishes else None):
                    await self._stirred.wait()
            pause = min(2 * pause, _LONGEST)

    async def _watch(self, bus: Bus) -> None:
        """Know who owns the names, from now on."""
        self._owners.clear()
        bus.on_close(lambda _reason: self._stirred.set())
        for keeper in KEEPERS:
            where = {"sender": _DBUS, "path": _DBUS_PATH, "interface": _DBUS}
            await bus.watch(self._note_owner, **where, member="NameOwnerChanged", arg0=keeper.name)
            owner = ""
            with contextlib.suppress(DBusError):  # it has none
                [owner] = await self._call(bus, _DBUS, _DBUS_PATH, _DBUS, "GetNameOwner", "s", keeper.name)
            self._owners.setdefault(keeper.name, owner)  # news that came meanwhile are not older

    def _note_owner(self, signal: Signal) -> None:
        if signal.signature == "sss":
            name, _, owner = signal.body
            self._owners[name] = owner
            for key, held in list(self._held.items()):
                if held.keeper.name == name and held.owner != owner:
                    del self._held[key]
            self._stirred.set()
            self._changed()

    def _fail(self, error: Exception, *, again: bool) -> None:
        """There is no connection. Those who wait for their first answer get that; the other wishes go on."""
        if self._wishes and not again:
            _log.warning("the session bus of D-Bus can't be asked to keep the screensaver off: %s", error)
        for wish in self._wishes.values():
            _settle_first(wish, pybus.ServiceError(NO_SCREENSAVER, f"the session bus of D-Bus: {error}"))

    # --- wishes -------------------------------------------------------------------------------------

    async def _serve(self, bus: Bus) -> None:
        """Have all wishes held, and nothing else, until the connection ends. Raises `OSError`.

        Whoever has refused one is asked again, by growing pauses, which begin anew with all that happens.
        """
        pauses = iter(PAUSES)
        while not bus.ended:
            self._stirred.clear()
            for key in self._held.keys() - self._wishes.keys():
                await self._release(bus, self._held.pop(key))
            for key, wish in list(self._wishes.items()):
                if key in self._wishes:  # it may be dropped while another one waits for its answer
                    await self._hold(bus, key, wish)
            refused = any(self._owners.values()) and self._wishes.keys() - self._held.keys()
            try:
                async with asyncio.timeout(next(pauses, PAUSES[-1]) if refused else None):
                    await self._stirred.wait()
                pauses = iter(PAUSES)
            except TimeoutError:
                pass

    async def _hold(self, bus: Bus, key: int, wish: Wish) -> None:
        """Let the first who takes a wish have it; whoever had it instead is asked to let go."""
        absent = " and ".join(keeper.name for keeper in KEEPERS)
        failure: pybus.CallError = pybus.ServiceError(
            NO_SCREENSAVER, f"nobody on the session bus of D-Bus keeps a screensaver off: {absent} are not there"
        )
        for keeper in KEEPERS:
            if key in self._held and self._held[key].keeper is keeper:
                return
            owner = self._owners[keeper.name]
            if not owner:
                continue
            try:
                held = await self._inhibit(bus, keeper, owner, wish)
            except DBusError as error:
                failure = pybus.ServiceError(error.name, f"{keeper.name} refused: {error.message}")
            except ValueError as error:
                failure = pybus.InvalidArguments(str(error))
            else:
                await self._keep(bus, key, wish, held)
                return
            if self._owners[keeper.name] != owner:
                return  # who comes next is asked then
        if not _settle_first(wish, failure) and key in self._wishes.keys() - self._refused:
            self._refused.add(key)
            _log.warning("the screensaver is not kept off for %s any more: %s", wish.program, failure.message)

    async def _keep(self, bus: Bus, key: int, wish: Wish, held: Held) -> None:
        """Note what was granted, unless whoever granted it has gone meanwhile."""
        if self._owners[held.keeper.name] != held.owner:
            return
        before = self._held.get(key)
        self._held[key] = held
        self._refused.discard(key)
        _settle_first(wish, None)
        self._changed()
        if before is not None:
            await self._release(bus, before)

    async def _inhibit(self, bus: Bus, keeper: Keeper, owner: str, wish: Wish) -> Held:
        """Raises `DBusError` if it is refused, `ValueError` if D-Bus can't say the words, `OSError`."""
        signature, values = keeper.arguments(wish)
        answer = await self._call(bus, owner, keeper.path, keeper.name, "Inhibit", signature, *values)
        match answer:
            case [int(cookie)]:
                return Held(keeper, owner, cookie)
        raise DBusError(NO_SCREENSAVER, f"it answered {answer!r} instead of a cookie")

    async def _release(self, bus: Bus, held: Held) -> None:
        keeper = held.keeper
        with contextlib.suppress(DBusError):  # it has forgotten it already, or has gone
            await self._call(bus, held.owner, keeper.path, keeper.name, keeper.release, "u", held.cookie)

    async def _call(
        self, bus: Bus, name: str, path: str, interface: str, member: str, signature: str, *values: object
    ) -> list[Any]:
        return await bus.call(name, path, interface, member, signature, values, timeout=self._answer)


def _settle_first(wish: Wish, error: Exception | None) -> bool:
    """Tell whoever waits for the first answer to a wish; whether somebody did."""
    if wish.first.done():
        return False
    if error is None:
        wish.first.set_result(None)
    else:
        wish.first.set_exception(error)
    return True
