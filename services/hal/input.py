"""Input devices that a person uses: keyboards, mice and the like. Buttons, switches and speakers are none.

With udev's properties the kind is what systemd's input_id found. The kernel alone tells the device's
capabilities, as bits; the rules for those are input_id's too, without its exceptions.
"""

import struct

from .device import Device, Kind, Record
from .fields import number, record

_PROPERTIES = {
    "ID_INPUT_TOUCHPAD": "touchpad",
    "ID_INPUT_TOUCHSCREEN": "touchscreen",
    "ID_INPUT_TABLET": "tablet",
    "ID_INPUT_TABLET_PAD": "tablet",
    "ID_INPUT_JOYSTICK": "joystick",
    "ID_INPUT_MOUSE": "mouse",
    "ID_INPUT_KEYBOARD": "keyboard",
}
"""A device that is several is what comes first. ID_INPUT_KEY alone is a device with some keys: a power button."""

_WORD = struct.calcsize("@L") * 8
"""Bits in a word of the capabilities: the kernel's unsigned long, or a 32-bit program's."""

# Codes of linux/input-event-codes.h.
_X_AND_Y = 0b11
_FULL_KEYBOARD = 0xFFFFFFFE
"""Escape, the digits, and Q to D, as input_id has it: codes 1 to 31."""
_BUTTON_LEFT, _BUTTON_JOYSTICK, _BUTTON_SOUTH = 0x110, 0x120, 0x130
_TOOL_PEN, _TOOL_FINGER, _TOUCH, _STYLUS = 0x140, 0x145, 0x14A, 0x14B
_DIRECT = 0b10
"""Among the device's properties: what is touched is where it happens, as on a screen."""

_ATTRIBUTES = (
    "../name",
    "../properties",
    "../capabilities/key",
    "../capabilities/rel",
    "../capabilities/abs",
)


def describe(device: Device) -> Record | None:
    """path, node, name, kind: touchpad, touchscreen, tablet, joystick, mouse or keyboard."""
    if not device.name.startswith("event"):
        return None
    kind = _kind_by_udev(device) if "ID_INPUT" in device.properties else _kind_by_capabilities(device)
    if not kind:
        return None
    return record(
        device,
        node=device.properties.get("DEVNAME") or f"/dev/input/{device.name}",
        name=device.attributes.get("../name"),
        kind=kind,
    )


def _kind_by_udev(device: Device) -> str:
    return next((kind for name, kind in _PROPERTIES.items() if device.properties.get(name) == "1"), "")


def _kind_by_capabilities(device: Device) -> str:
    """With X and Y: the kind of pointer that its buttons make it. Without: a keyboard if all letters are there."""
    keys = _bits(device, "capabilities/key")
    if _bits(device, "capabilities/abs") & _X_AND_Y == _X_AND_Y:
        kind = _absolute_pointer(keys, direct=bool(_bits(device, "properties") & _DIRECT))
        if kind:
            return kind
    if _bits(device, "capabilities/rel") & _X_AND_Y == _X_AND_Y and _has(keys, _BUTTON_LEFT):
        return "mouse"
    return "keyboard" if keys & _FULL_KEYBOARD == _FULL_KEYBOARD else ""


def _absolute_pointer(keys: int, *, direct: bool) -> str:
    if _has(keys, _TOOL_PEN) or _has(keys, _STYLUS):
        return "tablet"
    if _has(keys, _TOOL_FINGER) and not direct:
        return "touchpad"
    if _has(keys, _BUTTON_LEFT):
        return "mouse"
    if _has(keys, _TOUCH) or direct:
        return "touchscreen"
    return "joystick" if _has(keys, _BUTTON_JOYSTICK) or _has(keys, _BUTTON_SOUTH) else ""


def _has(bits: int, code: int) -> bool:
    return bool(bits >> code & 1)


def _bits(device: Device, name: str) -> int:
    """A bitmap of the input device above: words in hex, the highest first. 0 if it is none."""
    bits = 0
    for text in device.attributes.get(f"../{name}", "").split():
        bits = bits << _WORD | (number(text, 16) or 0)
    return bits


INPUT = Kind("input", "hal.input", _ATTRIBUTES, describe)
