"""The lid of a laptop, from its switch. The only file that imports evdev.

A lid is no uevent: it is a switch of an input device (SW_LID, linux/input-event-codes.h), whose node
gives the state (EVIOCGSW) and then events. Which device it is says sysfs, so no other node is opened.

Desktop users may not read these nodes as a rule. Then somebody who may is asked: see `logind`. A
machine without such a switch has no lid, whatever they say: logind calls a lid that isn't there open.
"""

import asyncio
import errno
import fcntl
import logging
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .device import Device

if TYPE_CHECKING:
    import evdev

    from .logind import Logind

TOPIC = "hal.lid"
ATTRIBUTES = ("device/capabilities/sw",)

_PATIENCE = 2.0
"""Seconds that the first answer about the lid may take, as the other topics wait for it."""

_SYNCHRONISATION, _SWITCH = 0, 5
_DROPPED = 3
_LID = 0
_STATES = 8
"""Bytes to read the states of the switches into: one word, in which the lid is the lowest bit."""

_READ_STATES = (2 << 30) | (_STATES << 16) | (ord("E") << 8) | 0x1B
"""EVIOCGSW. evdev has no public function for it."""

_log = logging.getLogger("pybus.hal")


def nodes(devices: Sequence[Device]) -> list[str]:
    """The device nodes of those input devices that have a lid's switch.

    A bitmap in sysfs is hexadecimal words, the lowest last. A joystick's second node (`js0`) doesn't count.
    """
    return [
        device.properties["DEVNAME"]
        for device in devices
        if device.name.startswith("event") and "DEVNAME" in device.properties and _has_lid(device)
    ]


def _has_lid(device: Device) -> bool:
    words = device.attributes.get(ATTRIBUTES[0], "").split() or ["0"]
    try:
        return bool(int(words[-1], 16) >> _LID & 1)
    except ValueError:
        return False


class Switch:
    """A lid's switch. closed: its state, of which `changed` is told; `lost` is called when it can't be read any more.

    Raises `OSError` if the node can't be read, `ImportError` without evdev.
    """

    def __init__(self, node: str, changed: Callable[[], None], lost: Callable[[], None]) -> None:
        import evdev

        self._changed = changed
        self._lost = lost
        self._device: evdev.InputDevice[str] = evdev.InputDevice(node)
        try:
            self.closed = self._look()
        except OSError:
            self._device.close()
            raise
        asyncio.get_running_loop().add_reader(self._device.fd, self._take)

    def close(self) -> None:
        """Let go of the node."""
        asyncio.get_running_loop().remove_reader(self._device.fd)
        self._device.close()

    def _look(self) -> bool:
        """The state now. The kernel takes earlier events about it out of the queue (evdev_handle_get_val)."""
        states = bytearray(_STATES)
        fcntl.ioctl(self._device.fd, _READ_STATES, states)
        return bool(int.from_bytes(states, sys.byteorder) >> _LID & 1)

    def _take(self) -> None:
        """Take events. If some were dropped the others may be older than what was missed, so they don't count."""
        try:
            events = list(self._device.read())
            if not events:
                raise OSError(errno.EIO, "the end of the events")
            self.closed = self._state_after(events)
        except BlockingIOError:
            return
        except OSError as error:
            _log.info("the lid's switch is gone: %s", error)
            self._lost()
            return
        self._changed()

    def _state_after(self, events: "list[evdev.InputEvent]") -> bool:
        if any(event.type == _SYNCHRONISATION and event.code == _DROPPED for event in events):
            return self._look()
        states = [bool(event.value) for event in events if event.type == _SWITCH and event.code == _LID]
        return states[-1] if states else self.closed


class Lid:
    """A `Source`: `hal.lid`, "open" or "closed", none without a lid or if nobody can tell. At rest while it rests.

    devices: gives the present input devices with `ATTRIBUTES`.
    """

    pattern = TOPIC
    subsystem = "input"

    def __init__(self, devices: Callable[[], Sequence[Device]]) -> None:
        self._devices = devices
        self._switches: dict[str, Switch] = {}
        self._logind: Logind | None = None
        self._values: dict[str, object] = {}
        self._changed: Callable[[], None] = lambda: None

    async def open(self, changed: Callable[[], None]) -> None:
        """Find the switch, or ask logind and wait for its answer, 2 s at most. Without a lid one may come later.

        If it is cancelled, `close` lets go of what it had.
        """
        self._changed = changed
        self.refresh()
        if self._logind is not None:
            await self._logind.first_answer(_PATIENCE)

    def refresh(self) -> None:
        """Input devices came or went: look for the switch again, also if it couldn't be read before."""
        found = nodes(self._devices())
        for node in self._switches.keys() - set(found):
            self._switches.pop(node).close()
        for node in found:
            if node not in self._switches:
                self._open_switch(node)
        self._choose(there=bool(found))

    def values(self) -> dict[str, object]:
        """The lid now: closed if any of several is, as logind has it."""
        return self._values

    def close(self) -> None:
        """Let go of the switch, or of the connection to those who were asked."""
        for switch in self._switches.values():
            switch.close()
        self._switches.clear()
        self._dismiss_logind()

    def _open_switch(self, node: str) -> None:
        try:
            self._switches[node] = Switch(node, self._tell, lambda: self._lose(node))
        except ImportError:
            _log.info("the lid's switch %s needs evdev; install it with: pip install 'pybus[lid]'", node)
        except OSError as error:
            _log.info("the lid's switch %s can't be read, so logind is asked: %s", node, error)

    def _lose(self, node: str) -> None:
        """It can't be read any more. Not opened before the next `refresh`, for that might go on for ever."""
        self._switches.pop(node).close()
        self._choose(there=True)

    def _choose(self, *, there: bool) -> None:
        """Ask logind as long as there is a switch, but none to be read."""
        if not there or self._switches:
            self._dismiss_logind()
        elif self._logind is None or self._logind.gave_up:
            self._ask_logind()
        self._tell()

    def _ask_logind(self) -> None:
        try:
            from .logind import Logind
        except ImportError:
            _log.warning("asking logind about the lid needs dbus-next; install it with: pip install 'pybus[services]'")
            return
        self._logind = Logind(self._tell)

    def _dismiss_logind(self) -> None:
        if self._logind is not None:
            self._logind.close()
            self._logind = None

    def _tell(self) -> None:
        closed: bool | None = None
        if self._switches:
            closed = any(switch.closed for switch in self._switches.values())
        elif self._logind is not None:
            closed = self._logind.closed
        values: dict[str, object] = {} if closed is None else {TOPIC: "closed" if closed else "open"}
        if values != self._values:
            self._values = values
            self._changed()
