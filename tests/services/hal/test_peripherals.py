"""Batteries of what is not the machine."""

import pytest

from pybus_services.hal.device import Device
from pybus_services.hal.peripherals import is_peripheral, record

MOUSE = {"type": "Battery", "scope": "Device", "status": "Discharging", "capacity": "55"}


def supply(name: str = "hidpp_battery_0", **attributes: str) -> Device:
    return Device(f"/devices/{name}", name, "power_supply", attributes=attributes)


def test_a_mouse() -> None:
    mouse = supply(**MOUSE, present="1", online="1", model_name="Wireless Mouse MX Master 3", manufacturer="Logitech")
    assert record(mouse) == {
        "present": True,
        "status": "discharging",
        "online": True,
        "capacity": 55,
        "model": "Wireless Mouse MX Master 3",
        "manufacturer": "Logitech",
        "kind": "mouse",
    }


def test_one_that_says_nothing() -> None:
    assert record(supply(type="Battery", scope="Device")) == {"present": True, "status": "unknown"}


def test_one_that_is_switched_off() -> None:
    assert record(supply(**MOUSE, online="0", present="0")) == {
        "present": False,
        "status": "discharging",
        "online": False,
        "capacity": 55,
    }


@pytest.mark.parametrize("scope", ["Device", "device"])
def test_what_is_one(scope: str) -> None:
    assert is_peripheral(supply(type="Battery", scope=scope))
    assert not is_peripheral(supply(type="USB", scope=scope))
    assert not is_peripheral(supply(type="Battery", scope="System"))
    assert not is_peripheral(supply(type="Battery"))


def test_full_is_what_says_100_percent_whatever_it_does() -> None:
    assert record(supply(**{**MOUSE, "capacity": "100"})) == {"present": True, "status": "full", "capacity": 100}


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"capacity_level": "Normal"}, {"capacity_level": "normal"}),
        ({"capacity_level": "Low", "capacity": "0"}, {"capacity_level": "low"}),
        ({"capacity_level": "Low", "capacity": "9"}, {"capacity_level": "low", "capacity": 9}),
        ({"capacity_level": "Unknown", "capacity": "0"}, {"capacity": 0}),
        ({"capacity_level": "Unknown"}, {}),
        ({"capacity": "many"}, {}),
        ({"capacity": "120"}, {"capacity": 100}),
    ],
)
def test_percent_or_a_word(attributes: dict[str, str], told: dict[str, object]) -> None:
    known = record(supply(type="Battery", scope="Device", **attributes))
    assert {name: value for name, value in known.items() if name.startswith("capacity")} == told


@pytest.mark.parametrize(
    ("name", "model", "kind"),
    [
        ("hid-ac:de:48:00:11:22-battery", "Magic Trackpad", "touchpad"),
        ("hid-ac:de:48:00:11:22-battery", "Magic Mouse 2", "mouse"),
        ("hidpp_battery_1", "Wireless Keyboard K270", "keyboard"),
        ("hidpp_battery_2", "G933 Wireless Headset", "headset"),
        ("ps-controller-battery-00:11:22:33:44:55", "", "joystick"),
        ("hid-0018:04F3:2D4A-battery", "ELAN Stylus", "tablet"),
        ("hidpp_battery_3", "OpenRun", None),
        ("hidpp_battery_4", "MX Anywhere", None),
    ],
)
def test_the_kind_by_its_names(name: str, model: str, kind: str | None) -> None:
    assert record(supply(name, **MOUSE, model_name=model)).get("kind") == kind
