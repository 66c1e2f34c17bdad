"""Sound cards to records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus_services.hal.device import Device
from pybus_services.hal.sound import SOUND, describe

_INTERNAL = "/devices/pci0000:00/0000:00:1f.3/sound/card0"
_HEADSET = "/devices/pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0/sound/card1"

INTERNAL = Device(
    _INTERNAL,
    "card0",
    "sound",
    "change",
    {
        "ACTION": "change",
        "DEVPATH": _INTERNAL,
        "ID_BUS": "pci",
        "ID_MODEL_FROM_DATABASE": "Sunrise Point-LP HD Audio",
        "ID_MODEL_ID": "0x9d71",
        "ID_PATH": "pci-0000:00:1f.3",
        "ID_VENDOR_FROM_DATABASE": "Intel Corporation",
        "ID_VENDOR_ID": "0x8086",
        "SOUND_FORM_FACTOR": "internal",
        "SOUND_INITIALIZED": "1",
        "SUBSYSTEM": "sound",
        "USEC_INITIALIZED": "5604893",
    },
    {"id": "PCH"},
)
HEADSET = Device(
    _HEADSET,
    "card1",
    "sound",
    "change",
    {
        "ID_BUS": "usb",
        "ID_MODEL": "USB_PnP_Sound_Device",
        "ID_MODEL_ENC": "USB_PnP\\x20Sound\\x20Device",
        "ID_MODEL_ID": "0014",
        "ID_VENDOR_ID": "0d8c",
        "SOUND_FORM_FACTOR": "headset",
        "SOUND_INITIALIZED": "1",
        "USEC_INITIALIZED": "81112345",
    },
    {"id": "Device"},
)


def test_the_internal_card() -> None:
    assert describe(INTERNAL) == {
        "path": _INTERNAL,
        "number": 0,
        "id": "PCH",
        "name": "Sunrise Point-LP HD Audio",
        "bus": "pci",
    }


def test_a_headset_that_no_database_knows() -> None:
    assert describe(HEADSET) == {
        "path": _HEADSET,
        "number": 1,
        "id": "Device",
        "name": "USB_PnP Sound Device",
        "bus": "usb",
    }


def test_without_the_encoded_name_its_blanks_are_guessed() -> None:
    properties = {name: value for name, value in HEADSET.properties.items() if name != "ID_MODEL_ENC"}
    assert describe(HEADSET._replace(properties=properties)) == {
        "path": _HEADSET,
        "number": 1,
        "id": "Device",
        "name": "USB PnP Sound Device",
        "bus": "usb",
    }


def test_udevd_says_later_that_it_is_ready() -> None:
    """Its `add` comes while the card's nodes still appear."""
    early = INTERNAL._replace(action="add", properties={"ACTION": "add", "USEC_INITIALIZED": "5604893"})
    assert describe(early) is None


def test_the_kernel_alone_never_says_so() -> None:
    bare = INTERNAL._replace(action="add", properties={"ACTION": "add", "DEVPATH": _INTERNAL, "SUBSYSTEM": "sound"})
    assert describe(bare) == {"path": _INTERNAL, "number": 0, "id": "PCH", "name": "PCH"}
    assert describe(bare._replace(attributes={})) == {"path": _INTERNAL, "number": 0}


@pytest.mark.parametrize(
    "name", ["controlC0", "pcmC0D0p", "hwC0D2", "timer", "seq", "card", "cardx", "card0x", "card٣"]
)
def test_what_is_in_a_card_is_none(name: str) -> None:
    assert describe(INTERNAL._replace(name=name)) is None


_TEXTS = st.text() | st.just("1")


@given(
    st.from_regex(r"card[0-9]+", fullmatch=True) | st.text(),
    st.dictionaries(
        st.sampled_from(
            ["SOUND_INITIALIZED", "USEC_INITIALIZED", "ID_BUS", "ID_MODEL", "ID_MODEL_ENC", "ID_MODEL_FROM_DATABASE"],
        ),
        _TEXTS,
    ),
    st.dictionaries(st.just("id"), _TEXTS),
)
def test_whatever_is_read_it_gives_a_record_or_none(
    name: str, properties: dict[str, str], attributes: dict[str, str]
) -> None:
    record = describe(Device("/devices/card", name, "sound", "add", properties, attributes))
    assert record is None or (record["path"] == "/devices/card" and "" not in record.values())


def test_the_row() -> None:
    assert SOUND[:3] == ("sound", "hal.sound", ("id",))
    assert SOUND.describe(INTERNAL) == describe(INTERNAL)
    assert not SOUND.changes
