"""What contacts can be told, and what not."""

import re

import pytest

from pybus_services.presence.presence import LONGEST_MESSAGE, Presence, check_presence


@pytest.mark.parametrize("status", ["available", "away", "dnd", "offline"])
def test_the_four_statuses(status: str) -> None:
    assert check_presence(status) == Presence(status, "")


@pytest.mark.parametrize(
    "message", ["", "coffee", "Kaffee & <Kuchen>", "двa\nlines", "\U0001f468\u200d\U0001f373", "x" * 1000]
)
def test_messages(message: str) -> None:
    assert check_presence("away", message) == Presence("away", message)


@pytest.mark.parametrize(
    ("status", "message", "problem"),
    [
        ("busy", "", "'busy' is no status; there are: available, away, dnd, offline"),
        ("Available", "", "'Available' is no status; there are: available, away, dnd, offline"),
        (None, "", "None is no status; there are: available, away, dnd, offline"),
        (["dnd"], "", "['dnd'] is no status; there are: available, away, dnd, offline"),
        ("dnd", 5, "a message must be text, not 5"),
        ("dnd", "x" * (LONGEST_MESSAGE + 1), "a message may have 1000 characters, not 1001"),
        ("dnd", "bell\a", "a message can't hold the character '\\x07'"),
        ("dnd", "half \ud83d", "a message can't hold the character '\\ud83d'"),
        ("dnd", "no \uffff", "a message can't hold the character '\\uffff'"),
    ],
)
def test_what_is_refused(status: object, message: object, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        check_presence(status, message)
