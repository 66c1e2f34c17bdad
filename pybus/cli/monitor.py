"""`pybus monitor`: everything that passes, a line a message.

A pattern selects the topics of signals, calls with their answers by NAME.METHOD, which is words joined by dots as
well, and messages of queues by their routing keys and by the names of the queues that they pass. An answer belongs to
the call of its receiver that has the same serial.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from time import monotonic
from typing import NamedTuple

from pybus.cli.command import NOBODY, OK
from pybus.cli.directory import Directory
from pybus.cli.monitor_lines import Message, as_columns, as_json, as_text
from pybus.cli.parsing import count, seconds
from pybus.cli.text import is_terminal, to_json
from pybus.cli.traffic import Piece, Routing, Traffic
from pybus.client.blocking import connect
from pybus.names import BUS_NAME, check_destination, check_pattern, matches
from pybus.protocol.frames import BUS, NO_REPLY

_MOST_OPEN = 20_000
"""Calls that are remembered until their answer comes; past it the oldest are forgotten."""

_MOST_KEYS = 10_000
"""Topics and methods of which it is remembered whether a pattern matches."""

_WATCH = f"{BUS_NAME} monitor"
"""The key of the call by which a connection becomes a monitor."""


def monitor_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus monitor`."""
    parser.add_argument(
        "patterns",
        metavar="PATTERN",
        nargs="*",
        default=[],
        help="only these topics, calls by NAME.METHOD, messages by routing key or queue (default: all)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, an object a line")
    parser.add_argument("--calls", action="store_true", help="show calls and their answers only")
    parser.add_argument("--messages", action="store_true", help="show what becomes of messages of queues only")
    parser.add_argument("--from", metavar="NAME", dest="sender", help="only what NAME (or :17) sends, its answers, too")
    parser.add_argument("--count", metavar="N", type=count, help="end after N messages")
    parser.add_argument("--timeout", metavar="S", type=seconds, help="end after S seconds; code 3 if N did not come")


def monitor_command(options: argparse.Namespace) -> int:
    """Print what passes until the count or the time is reached, or for ever."""
    patterns = [check_pattern(pattern) for pattern in options.patterns] or ["#", "bus.#"]
    sender = None if options.sender is None else check_destination(options.sender)
    until = None if options.timeout is None else monotonic() + options.timeout
    with connect() as bus:
        kinds = {kind for kind in ("calls", "messages") if getattr(options, kind)} or {"signals", "calls", "messages"}
        traffic = Traffic(bus, "pybus monitor", patterns if "signals" in kinds else [], everything=True)
        selection = Selection(traffic.directory, patterns, kinds, sender, everything=not options.patterns)
        traffic.on_back = selection.forget
        line = as_json if options.json else as_columns if not is_terminal(sys.stdout) else as_text
        if options.json:
            traffic.on_missed = lambda number: print(to_json({"missed": number}), flush=True)
        left = options.count
        for piece in traffic.pieces(until):
            if piece is None:
                sys.stdout.flush()
                continue
            for message in selection.messages(piece):
                print(line(message, traffic.directory))
                if left is not None:
                    left -= 1
                    if not left:
                        return OK
    return OK if options.count is None else NOBODY


# --- what is shown ----------------------------------------------------------------------------------


class _About(NamedTuple):
    """What a piece is about, as in `Message`; since: when an answer's call came."""

    topic: str | None = None
    place: tuple[str | None, str] | None = None
    call: tuple[str, str] | None = None
    since: float | None = None


class Selection:
    """Which messages a person wants to see; pairs calls with their answers."""

    def __init__(
        self, directory: Directory, patterns: list[str], kinds: set[str], sender: str | None, *, everything: bool
    ) -> None:
        """kinds: which there are to be of "signals", "calls" and "messages". sender: leave out what others send.

        everything: nobody asked for the bus's own signals by name, so leave out those that only monitors get.
        """
        self._directory = directory
        self._patterns = patterns
        self._kinds = kinds
        self._sender = sender
        self._everything = everything
        self._open: dict[tuple[int, int], _About] = {}
        self._known: dict[str, bool] = {}

    def messages(self, piece: Piece) -> Iterator[Message]:
        """The messages of a piece, if they are wanted."""
        found = self._find(piece)
        if found is None:
            return
        if self._sender is not None and not self._directory.who(piece.sender).answers_to(self._sender):
            return
        took = piece.at - found.since if found.since is not None else piece.routing.age if piece.routing else None
        around = (piece.size - sum(map(len, piece.bodies))) // len(piece.bodies)
        for body in piece.bodies:
            yield Message(piece, found.topic, found.place, found.call, took, body, around + len(body))

    def forget(self) -> None:
        """Another connection: no answer will come to what was called before."""
        self._open.clear()

    def _find(self, piece: Piece) -> _About | None:
        """What the piece is about, if that is wanted."""
        if piece.kind == "signal":
            return None if self._everything and self._is_for_monitors(piece) else _About(piece.key)
        if piece.routing is not None:
            return _About(place=(piece.routing.exchange, piece.key)) if self._passes(piece, piece.routing) else None
        if piece.kind != "call":
            return self._answered(piece)
        name, _, method = piece.key.partition(" ")
        if piece.key == _WATCH:
            self._directory.monitors.add(piece.sender)
        if "calls" not in self._kinds or not self._matches(f"{name}.{method}"):
            return None
        found = _About(call=(name, method))
        if not piece.flags & NO_REPLY:
            self._open[piece.sender, piece.serial] = found._replace(since=piece.at)
            if len(self._open) > _MOST_OPEN:
                del self._open[next(iter(self._open))]
        return found

    def _is_for_monitors(self, piece: Piece) -> bool:
        """Whether the bus tells only monitors of it, so that it would not be there without them."""
        is_news = piece.key.startswith(("bus.peer.", "bus.name."))
        return is_news and self._directory.monitors.issuperset(piece.receivers)

    def _passes(self, piece: Piece, routing: Routing) -> bool:
        """Whether a person wants to see this message."""
        names = [*piece.queues, *([routing.queue] if routing.queue is not None else [])]
        return "messages" in self._kinds and any(self._matches(one) for one in (piece.key, *names))

    def _answered(self, piece: Piece) -> _About | None:
        if piece.key and piece.sender == BUS:  # it refuses a signal or a message
            exchange, divider, key = piece.key.partition("\0")
            if divider:
                return _About(place=(exchange, key)) if "messages" in self._kinds and self._matches(key) else None
            return _About(piece.key) if "signals" in self._kinds and self._matches(piece.key) else None
        found = self._open.pop((piece.receivers[0], piece.serial), None)
        return found or (_About() if "calls" in self._kinds and "#" in self._patterns else None)

    def _matches(self, key: str) -> bool:
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST_KEYS:
                self._known.clear()
            known = self._known[key] = any(matches(pattern, key) for pattern in self._patterns)
        return known
