"""What people have on their desks, as sysfs and udevd show it: shapes for `hal_scene.Bed`.

A shape is a row of devices, parents first. Written by hand, after what the kernel's drivers and udev's
rules give on a laptop of the ThinkPad kind; what nobody reads is left out.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .hal_scene import Bed

_XHCI = "pci0000:00/0000:00:14.0/usb1"
_CARD = "pci0000:00/0000:00:02.0/drm/card0"
_ACPI = "LNXSYSTM:00/LNXSYBUS:00"
_HCI = f"{_XHCI}/1-7/1-7:1.0/bluetooth/hci0"


class Simulated(NamedTuple):
    """A device. path: in sysfs, below `/sys/devices`."""

    subsystem: str
    path: str
    attributes: Mapping[str, str]
    properties: Mapping[str, str]


Shape = Sequence[Simulated]


async def plug(bed: Bed, shape: Shape) -> list[str]:
    """They come one after the other, each with its event for whoever listens already; returns their paths."""
    return [await bed.do("add", *device) for device in shape]


async def pull(bed: Bed, paths: Sequence[str]) -> None:
    """They go, the last one first, each with its event."""
    for path in reversed(paths):
        await bed.do("pull", path)


async def change(bed: Bed, path: str, attributes: Mapping[str, str], properties: Mapping[str, str]) -> None:
    """A device has other attributes now, and its event says it with these properties, which it keeps."""
    for name, value in attributes.items():
        await bed.do("set", path, name, value)
    for name, value in properties.items():
        await bed.do("set_property", path, name, value)
    await bed.do("uevent", path, "change")


def devpath(path: str) -> str:
    """The path as events and records have it."""
    return path.removeprefix("/sys")


# --- a laptop -------------------------------------------------------------------------------------


def battery(name: str, number: int, *, energy: int, full: int, power: int, status: str) -> Simulated:
    """A laptop's. energy, full: uWh. power: uW."""
    percent = str(energy * 100 // full)
    return Simulated(
        "power_supply",
        f"{_ACPI}/PNP0A08:00/device:08/PNP0C09:00/PNP0C0A:{number:02}/power_supply/{name}",
        {
            "type": "Battery",
            "present": "1",
            "status": status,
            "technology": "Li-poly",
            "cycle_count": "0",
            "voltage_min_design": "11400000",
            "voltage_now": "12000000",
            "power_now": str(power),
            "energy_full_design": "23200000",
            "energy_full": str(full),
            "energy_now": str(energy),
            "capacity": percent,
            "capacity_level": "Normal",
            "manufacturer": "SANYO",
            "model_name": "45N1773",
            "serial_number": f"  50{number}",
        },
        {"POWER_SUPPLY_NAME": name, "POWER_SUPPLY_TYPE": "Battery", "POWER_SUPPLY_CAPACITY": percent},
    )


MAINS = Simulated(
    "power_supply",
    f"{_ACPI}/PNP0A08:00/device:08/PNP0C09:00/ACPI0003:00/power_supply/AC",
    {"type": "Mains", "online": "1"},
    {"POWER_SUPPLY_NAME": "AC", "POWER_SUPPLY_TYPE": "Mains", "POWER_SUPPLY_ONLINE": "1"},
)

LAPTOP: Shape = (
    MAINS,
    battery("BAT0", 0, energy=20_000_000, full=20_000_000, power=0, status="Full"),
    battery("BAT1", 1, energy=10_000_000, full=20_000_000, power=10_000_000, status="Charging"),
)


def rfkill(number: int, parent: str, name: str, kind: str) -> Simulated:
    """A radio's switch, unblocked."""
    return Simulated(
        "rfkill",
        f"{parent}/rfkill{number}",
        {
            "name": name,
            "type": kind,
            "index": str(number),
            "persistent": "0",
            "state": "1",
            "soft": "0",
            "hard": "0",
        },
        {"RFKILL_NAME": name, "RFKILL_TYPE": kind, "RFKILL_STATE": "1"},
    )


RADIOS: Shape = (
    rfkill(0, "platform/thinkpad_acpi/rfkill", "tpacpi_bluetooth_sw", "bluetooth"),
    rfkill(1, "pci0000:00/0000:00:1c.1/0000:03:00.0/ieee80211/phy0", "phy0", "wlan"),
    rfkill(2, _HCI, "hci0", "bluetooth"),
)

BACKLIGHT: Shape = (
    Simulated(
        "backlight",
        f"{_CARD}/card0-eDP-1/intel_backlight",
        {
            "type": "raw",
            "bl_power": "0",
            "max_brightness": "1000",
            "brightness": "700",
            "actual_brightness": "700",
        },
        {},
    ),
)


def connector(name: str, status: str) -> Simulated:
    """Of the laptop's card. status: "connected", "disconnected" or "unknown"."""
    return Simulated("drm", f"{_CARD}/card0-{name}", {"status": status, "enabled": "disabled", "dpms": "Off"}, {})


SCREENS: Shape = (
    Simulated(
        "drm",
        _CARD,
        {"dev": "226:0"},
        {"DEVNAME": "/dev/dri/card0", "DEVTYPE": "drm_minor", "MAJOR": "226", "MINOR": "0"},
    ),
    connector("eDP-1", "connected"),
    connector("HDMI-A-1", "disconnected"),
    connector("DP-1", "disconnected"),
)

_LID = f"{_ACPI}/PNP0C0D:00/input/input1"

LID: Shape = (
    Simulated(
        "input",
        _LID,
        {"name": "Lid Switch", "phys": "PNP0C0D/button/input0", "capabilities/ev": "21", "capabilities/sw": "1"},
        {
            "NAME": '"Lid Switch"',
            "PRODUCT": "19/0/5/0",
            "PHYS": '"PNP0C0D/button/input0"',
            "EV": "21",
            "SW": "1",
            "ID_INPUT": "1",
            "ID_INPUT_SWITCH": "1",
        },
    ),
    Simulated(
        "input",
        f"{_LID}/event1",
        {"dev": "13:65"},
        {
            "DEVNAME": "/dev/input/event1",
            "MAJOR": "13",
            "MINOR": "65",
            "ID_INPUT": "1",
            "ID_INPUT_SWITCH": "1",
        },
    ),
)

# --- on the USB -----------------------------------------------------------------------------------


class Model(NamedTuple):
    """What a USB device says of itself. ids: vendor and product. interfaces: as in ID_USB_INTERFACES."""

    ids: str
    vendor: str
    product: str
    interfaces: str
    serial: str = ""
    device_class: str = "00"


def usb(port: str, number: int, model: Model, **more: str) -> Simulated:
    """A device at a port (`1-1.2`: port 2 of the hub at port 1 of bus 1). number: its address. more: properties."""
    vendor_id, product_id = model.ids.split(":")
    name, *_ = f"{model.vendor} {model.product}".split("/")
    serial = {"ID_SERIAL_SHORT": model.serial} if model.serial else {}
    steps = port.split(".")
    ports = "/".join(".".join(steps[: depth + 1]) for depth in range(len(steps)))
    return Simulated(
        "usb",
        f"{_XHCI}/{ports}",
        {
            "idVendor": vendor_id,
            "idProduct": product_id,
            "manufacturer": model.vendor,
            "product": model.product,
            "bDeviceClass": model.device_class,
            "busnum": "1",
            "devnum": str(number),
            **({"serial": model.serial} if model.serial else {}),
        },
        {
            "BUSNUM": "001",
            "DEVNUM": f"{number:03}",
            "DEVNAME": f"/dev/bus/usb/001/{number:03}",
            "DEVTYPE": "usb_device",
            "DRIVER": "usb",
            "ID_BUS": "usb",
            "ID_MODEL": model.product.replace(" ", "_"),
            "ID_MODEL_ENC": model.product.replace(" ", "\\x20"),
            "ID_MODEL_ID": product_id,
            "ID_SERIAL": "_".join([*name.split(), *serial.values()]),
            "ID_USB_INTERFACES": model.interfaces,
            "ID_VENDOR": model.vendor.replace(" ", "_"),
            "ID_VENDOR_ENC": model.vendor.replace(" ", "\\x20"),
            "ID_VENDOR_ID": vendor_id,
            "PRODUCT": f"{int(vendor_id, 16):x}/{int(product_id, 16):x}/100",
            "TYPE": f"{int(model.device_class, 16)}/0/0",
            **serial,
            **more,
        },
    )


ON_THE_DOCK = (
    Model("046d:c31c", "Logitech", "USB Keyboard", ":030101:030000:"),
    Model("046d:c077", "Logitech", "USB Optical Mouse", ":030102:"),
    Model("0bda:8153", "Realtek", "USB 10/100/1000 LAN", ":ffff00:020600:0a0000:", "000001"),
    Model("17ef:306f", "Lenovo", "ThinkPad Dock USB Audio", ":010100:010200:030000:"),
    Model("046d:0825", "Logitech", "Webcam C270", ":0e0100:0e0200:010100:010200:", "5A1B2C30"),
    Model("0781:5581", "SanDisk", "Ultra", ":080650:", "4C530001150321105231"),
    Model("05e3:0723", "Generic", "USB Storage", ":080650:", "000000009454"),
    Model("03f0:2b17", "Hewlett-Packard", "HP LaserJet 1020", ":070102:", "JL4T3RD"),
    Model("1050:0407", "Yubico", "YubiKey OTP+FIDO+CCID", ":030101:030000:0b0000:"),
    Model("0403:6001", "FTDI", "FT232R USB UART", ":ffffff:", "A50285BI"),
    Model("056a:0376", "Wacom Co.,Ltd.", "Intuos BT S", ":030000:", "9AE00F1001042"),
    Model("0a12:0001", "Cambridge Silicon Radio", "Bluetooth Dongle", ":e00101:", "", "e0"),
)

DOCK: Shape = (
    usb("1-1", 20, Model("17ef:1010", "Lenovo", "ThinkPad Dock Hub", ":090000:", "", "09")),
    *(usb(f"1-1.{place}", 20 + place, model) for place, model in enumerate(ON_THE_DOCK, start=1)),
)

PHONE: Shape = (
    usb("1-2", 9, Model("18d1:4ee1", "Google", "Pixel 7", ":ffff00:", "2A171FDH200KTX"), ID_MTP_DEVICE="1"),
    Simulated(
        "usb",
        f"{_XHCI}/1-2/1-2:1.0",
        {"bInterfaceClass": "ff", "interface": "MTP"},
        {"DEVTYPE": "usb_interface", "INTERFACE": "255/255/0", "PRODUCT": "18d1/4ee1/100"},
    ),
)

_READER = f"{_XHCI}/1-3/1-3:1.0/host6/target6:0:0/6:0:0:0/block/sdb"
_OF_READER = {
    "ID_BUS": "usb",
    "ID_DRIVE_FLASH_SD": "1",
    "ID_INSTANCE": "0:0",
    "ID_MODEL": "STORAGE_DEVICE",
    "ID_MODEL_ENC": "STORAGE\\x20DEVICE\\x20\\x20",
    "ID_MODEL_ID": "0723",
    "ID_SERIAL": "Generic_STORAGE_DEVICE_000000009454-0:0",
    "ID_SERIAL_SHORT": "000000009454",
    "ID_VENDOR": "Generic",
    "ID_VENDOR_ENC": "Generic\\x20",
    "ID_VENDOR_ID": "05e3",
}

CARD_READER: Shape = (
    Simulated(
        "block",
        _READER,
        {
            "dev": "8:16",
            "size": "0",
            "removable": "1",
            "ro": "0",
            "device/vendor": "Generic",
            "device/model": "STORAGE DEVICE",
        },
        {"DEVNAME": "/dev/sdb", "DEVTYPE": "disk", "MAJOR": "8", "MINOR": "16", **_OF_READER},
    ),
)
"""Without a card."""

CARD_SECTORS = "62333952"
"""Of 512 bytes."""

CARD: Shape = (
    Simulated(
        "block",
        f"{_READER}/sdb1",
        {"dev": "8:17", "size": "62325760", "partition": "1", "ro": "0"},
        {
            "DEVNAME": "/dev/sdb1",
            "DEVTYPE": "partition",
            "MAJOR": "8",
            "MINOR": "17",
            "PARTN": "1",
            "ID_FS_LABEL": "EOS_DIGITAL",
            "ID_FS_LABEL_ENC": "EOS\\x20DIGITAL",
            "ID_FS_TYPE": "vfat",
            "ID_FS_USAGE": "filesystem",
            "ID_FS_UUID": "3165-3533",
            "ID_FS_UUID_ENC": "3165-3533",
            "ID_FS_VERSION": "FAT32",
            **_OF_READER,
        },
    ),
)
"""The card's partition, which comes when the reader has noticed the card."""

HEADSET: Shape = (
    Simulated("sound", f"{_XHCI}/1-4/1-4:1.0/sound/card1", {"id": "H390"}, {"USEC_INITIALIZED": "81112345"}),
)
"""Its sound card, while it appears."""

HEADSET_READY = {
    "SOUND_INITIALIZED": "1",
    "SOUND_FORM_FACTOR": "headset",
    "ID_BUS": "usb",
    "ID_MODEL": "Logitech_USB_Headset",
    "ID_MODEL_ENC": "Logitech\\x20USB\\x20Headset",
    "ID_MODEL_ID": "0a8f",
    "ID_VENDOR_ID": "046d",
}
"""Properties that it has when all of it is there."""

KEYBOARD: Shape = (
    Simulated(
        "input",
        f"{_XHCI}/1-5/1-5:1.0/0003:046D:C31C.0003/input/input20/event14",
        {"dev": "13:78"},
        {
            "DEVNAME": "/dev/input/event14",
            "MAJOR": "13",
            "MINOR": "78",
            "ID_BUS": "usb",
            "ID_INPUT": "1",
            "ID_INPUT_KEY": "1",
            "ID_INPUT_KEYBOARD": "1",
        },
    ),
)

# --- by radio -------------------------------------------------------------------------------------

ADAPTER: Shape = (Simulated("bluetooth", _HCI, {}, {"DEVTYPE": "host"}),)

_MOUSE = f"{_HCI}/hci0:256/0005:046D:B014.0004"

MOUSE: Shape = (
    Simulated("bluetooth", f"{_HCI}/hci0:256", {}, {"DEVTYPE": "link"}),
    Simulated(
        "input",
        f"{_MOUSE}/input/input17",
        {"name": "Bluetooth Mouse M557", "uniq": "00:1f:20:f3:4c:55", "capabilities/ev": "17"},
        {
            "NAME": '"Bluetooth Mouse M557"',
            "PRODUCT": "5/46d/b010/600",
            "UNIQ": '"00:1f:20:f3:4c:55"',
            "ID_BUS": "bluetooth",
            "ID_INPUT": "1",
            "ID_INPUT_MOUSE": "1",
        },
    ),
    Simulated(
        "input",
        f"{_MOUSE}/input/input17/event12",
        {"dev": "13:76", "device/name": "Bluetooth Mouse M557"},
        {
            "DEVNAME": "/dev/input/event12",
            "MAJOR": "13",
            "MINOR": "76",
            "ID_BUS": "bluetooth",
            "ID_INPUT": "1",
            "ID_INPUT_MOUSE": "1",
        },
    ),
    Simulated(
        "power_supply",
        f"{_MOUSE}/power_supply/hid-00:1f:20:f3:4c:55-battery",
        {
            "type": "Battery",
            "scope": "Device",
            "present": "1",
            "online": "1",
            "status": "Discharging",
            "capacity": "85",
            "model_name": "Bluetooth Mouse M557",
        },
        {
            "POWER_SUPPLY_NAME": "hid-00:1f:20:f3:4c:55-battery",
            "POWER_SUPPLY_TYPE": "Battery",
            "POWER_SUPPLY_SCOPE": "Device",
            "POWER_SUPPLY_CAPACITY": "85",
        },
    ),
)
