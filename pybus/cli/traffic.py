"""What passes on the bus, piece by piece: the bus's own method `monitor`, with who is who.

A piece comes for each run of frames (neighbouring signals to one topic), for each call, answer and
error, and for each thing that happens to a message of a queue. The connection may be lost and come back
meanwhile, and messages may be missed: both are said on stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, NamedTuple

from pybus.cli.directory import TOPICS, Directory
from pybus.client.blocking import Bus
from pybus.client.inbox import Signal
from pybus.errors import NotConnected
from pybus.names import BUS_NAME, unique_number
from pybus.protocol.frames import BUS

TOPIC = "bus.monitor"

_TELL_EVERY = 1.0
"""Seconds between two reports of misses, when they go on."""


class Routing(NamedTuple):
    """What is known of a message of a queue beside what all pieces have.

    exchange: where it was published; for one that died where its dead letter goes, None if it has none. queue: the one
    that it is delivered from, settled in, or died in. service: the one that it calls, in the place of a queue.
    consumer: the tag of the consumer that gets it. reason: why it died or came back. age: seconds since it came into
    its queue. properties: AMQP's.
    """

    exchange: str | None
    queue: str | None
    service: str | None
    consumer: str | None
    reason: str
    age: float | None
    properties: dict[str, Any]


class Piece(NamedTuple):
    """Frames that passed, as the bus tells of them.

    at: when, on CLOCK_MONOTONIC. kind: signal, call, answer or error; publish, deliver, ack, nack, reject, died or
    return for messages of queues. sender, receivers, missed: numbers of connections; those of `missed` were too full
    to get it. key: a topic, "NAME METHOD", a routing key or "".
    flags: as in `pybus.protocol.frames`. ephemeral: whether a value is kept only while its publisher is there.
    size: the frames' bytes together. bodies: as on the wire, one for each frame. queues: the names of those that it
    gets to. routing: of a message of a queue.
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
    queues: list[str]
    routing: Routing | None = None


class Traffic:
    """Follows what passes.

    directory: who is who. missed: how many messages did not get here, as they were not read in time.
    on_missed: called with how many, each time that this is said. on_back: called when a lost
    connection is back.
    """

    def __init__(self, bus: Bus, program: str, patterns: list[str], *, everything: bool) -> None:
        """program: how the command is called. patterns: of topics. everything: calls, answers and messages, too."""
        self.directory = Directory()
        self.missed = 0
        self.on_missed: Callable[[int], None] | None = None
        self.on_back: Callable[[], None] | None = None
        self._bus = bus
        self._program = program
        self._patterns = patterns
        self._everything = everything
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
        self._bus.call(BUS_NAME, "monitor", self._patterns, calls=self._everything, messages=self._everything)
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
    routing = Routing(*[body[field] for field in Routing._fields]) if "exchange" in body else None
    return Piece(**{field: body[field] for field in Piece._fields[:-1]}, routing=routing)
