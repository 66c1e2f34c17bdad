"""Where the machine's power comes from, and how long it lasts: `hal.power.*`.

`online` and the rest are read afresh at each look: the properties of an event may lag behind them.
What feeds the machine is told as UPower tells `OnBattery` and `WarningLevel` (src/up-daemon.c).
"""

import time
from collections.abc import Callable, Sequence

from ..messages import word
from . import batteries, peripherals
from .device import Device, State
from .supply import is_battery, is_mains, number

PATTERN = "hal.power.#"
ATTRIBUTES = tuple(dict.fromkeys(("type", "scope", "online", *batteries.ATTRIBUTES, *peripherals.ATTRIBUTES)))

HYSTERESIS = 3
"""Percent above a threshold at which a warning goes, as what a gauge says trembles."""

PAUSE = 30.0
"""Seconds between looks at batteries: many send no event when their level changes. UPower's, too."""

HURRY, HASTE = 5.0, 1.0
"""For how many seconds after the plug has moved, and how often: batteries notice that late, and some silently."""

_TAKEN = frozenset(("level", "low", "critical"))


def power_state(low: int, critical: int, clock: Callable[[], float] = time.monotonic) -> State:
    """All of `hal.power`. low, critical: percent at which a machine on its batteries is warned of. clock: seconds."""
    power = _Power({"low": low, "critical": critical}, clock)
    return State("power_supply", PATTERN, ATTRIBUTES, power.values, power.pause)


class _Power:
    """What has to be remembered from look to look: warnings, and where the plug was."""

    def __init__(self, thresholds: dict[str, int], clock: Callable[[], float]) -> None:
        self._thresholds = thresholds
        self._clock = clock
        self._warnings: dict[str, int] = {}
        self._ac: str | None = None
        self._hurry_until: float | None = None

    def values(self, supplies: Sequence[Device]) -> dict[str, object]:
        """Everything that is known now."""
        present = batteries.batteries(supplies)
        share, ac = batteries.level(present), _ac(supplies)
        source = _source(supplies, batteries.are_drained(present) and ac != "plugged")
        self._warn(share if source == "battery" else None)
        self._note_plug(ac)
        found: dict[str, object] = {
            "ac": ac,
            "source": source,
            "battery.level": None if share is None else batteries.whole(share),
            **{f"battery.{name}": value for name, value in self._warnings.items()},
            **_each(supplies),
        }
        return {f"hal.power.{name}": value for name, value in found.items() if value is not None}

    def pause(self, supplies: Sequence[Device]) -> float:
        """Seconds until the next look, 0 for never: without any battery events tell everything."""
        if not any(is_battery(supply) or peripherals.is_peripheral(supply) for supply in supplies):
            return 0.0
        return HASTE if self._hurry_until is not None and self._clock() < self._hurry_until else PAUSE

    def _warn(self, share: float | None) -> None:
        """Take up and drop warnings. share: percent left; None if nothing is being used up, or it is not known.

        A warning keeps the percent at which it was given, so that it is told once.
        """
        for name, threshold in self._thresholds.items():
            if share is None or share > threshold + HYSTERESIS:
                self._warnings.pop(name, None)
            elif share <= threshold:
                self._warnings.setdefault(name, batteries.whole(share))

    def _note_plug(self, ac: str | None) -> None:
        if self._ac is not None and ac != self._ac:
            self._hurry_until = self._clock() + HURRY
        self._ac = ac


def _ac(supplies: Sequence[Device]) -> str | None:
    """Whether any mains supply is online (2 is online, and programmable); None without one.

    A supply whose attribute can't be read is passed over, for that says nothing about the plug.
    """
    online = [number(supply, "online") for supply in supplies if is_mains(supply)]
    told = [value for value in online if value is not None]
    if not told:
        return None
    return "plugged" if any(told) else "unplugged"


def _source(supplies: Sequence[Device], drained: bool) -> str | None:
    """What feeds the machine; None if no supply says anything of that."""
    if drained:
        return "battery"
    return "ac" if any(is_mains(supply) or is_battery(supply) for supply in supplies) else None


def _each(supplies: Sequence[Device]) -> dict[str, object]:
    """A record of each battery, of the machine and of devices."""
    found: dict[str, object] = {}
    for supply in supplies:
        name = word(supply.name)
        if is_battery(supply):
            found[f"battery.{name}_" if name in _TAKEN else f"battery.{name}"] = batteries.record(supply)
        elif peripherals.is_peripheral(supply):
            found[f"device.{name}"] = peripherals.record(supply)
    return found
