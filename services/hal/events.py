"""Uevents that no kind of device claims: told as they are."""

from collections.abc import Mapping

from .device import Device
from .messages import Message, word

_SAME_BURST = 1.0
"""Seconds within which an event that says the same as the last one of its device tells nothing."""

_REMEMBERED = 1024
"""Devices whose last event is remembered."""


def every_event(device: Device) -> Message:
    """Any uevent, with all its properties: `hal.SUBSYSTEM.ACTION`."""
    return Message(f"hal.{word(device.subsystem)}.{word(device.action)}", dict(device.properties))


def lost_events(why: str, overflows: int) -> Message:
    """Events may be missing, nobody knows how many.

    why: "overflow" (the kernel dropped them) or "restart" (this service had crashed). overflows: how
    often the kernel did so since the service started.
    """
    return Message("hal.lost", {"why": why, "overflows": overflows})


class Bursts:
    """Finds `change` events that repeat the last one of their device within a second, as some firmware sends them."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[Mapping[str, str], float]] = {}

    def repeats(self, device: Device, now: float) -> bool:
        """Whether an event says nothing new, its number (SEQNUM) left aside. now: monotonic seconds."""
        content = {name: value for name, value in device.properties.items() if name != "SEQNUM"}
        last = self._last.get(device.path)
        if device.action == "change" and last is not None and last[0] == content and now - last[1] < _SAME_BURST:
            return True
        if len(self._last) >= _REMEMBERED:
            self._last.clear()
        self._last[device.path] = (content, now)
        return False
