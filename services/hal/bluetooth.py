"""Bluetooth adapters and connections, as the kernel sees them. Names of the devices at the far end are BlueZ's.

Source of the rules: the kernel's net/bluetooth/hci_sysfs.c. An adapter is `hci0`, of the type host; a
connection is `hci0:256`, of the type link, the number being its handle. Old kernels gave both an
attribute `address`.
"""

from .device import Device, Kind, Record
from .fields import record

_KINDS = {"host": "adapter", "link": "connection"}


def describe(device: Device) -> Record | None:
    """Record: path, name, kind ("adapter", "connection"), address if the kernel gives one."""
    kind = _KINDS.get(device.properties.get("DEVTYPE", ""))
    if kind is None:
        return None
    return record(device, name=device.name, kind=kind, address=device.attributes.get("address"))


BLUETOOTH = Kind("bluetooth", "hal.bluetooth", ("address",), describe)
