"""The methods of `org.pybus.Screensaver`."""

from typing import Any, Protocol

import pybus

LONGEST = 500
"""Characters of a reason. Desktops show it in a line."""


class Inhibitor(Protocol):
    """What the methods need of the service."""

    async def inhibit(self, caller: pybus.Caller, reason: str) -> int: ...
    def release(self, caller: pybus.Caller, cookie: int) -> None: ...
    def state(self) -> dict[str, Any]: ...


class Screensaver:
    """Keeps the desktop's screensaver off for those who ask.

    What asks must stay connected: an inhibition ends with the connection of whoever asked for it.
    """

    def __init__(self, service: Inhibitor) -> None:
        self._service = service

    async def inhibit(self, reason: str) -> int:
        """Keep the screensaver off, until `release` or the end of your connection; returns a cookie for `release`.

        reason: for people; desktops show it beside the name of your program.

        Whoever keeps the screensaver on D-Bus may restart: the inhibition goes on with the next one. It
        does not wake a screen that is blank already. The error org.pybus.Screensaver.Error.NoScreensaver
        says that there is no D-Bus, or nobody on it who could keep a screensaver off.
        """
        if not reason.strip():
            raise pybus.InvalidArguments("an inhibition needs a reason: a text for whoever wonders why")
        if len(reason) > LONGEST:
            raise pybus.InvalidArguments(f"a reason of {len(reason)} characters is too long: {LONGEST} are allowed")
        return await self._service.inhibit(pybus.caller(), reason)

    def release(self, cookie: int) -> None:
        """End an inhibition. cookie: what `inhibit` returned to you.

        The error org.pybus.Screensaver.Error.NoSuchInhibition says that it is none of yours.
        """
        self._service.release(pybus.caller(), cookie)

    def state(self) -> dict[str, Any]:
        """Who keeps the screensaver off.

        A map: state ("inhibited" or "allowed"), and inhibitions, a list of maps with cookie, reason, name, program,
        pid, since (a time), and by: the name on D-Bus of the one who holds it, None while nobody does.
        """
        return self._service.state()
