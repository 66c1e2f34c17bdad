"""Laws of queues, whatever is done to them in whatever order, killing the bus included."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pybus.limits import Limits
from pybus.protocol.frames import CONFIRM, CONFIRMED, DELIVER, ERROR, MULTIPLE, PERSISTENT, REDELIVERED
from pybus.storage import Batch
from tests.broker.queues.scene import User
from tests.broker.queues.shelf import Durable, Shelf

DURABLE, PASSING, LIMITED = "durable", "passing", "limited"
QUEUES = (DURABLE, PASSING, LIMITED)
PEOPLE = ("alice", "bob", "carol")
KEPT = (DURABLE, LIMITED)
_DEATHS = 3
"""A new bus takes some milliseconds, which a run of nothing but deaths would have a hundred times."""


class Hand:
    """What one person has of the bus: prefetch by consumer's serial and queue, and deliveries by tag."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.consumers: dict[int, tuple[str, int]] = {}
        self.held: dict[int, tuple[int, int]] = {}
        self.newest: dict[int, int] = {}
        self.last_tag = 0
        self.open: dict[int, int] = {}
        self.serial = 0


class Queues(RuleBasedStateMachine):
    """Three queues, three people who publish numbers and consume them, and a shelf that outlives the bus.

    where: the queue and persistence of each number. due: those that must be in their queue or in somebody's hand.
    settled: those that were acked or rejected; safe: of which the shelf knows. delivered: those that were, ever.
    """

    @initialize()
    def start(self) -> None:
        self.shelf = Shelf()
        self.scene = Durable(self.shelf, Limits()._replace(queue_memory=400))
        self.people: dict[str, Hand] = {}
        self.number = self.deaths = 0
        self.where: dict[int, tuple[str, bool]] = {}
        self.due: set[int] = set()
        self.confirmed: set[int] = set()
        self.settled: set[int] = set()
        self.safe: set[int] = set()
        self.delivered: set[int] = set()
        self.flying: tuple[Batch, set[int]] | None = None
        self.declare()

    def declare(self) -> None:
        user = User(self.scene, "founder")
        user.call("org.pybus.Bus", "declare_queue", DURABLE, False, True)
        user.call("org.pybus.Bus", "declare_queue", PASSING)
        limited = {"x-delivery-limit": 3, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": DURABLE}
        user.call("org.pybus.Bus", "declare_queue", LIMITED, False, True, False, False, limited)
        self.scene.save(2)
        user.leave(goodbye=True)

    # --- what people do -----------------------------------------------------------------------------

    def hand(self, name: str) -> Hand:
        if name not in self.people:
            self.people[name] = Hand(User(self.scene, name))
        return self.people[name]

    @rule(
        name=st.sampled_from(PEOPLE),
        queue=st.sampled_from(QUEUES),
        persistent=st.booleans(),
        size=st.sampled_from((1, 1, 200)),
        count=st.integers(1, 3),
    )
    def publish(self, name: str, queue: str, persistent: bool, size: int, count: int) -> None:
        hand = self.hand(name)
        for _ in range(count):
            self.number += 1
            hand.serial += 1
            self.where[self.number] = queue, persistent
            self.due.add(self.number)
            hand.open[hand.serial] = self.number
            flags = CONFIRM | (PERSISTENT if persistent else 0)
            body = self.number.to_bytes(4, "little") + bytes(size)
            hand.user.send(hand.user.message("", queue, body, flags, hand.serial))
        self.listen()

    @rule(name=st.sampled_from(PEOPLE), queue=st.sampled_from(QUEUES), prefetch=st.integers(1, 4))
    def consume(self, name: str, queue: str, prefetch: int) -> None:
        hand = self.hand(name)
        serial = hand.user._serial + 1
        hand.consumers[serial] = queue, prefetch
        named = [queue, "", False, False, prefetch]
        assert hand.user.call("org.pybus.Bus", "consume", *named) == serial
        self.listen()

    @rule(name=st.sampled_from(PEOPLE), place=st.integers(0, 5), multiple=st.booleans())
    def ack(self, name: str, place: int, multiple: bool) -> None:
        self.settle(name, place, "ack", multiple)

    @rule(name=st.sampled_from(PEOPLE), place=st.integers(0, 5), multiple=st.booleans())
    def give_back(self, name: str, place: int, multiple: bool) -> None:
        self.settle(name, place, "requeue", multiple)

    def settle(self, name: str, place: int, how: str, multiple: bool) -> None:
        hand = self.people.get(name)
        if hand is None or not hand.held:
            return
        tag = list(hand.held)[place % len(hand.held)]
        taken = [one for one in hand.held if one == tag or (multiple and one <= tag)]
        for one in taken:
            number, _ = hand.held.pop(one)
            if how == "ack":
                self.settled.add(number)
                self.due.discard(number)
        getattr(hand.user, how)(tag, multiple=multiple)
        self.listen()

    @rule(name=st.sampled_from(PEOPLE))
    def leave(self, name: str) -> None:
        hand = self.people.pop(name, None)
        if hand is not None:
            hand.user.leave()
            self.listen()

    @rule(seconds=st.sampled_from((0.01, 1.0, 10.0)))
    def wait(self, seconds: float) -> None:
        self.scene.wait(seconds)
        self.scene.finish()
        self.listen()

    # --- the disk, and death ------------------------------------------------------------------------

    @rule()
    @precondition(lambda self: self.flying is None)
    def begin_to_write(self) -> None:
        batch = self.scene.broker.queueing.disk.take()
        if batch is not None:
            self.flying = batch, set(self.settled)
        else:
            self.safe |= self.settled  # what was acked before it was ever written leaves nothing to write
        self.scene.finish()
        self.listen()

    @rule()
    @precondition(lambda self: self.flying is not None)
    def end_writing(self) -> None:
        assert self.flying is not None
        batch, settled = self.flying
        self.flying = None
        self.shelf.commit(batch)
        self.safe |= settled
        self.scene.broker.queueing.disk.committed()
        self.scene.finish()
        self.listen()

    @rule()
    @precondition(lambda self: self.deaths < _DEATHS)
    def die(self) -> None:
        """kill -9, and a new start."""
        self.deaths += 1
        self.scene = self.scene.die()
        self.people.clear()
        self.flying = None
        self.settled = set(self.safe)
        self.due = {
            number for number in self.confirmed - self.safe if self.where[number][1] and self.where[number][0] in KEPT
        }
        self.declare_passing()

    def declare_passing(self) -> None:
        user = User(self.scene, "founder")
        user.queue(PASSING)
        user.leave(goodbye=True)

    # --- what they hear -----------------------------------------------------------------------------

    def listen(self) -> None:
        for hand in self.people.values():
            for one in hand.user.heard():
                if one.kind == DELIVER:
                    hand.last_tag += 1
                    assert isinstance(one.value, (bytes, tuple))
                    body = one.value[1] if isinstance(one.value, tuple) else one.value
                    number = int.from_bytes(body[:4], "little")
                    self.deliver(hand, one.serial, number, bool(one.flags & REDELIVERED), one.value)
                elif one.kind == CONFIRMED:
                    self.confirm(hand, one.serial, bool(one.flags & MULTIPLE))
                else:
                    assert one.kind != ERROR, one

    def confirm(self, hand: Hand, serial: int, multiple: bool) -> None:
        for one in [one for one in hand.open if one == serial or (multiple and one < serial)]:
            self.confirmed.add(hand.open.pop(one))

    def deliver(self, hand: Hand, serial: int, number: int, redelivered: bool, value: object) -> None:
        _, prefetch = hand.consumers[serial]
        held = {one for other in self.people.values() for one, _ in other.held.values()}
        assert number not in held, "held by two consumers"
        assert number not in self.safe, "acked on disk, and here again"
        died = isinstance(value, tuple)
        if number in self.delivered and not died:
            assert redelivered, "doubled without the mark"
        if not redelivered and not died:
            assert number > hand.newest.get(serial, 0), "out of order"
            hand.newest[serial] = number
        self.delivered.add(number)
        hand.held[hand.last_tag] = number, serial
        assert sum(one == serial for _, one in hand.held.values()) <= prefetch, "more than the prefetch"

    # --- the laws -----------------------------------------------------------------------------------

    @invariant()
    def memory_is_counted_right(self) -> None:
        queues = list(self.scene.broker.queueing.vhost.queues.values())
        channels = [hand.user.peer.channel for hand in self.people.values() if hand.user.peer.channel is not None]
        unacked = [one for channel in channels for one in channel.unacked.values()]
        messages = [message for queue in queues for message in queue] + [one.message for one in unacked]
        assert self.scene.broker.queueing.bytes == sum(message.weight for message in messages)
        for queue in queues:
            here = list(queue) + [one.message for one in unacked if one.queue is queue]
            assert queue.memory == sum(len(message.data) for message in here)
            assert queue.unacked == sum(one.queue is queue for one in unacked)

    @invariant()
    def what_people_hold_is_what_the_bus_says(self) -> None:
        for hand in self.people.values():
            channel = hand.user.peer.channel
            assert list(hand.held) == (list(channel.unacked) if channel is not None else [])

    def teardown(self) -> None:
        """Everybody leaves; what must be there is there, once."""
        for name in list(self.people):
            self.leave(name)
        found: list[int] = []
        heir = User(self.scene, "heir")
        for queue in QUEUES:
            heir.consume(queue, no_ack=True)
        for _ in range(12):
            if self.flying is not None:
                self.end_writing()
            self.scene.save()
            self.scene.wait(10)
            self.scene.finish()
            for one in heir.heard():
                if one.kind == DELIVER:
                    assert isinstance(one.value, (bytes, tuple))
                    body = one.value[1] if isinstance(one.value, tuple) else one.value
                    found.append(int.from_bytes(body[:4], "little"))
        assert len(found) == len(set(found)), "there twice"
        assert self.due - set(found) == set(), "lost"
        assert self.safe & set(found) == set(), "acked on disk, and here again"


Queues.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestQueues = pytest.mark.timeout(300)(Queues.TestCase)
