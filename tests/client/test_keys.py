"""Keys of frames: checked once, remembered as bytes."""

from typing import Any

import pytest

from pybus.client import keys
from pybus.client.keys import Keys
from pybus.errors import InvalidName


def test_keys_are_remembered() -> None:
    made = Keys()
    assert made.topic("hal.ac") == b"hal.ac"
    assert made.call("a.b play", "a.b", "play") == b"a.b play"
    assert made.route("ex\0k", "ex", "k") == b"ex\0k"
    assert made == {"hal.ac": b"hal.ac", "a.b play": b"a.b play", "ex\0k": b"ex\0k"}


@pytest.mark.parametrize(
    ("exchange", "key", "complaint"),
    [
        (
            "x" * 256,
            "",
            f"exchange '{'x' * 40}'... has 256 bytes, at most 255 are allowed",
        ),
        (
            "",
            "é" * 128,
            f"routing key '{'é' * 40}'... has 256 bytes, at most 255 are allowed",
        ),
        ("a\0b", "", "exchange 'a\\x00b' holds a NUL"),
        ("", "\ud800", "routing key '\\ud800' can't be written in UTF-8"),
    ],
)
def test_what_can_be_no_route(exchange: str, key: str, complaint: str) -> None:
    made = Keys()
    with pytest.raises(InvalidName) as caught:
        made.route(f"{exchange}\0{key}", exchange, key)
    assert str(caught.value) == complaint
    assert made == {}


def test_what_is_remembered_has_an_end() -> None:
    made = Keys()
    for number in range(keys.REMEMBERED + 1):
        made.topic(f"t{number}")
    assert made == {f"t{keys.REMEMBERED}": f"t{keys.REMEMBERED}".encode()}


@pytest.mark.parametrize(
    ("exchange", "key", "message"),
    [(None, "k", "the exchange must be text, not None"), ("", 5, "the routing key must be text, not 5")],
)
def test_the_place_of_a_message_is_text(exchange: Any, key: Any, message: str) -> None:
    with pytest.raises(InvalidName) as caught:
        Keys().route(f"{exchange}\0{key}", exchange, key)
    assert str(caught.value) == message
