"""The mains: is the machine plugged in?

Sources of the rules: the kernel's Documentation/ABI/testing/sysfs-class-power (types, scope, and
`online` being 0 for offline, 1 for online, 2 for online and programmable), and systemd's
on_ac_power(), which also passes over supplies of devices and those whose attributes can't be read.
"""

from collections.abc import Sequence

from .states import Device

AC_TOPIC = "hal.power.ac"
ATTRIBUTES = ("type", "scope", "online")


def ac_state(devices: Sequence[Device]) -> dict[str, object]:
    """`hal.power.ac`: "plugged" if any mains supply is online, else "unplugged"; none without a supply.

    `online` is the attribute, read now: the property of the event may lag behind it. A supply whose
    attribute can't be read is passed over, for that says nothing about the plug.
    """
    online = [device.attributes["online"] for device in devices if _is_mains(device) and "online" in device.attributes]
    if not online:
        return {}
    return {AC_TOPIC: "plugged" if any(value != "0" for value in online) else "unplugged"}


def _is_mains(device: Device) -> bool:
    """Whether this supply feeds the machine, from outside. A mouse's charger has the scope Device."""
    kind = device.attributes.get("type", "")
    return (kind in ("Mains", "Wireless") or kind.startswith("USB")) and device.attributes.get("scope") != "Device"
