"""How bright the screens' backlights are, and what changed that.

Source of the rules: the kernel's Documentation/ABI/stable/sysfs-class-backlight, and
drivers/video/backlight/backlight.c for the events' property SOURCE: `hotkey` for the firmware's own
doing at a key, `sysfs` for a program's, else `unknown`.
"""

from collections.abc import Sequence

from ..messages import word
from .device import Device, State
from .fields import number

_UNKNOWN = "unknown"


class Backlights:
    """Remembers of each backlight what was told last, as only the event of a change has its source."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, object]] = {}

    def values(self, devices: Sequence[Device]) -> dict[str, object]:
        """`hal.backlight.NAME`: map of percent (whole, of the greatest brightness) and source.

        A look that finds the same brightness, and has no event about it, keeps the source. One that
        finds another does not know it.
        """
        former, self._told = self._told, {}
        for device in devices:
            percent = _percent(device)
            if percent is not None:
                topic = f"hal.backlight.{word(device.name)}"
                self._told[topic] = {"percent": percent, "source": _source(device, percent, former.get(topic, {}))}
        return dict(self._told)


def _source(device: Device, percent: int, former: dict[str, object]) -> object:
    if "SOURCE" in device.properties and device.action == "change":
        return device.properties["SOURCE"] or _UNKNOWN
    return former["source"] if former.get("percent") == percent else _UNKNOWN


def _percent(device: Device) -> int | None:
    """Of what the hardware says; else of what it was told to be. None if neither is known."""
    most = number(device.attributes.get("max_brightness"))
    now = number(device.attributes.get("actual_brightness"))
    if now is None:
        now = number(device.attributes.get("brightness"))
    if not most or now is None:
        return None
    return min(100, (200 * now + most) // (2 * most))


def backlight_state() -> State:
    """All backlights, with a memory of what changed them."""
    attributes = ("max_brightness", "actual_brightness", "brightness")
    return State("backlight", "hal.backlight.*", attributes, Backlights().values)
