"""States: facts about the present devices, each a retained topic, told when they change.

A state is never counted along from event to event. An event only says that it is time to look: then
all devices of the subsystem are read afresh. So lost, doubled, late and reordered events (udevd's
workers reorder those of different devices) can't make a state wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from .events import Message


class Device(NamedTuple):
    """A present device: its name in its subsystem, and those sysfs attributes that could be read."""

    name: str
    attributes: Mapping[str, str]


class State(NamedTuple):
    """How to derive state topics from the devices of one subsystem.

    pattern: matches all topics that it may set, and no others. attributes: names of the sysfs
    attributes that it needs. values: from all devices of the subsystem to topics with their values.
    """

    subsystem: str
    pattern: str
    attributes: tuple[str, ...]
    values: Callable[[Sequence[Device]], dict[str, object]]


class Told:
    """What the bus was told last, so that only changes are published."""

    def __init__(self) -> None:
        self._values: dict[State, dict[str, object]] = {}

    @property
    def values(self) -> dict[str, object]:
        """All topics that have a value now."""
        return {topic: value for values in self._values.values() for topic, value in values.items()}

    def update(self, state: State, devices: Sequence[Device]) -> list[Message]:
        """Take the devices as they are now; returns what has to be published: changes, then clearings."""
        former = self._values.get(state, {})
        values = self._values[state] = state.values(devices)
        changed = [
            Message(topic, value, retained=True)
            for topic, value in values.items()
            if topic not in former or former[topic] != value
        ]
        return changed + [Message(topic, None, retained=True) for topic in former if topic not in values]
