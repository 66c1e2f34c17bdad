"""`pybus complete KIND PREFIX`: what the completions of the shells ask for while a person types.

It is quick, says nothing when there is nothing to say, and starts neither the bus nor a service.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterable
from typing import Any

from pybus.address import bus_path
from pybus.cli.command import OK
from pybus.cli.pages import all_exchanges, all_queues
from pybus.cli.running import daemon_pid
from pybus.client.blocking import Bus, connect
from pybus.errors import CallError, InvalidName, PybusError
from pybus.interface import INTROSPECT
from pybus.names import BUS_NAME, check_pattern

_PATIENCE = 1.5
"""Seconds after which a person gets no suggestions rather than a shell that hangs."""


def complete_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus complete`."""
    parser.add_argument("kind", metavar="KIND", choices=sorted(_FINDERS), help=", ".join(sorted(_FINDERS)))
    parser.add_argument("name", metavar="NAME", nargs="?", help="for methods: whose; for actions: the word before")
    parser.add_argument("prefix", metavar="PREFIX", help="how they begin")


def complete_command(options: argparse.Namespace) -> int:
    """Print what there is of that kind and begins with the prefix, one a line, sorted."""
    signal.signal(signal.SIGALRM, lambda *_: os._exit(OK))
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
    if options.kind == _ACTIONS:
        from pybus.cli.service import ACTIONS  # only here, as it takes a while

        if options.name not in ACTIONS:
            return _print(ACTIONS, options.prefix)
    try:
        if not daemon_pid(bus_path()):
            return OK
        with connect(reconnect=False) as bus:
            found = _FINDERS[options.kind](bus, options.prefix, options.name)
    except PybusError:
        return OK
    return _print(found, options.prefix)


def _print(found: Iterable[str], prefix: str) -> int:
    fitting = sorted(word for word in found if word.startswith(prefix) and _is_argument(word))
    sys.stdout.write("".join(f"{word}\n" for word in fitting))
    return OK


def _is_argument(text: str) -> bool:
    """Whether it can stand on a command line as it is meant: a stranger's topic must not become an option."""
    return text.isprintable() and " " not in text and not text.startswith("-")


def _ask(bus: Bus, method: str, *arguments: object) -> list[dict[str, Any]]:
    """What a method of the bus returns; nothing if it refuses."""
    try:
        answer: list[dict[str, Any]] = bus.call(BUS_NAME, method, *arguments)
    except CallError:
        return []
    return answer


def _names(bus: Bus, prefix: str, _name: str | None) -> set[str]:
    """Who can be called: owned names and those of services; unique names only for who begins to write one."""
    if prefix.startswith(":"):
        return {peer["name"] for peer in _ask(bus, "peers")} - {bus.name}
    return {BUS_NAME} | {one["name"] for one in _ask(bus, "names")} | _services(bus, prefix, None)


def _services(bus: Bus, _prefix: str, _name: str | None) -> set[str]:
    return {service["name"] for service in _ask(bus, "services")}


def _methods(bus: Bus, _prefix: str, name: str | None) -> set[str]:
    """The methods of who owns the name; asked by the unique name, which starts no service."""
    owners = {one["name"]: one["owner"] for one in _ask(bus, "names")}
    owners |= {peer["name"]: peer["name"] for peer in _ask(bus, "peers")} | {BUS_NAME: BUS_NAME}
    if name not in owners:
        return set()
    try:
        return {str(method["name"]) for method in bus.call(owners[name], INTROSPECT)["methods"]}
    except (CallError, KeyError, TypeError):  # a service may answer what it likes
        return set()


def _queues(bus: Bus, _prefix: str, _name: str | None) -> set[str]:
    return {queue["name"] for queue in all_queues(bus)}


def _exchanges(bus: Bus, _prefix: str, _name: str | None) -> set[str]:
    return {exchange["name"] for exchange in all_exchanges(bus)} - {""}


def _topics(bus: Bus, prefix: str, name: str | None) -> set[str]:
    """Topics that are known: with a retained value, or awaited or declared by somebody as they are."""
    return {topic for topic in _patterns(bus, prefix, name) if not {"*", "#"} & set(topic.split("."))}


def _patterns(bus: Bus, prefix: str, _name: str | None) -> set[str]:
    """The topics with a retained value, and the patterns that somebody listens to or declares."""
    found = {value["topic"] for value in _ask(bus, "topics", _beneath(prefix))}
    for peer in _ask(bus, "subscriptions"):
        found.update(peer["patterns"])
    for service in _ask(bus, "services"):
        found.update(service["topics"])
    return found


def _beneath(prefix: str) -> str:
    """The pattern for the topics that may begin with the prefix, so that no others are sent to us."""
    folder, dot, _ = prefix.rpartition(".")
    try:
        return check_pattern(f"{folder}.#") if dot else "#"
    except InvalidName:
        return "#"


_ACTIONS = "actions"
"""What may follow a word of `pybus service`: an action a name, a name an action."""

_FINDERS = {
    _ACTIONS: _services,
    "exchanges": _exchanges,
    "methods": _methods,
    "names": _names,
    "patterns": _patterns,
    "queues": _queues,
    "services": _services,
    "topics": _topics,
}
