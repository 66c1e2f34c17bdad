"""What `org.pybus.Hal` offers to callers."""

from collections.abc import Awaitable, Callable, Mapping

import pybus

from ..messages import Message
from .device import Device, Record
from .present import Present
from .udev import Monitor

_SHOWN = 100
"""Characters of an argument that an error repeats."""


class Hal:
    """The hardware of this machine. Its events and states are topics under `hal.`."""

    def __init__(
        self,
        monitor: Monitor,
        present: Present,
        attributes: Mapping[str, tuple[str, ...]],
        values: Callable[[], dict[str, object]],
        pretend: Callable[[Message], Awaitable[None]],
    ) -> None:
        """attributes: those that matter, by subsystem. values: the states as told. pretend: tells what is not so."""
        self._monitor = monitor
        self._present = present
        self._attributes = attributes
        self._values = values
        self._pretend = pretend

    async def devices(self, subsystem: str) -> list[dict[str, object]]:
        """The present devices of a subsystem (usb, block, net, input, ...).

        Of each: path, name, subsystem, properties, attributes; and record, which is what `hal.*.added`
        tells, if it is a device that is told.
        """
        found = await self._monitor.look(subsystem, self._attributes.get(subsystem, ()))
        return [_describe(one, self._present.record(one.path)) for one in found if one.subsystem == subsystem]

    def device(self, path: str) -> dict[str, object]:
        """One device with all its attributes, by its path in sysfs (with or without /sys) or its node in /dev."""
        device = self._monitor.find(path)
        if device is None:
            raise pybus.ServiceError("org.pybus.Hal.Error.NoSuchDevice", f"there is no device {path[:_SHOWN]}")
        return _describe(device, self._present.record(device.path))

    def state(self) -> dict[str, object]:
        """All states as they are now: topic to value."""
        return self._values()

    async def simulate(self, topic: str, body: object = None) -> None:
        """Publish something as if the hardware had said it.

        topic: one under `hal.`; a state's is retained, an event's is not. The next look at a state puts it
        right again: with the next event of its kind, or after 30 s where there is a battery. A state
        without a body is cleared.
        """
        try:
            pybus.check_topic(topic)
        except pybus.InvalidName as error:
            raise pybus.ServiceError("org.pybus.Error.InvalidArguments", str(error)) from None
        if not topic.startswith("hal."):
            text = f"{topic} is no topic of the hardware's, which begin with hal."
            raise pybus.ServiceError("org.pybus.Error.InvalidArguments", text)
        await self._pretend(Message(topic, body))


def _describe(device: Device, record: Record | None) -> dict[str, object]:
    described: dict[str, object] = {
        "path": device.path,
        "name": device.name,
        "subsystem": device.subsystem,
        "properties": dict(device.properties),
        "attributes": dict(device.attributes),
    }
    return described if record is None else {**described, "record": record}
