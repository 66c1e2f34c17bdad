"""What comes over D-Bus as it goes on pybus, and errors of pybus as they go over D-Bus."""

from __future__ import annotations

from typing import Any

import pytest

import pybus
from pybus_services.dbus.export.interface import as_dbus_error, natural
from pybus_services.dbus.values import Signature

NOTHING = Signature("")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (NOTHING, None),
        (Signature("as"), "as"),
        ("", ""),
        ([1, [NOTHING], {"a": NOTHING}], [1, [None], {"a": None}]),
        ({Signature("s"): b"x"}, {"s": b"x"}),
    ],
)
def test_the_empty_signature_is_none(value: Any, wanted: Any) -> None:
    assert natural(value) == wanted
    assert type(natural(value)) is type(wanted)


@pytest.mark.parametrize(
    ("error", "name", "message"),
    [
        (pybus.NameHasNoOwner("nobody"), "org.pybus.Error.NameHasNoOwner", "nobody"),
        (pybus.ServiceError("org.example.NoFilm", ""), "org.example.NoFilm", ""),
        (pybus.ServiceError("no film", "a.mkv"), "org.pybus.Error.Failed", "no film: a.mkv"),
        (pybus.InvalidName("a topic"), "org.pybus.Error.BadName", "a topic"),
        (pybus.UsageError("a timeout"), "org.pybus.Error.InvalidArguments", "a timeout"),
        (pybus.BodyError("a body"), "org.pybus.Error.BodyError", "a body"),
        (pybus.ConnectionLost("gone"), "org.pybus.Error.ConnectionLost", "gone"),
    ],
)
def test_errors_keep_their_names_where_dbus_can_have_them(error: pybus.PybusError, name: str, message: str) -> None:
    told = as_dbus_error(error)
    assert (told.name, told.message) == (name, message)
