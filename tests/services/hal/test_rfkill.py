"""Switches of radios to `hal.rfkill.*`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus_services.hal.device import Device
from pybus_services.hal.rfkill import RFKILL, radios


def switch(kind: str | None, **attributes: str) -> Device:
    known = attributes if kind is None else {"type": kind, **attributes}
    return Device("/devices/platform/rfkill0", "rfkill0", "rfkill", attributes=known)


def test_a_laptop_with_everything_on() -> None:
    devices = [
        switch("bluetooth", name="tpacpi_bluetooth_sw", soft="0", hard="0", state="1"),
        switch("wwan", name="tpacpi_wwan_sw", soft="1", hard="0", state="0"),
        switch("wlan", name="phy0", soft="0", hard="0", state="1"),
        switch("bluetooth", name="hci0", soft="0", hard="0", state="1"),
    ]
    assert radios(devices) == {
        "hal.rfkill.bluetooth": "unblocked",
        "hal.rfkill.wwan": "blocked",
        "hal.rfkill.wwan.by": "soft",
        "hal.rfkill.wlan": "unblocked",
    }


@pytest.mark.parametrize(
    ("soft", "hard", "state", "by"),
    [
        ("1", "0", "0", "soft"),
        ("0", "1", "2", "hard"),
        ("1", "1", "2", "both"),
        ("", "", "0", "soft"),
        ("", "", "2", "hard"),
        ("x", "1", "2", "hard"),
    ],
)
def test_soft_and_hard_are_told_apart(soft: str, hard: str, state: str, by: str) -> None:
    """Without both attributes the older one has to do."""
    assert radios([switch("wlan", soft=soft, hard=hard, state=state)]) == {
        "hal.rfkill.wlan": "blocked",
        "hal.rfkill.wlan.by": by,
    }


@pytest.mark.parametrize("attributes", [{"soft": "0", "hard": "0"}, {"state": "1"}])
def test_unblocked_is_by_nothing(attributes: dict[str, str]) -> None:
    assert radios([switch("wlan", **attributes)]) == {"hal.rfkill.wlan": "unblocked"}


def test_a_kind_is_blocked_if_all_its_switches_are() -> None:
    of_laptop, of_stick = switch("wlan", soft="0", hard="1"), switch("wlan", soft="0", hard="0")
    assert radios([of_laptop, of_stick]) == {"hal.rfkill.wlan": "unblocked"}
    assert radios([of_laptop]) == {"hal.rfkill.wlan": "blocked", "hal.rfkill.wlan.by": "hard"}


@pytest.mark.parametrize(
    ("switches", "by"),
    [
        ([("0", "1"), ("1", "0")], "soft"),
        ([("1", "1"), ("1", "0")], "soft"),
        ([("1", "1"), ("0", "1")], "hard"),
        ([("1", "1"), ("1", "1")], "both"),
    ],
)
def test_of_several_switches_the_easiest_counts(switches: list[tuple[str, str]], by: str) -> None:
    devices = [switch("bluetooth", soft=soft, hard=hard) for soft, hard in switches]
    expected = {"hal.rfkill.bluetooth": "blocked", "hal.rfkill.bluetooth.by": by}
    assert radios(devices) == expected
    assert radios(devices[::-1]) == expected


def test_a_kind_is_one_word_of_the_topic() -> None:
    assert radios([switch("802.11", state="1")]) == {"hal.rfkill.802_11": "unblocked"}


def test_a_switch_that_can_not_be_read_says_nothing() -> None:
    assert (
        radios([switch("wlan"), switch("wlan", soft="2", hard="?", state="9"), switch(None, soft="0", hard="0")]) == {}
    )
    assert radios([switch("wlan"), switch("wlan", state="1")]) == {"hal.rfkill.wlan": "unblocked"}


@given(
    st.lists(st.dictionaries(st.sampled_from(["type", "soft", "hard", "state"]), st.text(max_size=2) | st.just("1")))
)
def test_whatever_the_attributes_are_it_gives_words(found: list[dict[str, str]]) -> None:
    values = radios([switch(None, **attributes) for attributes in found])
    for topic, value in values.items():
        if topic.endswith(".by") and topic.count(".") == 3:
            assert value in ("soft", "hard", "both")
            assert values[topic.removesuffix(".by")] == "blocked"
        else:
            assert value in ("blocked", "unblocked")


def test_the_row() -> None:
    assert RFKILL[:3] == ("rfkill", "hal.rfkill.#", ("type", "soft", "hard", "state"))
    assert RFKILL.values([switch("nfc", state="1")]) == {"hal.rfkill.nfc": "unblocked"}
