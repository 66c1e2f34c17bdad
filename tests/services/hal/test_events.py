"""One uevent to messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus.names import check_topic
from pybus_services.hal.catalogue import messages
from pybus_services.hal.events import LONGEST_WORD, Message, lost_events, word

PLUGGED_IN = {
    "ACTION": "add",
    "DEVPATH": "/devices/virtual/net/pbv0",
    "IFINDEX": "3",
    "INTERFACE": "pbv0",
    "SEQNUM": "816",
    "SUBSYSTEM": "net",
}


def test_a_uevent_becomes_a_signal_with_all_its_properties() -> None:
    assert messages(PLUGGED_IN) == [Message("hal.net.add", PLUGGED_IN, retained=False)]


def test_words_that_a_topic_can_not_hold_are_replaced() -> None:
    odd = {"SUBSYSTEM": "nvme.fabrics #1", "ACTION": ""}
    assert messages(odd) == [Message("hal.nvme_fabrics__1._", odd, retained=False)]


def test_a_uevent_without_the_two_words_has_a_topic_still() -> None:
    assert messages({}) == [Message("hal._._", {}, retained=False)]


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
    properties = {"SUBSYSTEM": subsystem, "ACTION": action}
    [message] = messages(properties)
    assert check_topic(message.topic).count(".") == 2
    assert message.body == properties


def test_lost_events_are_told_as_an_event() -> None:
    assert lost_events(2) == Message("hal.lost", {"overflows": 2}, retained=False)
