"""Screens: which connectors have one, and that something was plugged.

Sources of the rules: the kernel's drivers/gpu/drm/drm_sysfs.c (a hotplug is a `change` of the card with
HOTPLUG=1; LEASE=1 says that a screen was lent out, which is none) and drm_connector.c (`status`, and
the numbers in connectors' names, which run through all cards: so HDMI-A-1 is there once).
"""

import re
from collections.abc import Sequence

from ..messages import Message, word
from .device import Device, State

HOTPLUG_TOPIC = "hal.display.hotplug"

_CONNECTOR = re.compile(r"card(\d+)-(.+)", re.DOTALL)
_WORDS = ("connected", "disconnected")


def hotplug(device: Device) -> list[Message]:
    """`hal.display.hotplug` with the card's name, if the event says that something was plugged or pulled."""
    properties = device.properties
    is_card = device.subsystem == "drm" and properties.get("DEVTYPE") == "drm_minor"
    if is_card and device.action == "change" and properties.get("HOTPLUG") == "1":
        return [Message(HOTPLUG_TOPIC, device.name)]
    return []


def connectors(devices: Sequence[Device]) -> dict[str, object]:
    """`hal.display.CONNECTOR`: "connected" or "disconnected"; none where the driver can't tell.

    CONNECTOR is the name without the card's (`HDMI-A-1`). Should two cards have one of the same
    name (drivers from outside the kernel number as they like), then the card with the lower number
    has it, and the other's is told with the card's name (`card1-HDMI-A-1`).
    """
    values: dict[str, object] = {}
    for _, connector, device in sorted(_connectors(devices), key=lambda found: found[:2]):
        topic = f"hal.display.{word(connector)}"
        if topic in values or topic == HOTPLUG_TOPIC:
            topic = f"hal.display.{word(device.name)}"
        values[topic] = device.attributes["status"]
    return values


def _connectors(devices: Sequence[Device]) -> list[tuple[int, str, Device]]:
    """The connectors whose status is known: number of the card, name without the card's, device."""
    matches = [(_CONNECTOR.fullmatch(device.name), device) for device in devices]
    return [
        (int(match[1]), match[2], device)
        for match, device in matches
        if match is not None and device.attributes.get("status") in _WORDS
    ]


CONNECTORS = State("drm", "hal.display.*", ("status",), connectors, is_all=False)
