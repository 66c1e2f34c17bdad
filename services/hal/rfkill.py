"""Radios: which kinds are switched off, and by what.

Source of the rules: the kernel's Documentation/ABI/stable/sysfs-class-rfkill. `soft` is what programs
switch, `hard` is a switch of the machine, or its firmware; both can be set. `state` is the older
attribute that can't tell both from hard.
"""

from collections.abc import Sequence

from ..messages import word
from .device import Device, State

_BY = {("1", "0"): "soft", ("0", "1"): "hard", ("1", "1"): "both", ("0", "0"): ""}
_BY_STATE = {"0": "soft", "1": "", "2": "hard"}
_EASIEST_FIRST = ("soft", "hard", "both")


def radios(devices: Sequence[Device]) -> dict[str, object]:
    """`hal.rfkill.KIND`, "blocked" or "unblocked", and `hal.rfkill.KIND.by` while it is blocked.

    KIND is the kernel's word: wlan, bluetooth, wwan, gps, nfc ... A kind is blocked if all its switches
    are. `by` is what has to be undone so that one of them works again: "soft" (a program can), "hard"
    (the machine's switch) or "both". A switch that can't be read is passed over.
    """
    blocks: dict[str, list[str]] = {}
    for device in devices:
        kind, by = device.attributes.get("type"), _blocked_by(device)
        if kind and by is not None:
            blocks.setdefault(f"hal.rfkill.{word(kind)}", []).append(by)
    values: dict[str, object] = {}
    for topic, found in blocks.items():
        values[topic] = "blocked" if all(found) else "unblocked"
        if all(found):
            values[f"{topic}.by"] = min(found, key=_EASIEST_FIRST.index)
    return values


def _blocked_by(device: Device) -> str | None:
    """One of the words of `by`, "" if nothing blocks it, None if that is unknown."""
    attributes = device.attributes
    by = _BY.get((attributes.get("soft", ""), attributes.get("hard", "")))
    return by if by is not None else _BY_STATE.get(attributes.get("state", ""))


RFKILL = State("rfkill", "hal.rfkill.#", ("type", "soft", "hard", "state"), radios)
