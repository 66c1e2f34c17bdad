"""Bluetooth adapters and connections to records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus_services.hal.bluetooth import BLUETOOTH, describe
from pybus_services.hal.device import Device

_PATH = "/devices/pci0000:00/0000:00:14.0/usb1/1-7/1-7:1.0/bluetooth/hci0"

ADAPTER = Device(
    _PATH,
    "hci0",
    "bluetooth",
    "add",
    {
        "ACTION": "add",
        "DEVPATH": _PATH,
        "DEVTYPE": "host",
        "SUBSYSTEM": "bluetooth",
        "SYSTEMD_ALIAS": "/sys/subsystem/bluetooth/devices/hci0",
        "SYSTEMD_WANTS": "bluetooth.target",
        "TAGS": ":systemd:",
        "USEC_INITIALIZED": "6201341",
    },
)
CONNECTION = Device(f"{_PATH}/hci0:256", "hci0:256", "bluetooth", "add", {"DEVTYPE": "link", "SUBSYSTEM": "bluetooth"})


def test_an_adapter() -> None:
    assert describe(ADAPTER) == {"path": _PATH, "name": "hci0", "kind": "adapter"}


def test_a_connection() -> None:
    assert describe(CONNECTION) == {"path": f"{_PATH}/hci0:256", "name": "hci0:256", "kind": "connection"}


def test_an_old_kernel_gives_the_address() -> None:
    assert describe(ADAPTER._replace(attributes={"address": "00:1a:7d:da:71:13"})) == {
        "path": _PATH,
        "name": "hci0",
        "kind": "adapter",
        "address": "00:1a:7d:da:71:13",
    }
    assert describe(ADAPTER._replace(attributes={"address": ""})) == describe(ADAPTER)


@pytest.mark.parametrize("properties", [{}, {"DEVTYPE": ""}, {"DEVTYPE": "rfcomm"}])
def test_anything_else_is_none(properties: dict[str, str]) -> None:
    assert describe(ADAPTER._replace(properties=properties)) is None


@given(
    st.text(),
    st.dictionaries(st.just("DEVTYPE"), st.text() | st.just("link")),
    st.dictionaries(st.just("address"), st.text()),
)
def test_whatever_is_read_it_gives_a_record_or_none(
    name: str, properties: dict[str, str], attributes: dict[str, str]
) -> None:
    record = describe(Device("/devices/hci", f"hci{name}", "bluetooth", "add", properties, attributes))
    assert (record is None) == (properties.get("DEVTYPE") not in ("host", "link"))


def test_the_row() -> None:
    assert BLUETOOTH[:3] == ("bluetooth", "hal.bluetooth", ("address",))
    assert BLUETOOTH.describe(ADAPTER) == describe(ADAPTER)
    assert not BLUETOOTH.changes
