"""What the service knows about kinds of devices. A new kind is a new file and a row here.

| table | what is in it |
|---|---|
| kinds | devices whose coming and going is told, see `Kind` |
| events | functions from an event that no kind claims to messages, none or several |
| states | facts about the present devices, see `State` |
| sources | facts that udev does not know, see `Source` |
| own | the user's own rules: what an event says besides |
"""

from collections.abc import Callable
from typing import NamedTuple

import pybus

from ..messages import Message
from .backlight import backlight_state
from .block import block_kind
from .bluetooth import BLUETOOTH
from .device import Device, Kind, State
from .display import CONNECTORS, HOTPLUG_TOPIC, hotplug
from .input import INPUT
from .lid import ATTRIBUTES as LID_ATTRIBUTES
from .lid import Lid
from .link import Links
from .net import NET
from .power import power_state
from .rfkill import RFKILL
from .rules import matching
from .settings import Settings
from .sound import SOUND
from .source import Source
from .usb import USB


def _nothing(_device: Device) -> list[Message]:
    return []


class Catalogue(NamedTuple):
    """All tables."""

    kinds: tuple[Kind, ...] = ()
    events: tuple[Callable[[Device], list[Message]], ...] = ()
    states: tuple[State, ...] = ()
    sources: tuple[Source, ...] = ()
    own: Callable[[Device], list[Message]] = _nothing

    @property
    def patterns(self) -> tuple[str, ...]:
        """Patterns that match the topics of all states."""
        return (*(state.pattern for state in self.states), *(source.pattern for source in self.sources))

    @property
    def stated(self) -> frozenset[str]:
        """The subsystems whose events say nothing beside the states."""
        return frozenset(state.subsystem for state in self.states if state.is_all)

    def giver(self, topic: str) -> str | None:
        """The pattern of those who give this state; None if it is an event's topic."""
        if topic == HOTPLUG_TOPIC:
            return None
        return next((pattern for pattern in self.patterns if pybus.matches(pattern, topic)), None)

    @property
    def attributes(self) -> dict[str, tuple[str, ...]]:
        """The sysfs attributes that matter, by subsystem."""
        found: dict[str, tuple[str, ...]] = {}
        wanted = [(kind.subsystem, kind.attributes) for kind in self.kinds]
        for subsystem, names in [*wanted, *((state.subsystem, state.attributes) for state in self.states)]:
            found[subsystem] = tuple(dict.fromkeys((*found.get(subsystem, ()), *names)))
        return found


def hardware(settings: Settings, devices: Callable[[str, tuple[str, ...]], list[Device]]) -> Catalogue:
    """Everything that is known of this machine. devices: the present ones of a subsystem, with these attributes."""
    return Catalogue(
        kinds=(USB, block_kind(), NET, INPUT, SOUND, BLUETOOTH),
        events=(hotplug,),
        states=(power_state(settings.low, settings.critical), CONNECTORS, RFKILL, backlight_state()),
        sources=(Links(), Lid(lambda: devices("input", LID_ATTRIBUTES))),
        own=lambda device: matching(settings.rules, device),
    )
