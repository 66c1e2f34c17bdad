"""What the rules know of each state, and whose word counts."""

from collections.abc import Callable

Giver = tuple[int, str]
"""A rule, by its place among all, and the name on D-Bus whose state it tells. A smaller one is more important."""


class Board:
    """The values of all topics that are states. Where several givers have one topic the most important one counts."""

    def __init__(self, tell: Callable[[str, object], None]) -> None:
        """tell: called with a topic and its value, None for none, whenever that may have changed."""
        self._tell = tell
        self._values: dict[str, dict[Giver, object]] = {}

    def say(self, giver: Giver, topic: str, value: object) -> None:
        """What a giver knows; None if it does not know."""
        values = self._values.setdefault(topic, {})
        if value is None:
            values.pop(giver, None)
        else:
            values[giver] = value
        if values:
            self._tell(topic, values[min(values)])
        else:
            del self._values[topic]
            self._tell(topic, None)
