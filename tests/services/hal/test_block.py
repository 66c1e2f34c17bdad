"""Block devices to records."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus_services.hal.block import block_kind
from pybus_services.hal.device import Device

from .drives import LOOP, READER, READER_RECORD, SCSI, change

BLOCK = block_kind()
_NVME = "/devices/pci0000:00/0000:00:1d.0/0000:02:00.0/nvme/nvme0/nvme0n1"


def test_what_the_kind_asks_for() -> None:
    of_a_disk = {*READER.attributes, "device/name"}
    of_a_partition = {f"../{name}" for name in of_a_disk - {"size"}}
    assert (BLOCK.subsystem, BLOCK.topic, BLOCK.changes) == ("block", "hal.block", True)
    assert set(BLOCK.attributes) == of_a_disk | of_a_partition


def test_a_reader_without_a_card() -> None:
    assert BLOCK.describe(READER) == READER_RECORD


def test_a_card_and_its_partition() -> None:
    assert BLOCK.describe(READER._replace(attributes={**READER.attributes, "size": "62333952"})) == {
        **READER_RECORD,
        "size": 31_914_983_424,
    }
    partition = Device(
        f"{SCSI}/sdb1",
        "sdb1",
        "block",
        "add",
        {
            **READER.properties,
            "DEVNAME": "/dev/sdb1",
            "DEVPATH": f"{SCSI}/sdb1",
            "DEVTYPE": "partition",
            "ID_FS_LABEL": "Urlaub_2024_é",
            "ID_FS_LABEL_ENC": "Urlaub\\x202024\\x20é",
            "ID_FS_TYPE": "vfat",
            "ID_FS_USAGE": "filesystem",
            "ID_FS_UUID": "6234-3938",
            "PARTN": "1",
        },
        {
            "size": "62325760",
            "../removable": "1",
            "../device/vendor": "Generic-",
            "../device/model": "SD/MMC",
            "../device/type": "0",
        },
    )
    assert BLOCK.describe(partition) == {
        "path": f"{SCSI}/sdb1",
        "node": "/dev/sdb1",
        "kind": "partition",
        "label": "Urlaub 2024 é",
        "uuid": "6234-3938",
        "filesystem": "vfat",
        "size": 31_910_789_120,
        "removable": True,
        "drive": "Generic- SD/MMC",
        "bus": "usb",
    }


def test_an_nvme_disk_and_its_partition() -> None:
    disk = Device(
        _NVME,
        "nvme0n1",
        "block",
        "",
        {
            "DEVNAME": "/dev/nvme0n1",
            "DEVTYPE": "disk",
            "ID_MODEL": "Samsung SSD 970 EVO Plus 500GB",
            "ID_PART_TABLE_TYPE": "gpt",
            "ID_SERIAL_SHORT": "S4EVNX0N123456",
            "SUBSYSTEM": "block",
        },
        {"size": "976773168", "removable": "0", "device/model": "Samsung SSD 970 EVO Plus 500GB"},
    )
    assert BLOCK.describe(disk) == {
        "path": _NVME,
        "node": "/dev/nvme0n1",
        "kind": "disk",
        "size": 500_107_862_016,
        "removable": False,
        "drive": "Samsung SSD 970 EVO Plus 500GB",
    }
    partition = Device(
        f"{_NVME}/nvme0n1p2",
        "nvme0n1p2",
        "block",
        "",
        {
            "DEVNAME": "/dev/nvme0n1p2",
            "DEVTYPE": "partition",
            "ID_FS_TYPE": "crypto_LUKS",
            "ID_FS_USAGE": "crypto",
            "ID_FS_UUID": "9f1d0e5c-6b1f-4d56-8a6e-0c6a3c3b7d11",
            "ID_MODEL": "Samsung SSD 970 EVO Plus 500GB",
            "ID_PART_ENTRY_NAME": "root",
            "SUBSYSTEM": "block",
        },
        {"size": "975722496", "../removable": "0", "../device/model": "Samsung SSD 970 EVO Plus 500GB"},
    )
    assert BLOCK.describe(partition) == {
        "path": f"{_NVME}/nvme0n1p2",
        "node": "/dev/nvme0n1p2",
        "kind": "partition",
        "uuid": "9f1d0e5c-6b1f-4d56-8a6e-0c6a3c3b7d11",
        "filesystem": "crypto_LUKS",
        "size": 499_569_917_952,
        "removable": False,
        "drive": "Samsung SSD 970 EVO Plus 500GB",
    }


def test_an_encrypted_volume_while_it_is_set_up_and_after() -> None:
    path = "/devices/virtual/block/dm-0"
    properties = {"DEVNAME": "/dev/dm-0", "DEVTYPE": "disk", "SUBSYSTEM": "block"}
    fresh = Device(path, "dm-0", "block", "add", properties, {"size": "0", "removable": "0"})
    assert BLOCK.describe(fresh) is None
    flag = {"DM_UDEV_DISABLE_OTHER_RULES_FLAG": "1"}
    assert BLOCK.describe(change(fresh, flag, size="975718400")) is None
    unlocked = change(
        fresh,
        {
            "DM_ACTIVATION": "1",
            "DM_NAME": "luks-9f1d0e5c",
            "DM_SUSPENDED": "0",
            "DM_UDEV_DISABLE_OTHER_RULES_FLAG": "",
            "DM_UDEV_PRIMARY_SOURCE_FLAG": "1",
            "DM_UUID": "CRYPT-LUKS2-9f1d0e5c6b1f4d568a6e0c6a3c3b7d11-luks-9f1d0e5c",
            "ID_FS_LABEL": "root",
            "ID_FS_LABEL_ENC": "root",
            "ID_FS_TYPE": "ext4",
            "ID_FS_UUID": "8ad02be6-fc5f-4342-bdd2-f992e7792a5b",
        },
        size="975718400",
    )
    assert BLOCK.describe(unlocked) == {
        "path": path,
        "node": "/dev/dm-0",
        "kind": "mapped",
        "label": "root",
        "uuid": "8ad02be6-fc5f-4342-bdd2-f992e7792a5b",
        "filesystem": "ext4",
        "size": 499_567_820_800,
        "removable": False,
    }


def test_a_loop_device_is_there_while_it_has_a_file() -> None:
    assert BLOCK.describe(LOOP) == {
        "path": "/devices/virtual/block/loop0",
        "node": "/dev/loop0",
        "kind": "loop",
        "size": 33_554_432,
        "removable": False,
    }
    assert BLOCK.describe(change(LOOP, {}, size="0")) is None


def test_a_card_in_a_built_in_slot() -> None:
    path = "/devices/pci0000:00/0000:00:1a.0/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0"
    properties = {"DEVNAME": "/dev/mmcblk0", "DEVTYPE": "disk", "ID_NAME": "SA02G", "SUBSYSTEM": "block"}
    attributes = {"size": "3887104", "removable": "0", "device/name": "SA02G", "device/type": "SD"}
    assert BLOCK.describe(Device(path, "mmcblk0", "block", "add", properties, attributes)) == {
        "path": path,
        "node": "/dev/mmcblk0",
        "kind": "card",
        "size": 1_990_197_248,
        "removable": True,
        "drive": "SA02G",
    }
    soldered = {**attributes, "device/type": "MMC", "device/name": "AJTD4R"}
    assert BLOCK.describe(Device(path, "mmcblk0", "block", "add", properties, soldered)) == {
        "path": path,
        "node": "/dev/mmcblk0",
        "kind": "disk",
        "size": 1_990_197_248,
        "removable": False,
        "drive": "AJTD4R",
    }


def test_the_kernel_alone_tells_attributes_only() -> None:
    properties = {"DEVTYPE": "disk", "SUBSYSTEM": "block"}
    attributes = {"size": "976773168", "removable": "0", "device/vendor": "ATA", "device/model": "Samsung SSD 860"}
    assert BLOCK.describe(Device("/devices/x/block/sda", "sda", "block", "add", properties, attributes)) == {
        "path": "/devices/x/block/sda",
        "node": "/dev/sda",
        "kind": "disk",
        "size": 500_107_862_016,
        "removable": False,
        "drive": "Samsung SSD 860",
    }
    virtio = {"size": "2048", "removable": "0", "device/vendor": "0x1af4"}
    assert BLOCK.describe(Device("/devices/x/block/vda", "vda", "block", "add", properties, virtio)) == {
        "path": "/devices/x/block/vda",
        "node": "/dev/vda",
        "kind": "disk",
        "size": 1_048_576,
        "removable": False,
    }


@pytest.mark.parametrize(
    ("name", "properties", "kind"),
    [
        ("sr0", {}, "optical"),
        ("xvdd", {"ID_CDROM": "1"}, "optical"),
        ("md127", {}, "raid"),
        ("fd0", {}, "floppy"),
        ("sdb", {"ID_DRIVE_FLASH_SD": "1"}, "card"),
        ("sdb", {"ID_DRIVE_MEDIA_FLASH_SD": "1"}, "card"),
        ("sdb", {"ID_DRIVE_FLASH_SD": "0"}, "disk"),
        ("cciss/c0d0", {}, "disk"),
    ],
)
def test_kinds(name: str, properties: dict[str, str], kind: str) -> None:
    device = Device("/devices/x", name, "block", "add", {"DEVTYPE": "disk"} | properties, {"removable": "1"})
    assert block_kind().describe(device) == {
        "path": "/devices/x",
        "node": f"/dev/{name}",
        "kind": kind,
        "removable": True,
    } | ({"size": 0} if "ID_CDROM" in properties else {})


@pytest.mark.parametrize("properties", [{"ID_CDROM": "1"}, {"ID_DRIVE_FLASH_SD": "1"}])
def test_a_drive_that_udev_knows_for_one_may_be_empty(properties: dict[str, str]) -> None:
    device = Device("/devices/x", "sdb", "block", "add", {"DEVTYPE": "disk"} | properties, {"size": "0"})
    record = block_kind().describe(device)
    assert record is not None
    assert (record["size"], record["removable"]) == (0, True)


def test_a_node_elsewhere() -> None:
    record = block_kind().describe(READER._replace(properties={**READER.properties, "DEVNAME": "/dev/card"}))
    assert record == READER_RECORD | {"node": "/dev/card"}


@pytest.mark.parametrize(("sectors", "size"), [(str(2**54), 2**63), (str(2**54 + 1), None), ("many", None)])
def test_absurd_sizes_are_unknown(sectors: str, size: int | None) -> None:
    record = BLOCK.describe(LOOP._replace(attributes={"size": sectors}))
    assert record is not None
    assert record.get("size") == size


@pytest.mark.parametrize(
    ("properties", "attributes", "drive"),
    [
        ({"ID_VENDOR": "Generic-", "ID_MODEL": "SD_MMC"}, {}, "Generic- SD MMC"),
        ({"ID_VENDOR": "Samsung", "ID_MODEL": "Samsung_SSD"}, {}, "Samsung SSD"),
        ({}, {"device/vendor": "Generic-", "device/model": "SD/MMC"}, "Generic- SD/MMC"),
        ({}, {"../device/model": "of no partition"}, None),
        ({"DEVTYPE": "partition"}, {"../device/vendor": "WD", "../device/model": "Elements  25A2"}, "WD Elements 25A2"),
        ({"DEVTYPE": "partition"}, {"../device/type": "SD", "../device/name": "SA02G"}, "SA02G"),
    ],
)
def test_names_of_drives(properties: dict[str, str], attributes: dict[str, str], drive: str | None) -> None:
    device = Device("/devices/x", "sdb", "block", "add", {"DEVTYPE": "disk"} | properties, attributes)
    record = block_kind().describe(device)
    assert record is not None
    assert record.get("drive") == drive


@pytest.mark.parametrize(
    "device",
    [
        Device("/devices/virtual/block/zram0", "zram0", "block", "add", {"DEVTYPE": "disk"}, {"size": "4096"}),
        Device("/devices/virtual/block/ram0", "ram0", "block", "add", {"DEVTYPE": "disk"}, {"size": "4096"}),
        Device("/devices/virtual/block/nbd0", "nbd0", "block", "add", {"DEVTYPE": "disk"}, {"size": "0"}),
        READER._replace(properties={**READER.properties, "UDISKS_IGNORE": "1"}),
        # A stick that is gone already, as in udisks' pull request 890.
        Device("/sdb", "sdb", "block", "change", {"DEVTYPE": "disk", "DISK_MEDIA_CHANGE": "1", "DEVNAME": "/dev/sdb"}),
        Device("/devices/x/block/sdc", "sdc", "block", "add", {}, {"size": "4096"}),
    ],
)
def test_what_is_nothing_for_people(device: Device) -> None:
    assert BLOCK.describe(device) is None


_TEXTS = st.text() | st.sampled_from(["", "0", "1", "-1", "9" * 30, str(2**63), "SD", "\\xff\\x20", "\\x2", "/dev/sdb"])
_PROPERTIES = st.dictionaries(
    st.sampled_from(
        [
            "DEVNAME",
            "ID_CDROM",
            "ID_CDROM_MEDIA",
            "ID_FS_LABEL_ENC",
            "ID_FS_UUID",
            "ID_VENDOR_ENC",
            "ID_MODEL",
            "DISK_MEDIA_CHANGE",
            "DISK_EJECT_REQUEST",
        ]
    ),
    _TEXTS,
)
_ATTRIBUTES = st.dictionaries(st.sampled_from(BLOCK.attributes), _TEXTS)
_DEVICES = st.builds(
    lambda path, name, action, devtype, properties, attributes: Device(
        f"/devices/{path}", name, "block", action, {"DEVTYPE": devtype} | properties, attributes
    ),
    st.text(),
    st.text() | st.sampled_from(["sr0", "loop0", "sdb"]),
    st.sampled_from(["", "add", "change", "remove"]),
    st.sampled_from(["disk", "partition"]),
    _PROPERTIES,
    _ATTRIBUTES,
)


@given(st.lists(_DEVICES))
def test_whatever_they_say_they_are_records_or_none(devices: list[Device]) -> None:
    kind = block_kind()
    for device in devices:
        record = kind.describe(device)
        if record is None:
            continue
        assert next(iter(record)) == "path"
        assert None not in record.values()
        bodies = [record] + [message.body for message in kind.events(device, record)]
        assert msgpack.unpackb(msgpack.packb(bodies)) == bodies
