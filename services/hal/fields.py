"""Fields of records, out of the texts that udev and sysfs give."""

import re

from .device import Device, Record

_ESCAPED = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")
_LARGEST = 2**64 - 1
"""Where msgpack's integers end, and the kernel's."""


def record(device: Device, **fields: object) -> Record:
    """A device's record: its path, and those fields that are known, so neither None nor ""."""
    known = {name: value for name, value in fields.items() if value is not None and value != ""}
    return {"path": device.path} | known


def number(text: str | None, base: int = 10) -> int | None:
    """A number that is not negative, as the kernel writes it; None if it is none, or absurdly large."""
    try:
        value = int(text or "", base)
    except ValueError:
        return None
    return value if 0 <= value <= _LARGEST else None


def unescaped(text: str) -> str:
    r"""The text behind an `ID_..._ENC` property, with single blanks only.

    udev writes what could be odd in a file name as `\x20`, a byte each (systemd's
    encode_devnode_name()). Bytes that are not UTF-8 stay as they are.
    """
    return " ".join(_ESCAPED.sub(_decoded, text).split())


def given_name(device: Device, key: str, attribute: str = "") -> str:
    """A vendor's or model's name for people: the hardware database's, else the device's own; "" without one.

    key: of the property (`ID_MODEL`), in which blanks are underscores. attribute: the kernel's, if it has one.
    """
    properties = device.properties
    return (
        properties.get(f"{key}_FROM_DATABASE")
        or unescaped(properties.get(f"{key}_ENC", ""))
        or device.attributes.get(attribute, "")
        or properties.get(key, "").replace("_", " ").strip()
    )


def _decoded(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("\\x", "")).decode(errors="backslashreplace")
