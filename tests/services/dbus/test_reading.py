"""Messages that come: what they hold, and what is wrong with those that can't be read."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus_services.dbus.reading import Incoming, Unreadable, read
from pybus_services.dbus.values import MOST_VALUES
from pybus_services.dbus.writing import types_of

from .peer import CALL, ERROR, RETURN, SIGNAL, answer, message, refusal, signal, text


def body(signature: str, data: bytes) -> list[Any]:
    values: list[Any] = read(answer(7, signature, data), types_of).body
    return values


@pytest.mark.parametrize(
    ("signature", "data", "value"),
    [
        ("y", b"\xff", 255),
        ("b", b"\1\0\0\0", True),
        ("n", b"\xfe\xff", -2),
        ("q", b"\xfe\xff", 65534),
        ("i", b"\xfe\xff\xff\xff", -2),
        ("u", b"\xfe\xff\xff\xff", 2**32 - 2),
        ("x", b"\xfe" + b"\xff" * 7, -2),
        ("t", b"\xfe" + b"\xff" * 7, 2**64 - 2),
        ("d", b"\0\0\0\0\0\0\xe0\x3f", 0.5),
        ("s", text("ü"), "ü"),
        ("o", text("/a"), "/a"),
        ("g", b"\5a{sv}\0", "a{sv}"),
        ("h", bytes(4), None),
        ("ay", b"\2\0\0\0\0\xff", b"\0\xff"),
        ("ax", b"\x08\0\0\0" + bytes(4) + b"\1" + bytes(7), [1]),
        ("as", b"\x0e\0\0\0" + text("a") + b"\0\0" + text("b"), ["a", "b"]),
        ("ah", b"\x08\0\0\0" + bytes(8), [None, None]),
        ("(yu)", b"\1\0\0\0\2\0\0\0", [1, 2]),
        ("a(y)", b"\x09\0\0\0" + bytes(4) + b"\1" + bytes(7) + b"\2", [[1], [2]]),
        ("a{yv}", b"\x05\0\0\0" + bytes(4) + b"\1\1y\0\2", {1: 2}),
        ("v", b"\1v\0\1v\0\1y\0\2", 2),
    ],
)
def test_values_come_plain(signature: str, data: bytes, value: object) -> None:
    assert body(signature, data) == [value]


def test_each_kind_of_message() -> None:
    heard = signal("Rang", "s", text("twice"))
    assert read(heard, types_of) == Incoming(SIGNAL, 0, 9, ["twice"], "/a", "a.b", "Rang", sender=":1.1", signature="s")
    assert read(answer(7), types_of) == Incoming(RETURN, 0, 9, [], reply_to=7)
    assert read(refusal(7, "a.b"), types_of) == Incoming(ERROR, 0, 9, [], error="a.b", reply_to=7)


def test_numbers_in_the_other_order() -> None:
    header = b"B\2\0\1" + b"\0\0\0\2" + b"\0\0\0\5" + b"\0\0\0\x0f"
    fields = b"\5\1u\0\0\0\1\2" + b"\x08\1g\0\1q\0" + b"\0"
    assert read(header + fields + b"\1\0", types_of) == Incoming(RETURN, 0, 5, [256], reply_to=258, signature="q")


def test_unknown_fields_are_passed_over() -> None:
    odd = message(RETURN, 9, {77: ("s", "unknown"), 5: ("u", 7), 200: ("u", 8)})
    assert read(odd, types_of) == Incoming(RETURN, 0, 9, [], reply_to=7)


_DEEP = b"\1v\0" * 5000 + b"\1y\0\2"
_MANY = (MOST_VALUES * 4).to_bytes(4, "little") + bytes(MOST_VALUES * 4)


@pytest.mark.parametrize(
    ("data", "reply_to", "reason"),
    [
        (answer(7, "s", text("hello")[:-4]), 7, "it is cut short"),
        (answer(7, "s"), 7, "it is cut short"),
        (answer(7, "as", b"\xff\xff\xff\x00"), 7, "it is cut short"),
        (answer(7, "(", b""), 7, 'missing closing ")" for struct'),
        (answer(7, "s", text("\u00fc").replace(b"\xbc", b"\x00")), 7, "'utf-8' codec can't decode"),
        (answer(7, "v", b"\2yy\0\1\2"), 7, "a variant has a signature of one type, not 'yy'"),
        (answer(7, "v", _DEEP), 7, "its values are too deep in each other"),
        (answer(7, "au", _MANY), 7, "a message can have 50000 values here, and this one has more"),
        (refusal(7, "odd"), 7, "'odd' is no interface"),
        (message(ERROR, 9, {5: ("u", 7)}), 7, "it has no error"),
        (message(RETURN, 9, {}), 0, "it has no reply_to"),
        (message(RETURN, 9, {5: ("s", "seven")}), 0, "its reply_to is of type 's'"),
        (message(RETURN, 0, {5: ("u", 7)}), 7, "it has no serial"),
        (message(CALL, 0, {1: ("o", "/"), 3: ("s", "Open")}), 0, "it has no serial"),
        (message(SIGNAL, 9, {3: ("s", "Rang"), 5: ("u", 7)}), 7, "it has no path, interface"),
        (message(5, 9, {5: ("u", 7)}), 7, "it has no known type"),
    ],
)
def test_what_cannot_be_read(data: bytes, reply_to: int, reason: str) -> None:
    with pytest.raises(Unreadable, match="^" + reason.replace("(", "[(]").replace(")", "[)]")) as failed:
        read(data, types_of)
    assert failed.value.message.reply_to == reply_to


_WHOLE = answer(7, "a{sv}(ayd)as", b"\x0e\0\0\0" + bytes(4) + text("a") + b"\1s\0" + text("b") + bytes(60))


@given(st.integers(4, len(_WHOLE) - 1), st.binary(min_size=1, max_size=8))
def test_no_bytes_raise_anything_else(at: int, other: bytes) -> None:
    with contextlib.suppress(Unreadable):
        read(_WHOLE[:at] + other + _WHOLE[at + len(other) :], types_of)
