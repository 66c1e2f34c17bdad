"""Cards and connectors to `hal.display.*`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus_services.hal.device import Device
from pybus_services.hal.display import CONNECTORS, connectors, hotplug
from pybus_services.messages import Message

_PCI = "/devices/pci0000:00/0000:00:02.0/drm/card0"

CARD = Device(
    _PCI,
    "card0",
    "drm",
    "change",
    {
        "ACTION": "change",
        "DEVNAME": "/dev/dri/card0",
        "DEVPATH": _PCI,
        "DEVTYPE": "drm_minor",
        "HOTPLUG": "1",
        "ID_PATH": "pci-0000:00:02.0",
        "MAJOR": "226",
        "MINOR": "0",
        "SUBSYSTEM": "drm",
    },
)


def connector(name: str, status: str | None) -> Device:
    return Device(f"{_PCI}/{name}", name, "drm", attributes={} if status is None else {"status": status})


def test_something_was_plugged() -> None:
    assert hotplug(CARD) == [Message("hal.display.hotplug", "card0", retained=False)]


def test_newer_kernels_name_the_connector_by_its_number() -> None:
    named = CARD._replace(properties={**CARD.properties, "CONNECTOR": "95"})
    assert hotplug(named) == [Message("hal.display.hotplug", "card0")]


@pytest.mark.parametrize(
    "other",
    [
        CARD._replace(properties={**CARD.properties, "HOTPLUG": "0"}),
        CARD._replace(properties={"DEVTYPE": "drm_minor", "LEASE": "1"}),
        CARD._replace(properties={"HOTPLUG": "1"}),
        CARD._replace(properties={"DEVTYPE": "drm_connector", "HOTPLUG": "1"}),
        CARD._replace(action="add"),
        CARD._replace(subsystem="usb"),
    ],
)
def test_any_other_event_is_no_hotplug(other: Device) -> None:
    assert hotplug(other) == []


def test_each_connector_has_a_state() -> None:
    devices = [
        Device(_PCI, "card0", "drm"),
        connector("card0-eDP-1", "connected"),
        connector("card0-HDMI-A-1", "disconnected"),
        connector("card0-Writeback-1", "unknown"),
        connector("card0-DP-1", None),
        Device("/devices/pci0000:00/0000:00:02.0/drm/renderD128", "renderD128", "drm"),
        connector("version", "connected"),
    ]
    assert connectors(devices) == {
        "hal.display.eDP-1": "connected",
        "hal.display.HDMI-A-1": "disconnected",
    }


def test_two_cards_with_connectors_of_their_own() -> None:
    devices = [connector("card1-HDMI-A-1", "connected"), connector("card0-eDP-1", "connected")]
    assert connectors(devices) == {"hal.display.HDMI-A-1": "connected", "hal.display.eDP-1": "connected"}


def test_of_one_name_the_lower_card_has_it() -> None:
    devices = [
        connector("card10-HDMI-A-1", "connected"),
        connector("card2-HDMI-A-1", "disconnected"),
    ]
    expected = {"hal.display.HDMI-A-1": "disconnected", "hal.display.card10-HDMI-A-1": "connected"}
    assert connectors(devices) == expected
    assert connectors(devices[::-1]) == expected


def test_a_name_is_one_word_of_the_topic() -> None:
    assert connectors([connector("card0-Odd.1 #", "connected")]) == {"hal.display.Odd_1__": "connected"}


def test_the_topic_of_the_event_is_no_connectors() -> None:
    assert connectors([connector("card0-hotplug", "connected")]) == {"hal.display.card0-hotplug": "connected"}


@given(
    st.lists(st.tuples(st.from_regex(r"card[0-9]*-.*") | st.text(), st.sampled_from(["connected", "unknown", "", "x"])))
)
def test_whatever_the_names_are_only_the_two_words_are_told(found: list[tuple[str, str]]) -> None:
    values = connectors([connector(name, status) for name, status in found])
    assert set(values.values()) <= {"connected"}
    assert all(topic.startswith("hal.display.") and topic.count(".") == 2 for topic in values)


def test_the_row() -> None:
    assert CONNECTORS[:3] == ("drm", "hal.display.*", ("status",))
    assert CONNECTORS.values([connector("card0-eDP-1", "connected")]) == {"hal.display.eDP-1": "connected"}
