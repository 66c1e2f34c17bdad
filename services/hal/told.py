"""What the bus was told last, so that only changes are published."""

from collections.abc import Mapping

from ..messages import Message


class Told:
    """The values of all state topics, by whoever gives them."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, object]] = {}

    @property
    def values(self) -> dict[str, object]:
        """All topics that have a value now."""
        return {topic: value for values in self._values.values() for topic, value in values.items()}

    def update(self, giver: str, values: Mapping[str, object]) -> list[Message]:
        """Take all values of one giver as they are now; returns what has to be published: changes, then clearings.

        giver: the pattern of its topics.
        """
        former = self._values.get(giver, {})
        self._values[giver] = dict(values)
        changed = [
            Message(topic, value, retained=True)
            for topic, value in values.items()
            if topic not in former or former[topic] != value
        ]
        return changed + [Message(topic, None, retained=True) for topic in former if topic not in values]

    def pretend(self, giver: str, topic: str, value: object) -> None:
        """Somebody said this in the giver's place; its next look puts that right again. value: None for none."""
        values = self._values.setdefault(giver, {})
        if value is None:
            values.pop(topic, None)
        else:
            values[topic] = value
