"""When to log in again after a failure. Time is a parameter: seconds on any clock."""

import random
from collections.abc import Callable
from typing import NamedTuple

SHORTEST, LONGEST = 1.0, 300.0
"""Seconds from a failure to the next attempt; they double with each failure in a row."""

STEADY = 60.0
"""Seconds that a session must have lasted so that its end is a new failure, rather than one more in a row."""

SPACE = 1.0
"""Seconds between two attempts however often somebody asks, as whoever asks may be a loop."""

ASKED_AGAIN = 60.0
"""Seconds for which a server is not asked once more about what it has refused."""


class Pauses:
    """Growing pauses, of which a random part is left out, so that not all clients of a server come back at once.

    Both is what RFC 6120, section 3.3, recommends. chance: gives numbers from 0 to 1.
    """

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._failures = 0

    def failed(self, now: float, lasted: float = 0.0) -> float:
        """An attempt has failed now, or a session has ended that lasted so long: when to try again."""
        if lasted >= STEADY:
            self._failures = 0
        pause = min(SHORTEST * 2.0 ** min(self._failures, 20), LONGEST)
        self._failures += 1
        return now + pause * (0.5 + self._chance() / 2)


class _Refusal(NamedTuple):
    credentials: object
    text: str
    until: float


class Refusals:
    """What a server has refused, so that it is not asked the same over and over, which may lock an account."""

    def __init__(self) -> None:
        self._last: _Refusal | None = None

    def note(self, now: float, credentials: object, text: str) -> None:
        """These credentials were refused now. They may be anything that can be compared."""
        self._last = _Refusal(credentials, text, now + ASKED_AGAIN)

    def of(self, now: float, credentials: object) -> str | None:
        """The text of the refusal if these credentials were refused lately."""
        last = self._last
        return last.text if last and last.credentials == credentials and now < last.until else None
