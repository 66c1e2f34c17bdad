"""The service: calls from this bus go on to D-Bus, and the answers come back."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pybus

from .bus import DBusError, NotSent
from .link import NO_BUS, Link

NAME = "org.pybus.DBus"

CONNECTION_LOST = "org.pybus.DBus.Error.ConnectionLost"
"""The error's name if it ended the connection before the answer: the method may have run or not."""

NO_REPLY = "org.freedesktop.DBus.Error.NoReply"
"""The error's name if no answer came in time, as D-Bus's own clients say it."""

PROPERTIES = "org.freedesktop.DBus.Properties"

TIMEOUT = 20.0
"""Seconds for a call, unless the caller says otherwise: less than a call to this service has, so that
the caller gets to know who did not answer."""

LONGEST = 3600.0
"""The most that a caller can say. A call that is never answered would stay for ever, even after its caller."""


class Service:
    """Programs on D-Bus, for programs on this bus.

    There is one connection for calls to each bus of D-Bus, made when first needed, and again after a loss.
    """

    def __init__(self, links: Mapping[str, Link]) -> None:
        """links: by what callers name the buses."""
        self._links = links

    async def call(
        self,
        destination: str,
        path: str,
        method: str,
        args: list[Any] | None = None,
        signature: str = "",
        bus: str = "session",
        timeout: float = TIMEOUT,
    ) -> Any:
        """Call a method on D-Bus and return what it answers: the value, a list of several, None for none.

        destination: a name on D-Bus, such as org.freedesktop.Notifications, which is started if need be.
        path: the object's, such as /org/freedesktop/Notifications.
        method: with its interface, such as org.freedesktop.Notifications.Notify.
        args: a value for each that the method takes. Where it takes a variant, bool goes as b, float as d,
        text as s, bytes as ay, an integer as the first of i, x, t that holds it, a dict as a{sv}, and a list as
        an array of one of these types or of variants. A map of exactly these two keys gives another type:
        {"signature": "y", "value": 2} is the byte 2, as a notification's hint "urgency" wants it.
        signature: the arguments' D-Bus types, such as susssasa{sv}i; if empty, the object is asked for them.
        bus: "session" or "system".
        timeout: seconds, up to 3600. Your own call has its timeout, too, which must be longer.

        Structs come as lists, object paths as text, variants as what is in them, file descriptors as None.
        An error on D-Bus is raised under its name there. These have names that begin with org.pybus.DBus.Error.
        NoBus: the bus can't be reached, or does not read; nothing has happened.
        ConnectionLost: it went away before the answer; the method may have run or not.
        Misdescribed: the object gives a malformed signature; give the right one.
        Unreadable: the method has run, and its answer is malformed or has more than 50000 values.
        """
        async with _errors(bus, timeout):
            interface, member = _split(method)
            called = (destination, path, interface, member)
            answer = await self._link(bus).call(called, args or [], signature, timeout)
        return _single(answer)

    async def get(self, destination: str, path: str, name: str, bus: str = "session", timeout: float = TIMEOUT) -> Any:
        """The value of a property on D-Bus.

        name: with its interface, such as org.freedesktop.UPower.OnBattery. The rest is as in `call`.
        """
        async with _errors(bus, timeout):
            asked = list(_split(name))
            answer = await self._link(bus).call((destination, path, PROPERTIES, "Get"), asked, "ss", timeout)
        return _single(answer)

    def _link(self, bus: str) -> Link:
        if bus not in self._links:
            raise ValueError(f"there is no bus {bus!r}; there are: {', '.join(self._links)}")
        return self._links[bus]


def _single(answer: list[Any]) -> Any:
    return answer[0] if len(answer) == 1 else answer or None


def _split(name: str) -> tuple[str, str]:
    """The interface of a method or property, and its name there."""
    interface, dot, member = name.rpartition(".")
    if not dot:
        raise ValueError(f"{name!r} lacks its interface: it must be like org.example.Player.Play")
    return interface, member


@asynccontextmanager
async def _errors(bus: str, timeout: float) -> AsyncIterator[None]:
    """What goes wrong within as the error answer for the caller."""
    if not 0 < timeout <= LONGEST:
        raise pybus.InvalidArguments(f"a timeout must be more than 0 seconds and {LONGEST:g} at most, not {timeout}")
    try:
        yield
    except DBusError as error:
        raise pybus.ServiceError(error.name, error.message) from None
    except ValueError as error:
        raise pybus.InvalidArguments(str(error)) from None
    except TimeoutError:
        raise pybus.ServiceError(NO_REPLY, f"no answer in {timeout:g} s") from None
    except NotSent as error:
        raise pybus.ServiceError(NO_BUS, f"the {bus} bus of D-Bus: {error}; nothing has happened") from None
    except ConnectionError as error:
        text = f"the {bus} bus of D-Bus: {error}; the method may have run or not"
        raise pybus.ServiceError(CONNECTION_LOST, text) from None
