"""Drives with removable media, and a loop device, as udev tells of them on real machines."""

from pybus_services.hal.device import Device

SCSI = "/devices/pci0000:00/0000:00:14.0/usb3/3-2/3-2:1.0/host4/target4:0:0/4:0:0:0/block/sdb"
OPTICAL = "/devices/pci0000:00/0000:00:1f.2/ata2/host1/target1:0:0/1:0:0:0/block/sr0"

READER = Device(
    SCSI,
    "sdb",
    "block",
    "add",
    {
        "ACTION": "add",
        "DEVNAME": "/dev/sdb",
        "DEVPATH": SCSI,
        "DEVTYPE": "disk",
        "DISKSEQ": "21",
        "ID_BUS": "usb",
        "ID_INSTANCE": "0:0",
        "ID_MODEL": "SD_MMC",
        "ID_MODEL_ENC": "SD\\x2fMMC\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20",
        "ID_MODEL_ID": "6366",
        "ID_SERIAL": "Generic-_SD_MMC_058F63666433-0:0",
        "ID_TYPE": "disk",
        "ID_USB_INTERFACES": ":080650:",
        "ID_VENDOR": "Generic-",
        "ID_VENDOR_ENC": "Generic-",
        "ID_VENDOR_ID": "058f",
        "MAJOR": "8",
        "MINOR": "16",
        "SUBSYSTEM": "block",
        "USEC_INITIALIZED": "1423870",
    },
    {"size": "0", "removable": "1", "device/vendor": "Generic-", "device/model": "SD/MMC", "device/type": "0"},
)
READER_RECORD = {
    "path": SCSI,
    "node": "/dev/sdb",
    "kind": "disk",
    "size": 0,
    "removable": True,
    "drive": "Generic- SD/MMC",
    "bus": "usb",
}

DVD = Device(
    OPTICAL,
    "sr0",
    "block",
    "",
    {
        "DEVNAME": "/dev/sr0",
        "DEVTYPE": "disk",
        "ID_ATA": "1",
        "ID_BUS": "ata",
        "ID_CDROM": "1",
        "ID_CDROM_CD": "1",
        "ID_CDROM_DVD": "1",
        "ID_MODEL": "HL-DT-ST_DVDRAM_GT80N",
        "ID_MODEL_ENC": "HL-DT-ST\\x20DVDRAM\\x20GT80N\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20",
        "ID_SERIAL_SHORT": "KNZF1234567",
        "ID_TYPE": "cd",
        "MAJOR": "11",
        "MINOR": "0",
        "SUBSYSTEM": "block",
    },
    # What the kernel's sr driver takes for the size when it has not seen a medium yet.
    {"size": "2097151", "removable": "1", "device/vendor": "HL-DT-ST", "device/model": "DVDRAM GT80N"},
)
DVD_RECORD = {
    "path": OPTICAL,
    "node": "/dev/sr0",
    "kind": "optical",
    "size": 0,
    "removable": True,
    "drive": "HL-DT-ST DVDRAM GT80N",
    "bus": "ata",
}
DISC = {
    "ID_CDROM_MEDIA": "1",
    "ID_CDROM_MEDIA_DVD": "1",
    "ID_FS_LABEL": "Debian_12.5.0",
    "ID_FS_LABEL_ENC": "Debian\\x2012.5.0",
    "ID_FS_TYPE": "iso9660",
    "ID_FS_USAGE": "filesystem",
    "ID_FS_UUID": "2024-02-10-11-28-41-00",
}
DVD_WITH_DISC = DVD_RECORD | {
    "label": "Debian 12.5.0",
    "uuid": "2024-02-10-11-28-41-00",
    "filesystem": "iso9660",
    "size": 659_554_304,
}
DISC_SIZE = "1288192"

LOOP = Device(
    "/devices/virtual/block/loop0",
    "loop0",
    "block",
    "change",
    {"DEVNAME": "/dev/loop0", "DEVTYPE": "disk", "DISK_MEDIA_CHANGE": "1", "DISKSEQ": "33", "SUBSYSTEM": "block"},
    {"size": "65536", "removable": "0"},
)


def change(device: Device, properties: dict[str, str], **attributes: str) -> Device:
    return device._replace(
        action="change",
        properties={**device.properties, "ACTION": "change", **properties},
        attributes={**device.attributes, **attributes},
    )
