"""What `org.pybus.Hal` offers to callers."""

from collections.abc import Callable

import pybus

from .device import Device, Record
from .messages import Message
from .present import Present
from .udev import Monitor


class Hal:
    """The hardware of this machine. Its events and states are topics under `hal.`."""

    def __init__(
        self,
        monitor: Monitor,
        present: Present,
        attributes: Callable[[str], tuple[str, ...]],
        values: Callable[[], dict[str, object]],
        pretend: Callable[[Message], None],
    ) -> None:
        """attributes: those that matter in a subsystem. values: the states as told. pretend: tells what is not so."""
        self._monitor = monitor
        self._present = present
        self._attributes = attributes
        self._values = values
        self._pretend = pretend

    def devices(self, subsystem: str) -> list[dict[str, object]]:
        """The present devices of a subsystem (usb, block, net, input, ...).

        Of each: path, name, subsystem, properties, attributes; and record, which is what `hal.*.added`
        tells, if it is a device that is told.
        """
        found = self._monitor.devices(subsystem, self._attributes(subsystem))
        return [_describe(device, self._present.record(device.path)) for device in found]

    def device(self, path: str) -> dict[str, object]:
        """One device with all its attributes, by its path in sysfs (with or without /sys) or its node in /dev."""
        device = self._monitor.find(path)
        if device is None:
            raise pybus.ServiceError("org.pybus.Hal.Error.NoSuchDevice", f"there is no device {path}")
        return _describe(device, self._present.record(device.path))

    def state(self) -> dict[str, object]:
        """All states as they are now: topic to value."""
        return self._values()

    def simulate(self, topic: str, body: object = None) -> None:
        """Publish something as if the hardware had said it. The next real change of a state puts it right again.

        topic: one under `hal.`; a state's is retained, an event's is not.
        """
        if not topic.startswith("hal."):
            raise pybus.ServiceError("org.pybus.Hal.Error.NotHardware", f"{topic} is not a topic of hardware: hal.…")
        self._pretend(Message(topic, body))


def _describe(device: Device, record: Record | None) -> dict[str, object]:
    described: dict[str, object] = {
        "path": device.path,
        "name": device.name,
        "subsystem": device.subsystem,
        "properties": dict(device.properties),
        "attributes": dict(device.attributes),
    }
    return described if record is None else {**described, "record": record}
