"""Uevents as they are: those that no kind of device claims are told so."""

from collections.abc import Sequence

from ..messages import Message, word
from .device import Device


def every_event(device: Device) -> Message:
    """Any uevent, with all its properties: `hal.SUBSYSTEM.ACTION`."""
    return Message(f"hal.{word(device.subsystem)}.{word(device.action)}", dict(device.properties))


def lost_events(why: str, overflows: int) -> Message:
    """Events may be missing, nobody knows how many.

    why: "overflow" (the kernel dropped them) or "restart" (this service had crashed). overflows: how
    often the kernel did so since the service started.
    """
    return Message("hal.lost", {"why": why, "overflows": overflows})


def newest(events: Sequence[Device]) -> list[Device]:
    """Those of events that were read together which say something new.

    Of several `change` events in a row that say the same about a device the last one is enough: whoever
    looks at the device when he hears it sees what all of them were about. Their number (SEQNUM) is not
    what they say.
    """
    if len(events) == 1:
        return list(events)
    kept: list[Device] = []
    later: dict[str, dict[str, str]] = {}
    for device in reversed(events):
        said = {name: value for name, value in device.properties.items() if name != "SEQNUM"}
        if device.action != "change" or later.get(device.path) != said:
            kept.append(device)
        later[device.path] = said
    kept.reverse()
    return kept
