"""Sound cards.

udevd tells of a card twice: `add` when it begins to appear, and `change` with SOUND_INITIALIZED=1 when
its control device is there, and with it all others (udev's 78-sound-card.rules). Programs wait for the
second, and so does this. The kernel alone tells the first only. Names are in PulseAudio's order of sources
(src/modules/udev-util.c).
"""

import re

from .device import Device, Kind, Record
from .fields import given_name, record

_CARD = re.compile(r"card(\d{1,9})", re.ASCII)


def describe(device: Device) -> Record | None:
    """Record: path, number, id (ALSA's, as in `hw:PCH`), name (for people; else the id), bus (pci, usb ...)."""
    match = _CARD.fullmatch(device.name)
    if match is None or not _is_ready(device):
        return None
    identifier = device.attributes.get("id")
    return record(
        device,
        number=int(match[1]),
        id=identifier,
        name=given_name(device, "ID_MODEL") or identifier,
        bus=device.properties.get("ID_BUS"),
    )


def _is_ready(device: Device) -> bool:
    """A device that udevd has dealt with has USEC_INITIALIZED; without it nobody is going to say that it is ready."""
    return device.properties.get("SOUND_INITIALIZED") == "1" or "USEC_INITIALIZED" not in device.properties


SOUND = Kind("sound", "hal.sound", ("id",), describe)
