"""A desk in the hal scenes: a bed with gadgets, and all that is said of it, as whole messages."""

import json
from typing import Any

from .beds import Shape, Simulated, plug
from .hal_scene import Bed, Listener, Scene

MARKER = Simulated("mem", "virtual/mem/null", {}, {})


class Desk:
    """A bed, and somebody who hears all that the service says of it."""

    def __init__(self, bed: Bed, listener: Listener, marker: str) -> None:
        self.bed = bed
        self._listener = listener
        self._marker = marker

    async def heard(self) -> list[Any]:
        """All signals until now that were not given before: [topic, body, retained, cleared].

        The number of an event is left out, and so is what is not the bed's but the test machine's
        own: its links and its lid. What an event has changed is told after it and those read with it,
        so that the end of everything is at the second marker.
        """
        signals = [*await self._until_marker(), *await self._until_marker()]
        return [signal for signal in signals if signal[0] != "hal.lid" and not signal[0].endswith(".link")]

    async def _until_marker(self) -> list[Any]:
        await self.bed.do("uevent", self._marker, "online")
        signals: list[Any] = []
        while True:
            signal = json.loads(await self._listener.line())
            if signal[0] == "hal.mem.online":
                return signals
            if isinstance(signal[1], dict):
                signal[1].pop("SEQNUM", None)
            signals.append(signal)


async def set_up(people: Scene, *shapes: Shape) -> tuple[Desk, list[str]]:
    """A desk with these shapes on it, and their paths. The service runs already.

    It takes the kernel's events, which have all of a bed's properties: a bed has no database of udevd's,
    without which udevd does not seem to be done with a device that has a node.
    """
    bed = await people.bed()
    paths = [path for shape in shapes for path in await plug(bed, shape)]
    [marker] = await plug(bed, [MARKER])
    await people.service("--source", "kernel", bed=bed)
    return Desk(bed, await people.listener(), marker), paths


def event(topic: str, body: object) -> list[object]:
    return [topic, body, False, False]


def raw(device: Simulated, action: str, **more: str) -> list[object]:
    """An event that goes out as it is. more: properties that were set since the device came."""
    properties = {
        "ACTION": action,
        "DEVPATH": f"/devices/{device.path}",
        "SUBSYSTEM": device.subsystem,
        **device.properties,
        **more,
    }
    return event(f"hal.{device.subsystem}.{action}", properties)


def kept(topic: str, value: object) -> list[object]:
    """A value that was there when the listener came."""
    return [topic, value, True, False]


def cleared(topic: str) -> list[object]:
    return [topic, None, False, True]
