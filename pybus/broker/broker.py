"""The broker: runs of frames from peers in, frames in peers' outboxes out.

`receive` is the way in. A plain signal is one look-up in `routes.py` (topic bytes to receivers). Other
signals are in `signals.py`, calls and answers in `dispatch.py`, what the bus itself offers in
`driver.py`, services that start when needed in `services.py`.

Three failures (each caught where it belongs): a `PybusError` raised while a frame is handled is a
refusal and becomes an error answer; a `ProtocolError` passes out of `receive` and ends the
connection; anything else is a bug, passes out too, and ends that connection only.
"""

from collections.abc import Callable, Mapping

from pybus.broker.calls import Call
from pybus.broker.dispatch import Dispatch
from pybus.broker.driver import Driver
from pybus.broker.life import FAILED, STARTING, Ending, Life, News, Order, Service
from pybus.broker.observers import Observer
from pybus.broker.peer import Credentials, Peer, Totals
from pybus.broker.queues.journal import Journal
from pybus.broker.queues.queueing import Queueing
from pybus.broker.registry import NameChange, NameRegistry
from pybus.broker.services import Services
from pybus.broker.signals import Signals
from pybus.broker.storms import Storms, who
from pybus.errors import (
    PREFIX,
    BadName,
    BusError,
    CallError,
    InvalidName,
    LimitExceeded,
    ProtocolError,
    StartFailed,
)
from pybus.limits import Limits
from pybus.protocol.codec import pack
from pybus.protocol.frames import ANSWER, BUS, BYE, CALL, ERROR, PUBLISH, SETTLE, SEVERAL, SIGNAL, Run, apart, frame
from pybus.protocol.handshake import welcome
from pybus.storage import Store

_MAX_NUMBER = 2**32 - 1
_MAX_MESSAGE = 2000
_ALONE = 5.0
"""Seconds without a signal or answer of anybody else who is here, after which a sender has the bus to itself."""
_USUAL_EFFORT = 4
"""What a call or answer costs, in deliveries of a signal."""


