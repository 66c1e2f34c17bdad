"""The lid as others know it, on D-Bus's system bus: logind, or UPower.

| who | property | tells changes |
|---|---|---|
| logind | `LidClosed` | since systemd 256 (systemd pull request 30706) |
| UPower | `LidIsClosed` where `LidIsPresent` | yes; newer ones leave lids to logind |

Whether a property's changes are told says the object itself, when it is introspected. One that keeps
them to itself is not asked: its value would soon be wrong. Nobody is started for it; who comes or
goes later is noticed. The system bus may go away, too: then nobody knows, until it is back.
"""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable
from typing import NamedTuple
from xml.etree import ElementTree

from ..dbus.bus import Bus, DBusError, Signal

_SHORTEST, _LONGEST = 0.25, 60.0
"""Seconds from a failed connection to the next, which double each time; after the longest nobody asks any more."""

_ANSWER = 5.0
"""Seconds that an answer may take."""

_DBUS = "org.freedesktop.DBus"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
_ANNOTATION = "org.freedesktop.DBus.Property.EmitsChangedSignal"

_log = logging.getLogger("pybus.hal")


class Witness(NamedTuple):
    """Somebody who knows the lid. present: the property that says whether there is one, "" for none."""

    name: str
    path: str
    interface: str
    closed: str
    present: str = ""


WITNESSES = (
    Witness("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "LidClosed"),
    Witness(
        "org.freedesktop.UPower",
        "/org/freedesktop/UPower",
        "org.freedesktop.UPower",
        "LidIsClosed",
        "LidIsPresent",
    ),
)
"""The first one that tells changes is believed."""


def tells_changes(xml: str, interface: str, name: str) -> bool:
    """Whether an object says that changes of a property are told. xml: its introspection data.

    The annotation is the property's or its interface's; without any they are told (the D-Bus
    specification, "Introspection Data Format"). Of a property that is not there they are not.
    """
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return False
    for found in root.iterfind(f"interface[@name='{interface}']"):
        for one in found.iterfind(f"property[@name='{name}']"):
            said = _annotation(one) or _annotation(found) or "true"
            return said in ("true", "invalidates")
    return False


def _annotation(element: ElementTree.Element) -> str:
    return next((one.get("value", "") for one in element.iterfind(f"annotation[@name='{_ANNOTATION}']")), "")


class Logind:
    """Follows the witnesses, from now until `close`. closed: what they say, None if nobody does; `changed` is told."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.closed: bool | None = None
        self._changed = changed
        self._stirred = asyncio.Event()
        self._answered = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def first_answer(self, seconds: float) -> None:
        """Wait until it is known what they say, or that nobody does, but not longer. Cancelled, it changes nothing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._answered.wait()

    @property
    def gave_up(self) -> bool:
        """Whether the system bus was away for so long that nobody asks there any more."""
        return self._task.done()

    def close(self) -> None:
        """End it: the task, and with it the connection, ends with the loop's next turn. `changed` isn't called."""
        self._changed = lambda: None
        self._task.cancel()

    async def _run(self) -> None:
        pause = _SHORTEST
        while True:
            try:
                with contextlib.closing(await Bus.connect("system")) as bus:
                    await self._watch(bus)
                    while not bus.ended:
                        self._stirred.clear()
                        self._settle(await _ask(bus))
                        pause = _SHORTEST
                        await self._stirred.wait()
            except (OSError, DBusError, ValueError) as error:
                _log.info("nobody can be asked about the lid on the system bus: %s", error)
            self._settle(None)
            if pause > _LONGEST:
                return  # as on a machine without a system bus
            await asyncio.sleep(pause)
            pause *= 2

    async def _watch(self, bus: Bus) -> None:
        """Be told of whatever may change the answer, the end of the connection among it."""
        bus.on_close(lambda _reason: self._stirred.set())
        for one in WITNESSES:
            await bus.watch(
                functools.partial(self._note_properties, one),
                sender=one.name,
                path=one.path,
                interface=_PROPERTIES,
                member="PropertiesChanged",
                arg0=one.interface,
            )
            await bus.watch(
                lambda _signal: self._stirred.set(),
                sender=_DBUS,
                interface=_DBUS,
                member="NameOwnerChanged",
                arg0=one.name,
            )

    def _note_properties(self, witness: Witness, signal: Signal) -> None:
        if signal.signature == "sa{sv}as":
            _, changed, invalidated = signal.body
            if {witness.closed, witness.present} & {*changed, *invalidated}:
                self._stirred.set()

    def _settle(self, closed: bool | None) -> None:
        self._answered.set()
        if closed != self.closed:
            self.closed = closed
            self._changed()


async def _ask(bus: Bus) -> bool | None:
    """Whether the lid is closed; None if nobody knows. Raises `ConnectionError`, `TimeoutError`."""
    for one in WITNESSES:
        with contextlib.suppress(DBusError):  # not there, or has nothing to say
            [xml] = await _call(bus, one, _INTROSPECTABLE, "Introspect")
            if not tells_changes(str(xml), one.interface, one.closed):
                continue
            if not one.present or await _get(bus, one, one.present):
                return await _get(bus, one, one.closed)
    return None


async def _get(bus: Bus, witness: Witness, name: str) -> bool:
    [value] = await _call(bus, witness, _PROPERTIES, "Get", "ss", (witness.interface, name))
    return bool(value)


async def _call(
    bus: Bus, witness: Witness, interface: str, member: str, signature: str = "", body: tuple[str, ...] = ()
) -> list[object]:
    """Call somebody who is there; nobody is started for it."""
    return await bus.call(
        witness.name, witness.path, interface, member, signature, body, timeout=_ANSWER, autostart=False
    )
