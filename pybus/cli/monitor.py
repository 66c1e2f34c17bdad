"""`pybus monitor`: everything that passes, a line a message.

A pattern selects the topics of signals, and calls with their answers by NAME.METHOD, which is words
joined by dots as well. An answer belongs to the call of its receiver that has the same serial.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from datetime import datetime
from time import monotonic, time
from typing import NamedTuple

from pybus.cli.command import NOBODY, OK
from pybus.cli.directory import Directory
from pybus.cli.parsing import count, seconds
from pybus.cli.text import is_terminal, paint, plain, safe, to_json
from pybus.cli.traffic import Piece, Traffic
from pybus.client.blocking import connect
from pybus.names import BUS_NAME, check_destination, check_pattern, matches
from pybus.protocol.codec import unpack_or_keep
from pybus.protocol.frames import BUS, CLEAR, NO_REPLY, RETAIN

_MOST_OPEN = 20_000
"""Calls that are remembered until their answer comes; past it the oldest are forgotten."""

_MOST_KEYS = 10_000
"""Topics and methods of which it is remembered whether a pattern matches."""

_WATCH = f"{BUS_NAME} monitor"
"""The key of the call by which a connection becomes a monitor."""

_SHOWN_RECEIVERS = 3
_LEAST_VALUE = 20
"""Columns that a value gets even on a narrow terminal."""


def monitor_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus monitor`."""
    parser.add_argument(
        "patterns",
        metavar="PATTERN",
        nargs="*",
        default=[],
        help="only these topics, and calls by NAME.METHOD (default: all)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, an object a line")
    parser.add_argument("--calls", action="store_true", help="show calls and their answers only")
    parser.add_argument("--from", metavar="NAME", dest="sender", help="only what NAME (or :17) sends, its answers, too")
    parser.add_argument("--count", metavar="N", type=count, help="end after N messages")
    parser.add_argument("--timeout", metavar="S", type=seconds, help="end after S seconds; code 3 if N did not come")


def monitor_command(options: argparse.Namespace) -> int:
    """Print what passes until the count or the time is reached, or for ever."""
    patterns = [check_pattern(pattern) for pattern in options.patterns] or ["#", "bus.#"]
    sender = None if options.sender is None else check_destination(options.sender)
    until = None if options.timeout is None else monotonic() + options.timeout
    with connect() as bus:
        traffic = Traffic(bus, "pybus monitor", [] if options.calls else patterns, calls=True)
        selection = Selection(traffic.directory, patterns, options.calls, sender, everything=not options.patterns)
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


class Message(NamedTuple):
    """One message. topic: of a signal, or of the signal that the bus refuses.

    call: name and method of a call, or of the call that is answered; both are None for the answer to
    a call from before the monitor began. seconds: from the call to its answer. size: bytes.
    """

    piece: Piece
    topic: str | None
    call: tuple[str, str] | None
    seconds: float | None
    body: bytes
    size: int

    @property
    def value(self) -> object:
        return unpack_or_keep(self.piece.flags, self.body)

    @property
    def about(self) -> str:
        """The topic or NAME.METHOD."""
        if self.topic is not None:
            return safe(self.topic)
        return safe(".".join(self.call)) if self.call is not None else "(an earlier call)"


class _About(NamedTuple):
    """What a piece is about, as in `Message`; since: when an answer's call came."""

    topic: str | None
    call: tuple[str, str] | None
    since: float | None = None


class Selection:
    """Which messages a person wants to see; pairs calls with their answers."""

    def __init__(
        self, directory: Directory, patterns: list[str], calls_only: bool, sender: str | None, *, everything: bool
    ) -> None:
        """calls_only: leave out signals. sender: a name; leave out what others send.

        everything: nobody asked for the bus's own signals by name, so leave out those that only monitors get.
        """
        self._directory = directory
        self._patterns = patterns
        self._calls_only = calls_only
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
        took = piece.at - found.since if found.since is not None else None
        around = (piece.size - sum(map(len, piece.bodies))) // len(piece.bodies)
        for body in piece.bodies:
            yield Message(piece, found.topic, found.call, took, body, around + len(body))

    def forget(self) -> None:
        """Another connection: no answer will come to what was called before."""
        self._open.clear()

    def _find(self, piece: Piece) -> _About | None:
        """What the piece is about, if that is wanted."""
        if piece.kind == "signal":
            return None if self._everything and self._is_for_monitors(piece) else _About(piece.key, None)
        if piece.kind != "call":
            return self._answered(piece)
        name, _, method = piece.key.partition(" ")
        if piece.key == _WATCH:
            self._directory.monitors.add(piece.sender)
        if not self._matches(f"{name}.{method}"):
            return None
        found = _About(None, (name, method))
        if not piece.flags & NO_REPLY:
            self._open[piece.sender, piece.serial] = found._replace(since=piece.at)
            if len(self._open) > _MOST_OPEN:
                del self._open[next(iter(self._open))]
        return found

    def _is_for_monitors(self, piece: Piece) -> bool:
        """Whether the bus tells only monitors of it, so that it would not be there without them."""
        is_news = piece.key.startswith(("bus.peer.", "bus.name."))
        return is_news and self._directory.monitors.issuperset(piece.receivers)

    def _answered(self, piece: Piece) -> _About | None:
        if piece.key and piece.sender == BUS:  # it refuses a signal
            return None if self._calls_only or not self._matches(piece.key) else _About(piece.key, None)
        found = self._open.pop((piece.receivers[0], piece.serial), None)
        return found or (_About(None, None) if "#" in self._patterns else None)

    def _matches(self, key: str) -> bool:
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST_KEYS:
                self._known.clear()
            known = self._known[key] = any(matches(pattern, key) for pattern in self._patterns)
        return known


