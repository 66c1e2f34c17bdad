"""Messages to their bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus_services.dbus.reading import CALL, ERROR, RETURN, SIGNAL, Incoming, read
from pybus_services.dbus.writing import (
    LARGEST_SENT,
    NO_AUTOSTART,
    NO_REPLY,
    append_map,
    encode,
    marshal,
    types_of,
    write,
)


def test_a_call_byte_by_byte() -> None:
    assert write(CALL, 258, "su", ["hi", 7], NO_AUTOSTART, path="/a", member="Go", destination="b.c", interface="") == (
        b"l\1\2\1" b"\x0c\0\0\0" b"\2\1\0\0" b"\x38\0\0\0"
        b"\1\1o\0" b"\2\0\0\0/a\0" b"\0\0\0\0\0"
        b"\3\1s\0" b"\2\0\0\0Go\0" b"\0\0\0\0\0"
        b"\6\1s\0" b"\3\0\0\0b.c\0" b"\0\0\0\0"
        b"\x08\1g\0" b"\2su\0"
        b"\2\0\0\0hi\0\0" b"\7\0\0\0"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (
            write(SIGNAL, 1, "", [], NO_REPLY, path="/a", interface="a.b", member="Rang", destination=""),
            Incoming(SIGNAL, NO_REPLY, 1, [], path="/a", interface="a.b", member="Rang"),
        ),
        (
            write(RETURN, 2**32 - 1, "v", encode("v", [{"a": None}], exact=True), reply_to=7, destination=":1.7"),
            Incoming(RETURN, 0, 2**32 - 1, [{"a": ""}], reply_to=7, signature="v"),
        ),
        (
            write(ERROR, 3, "s", ["why"], error="a.Error", reply_to=7),
            Incoming(ERROR, 0, 3, ["why"], error="a.Error", reply_to=7, signature="s"),
        ),
    ],
)
def test_what_is_written_is_read(message: bytes, found: Incoming) -> None:
    assert read(message, types_of) == found


_PLAIN = (
    st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
    | st.binary()
)
_VALUES = st.recursive(
    _PLAIN,
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_characters="\0", codec="utf-8")), inner)
    ),
    max_leaves=10,
)


@given(_VALUES)
def test_every_value_comes_back_as_it_was(value: Any) -> None:
    data = write(SIGNAL, 1, "v", encode("v", [value], exact=True), path="/a", interface="a.b", member="Rang")
    [found] = read(data, types_of).body
    assert (found, repr(found)) == (value, repr(value))


@given(st.text("ab", max_size=9), st.dictionaries(st.text("ab"), _PLAIN, max_size=3))
def test_a_map_is_appended_as_if_it_had_been_there(text: str, entries: dict[str, Any]) -> None:
    first, second = encode("s", [text]), encode("a{sv}", [entries], exact=True)
    assert append_map(marshal("s", first), marshal("a{sv}", second)) == marshal("sa{sv}", [*first, *second])


def test_a_message_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match=f"is too large for D-Bus: {LARGEST_SENT} are allowed"):
        write(SIGNAL, 1, "ay", [bytes(LARGEST_SENT)], path="/a", interface="a.b", member="Rang")
