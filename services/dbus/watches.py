"""Who on a connection wants which signals, and who owns the names that they asked for."""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from .names import Rule

DBUS = "org.freedesktop.DBus"
DBUS_PATH = "/org/freedesktop/DBus"

_OWNER_NEWS = (DBUS, DBUS_PATH, DBUS, "NameOwnerChanged", "sss")

_log = logging.getLogger("pybus.dbus")

T = TypeVar("T")


class Signal(NamedTuple):
    """A signal that came. sender: a unique name. body: plain values, as `Bus.call` returns them."""

    sender: str
    path: str
    interface: str
    member: str
    signature: str
    body: list[Any]


class Watch:
    """A wish for signals, as `Bus.watch` returns it."""

    def __init__(self, rule: Rule, callback: Callable[[Signal], None]) -> None:
        self.rule = rule
        self.callback = callback

    @property
    def follows_owner(self) -> bool:
        """Whether the sender is a well-known name: signals come from whoever owns it."""
        return self.rule.sender not in ("", DBUS) and not self.rule.sender.startswith(":")

    def rules(self) -> list[str]:
        """What the bus is to be asked for: the news of the owner first."""
        news = Rule(DBUS, DBUS_PATH, DBUS, "NameOwnerChanged", self.rule.sender)
        return [*([news.text()] if self.follows_owner else []), self.rule.text()]


class Watches:
    """The watches of one connection."""

    def __init__(self) -> None:
        self._watches: list[Watch] = []
        self._owners: dict[str, str] = {}

    def add(self, watch: Watch) -> None:
        self._watches.append(watch)

    def forget(self, watch: Watch) -> bool:
        """No more signals for it; whether it was there."""
        known = watch in self._watches
        if known:
            self._watches.remove(watch)
        if all(other.rule.sender != watch.rule.sender for other in self._watches):
            self._owners.pop(watch.rule.sender, None)
        return known

    def clear(self) -> None:
        self._watches.clear()
        self._owners.clear()

    def note_first_owner(self, name: str, owner: str) -> None:
        """Who owns a name, "" for nobody, as the bus answered. News that came before are not older, and stay."""
        self._owners.setdefault(name, owner)

    def deliver(self, signal: Signal) -> None:
        """Call those who want it."""
        first = signal.body[0] if signal.signature.startswith("s") else ""
        if signal[:5] == _OWNER_NEWS and any(watch.rule.sender == first for watch in self._watches):
            self._owners[first] = signal.body[2]
        for watch in [watch for watch in self._watches if self._wants(watch, signal, first)]:
            if watch in self._watches:  # a callback may have ended it
                run(watch.callback, signal)

    def _wants(self, watch: Watch, signal: Signal, first: str) -> bool:
        sender = signal.sender
        if watch.follows_owner and sender == self._owners.get(watch.rule.sender):
            sender = watch.rule.sender
        return watch.rule.matches(sender, signal.path, signal.interface, signal.member, first)


def run(callback: Callable[[T], None], news: T) -> None:
    """Call somebody's callback. What goes wrong there must not stop what comes after it."""
    try:
        callback(news)
    except Exception:
        _log.exception("a callback failed")
