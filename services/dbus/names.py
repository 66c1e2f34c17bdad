"""The names of D-Bus, and rules that say which signals somebody wants.

The grammar is the specification's ("Valid Names"). A bus ends the connection of whoever breaks it, so
that one bad name from one caller would cost all of them their answers; it is refused here instead.
"""

import re
from typing import NamedTuple

LONGEST = 255
"""Characters of a name, in the specification."""

_RESERVED_PATH = "/org/freedesktop/DBus/Local"
_RESERVED_INTERFACE = "org.freedesktop.DBus.Local"

_PATH = re.compile(r"/|(/[A-Za-z0-9_]+)+")
_MEMBER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INTERFACE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+")
_BUS_NAME = re.compile(r"[A-Za-z_-][A-Za-z0-9_-]*(\.[A-Za-z_-][A-Za-z0-9_-]*)+|:[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")


def check_path(path: str) -> str:
    """The path of an object, such as /org/freedesktop/DBus. Raises `ValueError`, as all of these."""
    if not _PATH.fullmatch(path):
        raise ValueError(f"{path!r} is no object path: it must be like /org/example/Player")
    return path


def check_bus_name(name: str) -> str:
    """A well-known or unique name."""
    return _check(_BUS_NAME, name, "bus name", "org.example.Player or :1.17")


def check_interface(interface: str) -> str:
    return _check(_INTERFACE, interface, "interface", "org.example.Player")


def check_member(member: str) -> str:
    """The name of a method, signal or property."""
    return _check(_MEMBER, member, "member", "PlayPause")


def refuse_reserved(path: str, interface: str) -> None:
    """Raises `ValueError` for what the specification reserves: no message may have them.

    It does so for the path in "Message Format" and for the interface in "Signal Disconnected".
    """
    if path == _RESERVED_PATH:
        raise ValueError(f"the object path {path} is reserved: no bus takes a message with it")
    if interface == _RESERVED_INTERFACE:
        raise ValueError(f"the interface {interface} is reserved: no bus takes a message with it")


def _check(grammar: re.Pattern[str], name: str, kind: str, example: str) -> str:
    if len(name) > LONGEST or not grammar.fullmatch(name):
        raise ValueError(f"{name[:LONGEST]!r} is no {kind}: it must be like {example}, of {LONGEST} characters at most")
    return name


class Rule(NamedTuple):
    """Which signals somebody wants; an empty field takes any.

    sender: a well-known or unique name. arg0: the first value, if that is a text. arg0namespace: what it
    begins with, as a name does: org.example is the namespace of itself and of org.example.Player.
    """

    sender: str = ""
    path: str = ""
    interface: str = ""
    member: str = ""
    arg0: str = ""
    arg0namespace: str = ""

    def check(self) -> "Rule":
        """Raises `ValueError` if a field is no such name."""
        checks = ((check_bus_name, self.sender), (check_path, self.path))
        for check, name in (*checks, (check_interface, self.interface), (check_member, self.member)):
            if name:
                check(name)
        return self

    def text(self) -> str:
        """The rule as AddMatch takes it: the specification's "Match Rules"."""
        # An apostrophe ends the quotes, stands for itself after a backslash, and opens them again.
        fields = [f"{key}='{value}'" for key, value in self._replace(arg0="")._asdict().items() if value]
        if self.arg0:
            fields.append("arg0='{}'".format(self.arg0.replace("'", "'\\''")))
        return ",".join(["type='signal'", *fields])

    def matches(self, sender: str, path: str, interface: str, member: str, arg0: str) -> bool:
        """Whether a signal is wanted. sender: what this rule's sender is known by, or its unique name."""
        signal = (sender, path, interface, member, arg0)
        return all(wanted in ("", found) for wanted, found in zip(self[:5], signal, strict=True)) and (
            not self.arg0namespace or f"{arg0}.".startswith(f"{self.arg0namespace}.")
        )
