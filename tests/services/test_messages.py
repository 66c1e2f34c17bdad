"""Any text as a word of a topic."""

import pytest

from pybus_services.messages import LONGEST_WORD, word


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
