"""What the service knows about kinds of devices: two tables. A new kind is a new file and a row here.

EVENTS: functions from a uevent's properties to the messages that it gives, none or several.
STATES: facts that are retained, see `states`.
"""

from collections.abc import Callable, Mapping

from . import events, power
from .events import Message
from .states import State

EVENTS: tuple[Callable[[Mapping[str, str]], list[Message]], ...] = (events.every_event,)

STATES: tuple[State, ...] = (State("power_supply", power.AC_TOPIC, power.ATTRIBUTES, power.ac_state),)


def messages(properties: Mapping[str, str]) -> list[Message]:
    """All messages that one uevent gives, in the order of the table."""
    return [message for translate in EVENTS for message in translate(properties)]
