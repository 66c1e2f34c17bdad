"""A peer as the broker sees it: who it is, what it holds, and what waits to go out to it.

The outbox is the only way to a peer. Signals go in by `offer` and are dropped and counted past the
limit; everything else goes in by `put`. The shell takes bytes out and says so with `taken`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pybus.broker.budget import Budget
from pybus.limits import Limits
from pybus.names import unique_name
from pybus.protocol.codec import pack
from pybus.protocol.frames import BUS, MISSED, frame

if TYPE_CHECKING:
    from pybus.broker.calls import Call
    from pybus.broker.observers import Sample
    from pybus.broker.queues.channel import Channel

OTHERS = b"#"
"""Under which missed signals are counted when too many topics are missed to tell them apart."""


class Credentials(NamedTuple):
    """Who is at the other end: as the kernel tells, and what /proc tells of the process.

    program: short, for people. executable: path, "" if it can't be read.
    """

    uid: int
    pid: int
    program: str
    executable: str

    @property
    def text(self) -> str:
        """For people, in errors and in the log."""
        return f"{self.program} (pid {self.pid})"


class Will(NamedTuple):
    """What to publish when a connection ends without a goodbye. flags: RAW, RETAIN and CLEAR."""

    topic: str
    flags: int
    body: bytes


class Receiver:
    """Who gets signals that match a pattern."""

    __slots__ = ()

    def offer(self, data: bytes, count: int, key: bytes) -> int:
        """Hand over a run of `count` signals to one topic; how many connections and queues got them by that."""
        raise NotImplementedError


class Peer(Receiver):
    """One connection.

    ready: shared with the broker; the peer puts itself there when bytes begin to wait for it.
    calls: its own open calls by serial. serving: calls to it by (caller's number, serial).
    patterns, names: what it holds. acquainted: numbers of the callers that it has been told of.
    sent, received, dropped: frames from it, frames to it, signals that it missed. bytes_sent,
    bytes_received: from it, and taken by it. called: when it was called last. answered, answer_time:
    calls that it answered, and the seconds that this took in all. samples: signals that are followed
    until they are written; None if there are none. held: how many of its calls wait for a service to
    start. budget: what it may send. slowed_at: when it was
    last read more slowly for sending too much, None if never; slowed_seconds: for how long in all. channel: what it
    has to do with queues, None if nothing. unsafe: bytes of its messages that are on their way to the disk.
    """

    __slots__ = (
        "_most",
        "_owed_until",
        "acquainted",
        "answer_time",
        "answered",
        "budget",
        "bytes_received",
        "bytes_sent",
        "called",
        "calls",
        "channel",
        "credentials",
        "dropped",
        "held",
        "leaving",
        "limits",
        "missed",
        "names",
        "number",
        "outbox",
        "owed",
        "patterns",
        "queued",
        "ready",
        "received",
        "samples",
        "sent",
        "serving",
        "since",
        "slowed_at",
        "slowed_seconds",
        "unsafe",
        "will",
    )

    def __init__(self, number: int, credentials: Credentials, limits: Limits, ready: list[Peer], since: float) -> None:
        self.number = number
        self.credentials = credentials
        self.limits = limits
        self._most = limits.outbox
        self.ready = ready
        self.since = since
        self.outbox: list[bytes] = []
        self.queued = 0
        self.owed = 0
        self._owed_until = 0
        self.missed: dict[bytes, int] | None = None
        self.patterns: dict[str, None] = {}
        self.names: dict[str, None] = {}
        self.calls: dict[int, Call] = {}
        self.serving: dict[tuple[int, int], Call] = {}
        self.acquainted: set[int] = set()
        self.will: Will | None = None
        self.leaving = False
        self.sent = self.received = self.dropped = 0
        self.bytes_sent = self.bytes_received = 0
        self.called = since
        self.held = 0
        self.answered = 0
        self.answer_time = 0.0
        self.samples: list[Sample] | None = None
        self.budget = Budget(limits, since)
        self.slowed_at: float | None = None
        self.slowed_seconds = 0.0
        self.channel: Channel | None = None
        self.unsafe = 0

    def __str__(self) -> str:
        return f"{self.name} {self.credentials.text}"

    @property
    def peer(self) -> Peer:
        """Itself: what stands behind a receiver of signals."""
        return self

    @property
    def name(self) -> str:
        """The unique name."""
        return unique_name(self.number)

    def is_slowed(self, now: float) -> bool:
        """Whether it sends more than it may, within the last second."""
        return self.slowed_at is not None and now - self.slowed_at < 1.0

    def use(self, limits: Limits) -> None:
        """Other limits hold from now on; the frame size stays as the connection was told."""
        self.limits = limits
        self._most = limits.outbox
        self.budget.change(limits)

    @property
    def full(self) -> bool:
        """Whether so much waits for this peer that it gets no more signals or calls for now."""
        return self.missed is not None or self.queued >= self._most

    @property
    def must_wait(self) -> bool:
        """Whether it owes so much that its own frames are not to be read for now."""
        return self.owed > self.limits.owed or self.unsafe > self.limits.unsafe

    def offer(self, data: bytes, count: int, key: bytes) -> bool:
        """Hand over a run of `count` signals to one topic, or count them as missed; tell which."""
        if self.missed is not None or self.queued >= self._most:
            self._miss(key, count)
            return False
        if not self.outbox:
            self.ready.append(self)
        self.outbox.append(data)
        self.queued += len(data)
        self.received += count
        return True

    def put(self, data: bytes) -> None:
        """Hand over a frame that must not be dropped; the caller of this sees to the bounds."""
        if not self.outbox:
            self.ready.append(self)
        self.outbox.append(data)
        self.queued += len(data)
        self.received += 1

    def owe(self, data: bytes) -> None:
        """Hand over an answer. While many bytes of answers wait, the peer's own frames are not read.

        `owed` grows until the last answer so far has been taken, whatever was put behind it.
        """
        self.owed += len(data)
        self.put(data)
        self._owed_until = self.queued

    def next_bytes(self, most: int) -> bytes:
        """Take what is to be written next out of an outbox that holds some: all of it, or about `most` bytes."""
        outbox = self.outbox
        if len(outbox) == 1:
            return outbox.pop()
        if self.queued <= most:
            data = b"".join(outbox)
            outbox.clear()
            return data
        size = end = 0
        while size < most and end < len(outbox):
            size += len(outbox[end])
            end += 1
        data = b"".join(outbox[:end])
        del outbox[:end]
        return data

    def taken(self, size: int) -> None:
        """The shell says that `size` bytes went out. When half is free again the peer is told its gap."""
        self.queued -= size
        self.bytes_received += size
        if self.owed:
            self._owed_until -= size
            if self._owed_until <= 0:
                self.owed = 0
        if self.missed is not None and self.queued <= self._most // 2:
            topics = {key.decode(): count for key, count in self.missed.items()}
            self.missed = None
            self.put(frame(MISSED, 0, BUS, self.number, 0, b"", pack(topics)))

        if self.channel is not None and self.channel.waiting and self.queued <= self.limits.delivering // 2:
            self.channel.room_made()

    def follow(self, sample: Sample) -> None:
        """Measure how long the last signal takes until it is written."""
        if self.samples is None:
            self.samples = []
        self.samples.append(sample)

    def arrived(self, now: float) -> None:
        """Bytes were written: time the followed signals among them."""
        waiting = []
        for sample in self.samples or ():
            if sample.goal <= self.bytes_received:
                sample.tally.time(now - sample.since)
            else:
                waiting.append(sample)
        self.samples = waiting or None

    def _miss(self, key: bytes, count: int) -> None:
        if self.missed is None:
            self.missed = {}
        if key not in self.missed and len(self.missed) >= self.limits.missed_topics:
            key = OTHERS
        self.missed[key] = self.missed.get(key, 0) + count
        self.dropped += count


class Totals:
    """Counters added up over peers: frames and bytes sent and received, and signals dropped."""

    __slots__ = ("bytes_received", "bytes_sent", "dropped", "received", "sent")

    def __init__(self) -> None:
        self.sent = self.received = self.dropped = self.bytes_sent = self.bytes_received = 0

    def add(self, peer: Peer) -> None:
        """Count a peer in."""
        self.sent += peer.sent
        self.received += peer.received
        self.dropped += peer.dropped
        self.bytes_sent += peer.bytes_sent
        self.bytes_received += peer.bytes_received