class Broker:
    """The whole bus without its sockets.

    ready: peers whose outbox began to hold something since the shell last looked; the shell empties
    the list. todo: orders to the shell and news, in order, for `settle`. now: the time given with the
    last event, monotonic seconds. wall_time: returns the time of day, seconds since 1970. watchers: the observers that
    see messages of queues. effort: what the frame in hand takes from its sender's turn. expires: when the shell is
    going to call `expire`, monotonic seconds, as it says here; a deadline before that stirs the bus.
    """

    def __init__(
        self,
        limits: Limits,
        identity: str,
        version: str,
        now: float,
        *,
        wall_time: Callable[[], float] = lambda: 0.0,
        store: Store | None = None,
    ) -> None:
        """identity: 32 hexadecimal digits, new for each start of the daemon.

        wall_time: see `Broker`; it goes on while the machine sleeps, and `now` does not. store: for what is durable;
        without one it lives as long as this.
        """
        self.limits = limits
        self.identity = identity
        self.version = version
        self.started = self.now = now
        self.wall_time = wall_time
        self.ready: list[Peer] = []
        self.peers: dict[int, Peer] = {}
        self.observers: list[Observer] = []
        self.watchers: list[Observer] = []
        self.todo: list[Order | News] = []
        self.signals = Signals(self)
        self.registry: NameRegistry[Peer] = NameRegistry()
        self.dispatch = Dispatch(self)
        self.storms = Storms(self)
        self.services = Services(self.todo, lambda name: self.registry.owner(name) is not None, self._last_use)
        self.queueing = Queueing(self, Journal(store))
        self.driver = Driver(self)
        self.gone = Totals()
        self.effort = _USUAL_EFFORT
        self.expires = float("inf")
        self._last_number = 0
        self._latest = self._before = 0
        self._changed = now

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
        self.signals.publish("bus.peer.joined", who(peer))
        return peer

    def leave(self, peer: Peer, now: float, *, goodbye: bool) -> None:
        """A connection has ended. Its callers are told, its will is published, its ephemeral values and names go.

        goodbye: whether it ended as planned, which leaves its will unpublished. Where the will sets an
        ephemeral value, that is all that its subscribers hear. The names pass on last: who gets one of them,
        or asked for it, finds nothing left of the one who had it.
        """
        self.now = now
        self.signals.routes.stirred = True
        del self.peers[peer.number]
        self.gone.add(peer)
        for pattern in peer.patterns:
            self.signals.remove(pattern, peer)
        for sample in peer.samples or ():
            sample.tally.pending = False
        for observer in [one for one in self.observers if one.peer is peer]:
            self.ignore(observer)
        for pattern in peer.patterns:
            self.listen(peer, pattern, -1)
        peer.patterns.clear()
        self.dispatch.leave(peer)
        self.queueing.leave(peer)
        if peer.will is not None and not goodbye:
            self.signals.publish_will(peer)
        self.signals.forget_ephemeral(peer)
        for name in list(peer.names):
            self.announce(self.registry.release(name, peer)[1])

    def tell_gone(self, peer: Peer, names: list[str], how: str, status: int | None, signal: str | None) -> None:
        """Let everybody know how a connection ended, once that is known. names: the well-known ones it had.

        how: "goodbye", "thrown out", "closed" (the process lives), "exited", "killed" or "unknown".
        """
        ending = {"names": names, "how": how, "status": status, "signal": signal, "age": self.now - peer.since}
        self.signals.publish("bus.peer.gone", {**who(peer), **ending})

    def dismiss(self, peer: Peer, reason: BusError | None) -> None:
        """Say goodbye to a peer, with the reason that it is sent away, if it is."""
        body = pack([reason.name, reason.message] if reason is not None else None)
        peer.put(frame(BYE, 0, BUS, 0, 0, b"", body))

    def announce(self, change: NameChange[Peer] | None) -> None:
        """Tell of a name that changed hands, and keep the peers' own lists of names true."""
        if change is None:
            return
        if change.old is not None and change.old not in self.registry.waiting(change.name):
            change.old.names.pop(change.name, None)
        if change.new is not None:
            change.new.names[change.name] = None
        old, new = (peer.name if peer is not None else None for peer in (change.old, change.new))
        self.signals.publish(f"bus.name.{change.name}", {"name": change.name, "old": old, "new": new})
        if self.services.get(change.name) is not None:
            freed, taken = (self._asking(peer, change.name) for peer in (change.old, change.new))
            self._count_listeners(change.name, freed - taken)
        if change.new is not None:
            self.services.claimed(change.name, change.new.name, self.now)
            self.dispatch.deliver_held(change.name, change.new)

    # --- the way in -------------------------------------------------------------------------------

    def receive(self, peer: Peer, runs: list[Run], now: float) -> list[Run]:
        """Handle what a peer sent. Raises `ProtocolError` when it broke the protocol.

        runs: as a reader with our `signals.routes.ways` has cut them just now, or as this gave them back.

        Returns the runs that were not handled, because the peer's turn is over (`Limits.turn`) or it
        owes too much (`Limits.owed`): they are to come again when all others had their turn, and it
        has taken its answers. After a BYE the rest is ignored and `peer.leaving` is set.
        """
        self.now = now
        if peer.number != self._latest and runs and runs[0][0] != CALL:
            self._before, self._latest, self._changed = self._latest, peer.number, now
        routes = self.signals.routes
        routes.begin(self.limits.turn)
        at = 0
        while True:
            at = routes.forward(peer, runs, at)
            if at == len(runs):
                return []
            if routes.left <= 0:
                return _for_later(runs[at:])
            run = runs[at]
            at += 1
            peer.sent += run[7]
            kind = run[0]
            if kind == CALL:
                self.dispatch.call(peer, run)
            elif kind == ANSWER:
                self.dispatch.answer(peer, run)
            else:
                routes.stirred = True
                self._receive_other(peer, run)
            if peer.leaving:
                return []
            routes.left -= self.effort
            self.effort = _USUAL_EFFORT
            if peer.must_wait or routes.left <= 0:
                return _for_later(runs[at:])

    def _receive_other(self, peer: Peer, run: Run) -> None:
        kind = run[0]
        if kind == ERROR:
            self.dispatch.answer(peer, run)
        elif kind == SIGNAL:
            self.signals.special(peer, run)
        elif kind == PUBLISH:
            self.queueing.publishing.receive(peer, run)
        elif kind == SETTLE:
            self.queueing.consuming.receive(peer, run)
        elif kind == BYE:
            peer.leaving = True
            self.dismiss(peer, None)
        else:
            raise ProtocolError(f"only the bus may send frames of kind {kind}")

    # --- against storms ---------------------------------------------------------------------------

    def reckon(self, peer: Peer, messages: int, size: int) -> float:
        """Take what a peer has sent from its budget. Returns the seconds for which it is not to be read."""
        alone = self._before not in self.peers or self.now - self._changed > _ALONE
        return peer.budget.spend(messages, size, self.now, alone=alone)

    # --- who observes -----------------------------------------------------------------------------

    def observe(self, observer: Observer) -> None:
        """Let an observer see what passes."""
        self.observers.append(observer)
        if observer.messages:
            self.watchers.append(observer)
        for pattern in observer.patterns:
            self.signals.add(pattern, observer)

    def ignore(self, observer: Observer) -> None:
        """Let an observer see no more."""
        self.observers.remove(observer)
        if observer.messages:
            self.watchers.remove(observer)
        for pattern in observer.patterns:
            self.signals.remove(pattern, observer)

    def observe_call(self, run: Run, receiver: int | None) -> None:
        """Show a call to the observers. receiver: a connection's number; None if it goes to nobody for now."""
        for observer in self.observers:
            observer.see_call(run, receiver)

    def observe_answer(self, data: bytes, caller: Peer, call: Call | None) -> None:
        """Show an answer or error to the observers."""
        for observer in self.observers:
            observer.see_answer(data, caller, call)

    # --- services ---------------------------------------------------------------------------------

    def settle(self) -> list[Order | News]:
        """Publish the news. Returns it, for the log, with what the shell has to do to services' processes."""
        todo = list(self.todo)
        self.todo.clear()
        self.services.find_due()
        for one in todo:
            if isinstance(one, News):
                self.signals.publish(one.topic, one.value)
            elif one.action == "terminate":
                self.registry.suspend(one.service.name)
        return todo

    def offer(self, services: Mapping[str, Service], now: float) -> None:
        """These are the services from now on; calls that wait for another one fail."""
        self.now = now
        before = {life.service.name: (life.service, bool(life.listeners)) for life in self.services.all()}
        for name in self.services.replace(services, now):
            if self.services.get(name) is None:
                self.dispatch.fail_held(name, _no_file(name))
        for peer in self.peers.values():
            for pattern in peer.patterns:
                for service in self._asked_by(peer, pattern):
                    self.services.listen(service.name, 1)
        for life in self.services.all():
            service, listened = before.get(life.service.name, (life.service, False))
            if bool(life.listeners) != listened:
                self._tell_listeners(life)
            elif life.service != service:
                self.services.listened(life.service.name, now)
        self.dispatch.files_changed()

    def service_not_started(self, name: str, reason: str) -> None:
        """A service's command can't be executed."""
        self.services.not_started(name, reason, self.now)
        self.dispatch.fail_held(name, StartFailed(self.services.find(name).reason))

    def service_ended(self, name: str, pid: int, ending: Ending, words: list[str], ran: float, now: float) -> None:
        """A service's process has ended, see `Services.ended`. Calls that wait for it fail, or start it again."""
        self.now = now
        life = self.services.get(name)
        was_starting = life is not None and life.state == STARTING
        self.services.ended(name, pid, ending, words, ran, now)
        self.registry.resume(name)
        owner = self.registry.owner(name)
        if owner is not None:
            self.dispatch.deliver_held(name, owner)
        elif life is None or life.withdrawn:
            self.dispatch.fail_held(name, _no_file(name))
        elif was_starting or life.state == FAILED:
            self.dispatch.fail_held(name, StartFailed(life.reason))
        elif self.dispatch.held.is_awaited(name):
            self.services.need(name, "calls wait for it", now)

    def stop_service(self, name: str) -> None:
        """End a service; calls that wait for it fail. Raises `NoSuchService`."""
        self.services.stop(name, self.now)
        self.dispatch.fail_held(name, StartFailed(f"{name} was stopped before it claimed its name"))

    def listen(self, peer: Peer, pattern: str, step: int) -> list[Service]:
        """A peer has a pattern more (step 1) or less (step -1). Returns the services that it asks for."""
        asked = self._asked_by(peer, pattern)
        for service in asked:
            self._count_listeners(service.name, step)
        return asked

    def _asked_by(self, peer: Peer, pattern: str) -> list[Service]:
        """The services that a peer's pattern asks for; a service does not listen to itself."""
        return [one for one in self.services.declaring(pattern) if self.registry.owner(one.name) is not peer]

    def _asking(self, peer: Peer | None, name: str) -> int:
        """How many of a peer's patterns ask for a service if it is not its own."""
        return sum(self.services.declares(name, pattern) for pattern in (peer.patterns if peer is not None else ()))

    def _count_listeners(self, name: str, more: int) -> None:
        life = self.services.find(name)
        before = life.listeners
        self.services.listen(name, more)
        if bool(before) != bool(life.listeners):
            self._tell_listeners(life)

    def _tell_listeners(self, life: Life) -> None:
        name = life.service.name
        self.services.listened(name, self.now)
        self.signals.publish(f"bus.listeners.{name}", {"name": name, "listeners": life.listeners})

    def _last_use(self, name: str) -> float:
        owner = self.registry.owner(name)
        if owner is None:
            return 0.0
        return float("inf") if owner.serving else owner.called

    # --- limits and time --------------------------------------------------------------------------

    def use(self, limits: Limits) -> None:
        """Other limits hold from now on; a connection keeps the frame size that it was told."""
        self.limits = limits
        self.signals.retained.use(limits)
        for peer in self.peers.values():
            peer.use(limits)

    @property
    def waits_for_time(self) -> bool:
        """Whether there may be a deadline at all."""
        return bool(self.dispatch.open or self.services.due is not None or self.queueing.timers)

    def next_deadline(self) -> float | None:
        """When `expire` has to be called next, monotonic seconds; None if nothing waits for time."""
        first = self.dispatch.open.next_deadline()
        for when in (self.services.due, self.queueing.timers.next_due()):
            if when is not None and (first is None or when < first):
                first = when
        return first

    def expire(self, now: float) -> None:
        """Answer the calls whose time has passed, and end or start the services whose time has come."""
        self.now = now
        self.dispatch.expire(now)
        for name in self.services.expire(now):
            self.dispatch.fail_held(name, StartFailed(self.services.find(name).reason))
        self.queueing.overdue.expire(now)

    def as_answer(self, error: InvalidName | CallError) -> tuple[str, str]:
        """The name and message to send; what a peer wrote may be in the message, so it has an end."""
        if isinstance(error, CallError):
            return error.name, error.message[:_MAX_MESSAGE]
        return PREFIX + BadName.__name__, str(error)[:_MAX_MESSAGE]


def _for_later(runs: list[Run]) -> list[Run]:
    """Runs that wait: by then the topics of one may go different ways."""
    return [one for run in runs for one in (apart(run) if run[0] == SEVERAL else (run,))]


def _no_file(name: str) -> StartFailed:
    return StartFailed(f"{name} has no service file any more")
