"""Input devices to records."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus_services.hal.device import Device
from pybus_services.hal.input import INPUT, describe

_HID = "/devices/virtual/misc/uhid/0005:046D:B01A.0003/input/input25"
_I8042 = "/devices/platform/i8042/serio0/input/input3"

BLUETOOTH_MOUSE = Device(
    f"{_HID}/event9",
    "event9",
    "input",
    "add",
    {
        "ACTION": "add",
        "DEVNAME": "/dev/input/event9",
        "DEVPATH": f"{_HID}/event9",
        "ID_BUS": "bluetooth",
        "ID_INPUT": "1",
        "ID_INPUT_MOUSE": "1",
        "LIBINPUT_DEVICE_GROUP": "5/46d/b01a:dc:46:28:00:00:01",
        "MAJOR": "13",
        "MINOR": "73",
        "MOUSE_DPI": "1000@125",
        "SUBSYSTEM": "input",
        "USEC_INITIALIZED": "812345678",
    },
    {
        "../capabilities/abs": "0",
        "../capabilities/key": "ffff0000 0 0 0 0",
        "../capabilities/rel": "1943",
        "../name": "M585/M590 Mouse",
        "../properties": "0",
    },
)

KEYBOARD = Device(
    f"{_I8042}/event3",
    "event3",
    "input",
    "",
    {
        "DEVLINKS": "/dev/input/by-path/platform-i8042-serio-0-event-kbd",
        "DEVNAME": "/dev/input/event3",
        "ID_BUS": "i8042",
        "ID_INPUT": "1",
        "ID_INPUT_KEY": "1",
        "ID_INPUT_KEYBOARD": "1",
        "ID_SERIAL": "noserial",
        "SUBSYSTEM": "input",
    },
    {
        "../capabilities/abs": "0",
        "../capabilities/key": "402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe",
        "../capabilities/rel": "0",
        "../name": "AT Translated Set 2 keyboard",
        "../properties": "0",
    },
)


def test_what_the_kind_asks_for() -> None:
    assert (INPUT.subsystem, INPUT.topic, set(INPUT.attributes)) == ("input", "hal.input", set(KEYBOARD.attributes))


def test_a_bluetooth_mouse() -> None:
    assert describe(BLUETOOTH_MOUSE) == {
        "path": f"{_HID}/event9",
        "node": "/dev/input/event9",
        "name": "M585/M590 Mouse",
        "kind": "mouse",
    }


def test_a_keyboard() -> None:
    assert describe(KEYBOARD) == {
        "path": f"{_I8042}/event3",
        "node": "/dev/input/event3",
        "name": "AT Translated Set 2 keyboard",
        "kind": "keyboard",
    }


def test_a_node_elsewhere() -> None:
    device = KEYBOARD._replace(properties={**KEYBOARD.properties, "DEVNAME": "/dev/event3"}, attributes={})
    assert describe(device) == {"path": f"{_I8042}/event3", "node": "/dev/event3", "kind": "keyboard"}


def test_without_attributes_it_has_no_name() -> None:
    assert describe(KEYBOARD._replace(attributes={})) == {
        "path": f"{_I8042}/event3",
        "node": "/dev/input/event3",
        "kind": "keyboard",
    }


@pytest.mark.parametrize("name", ["input3", "mouse0", "js0", ""])
def test_other_nodes_of_the_same_device_are_passed_over(name: str) -> None:
    assert describe(BLUETOOTH_MOUSE._replace(name=name)) is None


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (("ID_INPUT_TOUCHPAD",), "touchpad"),
        (("ID_INPUT_TOUCHPAD", "ID_INPUT_MOUSE"), "touchpad"),
        (("ID_INPUT_TOUCHSCREEN",), "touchscreen"),
        (("ID_INPUT_TABLET",), "tablet"),
        (("ID_INPUT_TABLET", "ID_INPUT_TABLET_PAD"), "tablet"),
        (("ID_INPUT_TABLET_PAD",), "tablet"),
        (("ID_INPUT_JOYSTICK",), "joystick"),
        (("ID_INPUT_JOYSTICK", "ID_INPUT_KEY"), "joystick"),
        (("ID_INPUT_MOUSE", "ID_INPUT_POINTINGSTICK"), "mouse"),
        (("ID_INPUT_MOUSE", "ID_INPUT_KEY", "ID_INPUT_KEYBOARD"), "mouse"),
    ],
)
def test_kinds_by_udev(found: tuple[str, ...], kind: str) -> None:
    device = Device("/devices/x/event0", "event0", "input", "add", dict.fromkeys(("ID_INPUT", *found), "1"))
    assert describe(device) == {"path": "/devices/x/event0", "node": "/dev/input/event0", "kind": kind}


@pytest.mark.parametrize(
    "found",
    [(), ("ID_INPUT_KEY",), ("ID_INPUT_SWITCH",), ("ID_INPUT_ACCELEROMETER",), ("ID_INPUT_KEY", "ID_INPUT_SWITCH")],
)
def test_buttons_switches_and_sensors_are_none(found: tuple[str, ...]) -> None:
    properties = dict.fromkeys(("ID_INPUT", *found), "1")
    # What udev knows counts, also where its hardware database says otherwise than the capabilities.
    assert describe(KEYBOARD._replace(properties=properties)) is None


_CAPABILITIES = [
    # name, properties, key, rel, abs: from /proc/bus/input/devices of real machines
    ("Logitech M310", "0", "ffff0000 0 0 0 0", "143", "0", "mouse"),
    ("VirtualBox USB Tablet", "0", "1f0000 0 0 0 0", "1940", "3", "mouse"),
    ("TPPS/2 IBM TrackPoint", "21", "70000 0 0 0 0", "3", "0", "mouse"),
    ("SynPS/2 Synaptics TouchPad", "5", "e520 10000 0 0 0 0", "0", "660800011000003", "touchpad"),
    ("ELAN21EF:00 04F3:21EF", "2", "400 0 0 0 0 0", "0", "3273800000000003", "touchscreen"),
    ("Apple Inc. Touch Bar Display Touchpad", "3", "e520 0 0 0 0 0", "0", "a60800000000003", "touchscreen"),
    ("Wacom Intuos5 touch M Pen", "1", "1cff 1f0000 0 0 0 0", "0", "1000d000003", "tablet"),
    ("Microsoft X-Box 360 pad", "0", "7cdb000000000000 0 0 0 0", "0", "3003f", "joystick"),
    ("Saitek Cyborg X", "0", "fff00000000 0 0 0 0", "0", "30027", "joystick"),
    # and one button each
    ("left", "0", "10000 0 0 0 0", "3", "0", "mouse"),
    ("pen", "0", "1 0 0 0 0 0", "0", "3", "tablet"),
    ("stylus", "0", "800 0 0 0 0 0", "0", "3", "tablet"),
    ("finger", "0", "20 0 0 0 0 0", "0", "3", "touchpad"),
    ("touch", "0", "400 0 0 0 0 0", "0", "3", "touchscreen"),
    ("direct", "2", "0", "0", "3", "touchscreen"),
    ("trigger", "0", "100000000 0 0 0 0", "0", "3", "joystick"),
    ("south", "0", "1000000000000 0 0 0 0", "0", "3", "joystick"),
    (
        "AT Translated Set 2 keyboard",
        "0",
        "402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe",
        "0",
        "0",
        "keyboard",
    ),
]


@pytest.mark.parametrize(("name", "touch", "key", "rel", "absolute", "kind"), _CAPABILITIES)
def test_kinds_by_capabilities(name: str, touch: str, key: str, rel: str, absolute: str, kind: str) -> None:
    """The kernel's events, without udev's properties."""
    attributes = dict(zip(INPUT.attributes, (name, touch, key, rel, absolute), strict=True))
    device = Device("/devices/x/event0", "event0", "input", "add", {"DEVNAME": "/dev/input/event0"}, attributes)
    assert describe(device) == {"path": "/devices/x/event0", "node": "/dev/input/event0", "name": name, "kind": kind}


@pytest.mark.parametrize(
    ("name", "key", "rel", "absolute"),
    [
        ("Power Button", "10000000000000 0", "0", "0"),
        ("Lid Switch", "0", "0", "0"),
        ("PC Speaker", "0", "0", "0"),
        ("Video Bus", "3e000b00000000 0 0 0", "0", "0"),
        ("Acer BMA150 accelerometer", "0", "0", "7"),
        ("knob", "0", "3", "0"),
        ("garbage", "xyz -1", "%", "feff "),
    ],
)
def test_no_kind_by_capabilities(name: str, key: str, rel: str, absolute: str) -> None:
    attributes = dict(zip(INPUT.attributes, (name, "0", key, rel, absolute), strict=True))
    assert describe(Device("/devices/x/event0", "event0", "input", "add", {}, attributes)) is None


_TEXTS = st.text() | st.sampled_from(["", "1", "0", "-1 3", "ffffffffffffffff 3", "f" * 99, "\\xff"])
_PROPERTIES = st.dictionaries(st.sampled_from(["ID_INPUT", "ID_INPUT_MOUSE", "DEVNAME"]), _TEXTS)
_ATTRIBUTES = st.dictionaries(st.sampled_from(INPUT.attributes), _TEXTS)


@given(st.text(), st.text(), _PROPERTIES, _ATTRIBUTES)
def test_whatever_it_says_it_is_a_record_or_none(
    path: str, number: str, properties: dict[str, str], attributes: dict[str, str]
) -> None:
    record = describe(Device(path, f"event{number}", "input", "add", properties, attributes))
    if record is not None:
        assert next(iter(record.items())) == ("path", path)
        assert record["kind"] in ("touchpad", "touchscreen", "tablet", "joystick", "mouse", "keyboard")
        assert None not in record.values()
        assert msgpack.unpackb(msgpack.packb(record)) == record
