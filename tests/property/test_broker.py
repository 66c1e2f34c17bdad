"""The laws of the broker, whatever people do in whatever order.

Every call that wants a reply is answered exactly once and to its caller only; a name's owner is the
one of a naive model of D-Bus' rules; signals reach just those who listen, in their publisher's order;
no remembered route lies.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pybus.broker.peer import Peer
from pybus.errors import PREFIX
from pybus.limits import Limits
from pybus.protocol.frames import ANSWER, CALL, CONFIRM, ERROR, MISSED, PEER, RETAIN, RETAINED, SIGNAL
from tests.broker.scene import Heard, Person, Scene
from tests.property.test_topics import naively, patterns, topics

NAMES = ("a.a", "b.b")
people = st.integers(0, 5)
booleans = st.booleans()


class Claim:
    """One line of the naive model of names."""

    def __init__(self, who: int, allow: bool, queue: bool) -> None:
        self.who = who
        self.allow = allow
        self.queue = queue


class Names:
    """The rules of RequestName and ReleaseName, said once more and naively."""

    def __init__(self) -> None:
        self.lines: dict[str, list[Claim]] = {name: [] for name in NAMES}

    def request(self, name: str, who: int, allow: bool, replace: bool, queue: bool) -> str:
        line = self.lines[name]
        claim = Claim(who, allow, queue)
        place = next((place for place, other in enumerate(line) if other.who == who), None)
        if not line or place == 0:
            line[:1] = [claim]
            return "owner" if place is None else "already owner"
        others = [other for other in line[1:] if other.who != who]
        if replace and line[0].allow:
            self.lines[name] = [claim, *([line[0]] if line[0].queue else []), *others]
            return "owner"
        if not queue:
            self.lines[name] = [line[0], *others]
            return "taken"
        if place is None:
            line.append(claim)
        else:
            line[place] = claim
        return "queued"

    def release(self, name: str, who: int) -> str:
        line = self.lines[name]
        self.lines[name] = [claim for claim in line if claim.who != who]
        if not line:
            return "no such name"
        return "released" if len(self.lines[name]) < len(line) else "not owner"


class Bus(RuleBasedStateMachine):
    """People on one bus, and a model of what each of them must hear."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene(Limits()._replace(routes=3, pending=3, serving=4))
        self.here: list[Person] = []
        self.names = Names()
        self.patterns: dict[int, set[str]] = {}
        self.unheard: dict[int, list[tuple[int, int]]] = {}
        self.waiting: dict[tuple[int, int], float] = {}
        self.calls: dict[int, list[Heard]] = {}
        self.published = 0
        self.come()

    def who(self, choice: int) -> Person:
        return self.here[choice % len(self.here)]

    # --- what people do ---------------------------------------------------------------------------

    @precondition(lambda self: len(self.here) < 5)
    @rule()
    def come(self) -> None:
        person = self.scene.join("somebody")
        self.here.append(person)
        self.patterns[person.number] = set()
        self.unheard[person.number] = []
        self.calls[person.number] = []

    @precondition(lambda self: len(self.here) > 1)
    @rule(choice=people, goodbye=booleans)
    def go(self, choice: int, goodbye: bool) -> None:
        person = self.who(choice)
        self.here.remove(person)
        for name in NAMES:
            self.names.release(name, person.number)
        self.waiting = {call: when for call, when in self.waiting.items() if call[0] != person.number}
        person.leave(goodbye=goodbye)
        assert [one for one in person.heard() if one.kind in (ANSWER, ERROR) and one.target != person.number] == []
        assert len(self.scene.broker.dispatch.open) <= len(self.waiting)

    @rule(choice=people, wanted=st.lists(patterns, max_size=3))
    def subscribe(self, choice: int, wanted: list[str]) -> None:
        person = self.who(choice)
        person.subscribe(*wanted)
        self.patterns[person.number].update(wanted)

    @rule(choice=people, data=st.data())
    def unsubscribe(self, choice: int, data: st.DataObject) -> None:
        person = self.who(choice)
        had = sorted(self.patterns[person.number])
        unwanted = data.draw(st.lists(st.sampled_from([*had, "never.had"]), max_size=3))
        assert person.ask("unsubscribe", unwanted) is None
        self.patterns[person.number].difference_update(unwanted)

    @rule(choice=people, name=st.sampled_from(NAMES), allow=booleans, replace=booleans, queue=booleans)
    def request_name(self, choice: int, name: str, allow: bool, replace: bool, queue: bool) -> None:
        person = self.who(choice)
        expected = self.names.request(name, person.number, allow, replace, queue)
        assert person.ask("request_name", name, allow, replace, queue) == expected

    @rule(choice=people, name=st.sampled_from(NAMES))
    def release_name(self, choice: int, name: str) -> None:
        person = self.who(choice)
        assert person.ask("release_name", name) == self.names.release(name, person.number)

    @rule(
        choice=people, chosen=st.lists(topics, min_size=1, max_size=4), flags=st.sampled_from([0, 0, RETAIN, CONFIRM])
    )
    def publish(self, choice: int, chosen: list[str], flags: int) -> None:
        person = self.who(choice)
        data = b""
        for topic in chosen:
            self.published += 1
            data += person.signal(topic, self.published, flags, serial=2**31 + self.published)
            reached = [other for other in self.here if self.listens(other, topic)]
            for other in reached:
                self.unheard[other.number].append((person.number, self.published))
            if flags == CONFIRM:
                self.waiting[person.number, 2**31 + self.published] = float("inf")
        person.send(data)

    def listens(self, person: Person, topic: str) -> bool:
        return any(naively(pattern, topic) for pattern in self.patterns[person.number])

    @rule(choice=people, other=people, name=st.sampled_from([*NAMES, ""]), seconds=st.integers(0, 30), reply=booleans)
    def call(self, choice: int, other: int, name: str, seconds: int, reply: bool) -> None:
        caller = self.who(choice)
        name = name or self.who(other).name
        serial = caller.call(name, "play", allowed=seconds * 1000, reply=reply)
        if reply:
            self.waiting[caller.number, serial] = self.scene.now + (seconds or 25)

    @rule(choice=people, data=st.data(), failed=booleans)
    def answer(self, choice: int, data: st.DataObject, failed: bool) -> None:
        person = self.who(choice)
        known = [call for other in self.here for call in self.calls[other.number]]
        if not known:
            return
        call = data.draw(st.sampled_from(known))  # perhaps not one's own, perhaps answered already
        person.fail(call, "org.example.Error.Broken", "") if failed else person.answer(call, person.number)

    @rule(seconds=st.integers(1, 30))
    def wait(self, seconds: int) -> None:
        self.scene.wait(seconds)

    # --- what must be so --------------------------------------------------------------------------

    @invariant()
    def everybody_hears_what_is_theirs(self) -> None:
        for person in self.here:
            news: list[tuple[int, int]] = []
            for one in person.heard():
                assert one.kind in (SIGNAL, CALL, ANSWER, ERROR, PEER)
                assert one.kind != MISSED
                if one.kind == CALL:
                    self.calls[person.number].append(one)
                elif one.kind in (ANSWER, ERROR):
                    self.answered(person, one)
                elif one.kind == SIGNAL and not one.flags & RETAINED and not one.key.startswith("bus."):
                    assert isinstance(one.value, int)
                    news.append((one.sender, one.value))
            assert news == self.unheard[person.number]
            self.unheard[person.number] = []

    def answered(self, person: Person, one: Heard) -> None:
        assert one.target == person.number
        deadline = self.waiting.pop((person.number, one.serial))  # a KeyError is a second answer, or one unasked
        if one.kind == ANSWER and one.sender:
            assert one.value == one.sender
        if isinstance(one.value, list) and one.value[0] == f"{PREFIX}DeadlinePassed":
            assert deadline <= self.scene.now

    @invariant()
    def nobody_waits_past_the_deadline(self) -> None:
        assert [call for call, deadline in self.waiting.items() if deadline <= self.scene.now] == []
        assert len(self.scene.broker.dispatch.open) == len(self.waiting)
        assert self.scene.broker.next_deadline() == min(self.waiting.values(), default=None)

    @invariant()
    def names_are_as_the_model_has_them(self) -> None:
        registry = self.scene.broker.registry
        for name, line in self.names.lines.items():
            owner = registry.owner(name)
            people = ([owner] if owner is not None else []) + registry.waiting(name)
            assert [peer.number for peer in people] == [claim.who for claim in line]
            assert registry.owners.get(name.encode()) is owner
        for person in self.here:
            held = {name for name, line in self.names.lines.items() if person.number in [one.who for one in line]}
            assert set(person.peer.names) == held

    @invariant()
    def no_remembered_route_lies(self) -> None:
        routes = self.scene.broker.signals.routes.known
        assert len(routes) <= 3
        for key, receivers in routes.items():
            topic = key.decode()
            assert sorted(receiver.number for receiver in receivers if isinstance(receiver, Peer)) == sorted(
                person.number for person in self.here if self.listens(person, topic)
            )

    def teardown(self) -> None:
        self.scene.wait(1000)
        self.everybody_hears_what_is_theirs()
        assert self.waiting == {}
        while self.here:
            self.here.pop().leave()
        broker = self.scene.broker
        assert (len(broker.dispatch.open), broker.registry.names(), broker.signals.index._root.children) == (
            0,
            [],
            None,
        )


TestBus = Bus.TestCase
TestBus.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
