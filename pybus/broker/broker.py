"""The broker: runs of frames from peers in, frames in peers' outboxes out.

`receive` is the way in. A plain signal is one look-up in `routes` (topic bytes to receivers), which
is filled from the topic index on a miss and emptied whenever a pattern comes or goes. All other
kinds have a method each. What the bus itself offers is in `driver.py`.

Three failures (each caught where it belongs): a `PybusError` raised while a frame is handled is a
refusal and becomes an error answer; a `ProtocolError` passes out of `receive` and ends the
connection; anything else is a bug, passes out too, and ends that connection only.
"""

from collections.abc import Iterable

from pybus.broker.calls import Call, OpenCalls
from pybus.broker.driver import Driver
from pybus.broker.peer import Credentials, Peer, Totals
from pybus.broker.registry import NameChange, NameRegistry
from pybus.broker.retained import Retained, RetainedTable
from pybus.broker.topics import TopicIndex, check_publishable
from pybus.errors import (
    PREFIX,
    AccessDenied,
    BadName,
    BusError,
    CallError,
    DeadlinePassed,
    InvalidName,
    LimitExceeded,
    NameHasNoOwner,
    ProtocolError,
    ReceiverFull,
    ServiceDied,
    TooLarge,
)
from pybus.limits import Limits
from pybus.names import BUS_NAME, check_destination, unique_number
from pybus.protocol.codec import pack
from pybus.protocol.frames import (
    ANSWER,
    BUS,
    BYE,
    CALL,
    CLEAR,
    CONFIRM,
    ERROR,
    HEADER_SIZE,
    NO_REPLY,
    PEER,
    RAW,
    RETAIN,
    RETAINED,
    SIGNAL,
    Run,
    body_of,
    frame,
)
from pybus.protocol.handshake import welcome

_BUS_KEY = BUS_NAME.encode()
_MAX_NUMBER = 2**32 - 1
_MAX_MESSAGE = 2000


