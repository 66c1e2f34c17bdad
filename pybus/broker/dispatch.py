"""Calls on their way: to the bus itself, to the owner of a name, or held until a service has started."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pybus.broker.calls import Call, OpenCalls
from pybus.broker.driver import NotYet
from pybus.broker.peer import Peer
from pybus.errors import (
    BusError,
    DeadlinePassed,
    InvalidName,
    LimitExceeded,
    NameHasNoOwner,
    ProtocolError,
    ReceiverFull,
    ServiceDied,
    TooLarge,
)
from pybus.names import BUS_NAME, check_destination, unique_number
from pybus.protocol.codec import pack
from pybus.protocol.frames import (
    ANSWER,
    BUS,
    CAUSED,
    ERROR,
    HEADER_SIZE,
    NO_REPLY,
    PEER,
    Run,
    allowed_time,
    body_of,
    frame,
)

if TYPE_CHECKING:
    from pybus.broker.broker import Broker

_BUS_KEY = BUS_NAME.encode()


class _Held(NamedTuple):
    """A call that waits for its service to start. call: None if it wants no answer.

    topic: "" unless it is a `get`, which the bus answers itself when the service has come.
    """

    caller: Peer
    call: Call | None
    data: bytes
    topic: str


class _Queue:
    """The calls that wait for one service, in their order. bytes: their size."""

    __slots__ = ("bytes", "calls")

    def __init__(self) -> None:
        self.calls: dict[int, _Held] = {}
        self.bytes = 0


class Dispatch:
    """All calls of the bus, and their answers."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._held: dict[str, _Queue] = {}
        self._last_held = 0
        self.open = OpenCalls()
        self.late_answers = 0

    # --- calls ------------------------------------------------------------------------------------

    def call(self, peer: Peer, run: Run) -> None:
        """A CALL came."""
        _, flags, _, target, serial, key, data, _ = run
        broker = self._broker
        reply = not flags & NO_REPLY
        if reply and serial in peer.calls:
            raise ProtocolError(f"the serial {serial} is that of a call still unanswered")
        name, _, method = key.partition(b" ")
        try:
            if flags & CAUSED:
                broker.check_chain(peer, run)
                target = allowed_time(target)
            deadline = broker.now + (target / 1000 if target else broker.limits.deadline)
            if name == _BUS_KEY:
                self._call_bus(peer, run, method, deadline)
                return
            callee = broker.registry.owners.get(name) or self._find_callee(name)
            self._check_room(peer, callee, name, reply)
            if callee is None:
                self._hold(peer, run, name.decode(), deadline)
                broker.observe_call(run, None)
                return
        except (InvalidName, BusError) as error:
            broker.observe_call(run, None)
            if reply:
                self._answer_error(peer, serial, error)
            return
        if reply:
            self.open.deliver(self.open.open(peer, serial, key, broker.now, deadline), callee)
        broker.observe_call(run, callee.number)
        self._hand_over(peer, callee, data)

    def _call_bus(self, peer: Peer, run: Run, method: bytes, deadline: float) -> None:
        """A call to the bus itself."""
        _, flags, _, _, serial, _, _, _ = run
        reply = not flags & NO_REPLY
        self._broker.observe_call(run, BUS)
        try:
            try:
                answer = self._broker.driver.call(peer, serial, method, body_of(run))
            except NotYet as value:
                if reply:
                    self._check_room(peer, None, b"", reply)
                    self._hold(peer, run, value.service, deadline, value.topic)
            else:
                if reply:
                    self._answer_from_bus(peer, serial, answer)
        except (InvalidName, BusError) as error:
            if reply:
                self._answer_error(peer, serial, error)

    def _answer_from_bus(self, peer: Peer, serial: int, answer: bytes, call: Call | None = None) -> None:
        size = HEADER_SIZE + len(answer)
        if size > self._broker.limits.frame:
            raise TooLarge(f"the answer has {size} bytes; the limit is {self._broker.limits.frame}")
        data = frame(ANSWER, 0, BUS, peer.number, serial, b"", answer)
        self._broker.observe_answer(data, peer, call)
        peer.owe(data)

    def _find_callee(self, name: bytes) -> Peer | None:
        """The callee by its unique name; None if a service of that name can be started. Raises if there is none."""
        text = check_destination(decode_key(name))
        callee = self._broker.peers.get(unique_number(text) or 0)
        if callee is None and self._broker.services.get(text) is None:
            raise NameHasNoOwner(f"nobody owns the name {text}")
        return callee

    def _check_room(self, peer: Peer, callee: Peer | None, name: bytes, reply: bool) -> None:
        limits = self._broker.limits
        if callee is not None and callee.full:
            raise ReceiverFull(f"{name.decode()} does not read what is sent to it ({callee.queued} bytes wait)")
        if callee is not None and reply and len(callee.serving) >= limits.serving:
            raise ReceiverFull(f"{name.decode()} has {len(callee.serving)} calls waiting, its limit")
        if reply and len(peer.calls) >= limits.pending:
            raise LimitExceeded(f"{len(peer.calls)} of your calls are unanswered, the limit")

    def _hand_over(self, peer: Peer, callee: Peer, data: bytes) -> None:
        if peer.number not in callee.acquainted and peer.number in self._broker.peers:
            callee.acquainted.add(peer.number)
            callee.put(frame(PEER, 0, BUS, callee.number, 0, b"", pack(_acquaintance(peer))))
        callee.called = self._broker.now
        callee.put(data)

    # --- calls to services that do not run yet --------------------------------------------------------

    def _hold(self, peer: Peer, run: Run, name: str, deadline: float, topic: str = "") -> None:
        """Keep a call until its service has claimed its name. topic: see `_Held`.

        Raises `StartFailed`, `ReceiverFull`, `LimitExceeded`.
        """
        _, flags, _, _, serial, key, data, _ = run
        broker = self._broker
        why = f"{peer} asked for {topic}" if topic else f"called by {peer}"
        broker.services.need_for_call(name, why, deadline, broker.now)
        queue = self._held.get(name) or _Queue()
        if len(queue.calls) >= broker.limits.serving or queue.bytes >= broker.limits.outbox:
            raise ReceiverFull(f"{len(queue.calls)} calls wait for {name} to start, its limit")
        if peer.held >= broker.limits.held:
            raise LimitExceeded(f"{peer.held} of your calls wait for services to start, the limit")
        call = None if flags & NO_REPLY else self.open.open(peer, serial, key, broker.now, deadline)
        self._last_held += 1
        if call is not None:
            call.held = name, self._last_held
        self._held[name] = queue
        queue.calls[self._last_held] = _Held(peer, call, data, topic)
        queue.bytes += len(data)
        peer.held += 1

    def _take_held(self, name: str) -> list[_Held]:
        """Take out the calls that wait for a service."""
        queue = self._held.pop(name, None)
        held = list(queue.calls.values()) if queue is not None else []
        for one in held:
            one.caller.held -= 1
        return held

    def _forget_held(self, call: Call) -> None:
        """A call that waits for its service has been answered, or nobody waits for it any more."""
        if call.callee is not None or call.held is None:
            return
        name, place = call.held
        queue = self._held[name]
        queue.bytes -= len(queue.calls.pop(place).data)
        call.caller.held -= 1
        if not queue.calls:
            del self._held[name]

    def deliver_held(self, name: str, callee: Peer) -> None:
        """The service has claimed its name: hand over the calls that wait for it, in their order."""
        for caller, call, data, topic in self._take_held(name):
            if call is not None and topic:
                self._answer_get(call, topic)
                continue
            if call is not None:
                self.open.deliver(call, callee)
            self._hand_over(caller, callee, data)

    def _answer_get(self, call: Call, topic: str) -> None:
        """The service that was to have the topic's value is here."""
        self.open.close(call)
        try:
            self._answer_from_bus(call.caller, call.serial, pack(self._broker.driver.kept(topic)), call)
        except BusError as error:
            self._answer_error(call.caller, call.serial, error, call)

    def fail_held(self, name: str, error: BusError) -> None:
        """The service will not come: answer the calls that wait for it."""
        for caller, call, _, _ in self._take_held(name):
            if call is not None:
                self.open.close(call)
                self._answer_error(caller, call.serial, error, call)

    def is_awaited(self, name: str) -> bool:
        """Whether calls wait for that service to start."""
        return name in self._held

    # --- answers ----------------------------------------------------------------------------------

    def answer(self, peer: Peer, run: Run) -> None:
        """An ANSWER or ERROR came."""
        _, _, _, target, serial, _, data, _ = run
        call = peer.serving.get((target, serial))
        if call is None:
            self.late_answers += 1
            return
        self.open.close(call)
        peer.answered += 1
        peer.answer_time += self._broker.now - call.since
        caller = call.caller
        if caller.queued >= 2 * self._broker.limits.outbox:
            error = ReceiverFull("the answer came, but you do not read what is sent to you")
            self._answer_error(caller, serial, error, call)
            return
        self._broker.observe_answer(data, caller, call)
        caller.owe(data)

    def _answer_error(self, caller: Peer, serial: int, error: InvalidName | BusError, call: Call | None = None) -> None:
        data = frame(ERROR, 0, BUS, caller.number, serial, b"", pack(self._broker.as_answer(error)))
        self._broker.observe_answer(data, caller, call)
        caller.owe(data)

    # --- the end of a peer, and of time -------------------------------------------------------------

    def leave(self, peer: Peer) -> None:
        """A connection has ended: its callers are told, and nobody answers its own calls."""
        for call in list(peer.serving.values()):
            self.open.close(call)
            error = ServiceDied(f"{peer.credentials.text} ended before it answered")
            self._answer_error(call.caller, call.serial, error, call)
        for call in list(peer.calls.values()):
            self._forget_held(call)
            self.open.close(call)
        for other in self._broker.peers.values():
            if peer.number in other.acquainted:
                other.acquainted.discard(peer.number)
                if not other.full:
                    gone = {"number": peer.number, "gone": True}
                    other.put(frame(PEER, 0, BUS, other.number, 0, b"", pack(gone)))

    def expire(self, now: float) -> None:
        """Answer the calls whose time has passed."""
        for call in self.open.expired(now):
            self._forget_held(call)
            self._answer_error(call.caller, call.serial, _too_late(call), call)


def decode_key(key: bytes) -> str:
    """The text of a key. Raises `InvalidName`."""
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise InvalidName(f"{key[:40]!r} is not UTF-8") from None


def _acquaintance(peer: Peer) -> dict[str, object]:
    uid, pid, program, executable = peer.credentials
    return {"number": peer.number, "uid": uid, "pid": pid, "program": program, "executable": executable}


def _too_late(call: Call) -> DeadlinePassed:
    if call.callee is None:
        assert call.held is not None
        return DeadlinePassed(f"{call.held[0]} did not come in time")
    return DeadlinePassed(f"{call.callee.credentials.text} did not answer in time")
