"""Calls on their way: to the bus itself, to the owner of a name, or held until a service has started.

A call and its answer take 10 us of the daemon's time in plain Python and 6.7 us compiled, without the system calls; it
was 18.6 and 13.1 us when the shell looked after each for all that might be due (see `Dispatch`), and this was not
compiled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybus.broker.calls import Call, OpenCalls
from pybus.broker.driver import NotYet, no_value
from pybus.broker.held import Held, HeldCalls
from pybus.broker.peer import Peer
from pybus.broker.queues.disk import NotReady
from pybus.broker.queues.methods import CARRIERS
from pybus.broker.queues.works import Unfinished
from pybus.broker.topics import decode_key
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
    serial_of,
)

if TYPE_CHECKING:
    from pybus.broker.broker import Broker

_BUS_KEY = BUS_NAME.encode()
_CARRIERS = {name.encode() for name in CARRIERS}


class Dispatch:
    """All calls of the bus, and their answers.

    A call to a connection that has room, and its answer, are looked up once each, and go on as they came. All else
    stirs the bus (see `Routes.stirred`), as the shell has to look then what became of it.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._routes = broker.signals.routes
        self.open = OpenCalls()
        self.held = HeldCalls()
        self.late_answers = 0

    # --- calls ------------------------------------------------------------------------------------

    def call(self, peer: Peer, run: Run) -> None:
        """A CALL came."""
        _, flags, _, target, serial, key, data, _ = run
        broker = self._broker
        reply = not flags & NO_REPLY
        if reply and serial in peer.calls:
            raise ProtocolError(f"the serial {serial} is that of a call still unanswered")
        name = key.partition(b" ")[0]
        try:
            if flags & CAUSED:
                broker.storms.check_chain(peer, run)
                target = allowed_time(target)
            deadline = broker.now + (target / 1000 if target else broker.limits.deadline)
            if name == _BUS_KEY:
                self._routes.stirred = True
                broker.observe_call(run, BUS)
                self.call_bus(peer, run, deadline)
                return
            callee = broker.registry.owners.get(name)
            if callee is None:
                self._routes.stirred = True
                callee = self._find_callee(name)
            self._check_room(peer, callee, name, reply)
            if callee is None:
                self._hold(peer, run, name.decode(), deadline)
                broker.observe_call(run, None)
                return
        except (InvalidName, BusError) as error:
            self._routes.stirred = True
            broker.observe_call(run, None)
            if reply:
                self.refuse(peer, serial, error)
            return
        if reply:
            self.open.deliver(self.open.open(peer, serial, key, broker.now, deadline), callee)
            if deadline < broker.expires:
                self._routes.stirred = True
        if broker.observers:
            self._routes.stirred = True
            broker.observe_call(run, callee.number)
        self._hand_over(peer, callee, data)

    def call_bus(self, peer: Peer, run: Run, deadline: float) -> None:
        """A call to the bus itself, for the first time or once more as it could not be carried out before."""
        _, flags, _, _, serial, key, data, _ = run
        method = key.partition(b" ")[2]
        reply = not flags & NO_REPLY
        try:
            promises = self._broker.queueing.journal.promises
            try:
                body = self._broker.driver.call(peer, serial, method, body_of(run))
            except NotReady:
                self._broker.queueing.disk.call_later(peer, run, deadline)
            except NotYet as value:
                if reply:
                    self._check_room(peer, None, b"", reply)
                    call = self.open.open(peer, serial, key, self._broker.now, deadline)
                    self._ask(Held(peer, call, data, value.topic))
            except Unfinished as work:
                self._broker.queueing.works.go_on_later(work, (peer, serial) if reply else None)
            else:
                if reply:
                    answer = self._answer_of_bus(peer, serial, body, carries=method in _CARRIERS)
                    if self._broker.queueing.journal.promises != promises:
                        self._broker.queueing.disk.answer_later(peer, answer)
                    else:
                        self._give_own_answer(answer, peer)
        except (InvalidName, BusError) as error:
            if reply:
                self.refuse(peer, serial, error)

    def answer_bus_call(self, peer: Peer, serial: int, body: bytes) -> None:
        """A call to the bus itself that took its time is done; its caller may have gone."""
        if peer.number in self._broker.peers:
            self._give_own_answer(self._answer_of_bus(peer, serial, body), peer)

    def _give_own_answer(self, answer: bytes, peer: Peer) -> None:
        self._broker.observe_answer(answer, peer, None)
        peer.owe(answer)

    def _answer_of_bus(self, peer: Peer, serial: int, body: bytes, *, carries: bool = False) -> bytes:
        """The frame of an answer of the bus itself. carries: a message, so that it has no limit. Raises `TooLarge`."""
        size = HEADER_SIZE + len(body)
        if size > self._broker.limits.frame and not carries:
            raise TooLarge(f"the answer has {size} bytes; the limit is {self._broker.limits.frame}")
        return frame(ANSWER, 0, BUS, peer.number, serial, b"", body)

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

    def _hold(self, peer: Peer, run: Run, name: str, deadline: float) -> None:
        """Keep a call until its service has claimed its name. Raises `StartFailed`, `ReceiverFull`, `LimitExceeded`."""
        _, flags, _, _, serial, key, data, _ = run
        broker = self._broker
        broker.services.need_for_call(name, f"called by {peer}", deadline, broker.now)
        self.held.check(name, peer, broker.limits)
        call = None if flags & NO_REPLY else self.open.open(peer, serial, key, broker.now, deadline)
        self.held.add(name, Held(peer, call, data))

    def deliver_held(self, name: str, callee: Peer) -> None:
        """The service has claimed its name: hand over the calls that wait for it, in their order."""
        for one in self.held.take(name):
            if one.topic:
                self._ask(one)
                continue
            if one.call is not None:
                self.open.deliver(one.call, callee)
            self._hand_over(one.caller, callee, one.data)

    def fail_held(self, name: str, error: BusError) -> None:
        """The service will not come: answer the calls that wait for it."""
        for one in self.held.take(name):
            if one.topic:
                self._ask(one._replace(failure=one.failure or error))
            elif one.call is not None:
                self.open.close(one.call)
                self.refuse(one.caller, one.call.serial, error, one.call)

    # --- a `get` that waits -------------------------------------------------------------------------

    def _ask(self, one: Held) -> None:
        """Let it wait for the next service that may have the value. If there is none, it is answered."""
        broker, call = self._broker, one.call
        assert call is not None
        body = broker.driver.get_now(one.topic)
        if body is not None:
            self._answer_get(call, body)
            return
        for name in broker.driver.ask_services(one.topic, one.caller):
            if name in one.tried:
                continue
            one = one._replace(tried=(*one.tried, name))
            try:
                why = f"{one.caller} asked for {one.topic}"
                broker.services.need_for_call(name, why, call.deadline, broker.now)
                self.held.check(name, one.caller, broker.limits)
            except BusError as error:
                one = one._replace(failure=one.failure or error)
            else:
                self.held.add(name, one)
                return
        self.open.close(call)
        self.refuse(one.caller, call.serial, one.failure or no_value(one.topic), call)

    def value_came(self, topic: str) -> None:
        """The topic has a value: answer those that wait for it."""
        if topic not in self.held.asked:
            return
        body = self._broker.driver.get_now(topic)
        if body is None:
            return
        for one in self.held.take_asking(topic):
            assert one.call is not None
            self._answer_get(one.call, body)
            self._broker.effort += 1

    def files_changed(self) -> None:
        """Other services have files: those that wait for one which does not declare their topic any more ask anew."""
        for topic, places in list(self.held.asked.items()):
            declaring = {one.name for one in self._broker.services.declaring(topic) if one.calls}
            for name in set(places.values()) - declaring:
                for one in self.held.take_asking(topic, name):
                    self._ask(one)

    def _answer_get(self, call: Call, body: bytes) -> None:
        self.open.close(call)
        try:
            self._hand_back(call, self._answer_of_bus(call.caller, call.serial, body))
        except TooLarge as error:
            self.refuse(call.caller, call.serial, error, call)

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
        self._hand_back(call, data)

    def _hand_back(self, call: Call, data: bytes) -> None:
        """Give an answer that came later to who called, unless it does not read."""
        caller = call.caller
        if caller.queued >= 2 * self._broker.limits.outbox:
            error = ReceiverFull("the answer came, but you do not read what is sent to you")
            self.refuse(caller, call.serial, error, call)
            return
        self._give_answer(data, caller, call)

    def refuse(self, caller: Peer, serial: int, error: InvalidName | BusError, call: Call | None = None) -> None:
        """Answer a call by an error of the bus's own."""
        self._routes.stirred = True
        data = frame(ERROR, 0, BUS, caller.number, serial, b"", pack(self._broker.as_answer(error)))
        self._give_answer(data, caller, call)

    def _give_answer(self, data: bytes, caller: Peer, call: Call | None) -> None:
        """Give an answer or error to its caller: by its outbox, or by a queue if it called by a message."""
        broker = self._broker
        if broker.observers:
            self._routes.stirred = True
            broker.observe_answer(data, caller, call)
        replying = broker.queueing.replying
        awaited = replying.awaited.pop((caller.number, serial_of(data)), None) if replying.awaited else None
        if awaited is None:
            caller.owe(data)
        else:
            self._routes.stirred = True
            replying.answer(caller, awaited, data)

    # --- the end of a peer, and of time -------------------------------------------------------------

    def leave(self, peer: Peer) -> None:
        """A connection has ended: its callers are told, and nobody answers its own calls."""
        for call in list(peer.serving.values()):
            self.open.close(call)
            error = ServiceDied(f"{peer.credentials.text} ended before it answered")
            self.refuse(call.caller, call.serial, error, call)
        for call in list(peer.calls.values()):
            self.held.forget(call)
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
            self.held.forget(call)
            self.refuse(call.caller, call.serial, _too_late(call), call)


def _acquaintance(peer: Peer) -> dict[str, object]:
    uid, pid, program, executable = peer.credentials
    return {"number": peer.number, "uid": uid, "pid": pid, "program": program, "executable": executable}


def _too_late(call: Call) -> DeadlinePassed:
    if call.callee is None:
        assert call.held is not None
        return DeadlinePassed(f"{call.held[0]} did not come in time")
    return DeadlinePassed(f"{call.callee.credentials.text} did not answer in time")
