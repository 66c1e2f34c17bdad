"""What the kernel tells of one power supply: a mains adapter, a battery, or what charges a mouse.

The attributes are those of the kernel's Documentation/ABI/testing/sysfs-class-power: whole numbers
that fit a C int, energies in µWh, charges in µAh, voltages in µV, currents in µA, power in µW.
"""

from .device import Device

ABSURD = 1 << 31
"""A number this big is no C int, so no driver gave it."""

_STATUSES = frozenset(("charging", "discharging", "not charging", "full", "empty"))


def number(supply: Device, *attributes: str) -> int | None:
    """The first of these attributes that is a number, other than 0 if one is; None if there is none.

    0 is what firmware says of much that it does not know, so that another attribute may know better.
    """
    found = [value for value in (_whole(supply.attributes.get(name)) for name in attributes) if value is not None]
    return next((value for value in found if value), found[0] if found else None)


def _whole(text: str | None) -> int | None:
    try:
        value = int(text or "")
    except ValueError:
        return None
    return value if abs(value) < ABSURD else None


def percent(supply: Device) -> int | None:
    """`capacity`, from 0 to 100."""
    value = number(supply, "capacity")
    return None if value is None else min(max(value, 0), 100)


def kind(supply: Device) -> str:
    """The type in lower case: `battery`, `mains`, `usb`, `usb_pd`, `wireless`, `ups` ..., "" if it is not told."""
    return supply.attributes.get("type", "").lower()


def is_of_a_device(supply: Device) -> bool:
    """Whether it feeds, or is charged in, a mouse or the like. Whatever does not say so is the machine's."""
    return supply.attributes.get("scope", "").lower() == "device"


def is_battery(supply: Device) -> bool:
    """Whether it feeds the machine from what it has stored. A UPS that the kernel knows is such a one, too."""
    return kind(supply) in ("battery", "ups") and not is_of_a_device(supply)


def is_mains(supply: Device) -> bool:
    """Whether it feeds the machine from outside."""
    outside = kind(supply) in ("mains", "wireless") or kind(supply).startswith("usb")
    return outside and not is_of_a_device(supply)


def is_present(supply: Device) -> bool:
    """Whether it is really there: a battery's bay stays a device when it is empty. One that does not tell is there."""
    return supply.attributes.get("present", "1") != "0"


def status(supply: Device) -> str:
    """`charging`, `discharging`, `not charging`, `full`, `empty`, and `unknown` for all else."""
    word = supply.attributes.get("status", "").lower()
    return word if word in _STATUSES else "unknown"
