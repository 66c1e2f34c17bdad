"""USB devices. Their interfaces have events of their own, which tell nothing to people.

Sources of the rules: systemd's usb_id, which lists the interfaces' classes, and the USB class codes
(usb.org/defined-class-codes). The kernel alone tells the class of the device only, which most devices
leave to their interfaces; their kind is "other" then.
"""

from collections.abc import Mapping

from .device import Device, Kind, Record
from .fields import given_name, number, record

_KINDS: tuple[Mapping[str, str], ...] = (
    {"09": "hub"},
    # Android's debugging, Apple's multiplexer: whatever else these offer, they are phones.
    {"ff42": "phone", "fffe02": "phone"},
    {"07": "printer"},
    {"0e": "video", "10": "video"},
    {"06": "camera"},
    {"08": "storage"},
    {"01": "audio"},
    {"0206": "network", "020c": "network", "020d": "network", "020e": "network", "e00103": "network"},
    {"e001": "bluetooth"},
    {"e0": "wireless"},
    {"0b": "smartcard"},
    # A keyboard's first interface is the keyboard; its second may be a mouse, for the media keys. And the reverse.
    {"030101": "keyboard", "030102": "mouse"},
    {"03": "input"},
    {"02": "serial"},
)
"""Beginnings of class, subclass and protocol in hex. A device with several is what comes first here."""

_ATTRIBUTES = ("idVendor", "idProduct", "manufacturer", "product", "serial", "busnum", "devnum", "bDeviceClass")


def describe(device: Device) -> Record | None:
    """path, vendor_id, product_id (four hex digits), vendor, product (names), serial, bus, address, kind.

    kind is a word of `_KINDS`, or "other".
    """
    properties, attributes = device.properties, device.attributes
    if properties.get("DEVTYPE") != "usb_device":
        return None
    vendor_id = properties.get("ID_VENDOR_ID") or attributes.get("idVendor") or _of_product(device, 0)
    product_id = properties.get("ID_MODEL_ID") or attributes.get("idProduct") or _of_product(device, 1)
    return record(
        device,
        vendor_id=vendor_id,
        product_id=product_id,
        vendor=_name(device, "ID_VENDOR", "manufacturer", vendor_id),
        product=_name(device, "ID_MODEL", "product", product_id),
        serial=properties.get("ID_SERIAL_SHORT") or attributes.get("serial"),
        bus=number(properties.get("BUSNUM") or attributes.get("busnum")),
        address=number(properties.get("DEVNUM") or attributes.get("devnum")),
        kind=_kind(device),
    )


def _of_product(device: Device, index: int) -> str:
    """A part of the kernel's PRODUCT, vendor/product/version in hex without leading zeros."""
    parts = device.properties.get("PRODUCT", "").split("/")
    return parts[index].zfill(4) if len(parts) == 3 else ""


def _name(device: Device, key: str, attribute: str, number_itself: str) -> str:
    """The name; udev gives one that has none its number."""
    name = given_name(device, key, attribute)
    return "" if name == number_itself else name


def _kind(device: Device) -> str:
    properties = device.properties
    if properties.get("ID_MTP_DEVICE") == "1":
        return "phone"
    codes = [_device_class(device), *properties.get("ID_USB_INTERFACES", "").lower().split(":")]
    for row in _KINDS:
        for code in codes:
            for beginning, kind in row.items():
                if code.startswith(beginning):
                    return kind
    return "other"


def _device_class(device: Device) -> str:
    """The class of the device as a whole; the kernel's TYPE has it in decimal."""
    numbers = [number(part) for part in device.properties.get("TYPE", "").split("/")]
    if len(numbers) == 3:
        return "".join(f"{part or 0:02x}" for part in numbers)
    return device.attributes.get("bDeviceClass", "").lower()


USB = Kind("usb", "hal.usb", _ATTRIBUTES, describe)
