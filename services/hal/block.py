"""Disks, partitions, and media in drives.

Sources of the rules: the kernel's block/disk-events.c (DISK_MEDIA_CHANGE, DISK_EJECT_REQUEST), udev's
60-cdrom_id.rules and 60-persistent-storage.rules, udisks' for UDISKS_IGNORE, and the rules of the device
mapper for a device that is being set up. With the kernel's events alone a drive's size is that of the
last time somebody opened it, for nobody else reads a new medium.
"""

from ..messages import Message
from .device import Device, Kind, Record
from .fields import number, record, unescaped

_SECTOR = 512
"""Bytes, in sysfs whatever the disk's own sectors are."""

_LARGEST_DISK = 2**63
"""Bytes; the kernel's own limit. A larger number is an error."""

_KINDS = (("sr", "optical"), ("loop", "loop"), ("dm-", "mapped"), ("md", "raid"), ("fd", "floppy"))
"""Beginnings of names."""

_ATTRIBUTES = (
    "size",
    "removable",
    "device/vendor",
    "device/model",
    "device/name",
    "device/type",
    "../removable",
    "../device/vendor",
    "../device/model",
    "../device/name",
    "../device/type",
)
"""Of a disk, and `../` of a partition's disk. An SD or MMC card has name and type in place of a model."""


def describe(device: Device) -> Record | None:
    """path, node, kind, label, uuid, filesystem, size (bytes), removable, drive (name for people), bus.

    kind: partition, disk, card, optical, loop, mapped (encrypted or LVM), raid, floppy. removable:
    whether the medium can be taken out. An empty drive has the size 0; any other disk of that size is
    a shell (a loop device without a file, a mapped device without a table) and not told.
    """
    kind = _kind(device)
    if kind is None or _is_hidden(device):
        return None
    removable, size = _is_removable(device), _size(device)
    if size == 0 and not removable:
        return None
    properties = device.properties
    return record(
        device,
        node=properties.get("DEVNAME") or f"/dev/{device.name}",
        kind=kind,
        label=unescaped(properties.get("ID_FS_LABEL_ENC", "")) or properties.get("ID_FS_LABEL"),
        uuid=properties.get("ID_FS_UUID"),
        filesystem=properties.get("ID_FS_TYPE"),
        size=size,
        removable=removable,
        drive=_drive(device),
        bus=properties.get("ID_BUS"),
    )


def _kind(device: Device) -> str | None:
    devtype = device.properties.get("DEVTYPE")
    if devtype == "partition":
        return "partition"
    if devtype != "disk":
        return None
    if device.properties.get("ID_CDROM") == "1":
        return "optical"
    if _is_card(device):
        return "card"
    return next((kind for beginning, kind in _KINDS if device.name.startswith(beginning)), "disk")


def _is_hidden(device: Device) -> bool:
    """Whether it is no matter of people's. An unplugged disk's last event may be outside of `/devices`."""
    properties = device.properties
    return (
        not device.path.startswith("/devices/")
        or device.name.startswith(("ram", "zram"))
        or properties.get("UDISKS_IGNORE") == "1"
        or properties.get("DM_UDEV_DISABLE_OTHER_RULES_FLAG") == "1"
    )


def _is_card(device: Device) -> bool:
    """An SD card; its disk goes with it, so that the kernel does not call it removable. MMC is soldered in."""
    properties = device.properties
    return _of_disk(device, "type") == "SD" or any(
        properties.get(name) == "1" for name in ("ID_DRIVE_FLASH_SD", "ID_DRIVE_MEDIA_FLASH_SD")
    )


def _is_removable(device: Device) -> bool:
    attributes = device.attributes
    name = "../removable" if device.properties.get("DEVTYPE") == "partition" else "removable"
    return attributes.get(name) == "1" or device.properties.get("ID_CDROM") == "1" or _is_card(device)


def _size(device: Device) -> int | None:
    """Bytes. The kernel gives an optical drive without a medium the size of the last one, or of a gigabyte."""
    properties = device.properties
    if properties.get("ID_CDROM") == "1" and properties.get("ID_CDROM_MEDIA") != "1":
        return 0
    sectors = number(device.attributes.get("size"))
    return None if sectors is None or sectors * _SECTOR > _LARGEST_DISK else sectors * _SECTOR


def _drive(device: Device) -> str:
    """Vendor and model. What is no name is left out: the ATA disks' vendor ATA, virtio's numbers."""
    vendor, model = _text(device, "ID_VENDOR", "vendor"), _text(device, "ID_MODEL", "model")
    if vendor == "ATA" or vendor.startswith("0x") or model.startswith(vendor):
        vendor = ""
    return f"{vendor} {model}".strip() or _of_disk(device, "name")


def _text(device: Device, key: str, attribute: str) -> str:
    properties = device.properties
    return (
        unescaped(properties.get(f"{key}_ENC", ""))
        or " ".join(properties.get(key, "").replace("_", " ").split())
        or " ".join(_of_disk(device, attribute).split())
    )


def _of_disk(device: Device, name: str) -> str:
    above = "../" if device.properties.get("DEVTYPE") == "partition" else ""
    return device.attributes.get(f"{above}device/{name}", "")


class Drives:
    """What was in the drives with removable media, so that a medium is told once.

    One insertion gives DISK_MEDIA_CHANGE more than once, by the kernel's polling and by whoever opens
    the drive, and the first may come before the size is known. So what counts is that there is a
    medium where there was none. The event itself counts only if it is another medium than before.
    """

    def __init__(self) -> None:
        self._known: dict[object, Record] = {}  # by node, as a drive that comes back may have another path

    def describe(self, device: Device) -> Record | None:
        """The record. With an eject request udev passes over the medium, so there it is the former one."""
        known = describe(device)
        if known is None or not _takes_media(known):
            return known
        if _is_eject_request(device):
            return self._known.get(known["node"], known)
        if device.action != "change":
            self._known[known["node"]] = known
        return known

    def events(self, device: Device, known: Record) -> list[Message]:
        """`hal.block.media.inserted`, `hal.block.media.ejected`, `hal.block.eject_request`; body: the node."""
        if device.action != "change":
            return []
        node = known["node"]
        if _is_eject_request(device):
            return [Message("hal.block.eject_request", node)]
        if not _takes_media(known):
            return []
        former = self._known.get(node, known)
        self._known[node] = known
        was, has = bool(former.get("size")), bool(known.get("size"))
        another = was and has and "DISK_MEDIA_CHANGE" in device.properties and _differ(former, known)
        ejected = [Message("hal.block.media.ejected", node)] if was and (another or not has) else []
        inserted = [Message("hal.block.media.inserted", node)] if has and (another or not was) else []
        return ejected + inserted


def _takes_media(known: Record) -> bool:
    return known["removable"] is True and known["kind"] not in ("partition", "loop")


def _is_eject_request(device: Device) -> bool:
    return device.action == "change" and device.properties.get("DISK_EJECT_REQUEST") == "1"


def _differ(former: Record, known: Record) -> bool:
    """Whether it is another medium. That udev could read a file system only now makes no other."""
    uuids = {former.get("uuid"), known.get("uuid")} - {None}
    return former["size"] != known["size"] or len(uuids) == 2


def block_kind() -> Kind:
    """Block devices, with a memory of its own."""
    drives = Drives()
    return Kind("block", "hal.block", _ATTRIBUTES, drives.describe, changes=True, events=drives.events)
