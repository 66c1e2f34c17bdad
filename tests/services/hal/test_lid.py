"""Which input device is a lid's switch, and who tells changes of it."""

import sys

import pytest

from pybus_services.hal.device import Device
from pybus_services.hal.lid import Lid, nodes
from pybus_services.hal.logind import tells_changes


def device(name: str, switches: str | None, node: str | None) -> Device:
    return Device(
        f"/devices/platform/input9/{name}",
        name,
        "input",
        properties={} if node is None else {"DEVNAME": node},
        attributes={} if switches is None else {"device/capabilities/sw": switches},
    )


@pytest.mark.parametrize("switches", ["1", "3", "21", "1 0000000000000001"])
def test_the_lid_is_the_lowest_bit_of_the_last_word(switches: str) -> None:
    assert nodes([device("event9", switches, "/dev/input/event9")]) == ["/dev/input/event9"]


@pytest.mark.parametrize("switches", ["0", "2", "20", "1 0", "", None, "lid", "1 lid"])
def test_other_switches_and_nonsense_are_no_lid(switches: str | None) -> None:
    assert nodes([device("event9", switches, "/dev/input/event9")]) == []


def test_only_event_nodes_count() -> None:
    devices = [
        device("input9", "1", None),
        device("event9", "1", None),
        device("js0", "1", "/dev/input/js0"),
        device("event3", "1", "/dev/input/event3"),
        device("event4", "1", "/dev/input/event4"),
    ]
    assert nodes(devices) == ["/dev/input/event3", "/dev/input/event4"]


def _annotation(value: str) -> str:
    return f'<annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="{value}"/>'


def _object(of_interface: str, of_property: str, name: str = "LidClosed", interface: str = "house.Door") -> str:
    return f"""<node><interface name="house.Window"><property name="LidClosed" type="b" access="read"/></interface>
        <interface name="{interface}">{of_interface}
        <property name="Other" type="b" access="read">{_annotation("true")}</property>
        <property name="{name}" type="b" access="read"><annotation name="house" value="false"/>{of_property}</property>
        </interface></node>"""


@pytest.mark.parametrize(
    ("of_interface", "of_property", "told"),
    [
        ("", "", True),
        ("", "true", True),
        ("", "invalidates", True),
        ("", "false", False),
        ("", "const", False),
        ("false", "", False),
        ("false", "true", True),
        ("true", "false", False),
    ],
)
def test_the_object_says_whether_changes_are_told(of_interface: str, of_property: str, told: bool) -> None:
    xml = _object(*(_annotation(value) if value else "" for value in (of_interface, of_property)))
    assert tells_changes(xml, "house.Door", "LidClosed") is told


@pytest.mark.parametrize(
    "xml", ["", "<node>", "<node/>", _object("", "", name="LidOpen"), _object("", "", interface="house.Roof")]
)
def test_of_what_is_not_there_they_are_not_told(xml: str) -> None:
    assert not tells_changes(xml, "house.Door", "LidClosed")


async def test_without_the_libraries_nobody_knows_the_lid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "evdev", None)
    monkeypatch.setitem(sys.modules, "pybus_services.hal.logind", None)  # it fails so without dbus-next
    lid = Lid(lambda: [device("event9", "1", "/dev/null")])
    await lid.open(lambda: None)
    assert lid.values() == {}
    lid.close()