class Broker:
    """The whole bus without its sockets.

    ready: peers whose outbox began to hold something since the shell last looked; the shell empties
    the list. now: the time given with the last event, monotonic seconds.
    """

    def __init__(self, limits: Limits, identity: str, version: str, now: float) -> None:
        """identity: 32 hexadecimal digits, new for each start of the daemon."""
        self.limits = limits
        self.identity = identity
        self.version = version
        self.started = self.now = now
        self.ready: list[Peer] = []
        self.peers: dict[int, Peer] = {}
        self.index: TopicIndex[Peer] = TopicIndex()
        self.routes: dict[bytes, tuple[Peer, ...]] = {}
        self._shared: dict[tuple[Peer, ...], tuple[Peer, ...]] = {}
        self.retained = RetainedTable(limits)
        self.registry: NameRegistry[Peer] = NameRegistry()
        self.calls = OpenCalls()
        self.gone = Totals()
        self.late_answers = 0
        self._driver = Driver(self)
        self._last_number = 0

    # --- coming and going -------------------------------------------------------------------------

    def join(self, credentials: Credentials, now: float) -> Peer:
        """A connection has greeted: give it a number and welcome it. Raises `LimitExceeded`."""
        self.now = now
        if len(self.peers) >= self.limits.connections:
            raise LimitExceeded(f"the bus has {len(self.peers)} connections, its limit")
        if self._last_number == _MAX_NUMBER:
            raise LimitExceeded("the bus has given out all its numbers; restart it")
        self._last_number += 1
        peer = Peer(self._last_number, credentials, self.limits, self.ready, now)
        self.peers[peer.number] = peer
        peer.put(welcome(peer.number, self.identity, self.version, self.limits.frame))
        return peer

    def leave(self, peer: Peer, now: float, *, goodbye: bool) -> None:
        """A connection has ended. Its names pass on, its callers are told, its will is published.

        goodbye: whether it ended as planned, which leaves its will unpublished.
        """
        self.now = now
        del self.peers[peer.number]
        self.gone.add(peer)
        for pattern in peer.patterns:
            self.index.remove(pattern, peer)
            self.forget_routes()
        for name in list(peer.names):
            self.announce(self.registry.release(name, peer)[1])
        for call in list(peer.serving.values()):
            self.calls.close(call)
            who = f"{peer.credentials.program} (pid {peer.credentials.pid})"
            self._answer_error(call.caller, call.serial, ServiceDied(f"{who} ended before it answered"))
        for call in list(peer.calls.values()):
            self.calls.close(call)
        for other in self.peers.values():
            if peer.number in other.acquainted:
                other.acquainted.discard(peer.number)
                if not other.full:
                    gone = {"number": peer.number, "gone": True}
                    other.put(frame(PEER, 0, BUS, other.number, 0, b"", pack(gone)))
        if peer.will is not None and not goodbye:
            self._publish_will(peer)

    def dismiss(self, peer: Peer, reason: BusError | None) -> None:
        """Say goodbye to a peer, with the reason that it is sent away, if it is."""
        body = pack([reason.name, reason.message] if reason is not None else None)
        peer.put(frame(BYE, 0, BUS, 0, 0, b"", body))

    # --- the way in -------------------------------------------------------------------------------

    def receive(self, peer: Peer, runs: Iterable[Run], now: float) -> list[Run]:
        """Handle what a peer sent. Raises `ProtocolError` when it broke the protocol.

        Returns the runs that were not handled, because the peer owes too much (`Limits.owed`): they
        are to come again when it has taken its answers. After a BYE the rest is ignored and
        `peer.leaving` is set.
        """
        self.now = now
        number = peer.number
        routes = self.routes
        most_owed = self.limits.owed
        rest = iter(runs)
        for run in rest:
            kind, flags, sender, _, _, key, data, count = run
            if sender != number:
                raise ProtocolError(f"a frame from connection {number} names {sender} as its sender")
            peer.sent += count
            if kind == SIGNAL and flags <= RAW:
                receivers = routes.get(key)
                if receivers is None:
                    receivers = self._find_route(peer, run)
                for receiver in receivers:
                    receiver.offer(data, count, key)
            else:
                self._receive_other(peer, run)
                if peer.leaving:
                    return []
                if peer.owed > most_owed:
                    return list(rest)
        return []

    def _receive_other(self, peer: Peer, run: Run) -> None:
        kind = run[0]
        if kind == CALL:
            self._call(peer, run)
        elif kind in (ANSWER, ERROR):
            self._answer(peer, run)
        elif kind == SIGNAL:
            self._special_signal(peer, run)
        elif kind == BYE:
            peer.leaving = True
            self.dismiss(peer, None)
        else:
            raise ProtocolError(f"only the bus may send frames of kind {kind}")

    # --- signals ----------------------------------------------------------------------------------

    def _find_route(self, peer: Peer, run: Run) -> tuple[Peer, ...]:
        """The receivers of a topic that is not in `routes`; none if the topic is refused."""
        key = run[5]
        try:
            topic = check_publishable(_text(key))
        except (InvalidName, AccessDenied) as error:
            self._refuse_signal(peer, run, error)
            return ()
        if len(self.routes) >= self.limits.routes:
            self.forget_routes()
        found = tuple(self.index.match(topic))
        receivers = self.routes[key] = self._shared.setdefault(found, found)
        return receivers

    def forget_routes(self) -> None:
        """A pattern came or went: receivers have to be found anew."""
        self.routes.clear()
        self._shared.clear()

    def _special_signal(self, peer: Peer, run: Run) -> None:
        """A signal with RETAIN, CLEAR or CONFIRM."""
        _, flags, _, _, serial, key, data, _ = run
        if flags & RETAINED:
            raise ProtocolError("only the bus may mark a signal as retained")
        try:
            topic = check_publishable(_text(key))
            if flags & CLEAR:
                self.retained.clear(topic)
            elif flags & RETAIN:
                self.retained.put(Retained(topic, flags & RAW, body_of(run), peer.number, self.now))
        except (InvalidName, AccessDenied, LimitExceeded) as error:
            self._refuse_signal(peer, run, error)
            return
        receivers = self.routes.get(key)
        if receivers is None:
            receivers = self._find_route(peer, run)
        reached = sum([receiver.offer(data, 1, key) for receiver in receivers])
        if flags & CONFIRM:
            peer.owe(frame(ANSWER, 0, BUS, peer.number, serial, b"", pack(reached)))

    def _refuse_signal(self, peer: Peer, run: Run, error: InvalidName | BusError) -> None:
        _, _, _, _, serial, key, _, count = run
        name, message = _as_bus_error(error)
        if count > 1:
            message += f" ({count} signals)"
        peer.owe(frame(ERROR, 0, BUS, peer.number, serial, key, pack([name, message])))

    def publish(self, topic: str, value: object) -> None:
        """Publish a signal of the bus's own. Its topics never enter `routes`, as peers may not use them."""
        receivers = self.index.match(topic)
        if receivers:
            key = topic.encode()
            data = frame(SIGNAL, 0, BUS, 0, 0, key, pack(value))
            for receiver in receivers:
                receiver.offer(data, 1, key)

    def announce(self, change: NameChange[Peer] | None) -> None:
        """Tell of a name that changed hands, and keep the peers' own lists of names true."""
        if change is None:
            return
        if change.old is not None and change.old not in self.registry.waiting(change.name):
            change.old.names.pop(change.name, None)
        if change.new is not None:
            change.new.names[change.name] = None
        old, new = (peer.name if peer is not None else None for peer in (change.old, change.new))
        self.publish(f"bus.name.{change.name}", {"name": change.name, "old": old, "new": new})

    def _publish_will(self, peer: Peer) -> None:
        assert peer.will is not None
        topic, flags, body = peer.will
        if flags & CLEAR:
            self.retained.clear(topic)
        elif flags & RETAIN:
            try:
                self.retained.put(Retained(topic, flags & RAW, body, peer.number, self.now))
            except LimitExceeded:
                flags &= ~RETAIN  # nobody is left to be told; as a plain signal it still reaches those who listen
        key = topic.encode()
        data = frame(SIGNAL, flags, peer.number, 0, 0, key, body)
        for receiver in self.index.match(topic):
            receiver.offer(data, 1, key)

    # --- calls ------------------------------------------------------------------------------------

    def _call(self, peer: Peer, run: Run) -> None:
        _, flags, _, allowed, serial, key, data, _ = run
        reply = not flags & NO_REPLY
        if reply and serial in peer.calls:
            raise ProtocolError(f"the serial {serial} is that of a call still unanswered")
        name, _, method = key.partition(b" ")
        try:
            if name == _BUS_KEY:
                answer = self._driver.call(peer, serial, method, body_of(run))
                size = HEADER_SIZE + len(answer)
                if size > self.limits.frame:
                    raise TooLarge(f"the answer has {size} bytes; the limit is {self.limits.frame}")
                if reply:
                    peer.owe(frame(ANSWER, 0, BUS, peer.number, serial, b"", answer))
                return
            callee = self.registry.owners.get(name)
            if callee is None:
                callee = self._find_callee(name)
            self._check_room(peer, callee, name, reply)
        except (InvalidName, BusError) as error:
            if reply:
                self._answer_error(peer, serial, error)
            return
        if reply:
            seconds = allowed / 1000 if allowed else self.limits.deadline
            self.calls.open(peer, callee, serial, self.now + seconds)
        if peer.number not in callee.acquainted:
            callee.acquainted.add(peer.number)
            callee.put(frame(PEER, 0, BUS, callee.number, 0, b"", pack(_acquaintance(peer))))
        callee.put(data)

    def _find_callee(self, name: bytes) -> Peer:
        """The callee by its unique name, or the reason why there is none."""
        text = check_destination(_text(name))
        callee = self.peers.get(unique_number(text) or 0)
        if callee is None:
            raise NameHasNoOwner(f"nobody owns the name {text}")
        return callee

    def _check_room(self, peer: Peer, callee: Peer, name: bytes, reply: bool) -> None:
        if callee.full:
            raise ReceiverFull(f"{_text(name)} does not read what is sent to it ({callee.queued} bytes wait)")
        if reply and len(callee.serving) >= self.limits.serving:
            raise ReceiverFull(f"{_text(name)} has {len(callee.serving)} calls waiting, its limit")
        if reply and len(peer.calls) >= self.limits.pending:
            raise LimitExceeded(f"{len(peer.calls)} of your calls are unanswered, the limit")

    def _answer(self, peer: Peer, run: Run) -> None:
        _, _, _, target, serial, _, data, _ = run
        call = peer.serving.get((target, serial))
        if call is None:
            self.late_answers += 1
            return
        self.calls.close(call)
        caller = call.caller
        if caller.queued >= 2 * self.limits.outbox:
            error = ReceiverFull("the answer came, but you do not read what is sent to you")
            self._answer_error(caller, serial, error)
        else:
            caller.owe(data)

    def _answer_error(self, caller: Peer, serial: int, error: InvalidName | BusError) -> None:
        caller.owe(frame(ERROR, 0, BUS, caller.number, serial, b"", pack(_as_bus_error(error))))

    # --- time -------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `expire` has to be called next, monotonic seconds; None if nothing waits for time."""
        return self.calls.next_deadline()

    def expire(self, now: float) -> None:
        """Answer the calls whose time has passed."""
        self.now = now
        for call in self.calls.expired(now):
            self._answer_error(call.caller, call.serial, _too_late(call))


def _text(key: bytes) -> str:
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise InvalidName(f"{key[:40]!r} is not UTF-8") from None


def _as_bus_error(error: InvalidName | CallError) -> tuple[str, str]:
    """The name and message to send; what a peer wrote may be in the message, so it has an end."""
    if isinstance(error, CallError):
        return error.name, error.message[:_MAX_MESSAGE]
    return PREFIX + BadName.__name__, str(error)[:_MAX_MESSAGE]


def _acquaintance(peer: Peer) -> dict[str, object]:
    uid, pid, program, executable = peer.credentials
    return {"number": peer.number, "uid": uid, "pid": pid, "program": program, "executable": executable}


def _too_late(call: Call) -> DeadlinePassed:
    who = f"{call.callee.credentials.program} (pid {call.callee.credentials.pid})"
    return DeadlinePassed(f"{who} did not answer in time")