# --- as text ------------------------------------------------------------------------------------------


def as_json(message: Message, directory: Directory) -> str:
    """The message for programs. Connections come as JSON text already, as making it takes longer than all the rest."""
    piece = message.piece
    fields = {
        "time": f'"{_when(piece).isoformat(timespec="microseconds")}"',
        "kind": f'"{piece.kind}"',
        "sender": directory.who(piece.sender).json,
        "receivers": _json_of(piece.receivers, directory),
        "missed": _json_of(piece.missed, directory),
    }
    if message.topic is not None:
        fields["topic"] = to_json(message.topic)
    else:
        fields["name"], fields["method"] = map(to_json, message.call or (None, None))
    fields["body"] = to_json(message.value)
    if piece.kind == "signal":
        fields["retain"] = "true" if piece.flags & RETAIN else "false"
        fields["ephemeral"] = "true" if piece.ephemeral else "false"
        fields["cleared"] = "true" if piece.flags & CLEAR else "false"
    elif piece.kind == "call":
        fields["reply"] = "false" if piece.flags & NO_REPLY else "true"
    else:
        fields["ms"] = "null" if message.seconds is None else f"{message.seconds * 1000:.3f}"
    fields["size"], fields["serial"] = str(message.size), str(piece.serial)
    return "{" + ", ".join([f'"{name}": {text}' for name, text in fields.items()]) + "}"


def _json_of(numbers: list[int], directory: Directory) -> str:
    return f"[{', '.join([directory.who(number).json for number in numbers])}]"


def as_columns(message: Message, directory: Directory) -> str:
    """The message for a pipe: time, kind, sender, receivers, topic or method, value, bytes, ms; tabs between."""
    piece = message.piece
    took = "" if message.seconds is None else f"{message.seconds * 1000:.3f}"
    receivers = _receivers(piece, directory, len(piece.receivers))
    cells = [_clock(piece), piece.kind, directory.who(piece.sender).label, receivers, message.about]
    return "\t".join([*cells, _value(message), str(message.size), took])


def as_text(message: Message, directory: Directory) -> str:
    """The message for a person.

    If it does not fit on the line, it goes without the programs' names, and then its value is cut. An
    error is always shown whole.
    """
    piece = message.piece
    about = message.about
    gap = "" if piece.kind == "call" else " "
    took = "" if message.seconds is None else f", {message.seconds * 1000:.1f} ms"
    end = f"  {message.size} B{took}"
    value = _value(message)
    columns = shutil.get_terminal_size().columns - len(f"{_clock(piece)}  {piece.kind:<6}    {about}{gap}{end}")
    way = _way(piece, directory)
    if len(way + value) > columns:
        way = _way(piece, directory, short=True)
    room = max(columns - len(way), _LEAST_VALUE)
    if len(value) > room and piece.kind != "error":
        value = value[: room - 1] + "…"
    kind = paint(f"{piece.kind:<6}", "title" if piece.kind == "error" or piece.missed else "dim")
    return f"{_clock(piece)}  {kind}  {way}  {paint(about, 'topic')}{gap}{value}{paint(end, 'dim')}"


def _way(piece: Piece, directory: Directory, *, short: bool = False) -> str:
    """From whom to whom. short: without their programs."""
    sender = directory.who(piece.sender)
    return f"{sender.short if short else sender.label} → {_receivers(piece, directory, _SHOWN_RECEIVERS, short=short)}"


def _receivers(piece: Piece, directory: Directory, most: int, *, short: bool = False) -> str:
    """Who got it, and who should have and did not."""

    def people(numbers: list[int]) -> str:
        if len(numbers) > most:
            return f"{len(numbers)} receivers"
        found = [directory.who(number) for number in numbers]
        return ", ".join(one.short if short else one.label for one in found)

    got = [number for number in piece.receivers if number not in piece.missed]
    shown = people(got) or "nobody"
    return f"{shown}; missed by {people(piece.missed)}" if piece.missed else shown


def _value(message: Message) -> str:
    kind, flags = message.piece.kind, message.piece.flags
    if kind == "signal":
        if flags & CLEAR:
            return "(cleared)"
        kept = " (retained, ephemeral)" if message.piece.ephemeral else " (retained)" if flags & RETAIN else ""
        return plain(message.value) + kept
    match kind, message.value:
        case "call", [list(args), dict(named)]:
            shown = [to_json(one) for one in args] + [f"{plain(key)}={to_json(one)}" for key, one in named.items()]
            return f"({', '.join(shown)})"
        case "error", [str(name), str(text)]:
            return safe(f"{text or name} ({name.removeprefix('org.pybus.Error.')})")
        case _, value:
            return to_json(value)


def _when(piece: Piece) -> datetime:
    return datetime.fromtimestamp(time() - monotonic() + piece.at).astimezone()


def _clock(piece: Piece) -> str:
    return _when(piece).strftime("%H:%M:%S.%f")[:-3]
