"""`pybus wait NAME`: until somebody owns it. `pybus ping NAME`: how long a service takes to answer."""

from __future__ import annotations

import argparse
import sys
from statistics import median
from time import monotonic, sleep
from typing import Any

from pybus.cli.command import NO_ANSWER, NOBODY, OK, complain
from pybus.cli.hints import unowned
from pybus.cli.parsing import count, seconds
from pybus.cli.text import is_terminal, safe, table
from pybus.client.blocking import Bus, connect
from pybus.errors import CallError, ConnectionLost, NameHasNoOwner, NoBus
from pybus.interface import INTROSPECT
from pybus.names import BUS_NAME, check_destination, check_name

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0


# --- wait -----------------------------------------------------------------------------------------


def wait_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus wait`."""
    parser.add_argument("name", metavar="NAME", help="such as org.example.Player; org.pybus.Bus is the bus itself")
    parser.add_argument("--timeout", metavar="S", type=seconds, help="give up after S seconds, with exit code 3")
    parser.add_argument("--gone", action="store_true", help="wait until nobody owns it")


def wait_command(options: argparse.Namespace) -> int:
    """Wait for the name, and for the bus first if there is none; print the owner. Nothing is started by it."""
    check_name(options.name)
    until = None if options.timeout is None else monotonic() + options.timeout
    is_first = True
    while True:
        bus = _connect(options.gone and is_first, until, tell=is_first)
        is_first = False
        if bus is None:
            return _too_late(options)
        try:
            with bus:
                found = _gone(bus, options.name, until) if options.gone else _owned(bus, options.name, until)
        except ConnectionLost:
            if options.gone:
                return OK  # no bus, no owner
            print("pybus wait: the bus went away; waiting for it to come back", file=sys.stderr)
            continue
        return OK if found else _too_late(options)


def _too_late(options: argparse.Namespace) -> int:
    what = "is still owned" if options.gone else "has no owner"
    return complain("pybus wait", f"{options.name} {what} after {options.timeout:g} s", NOBODY)


def _connect(at_once: bool, until: float | None, *, tell: bool) -> Bus | None:
    """A connection, as soon as there is a bus; None when the time is over. Raises `NoBus` if `at_once`."""
    pause = _FIRST_PAUSE
    while True:
        try:
            return connect(reconnect=False)
        except (NoBus, ConnectionLost) as error:
            if at_once:
                raise
            if tell:
                print(f"pybus wait: {error}; waiting for it", file=sys.stderr, flush=True)
                tell = False
        left = pause if until is None else until - monotonic()
        if left <= 0:
            return None
        sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)


def _owned(bus: Bus, name: str, until: float | None) -> bool:
    """Wait until somebody owns the name, and print who; False when the time is over first."""
    changes = bus.subscribe(f"bus.name.{name}", retained=False)
    while True:
        owner = _owner(bus, name)
        if owner is not None:
            table(["PEER", "PID", "PROGRAM"], [[owner["name"], str(owner["pid"]), owner["program"]]])
            return True
        if changes.receive(_left(until)) is None:
            return False


def _gone(bus: Bus, name: str, until: float | None) -> bool:
    """Wait until nobody owns the name; False when the time is over first."""
    changes = bus.subscribe(f"bus.name.{name}", retained=False)
    while _owner(bus, name) is not None:
        if changes.receive(_left(until)) is None:
            return False
    return True


def _left(until: float | None) -> float | None:
    return None if until is None else max(0.0, until - monotonic())


def _owner(bus: Bus, name: str) -> dict[str, Any] | None:
    if name == BUS_NAME:
        return {"name": BUS_NAME, "pid": "-", "program": "-"}
    try:
        found: dict[str, Any] = bus.proxy(BUS_NAME).peer(name)
    except NameHasNoOwner:
        return None
    return found


# --- ping -----------------------------------------------------------------------------------------


def ping_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus ping`."""
    parser.add_argument("name", metavar="NAME", help="such as org.example.Player, or :17; org.pybus.Bus is the bus")
    parser.add_argument("--count", metavar="N", type=count, default=1, help="ask N times (default 1)")
    parser.add_argument("--interval", metavar="S", type=seconds, default=1.0, help="seconds between (default 1)")
    parser.add_argument("--timeout", metavar="S", type=seconds, default=25.0, help="seconds for an answer (default 25)")


def ping_command(options: argparse.Namespace) -> int:
    """Print the milliseconds of each round trip; exit code 3 if an answer is missing."""
    check_destination(options.name)
    taken: list[float] = []
    with connect() as bus:
        if _must_start(bus, options.name):
            started = _ask(bus, options)
            if started is None:
                return NOBODY
            print(_row("started", f"in {started:.1f} s"), flush=True)
        try:
            for number in range(1, options.count + 1):
                if number > 1:
                    bus.run(options.interval)
                one = _ask(bus, options)
                if one is not None:
                    taken.append(1000 * one)
                    print(_row(str(number), f"{1000 * one:.3f} ms"), flush=True)
        finally:
            _summary(taken)
    return OK if len(taken) == options.count else NOBODY


def _must_start(bus: Bus, name: str) -> bool:
    return name != BUS_NAME and _owner(bus, name) is None and any(one["name"] == name for one in _services(bus))


def _services(bus: Bus) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bus.proxy(BUS_NAME).services()
    return found


def _ask(bus: Bus, options: argparse.Namespace) -> float | None:
    """The seconds of one round trip, or None if there was no answer, which is told."""
    service = bus.proxy(options.name, timeout=options.timeout)
    begin = monotonic()
    try:
        getattr(service, "ping" if options.name == BUS_NAME else INTROSPECT)()
    except NO_ANSWER as error:
        reason = error.message
        if isinstance(error, NameHasNoOwner):
            reason += unowned(bus, options.name)
        complain("pybus ping", f"no answer: {reason}", NOBODY)
        return None
    except CallError:
        pass  # whoever refuses lives
    return monotonic() - begin


def _summary(taken: list[float]) -> None:
    if len(taken) > 1:
        for what, value in (("min", min(taken)), ("median", median(taken)), ("max", max(taken))):
            print(_row(what, f"{value:.3f} ms"))


def _row(about: str, fact: str) -> str:
    return f"{safe(about):<7}  {fact}" if is_terminal(sys.stdout) else f"{about}\t{fact}"
