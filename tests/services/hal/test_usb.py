"""USB devices to records."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus_services.hal.device import Device
from pybus_services.hal.usb import USB, describe

_BUS = "/devices/pci0000:00/0000:00:14.0/usb3"

STICK = Device(
    f"{_BUS}/3-2",
    "3-2",
    "usb",
    "add",
    {
        "ACTION": "add",
        "BUSNUM": "003",
        "DEVNAME": "/dev/bus/usb/003/007",
        "DEVNUM": "007",
        "DEVPATH": f"{_BUS}/3-2",
        "DEVTYPE": "usb_device",
        "DRIVER": "usb",
        "ID_BUS": "usb",
        "ID_MODEL": "Ultra",
        "ID_MODEL_ENC": "Ultra",
        "ID_MODEL_FROM_DATABASE": "Ultra",
        "ID_MODEL_ID": "5581",
        "ID_REVISION": "0100",
        "ID_SERIAL": "SanDisk_Ultra_4C530001150919115481",
        "ID_SERIAL_SHORT": "4C530001150919115481",
        "ID_USB_INTERFACES": ":080650:",
        "ID_VENDOR": "SanDisk",
        "ID_VENDOR_ENC": "SanDisk",
        "ID_VENDOR_FROM_DATABASE": "SanDisk Corp.",
        "ID_VENDOR_ID": "0781",
        "PRODUCT": "781/5581/100",
        "SUBSYSTEM": "usb",
        "TYPE": "0/0/0",
        "USEC_INITIALIZED": "439870123",
    },
    {
        "bDeviceClass": "00",
        "busnum": "3",
        "devnum": "7",
        "idProduct": "5581",
        "idVendor": "0781",
        "manufacturer": "SanDisk",
        "product": "Ultra",
        "serial": "4C530001150919115481",
    },
)

PHONE = Device(
    f"{_BUS}/3-1",
    "3-1",
    "usb",
    "add",
    {
        "BUSNUM": "003",
        "DEVNAME": "/dev/bus/usb/003/052",
        "DEVNUM": "052",
        "DEVTYPE": "usb_device",
        "DRIVER": "usb",
        "ID_BUS": "usb",
        "ID_GPHOTO2": "1",
        "ID_MEDIA_PLAYER": "1",
        "ID_MODEL": "MT65xx_Android_Phone",
        "ID_MODEL_ENC": "MT65xx\\x20Android\\x20Phone",
        "ID_MODEL_ID": "2008",
        "ID_MTP_DEVICE": "1",
        "ID_SERIAL": "MediaTek_MT65xx_Android_Phone_0123456789ABCDEF",
        "ID_SERIAL_SHORT": "0123456789ABCDEF",
        "ID_USB_INTERFACES": ":ffff00:",
        "ID_VENDOR": "MediaTek",
        "ID_VENDOR_ENC": "MediaTek",
        "ID_VENDOR_FROM_DATABASE": "MediaTek Inc.",
        "ID_VENDOR_ID": "0e8d",
        "PRODUCT": "e8d/2008/ffff",
        "SUBSYSTEM": "usb",
        "TYPE": "0/0/0",
    },
    {"bDeviceClass": "00", "busnum": "3", "devnum": "52", "idProduct": "2008", "idVendor": "0e8d"},
)


def test_what_the_kind_asks_for() -> None:
    assert (USB.subsystem, USB.topic, set(USB.attributes)) == ("usb", "hal.usb", set(STICK.attributes))


def test_a_stick() -> None:
    assert describe(STICK) == {
        "path": f"{_BUS}/3-2",
        "vendor_id": "0781",
        "product_id": "5581",
        "vendor": "SanDisk Corp.",
        "product": "Ultra",
        "serial": "4C530001150919115481",
        "bus": 3,
        "address": 7,
        "kind": "storage",
    }


def test_a_phone_that_the_database_does_not_know() -> None:
    assert describe(PHONE) == {
        "path": f"{_BUS}/3-1",
        "vendor_id": "0e8d",
        "product_id": "2008",
        "vendor": "MediaTek Inc.",
        "product": "MT65xx Android Phone",
        "serial": "0123456789ABCDEF",
        "bus": 3,
        "address": 52,
        "kind": "phone",
    }


def test_a_root_hub() -> None:
    hub = Device(
        _BUS,
        "usb3",
        "usb",
        "",
        {
            "BUSNUM": "003",
            "DEVNUM": "001",
            "DEVTYPE": "usb_device",
            "ID_MODEL": "xHCI_Host_Controller",
            "ID_MODEL_ENC": "xHCI\\x20Host\\x20Controller",
            "ID_MODEL_FROM_DATABASE": "2.0 root hub",
            "ID_MODEL_ID": "0002",
            "ID_SERIAL_SHORT": "0000:00:14.0",
            "ID_USB_INTERFACES": ":090000:",
            "ID_VENDOR": "Linux_6.1.0-18-amd64_xhci-hcd",
            "ID_VENDOR_ENC": "Linux\\x206.1.0-18-amd64\\x20xhci-hcd",
            "ID_VENDOR_FROM_DATABASE": "Linux Foundation",
            "ID_VENDOR_ID": "1d6b",
            "PRODUCT": "1d6b/2/601",
            "TYPE": "9/0/1",
        },
    )
    assert describe(hub) == {
        "path": _BUS,
        "vendor_id": "1d6b",
        "product_id": "0002",
        "vendor": "Linux Foundation",
        "product": "2.0 root hub",
        "serial": "0000:00:14.0",
        "bus": 3,
        "address": 1,
        "kind": "hub",
    }


def test_the_kernel_alone_tells_numbers_and_attributes() -> None:
    told = ("ACTION", "BUSNUM", "DEVNAME", "DEVNUM", "DEVPATH", "DEVTYPE", "PRODUCT", "SUBSYSTEM", "TYPE")
    stick = STICK._replace(properties={name: STICK.properties[name] for name in told})
    assert describe(stick) == {
        "path": f"{_BUS}/3-2",
        "vendor_id": "0781",
        "product_id": "5581",
        "vendor": "SanDisk",
        "product": "Ultra",
        "serial": "4C530001150919115481",
        "bus": 3,
        "address": 7,
        "kind": "other",
    }
    assert describe(stick._replace(properties={"DEVTYPE": "usb_device"})) == describe(stick)
    assert describe(stick._replace(attributes={})) == {
        "path": f"{_BUS}/3-2",
        "vendor_id": "0781",
        "product_id": "5581",
        "bus": 3,
        "address": 7,
        "kind": "other",
    }


def test_a_number_in_place_of_a_name_is_none() -> None:
    """The cheap serial adapter of a well-known vendor, without the database."""
    adapter = Device(
        f"{_BUS}/3-4",
        "3-4",
        "usb",
        "add",
        {
            "DEVTYPE": "usb_device",
            "ID_MODEL": "USB2.0-Ser_",
            "ID_MODEL_ENC": "USB2.0-Ser\\x21",
            "ID_MODEL_ID": "7523",
            "ID_USB_INTERFACES": ":ff0102:",
            "ID_VENDOR": "1a86",
            "ID_VENDOR_ENC": "1a86",
            "ID_VENDOR_ID": "1a86",
        },
    )
    assert describe(adapter) == {
        "path": f"{_BUS}/3-4",
        "vendor_id": "1a86",
        "product_id": "7523",
        "product": "USB2.0-Ser!",
        "kind": "other",
    }


def test_an_interface_is_no_device() -> None:
    properties = {"DEVTYPE": "usb_interface", "INTERFACE": "8/6/80", "PRODUCT": "781/5581/100", "TYPE": "0/0/0"}
    assert describe(Device(f"{_BUS}/3-2/3-2:1.0", "3-2:1.0", "usb", "add", properties)) is None


@pytest.mark.parametrize(
    ("interfaces", "kind"),
    [
        (":030101:030000:", "keyboard"),
        (":030101:030102:", "keyboard"),
        (":030102:030101:", "mouse"),
        (":030000:", "input"),
        (":010100:010200:030000:", "audio"),
        (":0e0100:0e0200:010100:010200:", "video"),
        (":100100:010100:", "video"),
        (":070102:", "printer"),
        (":070102:080650:ffffff:", "printer"),
        (":060101:", "camera"),
        (":060101:ff4201:", "phone"),
        (":060101:fffe02:", "phone"),
        (":ffff00:020600:0a0000:", "network"),
        (":020c00:", "network"),
        (":020d00:0a0001:", "network"),
        (":020e00:0a0002:", "network"),
        (":e00103:0a0000:", "network"),
        (":e00101:", "bluetooth"),
        (":e00201:", "wireless"),
        (":0b0000:", "smartcard"),
        (":030101:0b0000:", "smartcard"),
        (":020201:0a0000:", "serial"),
        (":080662:", "storage"),
        (":080662:FFFFFF:", "storage"),
        (":ffffff:", "other"),
        ("", "other"),
    ],
)
def test_kinds(interfaces: str, kind: str) -> None:
    properties = {"DEVTYPE": "usb_device", "TYPE": "239/2/1", "ID_USB_INTERFACES": interfaces}
    assert describe(Device("/devices/x", "x", "usb", "add", properties)) == {"path": "/devices/x", "kind": kind}


@pytest.mark.parametrize(
    ("properties", "attributes", "kind"),
    [
        ({"TYPE": "224/1/1"}, {}, "bluetooth"),
        ({"TYPE": "224/2/1"}, {"bDeviceClass": "e0"}, "wireless"),
        ({}, {"bDeviceClass": "09"}, "hub"),
        ({"TYPE": "nonsense"}, {"bDeviceClass": "E0"}, "wireless"),
    ],
)
def test_the_class_of_the_whole_device(properties: dict[str, str], attributes: dict[str, str], kind: str) -> None:
    device = Device("/devices/x", "x", "usb", "add", {"DEVTYPE": "usb_device"} | properties, attributes)
    assert describe(device) == {"path": "/devices/x", "kind": kind}


_TEXTS = st.text() | st.sampled_from(["", "1", "-1", "046d/c52b/1", "//", "/-1/2", "9" * 30, "\\xff\\x20", "1_0"])
_PROPERTIES = st.dictionaries(
    st.sampled_from(
        ["PRODUCT", "TYPE", "BUSNUM", "DEVNUM", "ID_VENDOR", "ID_VENDOR_ENC", "ID_MODEL_ENC", "ID_USB_INTERFACES"]
    ),
    _TEXTS,
)
_ATTRIBUTES = st.dictionaries(st.sampled_from(USB.attributes), _TEXTS)


@given(st.text(), _PROPERTIES, _ATTRIBUTES)
def test_whatever_it_says_it_has_a_record(path: str, properties: dict[str, str], attributes: dict[str, str]) -> None:
    record = describe(Device(path, "x", "usb", "add", {"DEVTYPE": "usb_device"} | properties, attributes))
    assert record is not None
    assert next(iter(record.items())) == ("path", path)
    assert None not in record.values()
    assert msgpack.unpackb(msgpack.packb(record)) == record
