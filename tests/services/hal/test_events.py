"""Events that no kind of device claims."""

from hypothesis import given
from hypothesis import strategies as st

from pybus.names import check_topic
from pybus_services.hal.device import Device
from pybus_services.hal.events import every_event, lost_events, newest
from pybus_services.messages import Message

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


@given(st.text(), st.text())
def test_whatever_the_words_are_the_topic_is_one(subsystem: str, action: str) -> None:
    message = every_event(Device("/x", "x", subsystem, action, {"A": "B"}))
    assert check_topic(message.topic).count(".") == 2
    assert message.body == {"A": "B"}


def test_lost_events_are_told_as_an_event() -> None:
    assert lost_events("overflow", 2) == Message("hal.lost", {"why": "overflow", "overflows": 2}, retained=False)


# --- bursts ---------------------------------------------------------------------------------------


def change(number: int, path: str = "/devices/null", **more: str) -> Device:
    return device(ACTION="change", SUBSYSTEM="mem", DEVPATH=path, SEQNUM=str(number), **more)


def test_of_equal_changes_the_last_one_is_enough() -> None:
    assert newest([change(1), change(2), change(3)]) == [change(3)]
    assert newest([change(1), change(2, "/devices/zero"), change(3)]) == [change(2, "/devices/zero"), change(3)]


def test_what_differs_is_told() -> None:
    events = [change(1, LEVEL="1"), change(2, LEVEL="2"), change(3, LEVEL="1")]
    assert newest(events) == events


def test_only_changes_are_left_out() -> None:
    coming = device(ACTION="add", SUBSYSTEM="mem", DEVPATH="/devices/null", SEQNUM="2")
    events = [change(1), coming, coming, change(3)]
    assert newest(events) == events
