"""Network interfaces to records, and their renaming."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus_services.hal.device import Device
from pybus_services.hal.net import NET, describe
from pybus_services.messages import Message

_USB = "/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/net"

DONGLE = Device(
    f"{_USB}/enx00e04c680001",
    "enx00e04c680001",
    "net",
    "add",
    {
        "ACTION": "add",
        "DEVPATH": f"{_USB}/enx00e04c680001",
        "ID_BUS": "usb",
        "ID_MODEL": "USB_10_100_1000_LAN",
        "ID_MODEL_FROM_DATABASE": "RTL8153 Gigabit Ethernet Adapter",
        "ID_MODEL_ID": "8153",
        "ID_NET_DRIVER": "r8152",
        "ID_NET_LINK_FILE": "/usr/lib/systemd/network/73-usb-net-by-mac.link",
        "ID_NET_NAME": "enx00e04c680001",
        "ID_NET_NAME_MAC": "enx00e04c680001",
        "ID_USB_DRIVER": "r8152",
        "ID_USB_INTERFACES": ":ffff00:020600:0a0000:",
        "ID_VENDOR_FROM_DATABASE": "Realtek Semiconductor Corp.",
        "ID_VENDOR_ID": "0bda",
        "IFINDEX": "7",
        "INTERFACE": "enx00e04c680001",
        "SUBSYSTEM": "net",
        "TAGS": ":systemd:",
        "USEC_INITIALIZED": "871223012",
    },
    {"address": "00:e0:4c:68:00:01", "ifindex": "7", "type": "1"},
)


def virtual(name: str, properties: dict[str, str], attributes: dict[str, str]) -> Device:
    return Device(f"/devices/virtual/net/{name}", name, "net", "add", properties, attributes)


def test_what_the_kind_asks_for() -> None:
    assert (NET.subsystem, NET.topic, set(NET.attributes)) == ("net", "hal.net", set(DONGLE.attributes))


def test_an_ethernet_dongle() -> None:
    assert describe(DONGLE) == {
        "path": f"{_USB}/enx00e04c680001",
        "name": "enx00e04c680001",
        "index": 7,
        "kind": "ethernet",
        "address": "00:e0:4c:68:00:01",
    }


def test_wireless() -> None:
    path = "/devices/pci0000:00/0000:00:1c.0/0000:03:00.0/net/wlp3s0"
    properties = {"DEVTYPE": "wlan", "IFINDEX": "3", "INTERFACE": "wlp3s0", "ID_NET_DRIVER": "iwlwifi"}
    attributes = {"address": "a0:88:b4:01:02:03", "ifindex": "3", "type": "1"}
    assert describe(Device(path, "wlp3s0", "net", "add", properties, attributes)) == {
        "path": path,
        "name": "wlp3s0",
        "index": 3,
        "kind": "wlan",
        "address": "a0:88:b4:01:02:03",
    }


def test_the_loopback_has_no_address() -> None:
    loopback = virtual("lo", {"IFINDEX": "1", "INTERFACE": "lo"}, {"address": "00:00:00:00:00:00", "type": "772"})
    assert describe(loopback) == {"path": "/devices/virtual/net/lo", "name": "lo", "index": 1, "kind": "loopback"}


def test_nor_has_a_tunnel() -> None:
    tunnel = virtual("tun0", {"IFINDEX": "9", "INTERFACE": "tun0"}, {"address": "", "type": "65534"})
    assert describe(tunnel) == {"path": "/devices/virtual/net/tun0", "name": "tun0", "index": 9, "kind": "tunnel"}


def test_without_properties() -> None:
    veth = virtual("veth0", {}, {"address": "5e:1f:3c:00:00:02", "ifindex": "12", "type": "1"})
    assert describe(veth) == {
        "path": "/devices/virtual/net/veth0",
        "name": "veth0",
        "index": 12,
        "kind": "virtual",
        "address": "5e:1f:3c:00:00:02",
    }
    assert describe(veth._replace(attributes={}, properties={"INTERFACE": "veth\\xff"})) == {
        "path": "/devices/virtual/net/veth0",
        "name": "veth\\xff",
    }
    assert describe(veth._replace(attributes={})) == {"path": "/devices/virtual/net/veth0", "name": "veth0"}


@pytest.mark.parametrize(
    ("properties", "attributes", "kind"),
    [
        ({"DEVTYPE": "bridge"}, {"type": "1"}, "bridge"),
        ({"DEVTYPE": "wwan"}, {"type": "519"}, "wwan"),
        ({}, {"type": "32"}, "infiniband"),
        ({}, {"type": "280"}, "can"),
        ({}, {"type": "512"}, "ppp"),
        ({}, {"type": "768"}, "tunnel"),
        ({}, {"type": "769"}, "tunnel"),
        ({}, {"type": "776"}, "tunnel"),
        ({}, {"type": "778"}, "tunnel"),
        ({}, {"type": "823"}, "tunnel"),
        ({}, {"type": "801"}, "wlan"),
        ({}, {"type": "802"}, "wlan"),
        ({}, {"type": "803"}, "wlan"),
        ({}, {"type": "824"}, "other"),
    ],
)
def test_kinds(properties: dict[str, str], attributes: dict[str, str], kind: str) -> None:
    device = virtual("x", properties, attributes)
    assert describe(device) == {"path": "/devices/virtual/net/x", "name": "x", "kind": kind}


def test_a_renaming_tells_the_name_just_before() -> None:
    properties = {
        **DONGLE.properties,
        "ACTION": "move",
        "DEVPATH": f"{_USB}/lan0",
        "DEVPATH_OLD": f"{_USB}/enx00e04c680001",
        "INTERFACE": "lan0",
        "INTERFACE_OLD": "eth0",
    }
    moved = DONGLE._replace(path=f"{_USB}/lan0", name="lan0", action="move", properties=properties)
    record = describe(moved)
    assert record is not None
    assert NET.events(moved, record) == [
        Message(
            "hal.net.renamed",
            {
                "path": f"{_USB}/lan0",
                "name": "lan0",
                "index": 7,
                "kind": "ethernet",
                "address": "00:e0:4c:68:00:01",
                "old": "enx00e04c680001",
            },
        )
    ]


def test_without_a_former_path_the_former_name_counts() -> None:
    moved = virtual("b", {"INTERFACE": "b", "INTERFACE_OLD": "a"}, {})._replace(action="move")
    record = {"path": "/devices/virtual/net/b", "name": "b"}
    assert NET.events(moved, record) == [Message("hal.net.renamed", record | {"old": "a"})]


@pytest.mark.parametrize(
    ("action", "former"),
    [("add", "/devices/virtual/net/a"), ("change", ""), ("move", ""), ("move", "/devices/elsewhere/net/b")],
)
def test_what_keeps_its_name_is_not_renamed(action: str, former: str) -> None:
    device = virtual("b", {"INTERFACE": "b", "DEVPATH_OLD": former}, {})._replace(action=action)
    assert NET.events(device, {"path": "/devices/virtual/net/b", "name": "b"}) == []


_TEXTS = st.text() | st.sampled_from(["", "0", "-1", "772", "9" * 30, "00:00", "/", "x/y"])
_PROPERTIES = st.dictionaries(
    st.sampled_from(["INTERFACE", "IFINDEX", "DEVTYPE", "DEVPATH_OLD", "INTERFACE_OLD"]), _TEXTS
)
_ATTRIBUTES = st.dictionaries(st.sampled_from(NET.attributes), _TEXTS)


@given(st.text(), st.text(), _PROPERTIES, _ATTRIBUTES)
def test_whatever_it_says_it_has_a_record(
    path: str, name: str, properties: dict[str, str], attributes: dict[str, str]
) -> None:
    device = Device(path, name, "net", "move", properties, attributes)
    record = describe(device)
    assert record is not None
    assert next(iter(record.items())) == ("path", path)
    assert None not in record.values()
    bodies = [record] + [message.body for message in NET.events(device, record)]
    assert msgpack.unpackb(msgpack.packb(bodies)) == bodies
