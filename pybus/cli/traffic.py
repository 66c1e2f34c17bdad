"""What passes on the bus, piece by piece: the bus's own method `monitor`, with who is who.

A piece comes for each run of frames (neighbouring signals to one topic) and for each call, answer
and error. The connection may be lost and come back meanwhile, and messages may be missed: both are
said on stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from time import monotonic
from typing import NamedTuple

from pybus.cli.directory import TOPICS, Directory
from pybus.client.blocking import Bus
from pybus.client.inbox import Signal
from pybus.errors import NotConnected
from pybus.names import BUS_NAME, unique_number
from pybus.protocol.frames import BUS

TOPIC = "bus.monitor"

_TELL_EVERY = 1.0
"""Seconds between two reports of misses, when they go on."""


class Piece(NamedTuple):
    """Frames that passed, as the bus tells of them.

    at: when, on CLOCK_MONOTONIC. kind: signal, call, answer or error. sender, receivers, missed: numbers of
    connections; those of `missed` were too full to get it. key: a topic, "NAME METHOD" or "".
    flags: as in `pybus.protocol.frames`. ephemeral: whether a value is kept only while its publisher is there.
    size: the frames' bytes together. bodies: as on the wire, one for each frame.
    """

    at: float
    kind: str
    sender: int
    receivers: list[int]
    missed: list[int]
    key: str
    serial: int
    flags: int
    ephemeral: bool
    size: int
    bodies: list[bytes]


class Traffic:
    """Follows what passes.

    directory: who is who. missed: how many messages did not get here, as they were not read in time.
    on_missed: called with how many, each time that this is said. on_back: called when a lost
    connection is back.
    """

    def __init__(self, bus: Bus, program: str, patterns: list[str], *, calls: bool) -> None:
        """program: how the command is called. patterns: of topics. calls: whether to see calls and their answers."""
        self.directory = Directory()
        self.missed = 0
        self.on_missed: Callable[[int], None] | None = None
        self.on_back: Callable[[], None] | None = None
        self._bus = bus
        self._program = program
        self._patterns = patterns
        self._calls = calls
        self._told = 0
        self._told_at = 0.0
        self._is_stale = False
        self._signals = bus.subscribe(TOPIC, *TOPICS, retained=False)
        bus.on_missed(self._note)
        bus.on_disconnect(lambda _: self.say("the bus went away; waiting for it to come back"))
        bus.on_reconnect(self._come_back)
        self._begin()

    def pieces(self, until: float | None = None) -> Iterator[Piece | None]:
        """What passes, until the time `until` on the monotonic clock; None whenever no more is here at once.

        Raises `ConnectionLost` if the connection is lost and does not come back by itself.
        """
        while until is None or monotonic() < until:
            signal = self._signals.receive(0)
            if signal is None:
                yield None
                self._catch_up()
                signal = self._signals.receive(None if until is None else max(0.0, until - monotonic()))
            if signal is None:
                break
            if signal.topic == TOPIC:
                yield _piece(signal)
            else:
                self.directory.hear(signal)
        self.tell_of_losses()

    def tell_of_losses(self) -> None:
        """Say how many messages were missed since this was last said."""
        lost = self.missed - self._told
        if lost:
            self._told, self._told_at = self.missed, monotonic()
            self.say(f"{lost} {'message was' if lost == 1 else 'messages were'} missed, not being read in time")
            if self.on_missed is not None:
                self.on_missed(lost)

    def say(self, text: str) -> None:
        """Tell the person at the terminal, beside the output."""
        print(f"{self._program}: {text}", file=sys.stderr, flush=True)

    def _begin(self) -> None:
        """Learn who is here, then watch: every change from then on comes among the messages, in its place."""
        self.directory.learn(self._bus.call(BUS_NAME, "peers"))
        self._bus.call(BUS_NAME, "monitor", self._patterns, self._calls)
        self.directory.monitors.add(unique_number(self._bus.name) or BUS)

    def _come_back(self) -> None:
        self.directory.forget()
        try:
            self._begin()
        except NotConnected:
            return  # it has gone again; the next coming back begins anew
        self.say("the bus is back")
        if self.on_back is not None:
            self.on_back()

    def _note(self, topics: dict[str, int]) -> None:
        """Signals were missed: pieces, or news of who is who."""
        self.missed += sum(count for topic, count in topics.items() if topic in (TOPIC, "#"))
        self._is_stale = True
        if monotonic() - self._told_at > _TELL_EVERY:
            self.tell_of_losses()

    def _catch_up(self) -> None:
        """Nothing waits: there is time to say what was missed, and to ask who is who if news of that was missed."""
        self.tell_of_losses()
        if self._is_stale:
            self._is_stale = False
            try:
                self.directory.learn(self._bus.call(BUS_NAME, "peers"))
            except NotConnected:
                pass  # coming back asks again


def _piece(signal: Signal) -> Piece:
    body = signal.body
    assert isinstance(body, dict)
    return Piece(*[body[field] for field in Piece._fields])
