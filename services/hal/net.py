"""Network interfaces. Whether their cable is plugged in is no event of udev's."""

from ..messages import Message
from .device import Device, Kind, Record
from .fields import number, record

_KINDS = {
    1: "ethernet",
    32: "infiniband",
    280: "can",
    512: "ppp",
    768: "tunnel",
    769: "tunnel",
    772: "loopback",
    776: "tunnel",
    778: "tunnel",
    801: "wlan",
    802: "wlan",
    803: "wlan",
    823: "tunnel",
    65534: "tunnel",
}
"""The kernel's ARPHRD numbers (linux/if_arp.h) for interfaces without a DEVTYPE."""

_VIRTUAL = "/devices/virtual/"


def describe(device: Device) -> Record | None:
    """path, name, index, kind, address (none for those that have no hardware address, or zeros).

    kind: the kernel's own word (DEVTYPE: wlan, bridge, wwan, bond, vlan, vxlan ...) if it has one,
    else from the type of its addresses. One like an Ethernet's that is no hardware (a veth, a dummy)
    is "virtual", and one of another type "other".
    """
    address = device.attributes.get("address", "")
    return record(
        device,
        name=device.properties.get("INTERFACE") or device.name,
        index=number(device.properties.get("IFINDEX") or device.attributes.get("ifindex")),
        kind=device.properties.get("DEVTYPE") or _kind(device),
        address=address if address.strip("0:") else "",
    )


def _kind(device: Device) -> str:
    addresses = number(device.attributes.get("type"))
    if addresses is None:
        return ""
    kind = _KINDS.get(addresses, "other")
    return "virtual" if kind == "ethernet" and device.path.startswith(_VIRTUAL) else kind


def renamed(device: Device, known: Record) -> list[Message]:
    """`hal.net.renamed`: the record with the new name, and `old`.

    The last part of DEVPATH_OLD is the name before this very event; udevd's INTERFACE_OLD may be one
    before that.
    """
    if device.action != "move":
        return []
    properties = device.properties
    old = properties.get("DEVPATH_OLD", "").rpartition("/")[2] or properties.get("INTERFACE_OLD", "")
    return [Message("hal.net.renamed", known | {"old": old})] if old not in ("", known.get("name")) else []


NET = Kind("net", "hal.net", ("address", "type", "ifindex"), describe, events=renamed)
