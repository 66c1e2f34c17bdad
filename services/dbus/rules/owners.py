"""Who owns the names that a rule is about."""

import contextlib
import logging
from collections.abc import Callable

from ..bus import Bus, DBusError, Signal
from ..watches import DBUS, DBUS_PATH

MOST_NAMES = 64
"""Names of one family that are looked at. A desktop has some players; more is a program that has gone wild."""

_log = logging.getLogger("pybus.dbus")


class Owners:
    """The owners of a name, or of all that begin with it and a dot (`org.mpris.MediaPlayer2.*`), on one connection.

    names: their unique names, by the names that are owned now.
    """

    def __init__(self, bus: Bus, sender: str, family: str) -> None:
        """sender: the name. family: as `Rule.family` has it."""
        self.names: dict[str, str] = {}
        self._bus = bus
        self._sender = sender
        self._family = family
        self._left_out: dict[str, str] = {}
        self._is_open = False
        self._heard: set[str] = set()
        self._changed: Callable[[str, str], None] = lambda _name, _owner: None

    async def open(self, changed: Callable[[str, str], None]) -> None:
        """Call `changed` with a name and its new owner, "" for none, for those that are there and at each change.

        Raises `DBusError`, `ConnectionError`, `TimeoutError`.
        """
        self._changed = changed
        about = {"arg0namespace": self._family} if self._family else {"arg0": self._sender}
        await self._bus.watch(
            self._note, sender=DBUS, path=DBUS_PATH, interface=DBUS, member="NameOwnerChanged", **about
        )
        for name in await self._there():
            with contextlib.suppress(DBusError):  # it has none
                [owner] = await self._bus.call(DBUS, DBUS_PATH, DBUS, "GetNameOwner", "s", (name,))
                if name not in self._heard:  # the news are not older than the answer
                    self._take(name, owner)
        self._is_open = True
        self._heard.clear()

    async def _there(self) -> list[str]:
        """The names that may be owned now."""
        if not self._family:
            return [self._sender]
        [names] = await self._bus.call(DBUS, DBUS_PATH, DBUS, "ListNames")
        return [name for name in names if self._is_meant(name)]

    def _is_meant(self, name: str) -> bool:
        return name.startswith(f"{self._family}.") if self._family else name == self._sender

    def _note(self, signal: Signal) -> None:
        if signal.signature == "sss" and self._is_meant(signal.body[0]):
            name, _, owner = signal.body
            if not self._is_open:
                self._heard.add(name)
            self._take(name, owner)

    def _take(self, name: str, owner: str) -> None:
        if owner and name not in self.names and len(self.names) == MOST_NAMES:
            if name not in self._left_out:
                _log.warning("%s is not looked at: there are %d such names, the limit", name, MOST_NAMES)
            self._left_out[name] = owner
            return
        self._left_out.pop(name, None)
        if owner:
            self.names[name] = owner
        elif self.names.pop(name, None) is None:
            return
        self._changed(name, owner)
        if not owner and self._left_out:
            first = next(iter(self._left_out))
            self._take(first, self._left_out[first])
