"""What a client makes of a program's signals and calls, byte by byte, and what becomes of answers that never come."""

from enum import StrEnum
from typing import Any

import pytest

from pybus.client.calls import Calls
from pybus.client.cause import cause
from pybus.errors import CallError, DeadlinePassed, InvalidName, TooLarge
from pybus.protocol.frames import CAUSED, RAW, SIGNAL, caused_target, frame

LIMIT = 4096


def alice() -> Calls:
    """A client that the bus has greeted as :7."""
    sending = Calls()
    sending.welcomed(7, LIMIT)
    return sending


def test_a_signal_has_the_same_bytes_the_first_time_and_again() -> None:
    sending = alice()
    for body in ("one", "two", 3):
        sending.news("hal.power.ac", body)
    assert sending.output.take_all() == [
        bytes.fromhex("24000000 03 00 0c00 07000000 00000000 00000000") + b"hal.power.ac" + b"\xa3one",
        bytes.fromhex("24000000 03 00 0c00 07000000 00000000 00000000") + b"hal.power.ac" + b"\xa3two",
        bytes.fromhex("21000000 03 00 0c00 07000000 00000000 00000000") + b"hal.power.ac" + b"\x03",
    ]


class Topics(StrEnum):
    """Topics as a program may list its own."""

    POWER = "hal.power.ac"


def test_a_topic_may_be_of_a_kind_of_text() -> None:
    sending = alice()
    for topic in (Topics.POWER, "hal.power.ac", Topics.POWER):
        sending.news(topic, "one")
    assert sending.output.take_all() == [frame(SIGNAL, 0, 7, 0, 0, b"hal.power.ac", b"\xa3one")] * 3


@pytest.mark.parametrize("topic", [5, None, b"hal.power.ac"])
def test_a_topic_is_text(topic: Any) -> None:
    with pytest.raises(InvalidName) as told:
        alice().news(topic, "one")
    assert str(told.value) == f"a topic must be text, not {topic!r}"


def test_a_signal_bears_the_number_of_its_connection() -> None:
    sending = alice()
    sending.news("a.b", None)
    sending.welcomed(8, LIMIT)
    sending.news("a.b", None)
    assert sending.output.take_all() == [frame(SIGNAL, 0, number, 0, 0, b"a.b", b"\xc0") for number in (7, 8)]


def test_bytes_and_what_a_message_caused_are_marked_on_a_topic_that_is_remembered() -> None:
    sending = alice()
    sending.news("a.b", "one")
    sending.news("a.b", b"two")
    token = cause.set(3)
    try:
        sending.news("a.b", "three")
    finally:
        cause.reset(token)
    sending.news("a.b", "four")
    assert sending.output.take_all() == [
        frame(SIGNAL, 0, 7, 0, 0, b"a.b", b"\xa3one"),
        frame(SIGNAL, RAW, 7, 0, 0, b"a.b", b"two"),
        frame(SIGNAL, CAUSED, 7, caused_target(3), 0, b"a.b", b"\xa5three"),
        frame(SIGNAL, 0, 7, 0, 0, b"a.b", b"\xa4four"),
    ]


def test_a_signal_of_the_limit_goes_out_and_one_byte_more_does_not() -> None:
    sending = alice()
    sending.news("a.b", b"x" * (LIMIT - 23))
    assert sending.output.waiting == LIMIT
    with pytest.raises(TooLarge, match="a signal of 4074 bytes is over the bus's limit of 4096"):
        sending.news("a.b", b"x" * (LIMIT - 22))
    assert sending.output.waiting == LIMIT


def test_a_refusal_comes_out_of_the_next_signal_which_is_not_sent() -> None:
    sending = alice()
    sending.refusals.append(CallError("org.example.Refused", "not today"))
    with pytest.raises(CallError, match="not today"):
        sending.news("a.b", "one")
    with pytest.raises(InvalidName):
        sending.news("a..b", "two")
    assert sending.output.take_all() == []


def test_what_is_not_answered_in_time_fails_and_the_rest_waits() -> None:
    sending = alice()
    early, late, patient = (sending.call("org.example.Player", "play", (), {}, 1.0) for _ in range(3))
    early.until = 5.0
    late.until = 9.0
    assert sending.expire(4.0) == 5.0
    assert sending.expire(6.0) == 9.0
    with pytest.raises(DeadlinePassed, match="the bus itself does not answer"):
        early.result()
    assert (late.done, patient.done) == (False, False)
    assert sending.expire(9.0) == float("inf")
    assert (late.done, patient.done) == (True, False)
