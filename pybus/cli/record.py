"""`pybus record FILE`: what is published, to a file. `pybus replay FILE`: publish it again.

The format is in `pybus.cli.recording`. A recording begins with the values that the bus keeps, so that
a replay starts from the same state. Ephemeral values live as long as the replay. What happens in the very
moment of the start may be in it twice: as a kept value, and as the signal that set it.
"""

from __future__ import annotations

import argparse
import math
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from time import monotonic, sleep
from typing import IO, Any

from pybus.cli.command import NOBODY, OK, WRONG_USE, complain
from pybus.cli.parsing import count, seconds
from pybus.cli.recording import Malformed, Recorded, Unwritable, check_header, from_line, header, to_line
from pybus.cli.text import safe
from pybus.cli.traffic import Piece, Traffic
from pybus.client.blocking import Bus, connect
from pybus.errors import InvalidName
from pybus.names import BUS_NAME, check_pattern, check_topic, is_own, unique_number
from pybus.protocol.codec import unpack_or_keep
from pybus.protocol.frames import BUS, CLEAR, RETAIN

_EXACT = 0.01
"""Seconds before a signal is due from which on the replay only waits, without listening to the bus."""


def record_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus record`."""
    parser.add_argument("file", metavar="FILE", help="where to write; - is standard output")
    parser.add_argument(
        "patterns", metavar="PATTERN", nargs="*", default=[], help="the topics (default #: all but the bus's own)"
    )
    parser.add_argument("--count", metavar="N", type=count, help="end after N signals, kept values not counted")
    parser.add_argument("--timeout", metavar="S", type=seconds, help="end after S seconds; code 3 if N did not come")
    parser.add_argument("--no-retained", action="store_true", help="leave out values that were kept from before")
    parser.add_argument("--force", action="store_true", help="overwrite FILE if it is there")


def record_command(options: argparse.Namespace) -> int:
    """Write what is published until the count or the time is reached, or for ever."""
    patterns = [check_pattern(pattern) for pattern in options.patterns] or ["#"]
    until = None if options.timeout is None else monotonic() + options.timeout
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it, too, is told how much was written
    with connect() as bus:
        try:
            output = _output(options.file, options.force)
        except FileExistsError:
            return complain("pybus record", f"{options.file} is there already; --force overwrites it", WRONG_USE)
        with output as file:
            recorder = Recorder(bus, file, patterns)
            try:
                recorder.begin(with_retained=not options.no_retained)
                recorder.traffic.say(f"recording {' '.join(patterns)} (Ctrl-C ends)")
                complete = recorder.run(until, options.count)
            finally:
                recorder.traffic.say(recorder.summary())
    return OK if complete or options.count is None else NOBODY


def _output(path: str, force: bool) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(sys.stdout.buffer) if path == "-" else open(path, "wb" if force else "xb")


class Recorder:
    """Writes signals to a file. Each line is written at once and whole, so that the file is good whenever this ends.

    written, initial: how many lines, and how many of them are values kept from before.
    """

    def __init__(self, bus: Bus, file: IO[bytes], patterns: list[str]) -> None:
        self.written = self.initial = 0
        self._bus = bus
        self._file = file
        self._patterns = patterns
        self._lost = 0
        self.traffic = Traffic(bus, "pybus record", patterns, everything=False)
        self._started = monotonic()

    def begin(self, *, with_retained: bool) -> None:
        """Write the header and what is kept.

        The patterns are subscribed to as well, as that starts the services that publish under them, and
        lets them run.
        """
        self._put(header(datetime.now().astimezone()))
        for pattern in self._patterns:
            if pattern.split(".")[0] not in ("*", "#", "bus"):
                self._bus.on(pattern, lambda _: None, retained=False)
        self._started = monotonic()
        if not with_retained:
            return
        with self._bus.subscribe(*self._patterns) as kept:
            while (value := kept.receive(0)) is not None and value.retained:
                sender = self.traffic.directory.who(unique_number(value.sender) or BUS).program
                ephemeral = self._is_ephemeral(value.topic)
                self.initial += self._write(
                    Recorded(0.0, value.topic, value.body, True, ephemeral, initial=True, sender=sender)
                )
            self._lost += sum(kept.missed.values())

    def _is_ephemeral(self, topic: str) -> bool:
        """Whether a kept value is; one that has just gone was recorded, and so is its end."""
        kept: list[dict[str, Any]] = self._bus.proxy(BUS_NAME).topics(topic)
        return any(one["ephemeral"] for one in kept)

    def run(self, until: float | None, most: int | None) -> bool:
        """Write what comes until a time, or until so many have come; whether so many have."""
        left = most
        for piece in self.traffic.pieces(until):
            if piece is None or piece.at < self._started:
                continue
            for one in self._signals(piece):
                self._write(one)
                if left is not None:
                    left -= 1
                    if not left:
                        return True
        return False

    def summary(self) -> str:
        """How much was written, and how much was not."""
        text = f"{_signals(self.written)} written"
        if self.initial:
            text += f", {self.initial} of them kept from before"
        missed = self.traffic.missed + self._lost
        return text + (f"; {_signals(missed)} missed" if missed else "")

    def _signals(self, piece: Piece) -> Iterator[Recorded]:
        sender = self.traffic.directory.who(piece.sender).program
        after = piece.at - self._started
        retain, clear = bool(piece.flags & RETAIN), bool(piece.flags & CLEAR)
        for body in piece.bodies:
            value = unpack_or_keep(piece.flags, body)
            yield Recorded(after, piece.key, value, retain, piece.ephemeral, clear, sender=sender)

    def _write(self, one: Recorded) -> bool:
        """Write a signal; whether that could be done."""
        try:
            self._put(to_line(one))
        except Unwritable as error:
            self.traffic.say(f"left out a signal of {safe(one.topic)}: {error}")
            return False
        self.written += 1
        return True

    def _put(self, line: bytes) -> None:
        self._file.write(line)
        self._file.flush()


# --- replay -------------------------------------------------------------------------------------------


def replay_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus replay`."""
    parser.add_argument("file", metavar="FILE", help="what pybus record wrote; - is standard input")
    parser.add_argument(
        "--speed", metavar="X", type=speed, default=1.0, help="2 is twice as fast, 0 as fast as possible (default 1)"
    )
    parser.add_argument("--topic-prefix", metavar="P", help="publish to P.TOPIC")


def replay_command(options: argparse.Namespace) -> int:
    """Check the whole file, then publish what is in it."""
    name = "standard input" if options.file == "-" else options.file
    prefix = "" if options.topic_prefix is None else f"{check_topic(options.topic_prefix)}."
    with _input(options.file) as file:
        try:
            total = sum(1 for _ in _read(file, prefix))
        except Malformed as error:
            return complain("pybus replay", f"{name}: {error}; nothing was sent", WRONG_USE)
        with connect(reconnect=False) as bus:
            replay = Replay(bus, options.speed)
            try:
                replay.run(_read(file, prefix))
                bus.flush()
            finally:
                print(f"pybus replay: {replay.summary(total)}", file=sys.stderr)
    return OK


@contextmanager
def _input(path: str) -> Iterator[IO[bytes]]:
    """The file, or a copy of what can be read only once."""
    with nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb") as file:
        if file.seekable():
            yield file
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(file, copy)
            yield copy


def _read(file: IO[bytes], prefix: str) -> Iterator[Recorded]:
    """The signals of a recording, with the topics that they are to have. Raises `Malformed`, naming the line."""
    file.seek(0)
    number = 1
    try:
        check_header(file.readline())
        for line in file:
            number += 1
            one = from_line(line)
            yield one._replace(topic=check_topic(prefix + one.topic))
    except Malformed as error:
        raise Malformed(f"line {number} {error}") from None
    except InvalidName as error:
        raise Malformed(f"line {number} can't be published: {error}") from None


class Replay:
    """Publishes signals at the pace of the recording.

    sent: how many. skipped: how many had a topic of the bus's own, to which only the bus may publish.
    """

    def __init__(self, bus: Bus, speed: float) -> None:
        """speed: times the original one, 0 for no waiting at all."""
        self.sent = self.skipped = 0
        self._bus = bus
        self._speed = speed

    def run(self, signals: Iterator[Recorded]) -> None:
        """Publish them all; each is due at a time counted from the start, so that delays don't add up."""
        start = monotonic()
        for one in signals:
            if is_own(one.topic):
                self.skipped += 1
                continue
            if self._speed:
                self._wait(start + one.t / self._speed)
            if one.clear:
                self._bus.clear(one.topic)
            else:
                self._bus.publish(one.topic, one.body, retain=one.retain, ephemeral=one.ephemeral)
            self.sent += 1

    def summary(self, total: int) -> str:
        """How much of all signals was sent."""
        left = total - self.sent - self.skipped
        text = f"{self.sent} of {_signals(total - self.skipped)} sent" if left else f"{_signals(self.sent)} sent"
        return text + (f"; {self.skipped} of the bus's own left out" if self.skipped else "")

    def _wait(self, until: float) -> None:
        left = until - monotonic()
        if left > 2 * _EXACT:
            self._bus.run(left - _EXACT)  # hears at once if the bus goes away
            left = until - monotonic()
        if left > 0:
            sleep(left)


def speed(text: str) -> float:
    """How many times faster, on the command line."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return number


def _signals(number: int) -> str:
    return f"{number} signal{'' if number == 1 else 's'}"
