"""Several topics that go the same way, in one slice; and when they no longer do."""

from pybus.limits import Limits
from pybus.names import BUS_NAME
from pybus.protocol.frames import CALL, NO_REPLY, SEVERAL, SIGNAL, FrameReader, Run, frame
from tests.broker.scene import Person, Scene, body, signal, trio


def known(alice: Person, listeners: list[Person], *topics: str) -> None:
    """Let the bus learn where topics go."""
    for topic in topics:
        alice.publish(topic, 0)
    for person in listeners:
        person.heard()


def cut(scene: Scene, data: bytes) -> list[Run]:
    """As a session's reader cuts what comes now."""
    return FrameReader(len(data), scene.broker.signals.routes.ways).feed(data)


def numbers(alice: Person, *topics: str) -> bytes:
    """One signal to each topic, with its place as its value."""
    return b"".join(alice.signal(topic, number) for number, topic in enumerate(topics))


def subscribe(person: Person, *patterns: str) -> bytes:
    return frame(CALL, NO_REPLY, person.number, 0, 0, f"{BUS_NAME} subscribe".encode(), body(list(patterns)))


def test_topics_to_the_same_receivers_leave_as_one_slice() -> None:
    scene, alice, bob, carol = trio()
    bob.subscribe("#")
    carol.subscribe("lamp.*")
    known(alice, [bob, carol], "lamp.a", "lamp.b", "door")
    data = numbers(alice, "lamp.a", "lamp.b", "lamp.a", "door")
    runs = cut(scene, data)
    assert [(run[0], run[7]) for run in runs] == [(SEVERAL, 3), (SIGNAL, 1)]
    scene.broker.receive(alice.peer, runs, scene.now)
    assert [len(part) for part in carol.peer.outbox] == [len(runs[0][6])]
    lamps = [signal(alice, topic, number) for number, topic in enumerate(("lamp.a", "lamp.b", "lamp.a"))]
    assert bob.heard() == [*lamps, signal(alice, "door", 3)]
    assert carol.heard() == lamps
    assert (bob.peer.received - carol.peer.received, alice.peer.sent) == (2, 7)


def test_one_who_subscribes_in_between_gets_what_came_after() -> None:
    scene, alice, bob, carol = trio()
    bob.subscribe("#")
    known(alice, [bob, carol], "a", "b")
    runs = cut(scene, numbers(alice, "a", "b") + subscribe(alice, "b") + numbers(alice, "a", "b", "a", "b"))
    assert [run[0] for run in runs] == [SEVERAL, CALL, SEVERAL]
    while runs:
        runs = scene.broker.receive(alice.peer, runs, scene.now)
    assert alice.heard() == [signal(alice, "b", 1), signal(alice, "b", 3)]
    assert [(one.key, one.value) for one in bob.heard()] == [
        ("a", 0), ("b", 1), ("a", 0), ("b", 1), ("a", 2), ("b", 3),
    ]  # fmt: skip


def test_what_was_known_may_be_forgotten_within_a_turn() -> None:
    scene, alice, bob, carol = trio(Limits()._replace(routes=2))
    bob.subscribe("#")
    known(alice, [bob, carol], "a", "b")
    runs = cut(scene, numbers(alice, "c", "a", "b"))
    assert [run[0] for run in runs] == [SIGNAL, SEVERAL]
    assert scene.broker.receive(alice.peer, runs, scene.now) == []
    assert bob.heard() == [signal(alice, "c", 0), signal(alice, "a", 1), signal(alice, "b", 2)]


def test_what_waits_for_the_next_turn_goes_where_it_belongs_by_then() -> None:
    scene, alice, bob, carol = trio(Limits()._replace(turn=2))
    bob.subscribe("a", "b")
    carol.subscribe("c")
    for topic in "abc":
        known(alice, [bob, carol], topic)
    runs = cut(scene, numbers(alice, "c", "a", "b"))
    assert [run[0] for run in runs] == [SIGNAL, SEVERAL]
    rest = scene.broker.receive(alice.peer, runs, scene.now)
    assert [(run[0], run[5], run[7]) for run in rest] == [(SIGNAL, b"a", 1), (SIGNAL, b"b", 1)]
    carol.subscribe("b")
    while rest:
        rest = scene.broker.receive(alice.peer, rest, scene.now)
    assert bob.heard() == [signal(alice, "a", 1), signal(alice, "b", 2)]
    assert carol.heard() == [signal(alice, "c", 0), signal(alice, "b", 2)]


def test_what_a_full_receiver_misses_is_counted_by_topic() -> None:
    scene, alice, bob, carol = trio(Limits()._replace(outbox=100))
    bob.subscribe("#")
    carol.subscribe("#")
    known(alice, [bob, carol], "a", "b")
    bob.peer.put(frame(SIGNAL, 0, alice.number, 0, 0, b"a", bytes(100)))
    runs = cut(scene, numbers(alice, "a", "b", "a"))
    assert [run[0] for run in runs] == [SEVERAL]
    scene.broker.receive(alice.peer, runs, scene.now)
    assert bob.peer.missed == {b"a": 2, b"b": 1}
    assert [one.key for one in carol.heard()] == ["a", "b", "a"]


def test_an_observer_sees_each_topic_by_itself() -> None:
    scene, alice, bob, carol = trio()
    bob.subscribe("#")
    carol.ask("monitor", ["#"])
    known(alice, [bob, carol], "a", "b")
    runs = cut(scene, numbers(alice, "a", "b"))
    assert [run[0] for run in runs] == [SIGNAL, SIGNAL]


def test_the_shell_need_not_look_further_after_signals_to_connections() -> None:
    scene, alice, bob, carol = trio()
    routes = scene.broker.signals.routes
    bob.subscribe("#")
    known(alice, [bob, carol], "a", "b")
    routes.stirred = False
    scene.broker.receive(alice.peer, cut(scene, numbers(alice, "a", "b", "a")), scene.now)
    assert routes.stirred is False
    alice.send(subscribe(alice, "b"))
    assert routes.stirred is True


def test_the_shell_looks_further_when_somebody_joins_or_leaves() -> None:
    scene, alice, _, _ = trio()
    routes = scene.broker.signals.routes
    routes.stirred = False
    scene.join("dave")
    assert routes.stirred is True
    routes.stirred = False
    alice.leave()
    assert routes.stirred is True


def test_the_shell_looks_further_after_each_signal_to_a_queue() -> None:
    scene, alice, bob, carol = trio()
    routes = scene.broker.signals.routes
    bob.subscribe("#")
    carol.ask("declare_queue", "events")
    carol.ask("bind_queue", "events", "amq.topic", "#")
    known(alice, [bob], "a")
    routes.stirred = False
    alice.publish("a", 1)
    assert routes.stirred is True
