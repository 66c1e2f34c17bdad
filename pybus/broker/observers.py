"""Who watches the traffic: monitors get a record of all that passes, meters count it.

An observer of signals holds its patterns in the topic index like a peer, always behind the peers that
get the signal; so a signal that nobody observes costs no look. Calls and answers are shown to all
observers by the broker, and what becomes of messages by `queues/observing.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pybus.broker.exchanges.amq_topic import Listener
from pybus.broker.peer import OTHERS, Peer, Receiver
from pybus.protocol.codec import pack
from pybus.protocol.frames import BUS, EPHEMERAL, ERROR, HEADER_SIZE, RETAIN, SIGNAL, Run, bodies_of, frame, sender_of

if TYPE_CHECKING:
    from pybus.broker.broker import Broker
    from pybus.broker.calls import Call

MONITOR_KEY = b"bus.monitor"
MAX_ENTRIES = 1000
"""Topics, and methods, that a meter counts one by one; the rest counts under `#`."""


class Event(NamedTuple):
    """Something that happens to messages of queues.

    kind: "publish", "deliver", "ack", "nack" (given back to its queue), "reject" (given up by its consumer), "died"
    (given up by its queue, or not taken as that is full) or "return" (a mandatory one that reached no queue). sender:
    the number of the connection that published it, or settles it; the bus's own for the last two. receivers: the
    numbers of those that it goes to.
    exchange, key: where it was published, or for "died" where its dead letter goes; the exchange is None if it has
    none. flags, bodies: as in frames; no body is told where it is settled. size: bytes of all `number` frames. queues:
    those that it is routed to. queue: the one that it is delivered from, settled in, or died in. service: the one that
    it calls in the place of a queue. consumer: the tag of the consumer that gets it. reason: why it died or came back.
    age: seconds since it came into its queue. properties: AMQP's.
    """

    kind: str
    sender: int
    receivers: tuple[int, ...]
    exchange: str | None
    key: str
    flags: int
    bodies: tuple[bytes, ...]
    size: int
    number: int = 1
    queues: tuple[str, ...] = ()
    queue: str | None = None
    service: str | None = None
    consumer: str | None = None
    reason: str = ""
    age: float | None = None
    properties: Mapping[str, object] = MappingProxyType({})


class Observer(Receiver):
    """One who watches, on behalf of a peer. messages: whether it is to see events of messages."""

    messages = False

    def __init__(self, broker: Broker, peer: Peer, patterns: tuple[str, ...]) -> None:
        self.peer = peer
        self.patterns = patterns
        self._broker = broker

    def offer(self, data: bytes, count: int, key: bytes) -> bool:
        """A run of signals passes; False, as it is no receiver."""
        found = self._broker.signals.receivers(key)
        receivers = [one for one in found if isinstance(one, Peer)]
        queues: tuple[str, ...] = ()
        if self.messages and any(isinstance(one, Listener) for one in found):
            queues = self._broker.queueing.observing.queues_of(key.decode())
        self.see_signals(data, count, key, receivers, queues)
        return False

    def see_signals(
        self, data: bytes, count: int, key: bytes, receivers: list[Peer], queues: tuple[str, ...] = ()
    ) -> None:
        """Signals go to some peers and queues; the peers that are missing something now did not get these."""
        raise NotImplementedError

    def see_message(self, event: Event) -> None:
        """Something happens to messages of queues."""
        raise NotImplementedError

    def see_call(self, run: Run, receiver: int | None) -> None:
        """A call goes to the connection with this number, or to nobody."""
        raise NotImplementedError

    def see_answer(self, data: bytes, caller: Peer, call: Call | None) -> None:
        """An answer or error goes to its caller. call: None if the bus has answered at once."""
        raise NotImplementedError


class Monitor(Observer):
    """Sends its peer a record of each run of frames, as a signal to `bus.monitor`.

    The record has the keys at (monotonic seconds), kind, sender, receivers and missed (numbers), key,
    serial, flags, ephemeral, count, size (bytes), bodies, and queues (the names of those that it gets to). That of
    an event of messages has what else `Event` tells as well. What the peer itself sends is left out.
    """

    def __init__(self, broker: Broker, peer: Peer, patterns: tuple[str, ...], *, calls: bool, messages: bool) -> None:
        super().__init__(broker, peer, patterns)
        self._calls = calls
        self.messages = messages

    def see_signals(
        self, data: bytes, count: int, key: bytes, receivers: list[Peer], queues: tuple[str, ...] = ()
    ) -> None:
        missed = [receiver.number for receiver in receivers if receiver.missed is not None]
        target, serial = (int.from_bytes(data[place : place + 4], "little") for place in (12, 16))
        run = (SIGNAL, data[5], sender_of(data), target, serial, key, data, count)
        self._tell("signal", run, [receiver.number for receiver in receivers], missed, queues)

    def see_message(self, event: Event) -> None:
        if self.peer.number in (event.sender, *event.receivers):
            return
        record = event._asdict()
        count = record["count"] = record.pop("number")
        record |= {"at": self._broker.now, "missed": [], "serial": 0, "ephemeral": False}
        self._send({**record, "properties": dict(event.properties)}, count)

    def see_call(self, run: Run, receiver: int | None) -> None:
        if self._calls:
            self._tell("call", run, [] if receiver is None else [receiver], [])

    def see_answer(self, data: bytes, caller: Peer, call: Call | None) -> None:
        if self._calls:
            key_end = HEADER_SIZE + int.from_bytes(data[6:8], "little")
            serial = int.from_bytes(data[16:20], "little")
            run = (data[4], data[5], sender_of(data), caller.number, serial, data[HEADER_SIZE:key_end], data, 1)
            self._tell("error" if data[4] == ERROR else "answer", run, [caller.number], [])

    def _tell(self, kind: str, run: Run, receivers: list[int], missed: list[int], queues: tuple[str, ...] = ()) -> None:
        frame_kind, flags, sender, target, serial, key, data, count = run
        number = self.peer.number
        if number == sender or (kind in ("answer", "error") and number == receivers[0]):
            return
        record = {
            "at": self._broker.now,
            "kind": kind,
            "sender": sender,
            "receivers": receivers,
            "missed": missed,
            "key": key.decode(errors="replace"),
            "serial": serial,
            "flags": flags,
            "ephemeral": frame_kind == SIGNAL and bool(flags & RETAIN) and bool(target & EPHEMERAL),
            "count": count,
            "size": len(data),
            "bodies": bodies_of(run),
            "queues": queues,
        }
        self._send(record, count)

    def _send(self, record: dict[str, object], count: int) -> None:
        number = self.peer.number
        self.peer.offer(frame(SIGNAL, 0, BUS, number, 0, MONITOR_KEY, pack(record)), count, MONITOR_KEY)


class Tally:
    """What passed under one topic or method. failed: dropped signals, or errors. Times in seconds."""

    __slots__ = ("bytes", "count", "failed", "pending", "timed", "total", "worst")

    def __init__(self) -> None:
        self.count = self.bytes = self.failed = self.timed = 0
        self.total = self.worst = 0.0
        self.pending = False

    def time(self, seconds: float) -> None:
        """One took so long."""
        self.timed += 1
        self.total += seconds
        self.worst = max(self.worst, seconds)
        self.pending = False

    @property
    def mean(self) -> float | None:
        return self.total / self.timed if self.timed else None


class Sample:
    """A signal that is followed to its receiver: it has arrived when `goal` bytes in all were written there."""

    __slots__ = ("goal", "since", "tally")

    def __init__(self, goal: int, since: float, tally: Tally) -> None:
        self.goal = goal
        self.since = since
        self.tally = tally


class Meter(Observer):
    """Counts by topic and by method, from its making on. since: when that was."""

    def __init__(self, broker: Broker, peer: Peer) -> None:
        super().__init__(broker, peer, ("#", "bus.#"))
        self.since = broker.now
        self.topics: dict[bytes, Tally] = {}
        self.methods: dict[bytes, Tally] = {}

    def see_signals(
        self, data: bytes, count: int, key: bytes, receivers: list[Peer], queues: tuple[str, ...] = ()
    ) -> None:
        tally = _tally(self.topics, key)
        tally.count += count
        tally.bytes += len(data)
        for receiver in receivers:
            if receiver.missed is not None:
                tally.failed += count
            elif not tally.pending:
                tally.pending = True
                receiver.follow(Sample(receiver.bytes_received + receiver.queued, self._broker.now, tally))

    def see_call(self, run: Run, receiver: int | None) -> None:
        tally = _tally(self.methods, run[5])
        tally.count += 1
        tally.bytes += len(run[6])

    def see_answer(self, data: bytes, caller: Peer, call: Call | None) -> None:
        if call is not None:
            tally = _tally(self.methods, call.key)
            tally.failed += data[4] == ERROR
            tally.time(self._broker.now - call.since)

    def describe(self) -> dict[str, object]:
        """All that was counted, as the bus's method `traffic` gives it."""
        return {
            "seconds": self._broker.now - self.since,
            "topics": [
                {
                    "topic": key.decode(errors="replace"),
                    "messages": tally.count,
                    "bytes": tally.bytes,
                    "dropped": tally.failed,
                    "delay": tally.mean,
                    "delay_worst": tally.worst,
                }
                for key, tally in self.topics.items()
            ],
            "methods": [
                {
                    "name": key.decode(errors="replace").partition(" ")[0],
                    "method": key.decode(errors="replace").partition(" ")[2],
                    "calls": tally.count,
                    "errors": tally.failed,
                    "time": tally.mean,
                    "time_worst": tally.worst,
                }
                for key, tally in self.methods.items()
            ],
        }


def _tally(tallies: dict[bytes, Tally], key: bytes) -> Tally:
    found = tallies.get(key)
    if found is None:
        if len(tallies) >= MAX_ENTRIES:
            key = OTHERS
        found = tallies.setdefault(key, Tally())
    return found
