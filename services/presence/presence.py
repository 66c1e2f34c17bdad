"""What contacts are told of a person: a status and a message."""

import re
from typing import NamedTuple

AVAILABLE, AWAY, DND, OFFLINE = STATUSES = ("available", "away", "dnd", "offline")
"""dnd: do not disturb."""

LONGEST_MESSAGE = 1000
"""Characters. A server need not take a stanza of more than 10000 bytes (RFC 6120, section 13.12)."""

_NO_TEXT = re.compile("[^\t\n -~\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 can't hold ("Char", section 2.2), or discourages. A server ends the stream of whoever sends that."""


class Presence(NamedTuple):
    """status: one of `STATUSES`. message: free text, may be empty; what is offline may say why, too."""

    status: str
    message: str = ""


def check_presence(status: object, message: object = "") -> Presence:
    """Both, if contacts can be told that. Raises `ValueError`."""
    if not isinstance(status, str) or status not in STATUSES:
        raise ValueError(f"{_shown(status)} is no status; there are: {', '.join(STATUSES)}")
    if not isinstance(message, str):
        raise ValueError(f"a message must be text, not {_shown(message)}")
    if len(message) > LONGEST_MESSAGE:
        raise ValueError(f"a message may have {LONGEST_MESSAGE} characters, not {len(message)}")
    wrong = _NO_TEXT.search(message)
    if wrong:
        raise ValueError(f"a message can't hold the character {wrong[0]!r}")
    return Presence(status, message)


def _shown(value: object) -> str:
    """The beginning of any value, for an error."""
    return repr(value)[:60]
