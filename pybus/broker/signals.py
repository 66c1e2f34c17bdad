"""Signals: who gets them, which are kept, and those that the bus publishes itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybus.broker.observers import Observer
from pybus.broker.peer import Peer, Receiver
from pybus.broker.retained import Retained, RetainedTable
from pybus.broker.routes import Receivers, Routes
from pybus.broker.topics import TopicIndex, check_publishable, decode_key
from pybus.errors import AccessDenied, BusError, InvalidName, LimitExceeded, ProtocolError
from pybus.protocol.codec import pack
from pybus.protocol.frames import (
    ANSWER,
    BUS,
    CAUSED,
    CLEAR,
    CONFIRM,
    EPHEMERAL,
    ERROR,
    ON_CHANGE,
    RAW,
    RETAIN,
    RETAINED,
    SIGNAL,
    Run,
    body_of,
    frame,
    message_target,
)

if TYPE_CHECKING:
    from pybus.broker.broker import Broker
    from pybus.broker.queues.message import Content


class Signals:
    """The topics of the bus.

    index: who has which patterns. routes: what was found in it, emptied whenever a pattern comes or goes.
    retained: the kept values.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.index: TopicIndex[Receiver] = TopicIndex(guarded=True)
        self.routes = Routes(self._find_route)
        self._shared: dict[Receivers, Receivers] = {}
        self.retained = RetainedTable(broker.limits)

    # --- who gets what ----------------------------------------------------------------------------

    def add(self, pattern: str, holder: Receiver) -> None:
        """Let the holder get what matches."""
        self.index.add(pattern, holder)
        self._forget_routes()

    def remove(self, pattern: str, holder: Receiver) -> None:
        """Let the holder get it no more."""
        self.index.remove(pattern, holder)
        self._forget_routes()

    def receivers(self, key: bytes) -> Receivers:
        """Who gets signals to a topic that has been checked: peers, then observers, then queues."""
        return self.routes.known.get(key) or self._match(key.decode())

    def _find_route(self, peer: Peer, run: Run) -> Receivers:
        """The receivers of a topic that is not in `routes`; none if the topic is refused."""
        key = run[5]
        try:
            topic = check_publishable(decode_key(key))
        except (InvalidName, AccessDenied) as error:
            self._refuse(peer, run, error)
            return ()
        if len(self.routes.known) >= self._broker.limits.routes:
            self._forget_routes()
        found = self._match(topic)
        receivers = self._shared.setdefault(found, found)
        self.routes.add(key, receivers)
        return receivers

    def _match(self, topic: str) -> Receivers:
        found = self.index.match(topic)
        if self._broker.observers:
            found.sort(key=_in_line)
        return tuple(found)

    def _forget_routes(self) -> None:
        self.routes.clear()
        self._shared.clear()

    # --- signals from peers -----------------------------------------------------------------------

    def special(self, peer: Peer, run: Run) -> None:
        """A signal with a flag beside RAW came."""
        _, flags, _, target, serial, key, data, _ = run
        if flags & RETAINED:
            raise ProtocolError("only the bus may mark a signal as retained")
        try:
            topic = check_publishable(decode_key(key))
            if flags & CAUSED:
                self._broker.storms.check_chain(peer, run)
            passes = self._keep(peer, topic, flags, body_of(run), ephemeral=bool(target & EPHEMERAL))
        except (InvalidName, BusError) as error:
            self._refuse(peer, run, error)
            return
        reached = 0
        if passes:
            receivers = self.routes.known.get(key)
            if receivers is None:
                receivers = self._find_route(peer, run)
            reached = sum([receiver.offer(data, 1, key) for receiver in receivers])
            self._broker.effort += len(receivers)
        if flags & CONFIRM:
            answer = frame(ANSWER, 0, BUS, peer.number, serial, b"", pack(reached))
            self._broker.observe_answer(answer, peer, None)
            peer.owe(answer)

    def _keep(self, peer: Peer, topic: str, flags: int, body: bytes, *, ephemeral: bool = False) -> bool:
        """Keep or forget the topic's value as the flags say. Whether the signal is to be passed on."""
        if flags & CLEAR:
            self.retained.clear(topic)
        elif flags & RETAIN:
            if flags & ON_CHANGE and self.retained.is_same(topic, flags & RAW, body):
                self.retained.settle(topic, peer.number, ephemeral=ephemeral)
                self._broker.dispatch.value_came(topic)
                return False
            value = Retained(topic, flags & RAW, body, peer.number, self._broker.now)
            self.retained.put(value, ephemeral=ephemeral)
            self._broker.dispatch.value_came(topic)
        return True

    def _refuse(self, peer: Peer, run: Run, error: InvalidName | BusError) -> None:
        _, _, _, _, serial, key, _, count = run
        name, message = self._broker.as_answer(error)
        if count > 1:
            message += f" ({count} signals)"
        data = frame(ERROR, 0, BUS, peer.number, serial, key, pack([name, message]))
        self._broker.observe_answer(data, peer, None)
        peer.owe(data)

    def offer_message(self, content: Content) -> int:
        """A message was published to `amq.topic`: subscribers get it as a signal. Returns how many connections.

        A routing key that could be no topic reaches none of them.
        """
        try:
            topic = check_publishable(content.key)
        except (InvalidName, AccessDenied):
            return 0
        key = topic.encode()
        flags = content.flags & (RAW | CAUSED)
        target = message_target(content.target, 0) if flags & CAUSED else 0
        data = frame(SIGNAL, flags, content.sender, target, 0, key, content.payload)
        found = self._match(topic)
        receivers = [one for one in found if isinstance(one, Peer)]
        self._broker.effort += len(receivers)
        reached = sum([receiver.offer(data, 1, key) for receiver in receivers])
        for observer in found:
            if isinstance(observer, Observer):
                observer.see_signals(data, 1, key, receivers)
        return reached

    # --- signals of the bus -----------------------------------------------------------------------

    def publish(self, topic: str, value: object) -> None:
        """Publish a signal of the bus's own. Its topics never enter `routes`, as peers may not use them."""
        self.routes.stirred = True
        receivers = self._match(topic)
        if receivers:
            self._offer(receivers, frame(SIGNAL, 0, BUS, 0, 0, topic.encode(), pack(value)), topic)

    def publish_will(self, peer: Peer) -> None:
        """Publish what a peer left to be published."""
        assert peer.will is not None
        topic, flags, body = peer.will
        try:
            self._keep(peer, topic, flags, body)
        except LimitExceeded:
            flags &= ~RETAIN  # nobody is left to be told; as a plain signal it still reaches those who listen
        self._offer(self._match(topic), frame(SIGNAL, flags, peer.number, 0, 0, topic.encode(), body), topic)

    def forget_ephemeral(self, peer: Peer) -> None:
        """Forget the values that go with a peer's connection, and tell their subscribers as CLEAR does."""
        for topic in self.retained.forget(peer.number):
            self._offer(self._match(topic), frame(SIGNAL, CLEAR, peer.number, 0, 0, topic.encode(), pack(None)), topic)

    def _offer(self, receivers: Receivers, data: bytes, topic: str) -> None:
        for receiver in receivers:
            receiver.offer(data, 1, topic.encode())


def _in_line(receiver: Receiver) -> int:
    """Observers come behind the peers, of which they tell who missed it, and before what queues do with it."""
    return 0 if isinstance(receiver, Peer) else 1 if isinstance(receiver, Observer) else 2
