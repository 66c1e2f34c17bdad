"""Texts of udev and sysfs to fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus_services.hal.device import Device
from pybus_services.hal.fields import number, record, unescaped


def test_a_record_holds_what_is_known() -> None:
    device = Device("/devices/x", "x", "usb")
    assert record(device, name="", index=0, size=None, removable=False) == {
        "path": "/devices/x",
        "index": 0,
        "removable": False,
    }


@pytest.mark.parametrize(
    ("text", "base", "expected"),
    [
        ("007", 10, 7),
        ("0", 10, 0),
        ("ffff0000", 16, 0xFFFF0000),
        (str(2**64 - 1), 10, 2**64 - 1),
        (str(2**64), 10, None),
        ("9" * 5000, 10, None),
        ("-1", 10, None),
        ("1.5", 10, None),
        ("ff", 10, None),
        ("", 10, None),
        (None, 10, None),
    ],
)
def test_numbers(text: str | None, base: int, expected: int | None) -> None:
    assert number(text, base) == expected


def test_numbers_are_decimal_mostly() -> None:
    assert number("10") == 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Urlaub\\x202024", "Urlaub 2024"),
        ("SD\\x2fMMC\\x20\\x20\\x20", "SD/MMC"),
        ("a\\x5cx20b", "a\\x20b"),
        ("gr\\xc3\\xb6\\xc3\\x9fe", "größe"),
        ("größe", "größe"),
        ("latin\\xe9", "latin\\xe9"),
        ("\\x2", "\\x2"),
        ("\\x20", ""),
        ("", ""),
    ],
)
def test_unescaped(text: str, expected: str) -> None:
    assert unescaped(text) == expected


@given(st.text())
def test_what_udev_escapes_comes_back(text: str) -> None:
    escaped = "".join(f"\\x{byte:02x}" for byte in text.encode())
    assert unescaped(escaped) == " ".join(text.split())
