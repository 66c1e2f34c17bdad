"""What the core has for its face: answers that are awaited, and news of the connection."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Pending:
    """An answer that is on its way.

    notify: called with the answer, and the error or None, once it is here. until: when it is given up, by the face's
    clock.
    """

    __slots__ = ("done", "error", "notify", "serial", "until", "value")

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self.done = False
        self.value: object = None
        self.error: Exception | None = None
        self.notify: Callable[[object, Exception | None], None] | None = None
        self.until = float("inf")

    def settle(self, value: object, error: Exception | None = None) -> None:
        """The answer, or the error in its place, is here."""
        self.value = value
        self.error = error
        self.done = True
        if self.notify is not None:
            self.notify(value, error)

    def result(self) -> object:
        """The answer. Raises the error that came in its place."""
        if self.error is not None:
            raise self.error
        return self.value


class Lost:
    """Work: the connection ended. reason: why; restored: set when it is back."""

    __slots__ = ("reason",)

    def __init__(self, reason: Exception) -> None:
        self.reason = reason


class Restored:
    """Work: the connection is back, with everything that the program held."""

    __slots__ = ()


class Gap:
    """Work: signals were missed. topics: how many of which."""

    __slots__ = ("topics",)

    def __init__(self, topics: dict[str, int]) -> None:
        self.topics = topics

    def log(self) -> None:
        """Tell of the gap where a program that does not ask will be heard of."""
        import logging

        logging.getLogger("pybus").warning("signals were missed, as they were not read in time: %s", self.topics)
