"""The devices that are here: a table of their records, and messages for its edges.

A device that was not in the table comes, one that was in it goes: these are told, once each. What
repeats itself (`udevadm trigger`) tells nothing, nor does the second event of a udevd that renames a new
interface: its `add` has the new name already, and the kernel's `move` comes after that.

At the start the monitor listens already when the devices are enumerated, so one that comes in
between is in the table and has its event in the queue as well. It came while somebody listened, so
that event is told. After a gap in the events it is the other way round: the new enumeration is
compared with the table and its edges are told, and events that are left say nothing new.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

from ..messages import Message
from .device import Device, Kind, Record

_log = logging.getLogger("pybus.hal")

_TAKEN = ("add", "remove", "change", "move")

Enumerate = Callable[[str, tuple[str, ...]], Sequence[Device]]
"""The present devices of a subsystem, with these attributes."""


class Present:
    """All present devices of the kinds that are told, by path."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self._kinds: Mapping[str, Kind] = {kind.subsystem: kind for kind in kinds}
        self._records: dict[str, Record] = {}
        self._by_kind: dict[str, set[str]] = {kind.subsystem: set() for kind in kinds}
        self._unsettled: set[str] = set()
        self._settled = False

    def record(self, path: str) -> Record | None:
        """What is known of a device, if it is one of the kinds."""
        return self._records.get(path)

    def begin(self, enumerate_devices: Enumerate) -> None:
        """Take what is there, and tell nothing. To be called when events are gathered already."""
        for kind in self._kinds.values():
            for device, record in _look(kind, enumerate_devices):
                self._put(device, record)
        self._unsettled = set(self._records)

    def settle(self) -> None:
        """All events that were there at the beginning have been taken."""
        self._settled = True
        self._unsettled.clear()

    def compare(self, enumerate_devices: Enumerate) -> list[Message]:
        """Look at everything again, as events were lost; returns what came, changed and went meanwhile."""
        messages = []
        for kind in self._kinds.values():
            found = _look(kind, enumerate_devices)
            for path in self._by_kind[kind.subsystem] - {device.path for device, _ in found}:
                messages += self._remove(kind, path)
            for device, record in found:
                messages += self._update(kind, device, record)
        return messages

    def take(self, device: Device) -> list[Message] | None:
        """What an event says; None if that is not about the being here of a device of these kinds."""
        kind = self._kinds.get(device.subsystem)
        if kind is None or device.action not in _TAKEN:
            return None
        moved = device.action == "move" and self._move(device)
        if device.action == "remove" and device.path not in self._records and not self._settled:
            self._recall(kind, device)
        record = _describe(kind, device) if device.action != "remove" else None
        if record is None and device.path not in self._records:
            return None
        if record is None:
            # A trigger's `add` is of a device that is told to be complete by a later event.
            return [] if device.action == "add" else self._remove(kind, device.path)
        if device.action == "add" and device.path in self._unsettled:
            self._drop(device.subsystem, device.path)
        told = self._update(kind, device, record)
        # A move of a device that was never here under its old name is part of its coming.
        return told + kind.events(device, record) if moved or device.action != "move" else told

    def _recall(self, kind: Kind, device: Device) -> None:
        """It went before we looked, but after we began to listen: what its event says is all there is."""
        record = _describe(kind, device)
        if record is not None:
            self._put(device, record)

    def _move(self, device: Device) -> bool:
        """Take it along to its new path. Whether it was in the table."""
        former = self._records.get(device.properties.get("DEVPATH_OLD", ""))
        if former is None:
            return False
        self._drop(device.subsystem, device.properties["DEVPATH_OLD"])
        self._put(device, former)
        return True

    def _update(self, kind: Kind, device: Device, record: Record) -> list[Message]:
        former = self._records.get(device.path)
        self._put(device, record)
        if former is None:
            return [Message(f"{kind.topic}.added", record)]
        return [Message(f"{kind.topic}.changed", record)] if kind.changes and former != record else []

    def _remove(self, kind: Kind, path: str) -> list[Message]:
        record = self._records[path]
        self._drop(kind.subsystem, path)
        return [Message(f"{kind.topic}.removed", record)]

    def _put(self, device: Device, record: Record) -> None:
        self._records[device.path] = record
        self._by_kind[device.subsystem].add(device.path)

    def _drop(self, subsystem: str, path: str) -> None:
        del self._records[path]
        self._by_kind[subsystem].discard(path)
        self._unsettled.discard(path)


def _describe(kind: Kind, device: Device) -> Record | None:
    """Its record; none if it breaks what we know of its kind: that costs this device, and not all hardware."""
    try:
        return kind.describe(device)
    except Exception:
        _log.exception("%s can't be described; please report this with its properties: %s", device.path, device)
        return None


def _look(kind: Kind, enumerate_devices: Enumerate) -> list[tuple[Device, Record]]:
    found = []
    for device in enumerate_devices(kind.subsystem, kind.attributes):
        record = _describe(kind, device)
        if record is not None:
            found.append((device, record))
    return found
