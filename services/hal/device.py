"""A device as it was when somebody looked, and what a kind of device has to tell of itself."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ..messages import Message

Record = dict[str, object]
"""What is told of a device in `added` and `removed`."""


class Device(NamedTuple):
    """A device, or one that an event is about.

    path: its DEVPATH, the sysfs path without `/sys`. name: in its subsystem (`BAT0`, `event3`, `sda1`).
    action: the event's, "" if nobody told but we looked. properties: the event's, or what udev knows.
    attributes: those sysfs attributes that were asked for and could be read, stripped; after a removal none.
    """

    path: str
    name: str
    subsystem: str
    action: str = ""
    properties: Mapping[str, str] = {}
    attributes: Mapping[str, str] = {}


def _nothing(_device: Device, _record: Record) -> list[Message]:
    return []


class Kind(NamedTuple):
    """Devices whose coming and going is told.

    topic: what `.added` and `.removed` are appended to. attributes: the sysfs attributes that
    `describe` reads. describe: a device's record; None if it is none of this kind, or not there for
    people (a card reader's node is, a loop device without a file is not). changes: whether another
    record than before is told, too, as `.changed`. events: what else an event about such a device
    says; it gets the device and its record.
    """

    subsystem: str
    topic: str
    attributes: tuple[str, ...]
    describe: Callable[[Device], Record | None]
    changes: bool = False
    events: Callable[[Device, Record], list[Message]] = _nothing


def _never(_devices: Sequence[Device]) -> float:
    return 0.0


class State(NamedTuple):
    """Facts about the present devices of one subsystem, each a retained topic, told when they change.

    A state is never counted along from event to event. An event only says that it is time to look:
    then all devices of the subsystem are read afresh. So lost, doubled, late and reordered events
    (udevd's workers reorder those of different devices) can't make a state wrong.

    pattern: matches all topics that it may set. attributes: names of the sysfs attributes that it
    needs. values: from all devices of the subsystem to topics with their values; a device that an
    event was about has the action and properties of that event. pause: seconds after which to look
    again without an event, 0 for never. is_all: whether events of the subsystem say nothing beside these
    states, so that they are not told themselves.
    """

    subsystem: str
    pattern: str
    attributes: tuple[str, ...]
    values: Callable[[Sequence[Device]], dict[str, object]]
    pause: Callable[[Sequence[Device]], float] = _never
    is_all: bool = True
