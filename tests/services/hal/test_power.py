"""Supplies to `hal.power.ac`."""

import pytest

from pybus_services.hal.power import ac_state
from pybus_services.hal.states import Device

PLUGGED = {"hal.power.ac": "plugged"}
UNPLUGGED = {"hal.power.ac": "unplugged"}


def supply(**attributes: str) -> Device:
    return Device("supply", attributes)


BATTERY = supply(type="Battery", online="1", capacity="80")


@pytest.mark.parametrize("kind", ["Mains", "Wireless", "USB", "USB_C", "USB_PD", "USB_PD_DRP", "USB_DCP"])
def test_each_kind_of_mains_supply_counts(kind: str) -> None:
    assert ac_state([supply(type=kind, online="1")]) == PLUGGED
    assert ac_state([supply(type=kind, online="0")]) == UNPLUGGED


@pytest.mark.parametrize("kind", ["Battery", "UPS", "Unknown", ""])
def test_no_other_kind_does(kind: str) -> None:
    assert ac_state([supply(type=kind, online="1")]) == {}


def test_online_and_programmable_is_online() -> None:
    assert ac_state([supply(type="USB", online="2")]) == PLUGGED


def test_one_supply_online_is_enough() -> None:
    assert ac_state([supply(type="Mains", online="0"), BATTERY, supply(type="USB_PD", online="1")]) == PLUGGED


def test_a_supply_of_a_device_does_not_feed_the_machine() -> None:
    of_a_mouse = supply(type="USB", scope="Device", online="1")
    assert ac_state([of_a_mouse]) == {}
    assert ac_state([of_a_mouse, supply(type="Mains", scope="System", online="0")]) == UNPLUGGED


def test_an_unreadable_supply_says_nothing() -> None:
    assert ac_state([supply(type="Mains")]) == {}
    assert ac_state([supply(type="Mains"), supply(type="USB", online="1")]) == PLUGGED


def test_a_machine_without_a_mains_supply_has_no_such_state() -> None:
    assert ac_state([]) == {}
    assert ac_state([BATTERY]) == {}
