"""A rule for an event, at work on one connection."""

import logging
from collections.abc import Callable, Mapping

from ..bus import Bus, Signal
from .rule import Rule, Untold

_log = logging.getLogger("pybus.dbus")


class Event:
    """Signals that are told as they come."""

    def __init__(self, rule: Rule, names: Mapping[str, str], tell: Callable[[str, object], None]) -> None:
        """names: the owners of the sender's names, if that stands for several. tell: called with topic and body."""
        self._rule = rule
        self._names = names
        self._tell = tell

    async def open(self, bus: Bus) -> None:
        """Begin, for as long as the connection lasts. Raises `DBusError`, `ConnectionError`, `TimeoutError`."""
        rule = self._rule
        # One name's signals come from its claim on, as the bus itself knows the owner then.
        sender = "" if rule.family() else rule.sender
        path = "" if rule.path.endswith("/*") else rule.path
        await bus.watch(self._note, sender=sender, path=path, interface=rule.interface, member=rule.signal)

    def _note(self, signal: Signal) -> None:
        rule = self._rule
        if not rule.has_path(signal.path):
            return
        names = [name for name, owner in self._names.items() if owner == signal.sender]
        for name in names if rule.family() else [rule.sender]:
            try:
                topic, body = rule.topic_for(name, signal.path, signal.body), rule.body(signal.body)
            except Untold as reason:
                _log.debug("rule %s: not told: %s", rule.name, reason)
            else:
                self._tell(topic, body)
