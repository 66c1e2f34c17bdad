"""Events that no kind of device claims."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus.names import check_topic
from pybus_services.hal.device import Device
from pybus_services.hal.events import Bursts, every_event, lost_events
from pybus_services.hal.messages import LONGEST_WORD, Message, word

PLUGGED_IN = {
    "ACTION": "add",
    "DEVPATH": "/devices/virtual/mem/null",
    "MAJOR": "1",
    "SEQNUM": "816",
    "SUBSYSTEM": "mem",
}


def device(**properties: str) -> Device:
    path = properties.get("DEVPATH", "/devices/x")
    return Device(path, "x", properties.get("SUBSYSTEM", ""), properties.get("ACTION", ""), properties)


def test_a_uevent_becomes_a_signal_with_all_its_properties() -> None:
    assert every_event(device(**PLUGGED_IN)) == Message("hal.mem.add", PLUGGED_IN)


def test_words_that_a_topic_can_not_hold_are_replaced() -> None:
    odd = {"SUBSYSTEM": "nvme.fabrics #1", "ACTION": ""}
    assert every_event(device(**odd)) == Message("hal.nvme_fabrics__1._", odd)


def test_a_uevent_without_the_two_words_has_a_topic_still() -> None:
    assert every_event(device()) == Message("hal._._", {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("power_supply", "power_supply"),
        ("firmware-attributes", "firmware-attributes"),
        ("a:b/c", "a:b/c"),
        ("a.b", "a_b"),
        ("*", "_"),
        ("#", "_"),
        ("a\tb\n", "a_b_"),
        ("größe", "gr__e"),
        ("", "_"),
        ("x" * LONGEST_WORD, "x" * LONGEST_WORD),
        ("x" * (LONGEST_WORD + 1), "x" * LONGEST_WORD),
    ],
)
def test_word(text: str, expected: str) -> None:
    assert word(text) == expected


@given(st.text(), st.text())
def test_whatever_the_words_are_the_topic_is_one(subsystem: str, action: str) -> None:
    message = every_event(Device("/x", "x", subsystem, action, {"A": "B"}))
    assert check_topic(message.topic).count(".") == 2
    assert message.body == {"A": "B"}


def test_lost_events_are_told_as_an_event() -> None:
    assert lost_events("overflow", 2) == Message("hal.lost", {"why": "overflow", "overflows": 2}, retained=False)


# --- bursts ---------------------------------------------------------------------------------------


def change(number: int, **more: str) -> Device:
    return device(ACTION="change", SUBSYSTEM="mem", DEVPATH="/devices/null", SEQNUM=str(number), **more)


def test_the_same_change_again_within_a_second_says_nothing_new() -> None:
    bursts = Bursts()
    assert [bursts.repeats(change(number), now) for number, now in ((1, 5.0), (2, 5.1), (3, 5.99), (4, 6.01))] == [
        False,
        True,
        True,
        False,
    ]


def test_what_differs_is_no_repetition() -> None:
    bursts = Bursts()
    assert not bursts.repeats(change(1, LEVEL="1"), 5.0)
    assert not bursts.repeats(change(2, LEVEL="2"), 5.0)
    assert not bursts.repeats(change(3, LEVEL="1"), 5.0)


def test_only_changes_are_swallowed() -> None:
    bursts = Bursts()
    coming = device(ACTION="online", SUBSYSTEM="mem", DEVPATH="/devices/null", SEQNUM="1")
    assert not bursts.repeats(coming, 5.0)
    assert not bursts.repeats(coming, 5.0)


def test_it_remembers_a_bounded_number_of_devices() -> None:
    bursts = Bursts()
    for number in range(5000):
        assert not bursts.repeats(device(ACTION="change", DEVPATH=f"/devices/{number}"), 5.0)
    assert bursts.repeats(device(ACTION="change", DEVPATH="/devices/4999"), 5.0)
    assert not bursts.repeats(device(ACTION="change", DEVPATH="/devices/0"), 5.0)
