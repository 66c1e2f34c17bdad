"""What goes out: messages, and words that a topic can hold."""

from functools import lru_cache
from typing import NamedTuple

LONGEST_WORD = 120
"""Characters of a topic's word, all ASCII: `hal.` and two of them are within a topic's 255 bytes."""

_FORBIDDEN = frozenset(" .*#")


class Message(NamedTuple):
    """A signal to publish.

    retained: keep the body as the topic's value for as long as this service lives; a retained None
    means that there is no value, so that the topic is cleared.
    """

    topic: str
    body: object
    retained: bool = False


@lru_cache(1024)
def word(text: str) -> str:
    """Any text as one word of a topic.

    `_` stands for each dot, blank, `*`, `#` and each character that is not printable ASCII; what
    comes after the 120th is cut off; an empty text is `_`.
    """
    kept = "".join(one if one.isascii() and one.isprintable() and one not in _FORBIDDEN else "_" for one in text)
    return kept[:LONGEST_WORD] or "_"
