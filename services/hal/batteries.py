"""The machine's own batteries: what each is like, and how far all of them go together.

The rules are UPower's (src/linux/up-device-supply.c and src/up-daemon.c of 0.99.20,
up-device-supply-battery.c and up-device-battery.c of 1.90), so that a desktop's other programs show
the same. Where the two differ the older one counts, whose words are nearer to the kernel's. Other
than UPower we have no level for an empty bay (it says 0 percent), and one that is nearly empty and
does not know its status is `unknown` (it says `empty`, and then that the machine is on the mains).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from .device import Device, Record
from .supply import is_battery, is_present, number, percent, status

ATTRIBUTES = (
    "present",
    "status",
    "capacity",
    *(f"energy_{which}" for which in ("now", "avg", "full", "full_design")),
    *(f"charge_{which}" for which in ("now", "avg", "full", "full_design")),
    *("power_now", "current_now", "voltage_now", "voltage_avg", "voltage_max_design", "voltage_min_design"),
)

MICRO = 1e6
"""The kernel counts in millionths."""

FULL_ENOUGH = 90
"""Percent from which a battery on the mains that no longer charges is full: chargers stop well below 100."""

MOST_POWER = 300.0
"""Watts. More than a charger by USB can give (240 W) is a wrong reading; ACPI's 0xffff for "unknown" is one."""

LONGEST_TO_EMPTY, LONGEST_TO_FULL = 240 * 3600, 20 * 3600
"""Seconds. More than that is no estimate."""


class Battery(NamedTuple):
    """One battery that is there. energy, full: Wh. power: W, without a sign. voltage: V. None is unknown."""

    status: str
    percent: float | None
    energy: float | None
    full: float | None
    power: float | None
    voltage: float | None


def batteries(supplies: Sequence[Device]) -> list[Battery]:
    """The machine's batteries among the supplies, without empty bays."""
    return [_battery(supply) for supply in supplies if is_battery(supply) and is_present(supply)]


def record(supply: Device) -> Record:
    """What is told of one battery: at most one record a look while it works, the same one while it rests.

    present: whether it is there; of an empty bay that is all. status: a word, see `supply`. capacity:
    whole percent. energy, energy_full: Wh; power: W; voltage: V; all to a tenth, as the rest is
    noise. time_to_empty, time_to_full: seconds, but whole minutes, while it discharges or charges
    and that can be estimated.
    """
    if not is_present(supply):
        return {"present": False}
    battery = _battery(supply)
    known = {
        "capacity": None if battery.percent is None else whole(battery.percent),
        "energy": _tenth(battery.energy),
        "energy_full": _tenth(battery.full),
        "power": _tenth(battery.power),
        "voltage": _tenth(battery.voltage),
        "time_to_empty": _minutes(_time_to_empty(battery), LONGEST_TO_EMPTY),
        "time_to_full": _minutes(_time_to_full(battery), LONGEST_TO_FULL),
    }
    told: Record = {"present": True, "status": battery.status}
    return told | {name: value for name, value in known.items() if value is not None}


def level(all_present: Sequence[Battery]) -> float | None:
    """Percent over all batteries: the one's own, else by energy; None if nothing is known.

    Where one's energy is not known they count alike.
    """
    shares = [one.percent for one in all_present if one.percent is not None]
    stores = [(one.energy, one.full) for one in all_present if one.energy is not None and one.full]
    if 1 < len(stores) == len(all_present):
        return 100 * sum(energy for energy, _ in stores) / sum(full for _, full in stores)
    return sum(shares) / len(shares) if shares else None


def whole(share: float) -> int:
    """A share of 0 to 100 in whole percent; a half goes up."""
    return min(max(math.floor(share + 0.5), 0), 100)


def are_drained(all_present: Sequence[Battery]) -> bool:
    """Whether the machine lives on its batteries, if there is no mains: the kernel may not know at once."""
    statuses = {one.status for one in all_present}
    return "discharging" in statuses or ("unknown" in statuses and "charging" not in statuses)


def _battery(supply: Device) -> Battery:
    volts = _volts(supply)
    now, full = _stored(supply, "energy", 1.0)
    if full is None:
        now, full = _stored(supply, "charge", volts)
    share = _share(supply)
    if not now and full is not None and share is not None:
        now = full * share / 100
    if now is not None and full is not None:
        full = max(now, full)  # some never correct what they took for full
    voltage = number(supply, "voltage_now", "voltage_avg")
    return Battery(
        status=_status(supply, share),
        percent=share,
        energy=now,
        full=full,
        power=_power(supply, volts),
        voltage=voltage / MICRO if voltage and voltage > 0 else None,
    )


def _stored(supply: Device, unit: str, volts: float | None) -> tuple[float | None, float | None]:
    """What is in it and what it holds, in Wh. unit: energy, or charge, which volts make energy of."""
    now = number(supply, f"{unit}_now", f"{unit}_avg")
    full = number(supply, f"{unit}_full", f"{unit}_full_design")
    if volts is None or full is None or full <= 0:
        return None, None
    return None if now is None else abs(now) * volts / MICRO, full * volts / MICRO


def _volts(supply: Device) -> float | None:
    """What makes Wh of Ah. The design's, as the present voltage falls with the charge: it would count twice."""
    for name in ("voltage_max_design", "voltage_min_design", "voltage_now"):
        value = number(supply, name)
        if value is not None and value > MICRO:
            return value / MICRO
    return None


def _share(supply: Device) -> float | None:
    """Percent: the kernel's, else energy of energy, else charge of charge, where the voltage cancels out."""
    told = percent(supply)
    if told is not None:
        return float(told)
    for unit in ("energy", "charge"):
        now, full = _stored(supply, unit, 1.0)
        if now is not None and full is not None:
            return min(100 * now / full, 100.0)
    return None


def _status(supply: Device, share: float | None) -> str:
    told = status(supply)
    return "full" if told == "not charging" and share is not None and share >= FULL_ENOUGH else told


def _power(supply: Device, volts: float | None) -> float | None:
    """Watts, going in or out: drivers differ in the sign, `status` says which it is."""
    power, current = number(supply, "power_now"), number(supply, "current_now")
    if power is not None:
        watts = abs(power) / MICRO
    elif current is not None and volts is not None:
        watts = abs(current) * volts / MICRO
    else:
        return None
    return watts if watts <= MOST_POWER else None


def _time_to_empty(battery: Battery) -> float | None:
    if battery.status != "discharging" or battery.energy is None or not battery.power:
        return None
    return 3600 * battery.energy / battery.power


def _time_to_full(battery: Battery) -> float | None:
    if battery.status != "charging" or battery.energy is None or battery.full is None or not battery.power:
        return None
    return 3600 * (battery.full - battery.energy) / battery.power


def _minutes(seconds: float | None, longest: int) -> int | None:
    """Seconds in whole minutes; None if there is no sense in them."""
    return None if seconds is None or not 0 < seconds <= longest else 60 * round(seconds / 60)


def _tenth(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
