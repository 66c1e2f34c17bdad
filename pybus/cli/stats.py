"""`pybus stats`: the bus in numbers, once or again and again, for people, scripts and Prometheus."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

from pybus.cli.command import OK
from pybus.cli.parsing import count
from pybus.cli.rates import Totals, totals
from pybus.cli.text import age, is_terminal, plain, safe, to_json
from pybus.cli.watching import Redrawn, interval
from pybus.client.blocking import Bus, connect
from pybus.errors import ConnectionLost, NoBus, UsageError
from pybus.names import BUS_NAME


def stats_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus stats`."""
    parser.add_argument(
        "--watch",
        metavar="S",
        nargs="?",
        const=1.0,
        type=interval,
        help="show them every S seconds (1 if not said), with what happens per second",
    )
    parser.add_argument("--count", metavar="N", type=count, help="with --watch: end after N times")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON; with --watch one line each time")
    form.add_argument(
        "--prometheus", action="store_true", help="print the text format of Prometheus (0.0.4), with peers and services"
    )


def stats_command(options: argparse.Namespace) -> int:
    """`pybus stats`: the bus in numbers."""
    if options.count is not None and options.watch is None:
        raise UsageError("--count says how often to --watch: say both")
    if options.prometheus and options.watch is not None:
        raise UsageError(
            "--prometheus prints the counters once, as Prometheus finds the rates itself: leave out --watch"
        )
    with connect() as bus:
        if options.prometheus:
            _print_exposition(bus)
        elif options.watch is not None:
            _watch(bus, options)
        else:
            _print_once(bus, as_json=options.json)
    return OK


def _print_exposition(bus: Bus) -> None:
    from pybus.cli.prometheus import exposition

    the_bus = bus.proxy(BUS_NAME)
    text = exposition(the_bus.stats(), the_bus.peers(), the_bus.services())
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())  # the format is UTF-8 whatever the terminal's encoding is


def _print_once(bus: Bus, *, as_json: bool) -> None:
    stats: dict[str, object] = bus.proxy(BUS_NAME).stats()
    slowing = _slowing(bus) if stats["slowed"] else []
    if as_json:
        print(to_json({**stats, "slowing": slowing}))
        return
    for key, value in stats.items():
        name = safe(key)
        print(f"{name:<15} {_for_people(key, value)}" if is_terminal(sys.stdout) else f"{name}\t{_shown(value)}")

    for peer in slowing:
        who = f"{peer['name']} {plain(peer['program'])} (pid {peer['pid']})"
        text = f"{who}: {peer['rate']:.0f} messages/s, slowed for {peer['slowed_seconds']:.1f} s in all"
        print(f"{'slowing':<15} {text}" if is_terminal(sys.stdout) else f"slowing\t{text}")


def _slowing(bus: Bus) -> list[dict[str, Any]]:
    """Who sends more than it may, and is slowed for it."""
    peers: list[dict[str, Any]] = bus.proxy(BUS_NAME).peers()
    keys = ("name", "program", "pid", "rate", "slowed_seconds")
    return [{key: peer[key] for key in keys} for peer in peers if peer["slowed"]]


# --- again and again ------------------------------------------------------------------------------


def _watch(bus: Bus, options: argparse.Namespace) -> None:
    screen = Redrawn()
    for number, (stats, rates) in enumerate(_looks(bus, options.watch), 1):
        if options.json:
            print(to_json({**stats, "per_second": rates._asdict()}), flush=True)
        elif is_terminal(sys.stdout):
            screen.show(_block(stats, rates))
        else:
            if number == 1:
                print("\t".join([*map(safe, stats), *(f"{field}/s" for field in rates._fields)]))
            print("\t".join([*map(_shown, stats.values()), *map(_shown, rates)]), flush=True)
        if number == options.count:
            return


def _looks(bus: Bus, seconds: float) -> Iterator[tuple[dict[str, Any], Totals]]:
    """The bus's numbers, every so many seconds, and what has happened per second since the time before.

    While the bus is away this waits, and says so on stderr. Raises `ConnectionLost` if it won't come back.
    """
    before: dict[str, Any] | None = None

    def lost(_reason: Exception) -> None:
        nonlocal before
        before = None  # the counters begin again
        print("pybus stats: the bus went away; waiting for it to come back", file=sys.stderr)

    bus.on_disconnect(lost)
    bus.on_reconnect(lambda: print("pybus stats: the bus is back", file=sys.stderr))
    while True:
        try:
            now = bus.proxy(BUS_NAME).stats()
        except (ConnectionLost, NoBus):
            pass  # `run` tells the person, and raises what can't be waited for
        else:
            if before is not None:
                yield now, totals(before, now)
            before = now
        bus.run(seconds)


def _block(stats: dict[str, Any], rates: Totals) -> list[str]:
    """The numbers with their rates beside them, aligned."""
    per_second = {key: f"{rate:.1f}" for key, rate in rates._asdict().items()}
    lines = [f"{'':<16}{'NOW':>16}{'PER SECOND':>16}"]
    for key, value in stats.items():
        lines.append(f"{safe(key):<16}{_for_people(key, value):>16}{per_second.get(key, ''):>16}".rstrip())
    return lines


def _for_people(key: str, value: Any) -> str:
    return age(value) if key == "uptime" else _shown(value)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.1f}" if isinstance(value, float) else plain(value)
