"""What a Message says, made once for all who get it."""

from __future__ import annotations

import gc
from typing import Any

import pytest

import pybus
from pybus_services.dbus.export.messages import SIGNATURE, message_of
from pybus_services.dbus.reading import SIGNAL, read
from pybus_services.dbus.writing import types_of, write


def _signal(body: Any, retained: bool = False, cleared: bool = False) -> pybus.Signal:
    return pybus.Signal("demo.door", body, ":7", retained, cleared, 10)


def _said(signal: pybus.Signal, number: int) -> Any:
    data = write(SIGNAL, 1, SIGNATURE, message_of(signal).body_for(number), path="/a", interface="a.b", member="C")
    return read(data, types_of).body


@pytest.mark.parametrize(
    ("signal", "body", "info"),
    [
        (_signal({"open": True}), {"open": True}, {}),
        (_signal("open", retained=True), "open", {"retained": True}),
        (_signal(None, cleared=True), "", {"cleared": True}),
        (_signal(pybus.Undecodable(b"\xc1")), b"\xc1", {"raw": True}),
        (
            _signal(["a\0"]),
            "",
            {"unsayable": "the body[0] has a character that no text of D-Bus can have: NUL or a lone surrogate"},
        ),
    ],
)
def test_each_subscription_gets_its_number(signal: pybus.Signal, body: Any, info: dict[str, Any]) -> None:
    assert [_said(signal, number) for number in (1, 2)] == [
        ["demo.door", body, ":7", {"id": number, **info}] for number in (1, 2)
    ]


def test_there_is_one_of_a_signal_for_as_long_as_it_waits() -> None:
    body: list[int] = [1]
    signal = _signal(body)
    first = message_of(signal)
    assert first.body_for(1)
    body.append(2)  # it is not looked at again
    assert message_of(signal) is first
    assert message_of(signal).body_for(1) == first.body_for(1)
    del first
    gc.collect()
    assert _said(signal, 1)[1] == [1, 2]
