"""Batteries of a mouse, a keyboard, a headset: supplies that feed what they are in, not the machine."""

import re

from .device import Device, Record
from .supply import is_of_a_device, is_present, kind, number, percent, status

ATTRIBUTES = ("present", "online", "status", "capacity", "capacity_level", "model_name", "manufacturer")

_LEVELS = frozenset(("critical", "low", "normal", "high", "full"))

_KINDS = {
    "keyboard": ("keyboard",),
    "touchpad": ("touchpad", "trackpad"),
    "mouse": ("mouse", "trackball"),
    "headset": ("headset", "headphones", "earphones", "earbuds"),
    "joystick": ("controller", "gamepad", "joystick"),
    "tablet": ("tablet", "stylus", "pen"),
}


def is_peripheral(supply: Device) -> bool:
    """Whether it is such a battery."""
    return kind(supply) == "battery" and is_of_a_device(supply)


def record(supply: Device) -> Record:
    """What is told of one.

    present: whether it is there. online: whether the device is connected. status: a word, see
    `supply`; `full` at 100 percent, as many of them say for ever that they discharge (so does UPower).
    capacity: percent. capacity_level: critical, low, normal, high or full, from those that know no
    more than that. model, manufacturer: text. kind: what the names say it is, if they do.
    """
    share, rough = percent(supply), supply.attributes.get("capacity_level", "").lower()
    online = number(supply, "online")
    known = {
        "online": None if online is None else online != 0,
        "capacity": share if share or rough not in _LEVELS else None,
        "capacity_level": rough if rough in _LEVELS else None,
        "model": supply.attributes.get("model_name") or None,
        "manufacturer": supply.attributes.get("manufacturer") or None,
        "kind": _kind(supply),
    }
    told: Record = {"present": is_present(supply), "status": "full" if share == 100 else status(supply)}
    return told | {name: value for name, value in known.items() if value is not None}


def _kind(supply: Device) -> str | None:
    """By the words of its model and name, the only ones that every driver gives."""
    text = f"{supply.attributes.get('model_name', '')} {supply.name}".lower()
    words = set(re.split("[^a-z]+", text))
    return next((one for one, names in _KINDS.items() if not words.isdisjoint(names)), None)
