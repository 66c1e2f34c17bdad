"""Messages that cause each other: a ring of programs is cut, and the chain named."""

from pybus.errors import PREFIX, LoopCut
from pybus.limits import Limits
from pybus.protocol.frames import CALL, CAUSED, ERROR, SIGNAL, caused_target, frame
from tests.broker.scene import Person, Scene, body


def say(person: Person, topic: str, depth: int, serial: int = 0) -> bytes:
    """A signal that others caused."""
    return frame(SIGNAL, CAUSED, person.number, caused_target(depth), serial, topic.encode(), b"\x01")


def ring(most: int = 4) -> tuple[Scene, Person, Person, Person]:
    """Alice and bob, who trigger each other, and carol, who looks."""
    scene = Scene(Limits()._replace(depth=most))
    alice, bob, carol = scene.join("alice"), scene.join("bob"), scene.join("carol")
    alice.subscribe("lamp.off")
    bob.subscribe("lamp.on")
    carol.subscribe("bus.loop")
    return scene, alice, bob, carol


def test_a_chain_passes_up_to_the_limit_with_its_bytes_untouched() -> None:
    _, alice, bob, _ = ring()
    for depth in (1, 4):
        alice.send(say(alice, "lamp.on", depth))
        (heard,) = bob.heard()
        assert (heard.flags, heard.target, heard.value) == (CAUSED, caused_target(depth), 1)
    assert alice.heard() == []


def test_a_loop_is_cut_past_the_limit_and_named() -> None:
    scene, alice, bob, carol = ring()
    for depth in range(1, 5):
        one, topic = (alice, "lamp.on") if depth % 2 else (bob, "lamp.off")
        one.send(say(one, topic, depth))
    alice.heard()
    bob.heard()
    alice.send(say(alice, "lamp.on", 5, serial=9))
    chain = ["alice (pid 101): lamp.on", "bob (pid 102): lamp.off"]
    message = f"a chain of 5 messages that cause each other was cut: {chain[0]} -> {chain[1]}"
    (error,) = alice.heard()
    assert (error.kind, error.serial, error.key) == (ERROR, 9, "lamp.on")
    assert error.value == [PREFIX + LoopCut.__name__, message]
    assert bob.heard() == []
    scene.orders()
    assert [one.value for one in carol.heard()] == [{"chain": chain, "depth": 5}]
    assert scene.broker.storms.chains.loops == 1


def test_calls_count_like_signals_and_keep_their_time() -> None:
    scene, alice, bob, _ = ring()
    bob.ask("request_name", "a.b")
    alice.send(frame(CALL, CAUSED, alice.number, caused_target(4, 2000), 1, b"a.b play", body()))
    assert [one.kind for one in bob.heard()][-1] == CALL
    assert scene.broker.next_deadline() == scene.now + 2.0
    alice.send(frame(CALL, CAUSED, alice.number, caused_target(5, 2000), 2, b"a.b play", body()))
    assert bob.heard() == []
    (error,) = alice.heard()
    assert isinstance(error.value, list)
    assert (error.serial, error.value[0]) == (2, PREFIX + LoopCut.__name__)


def test_only_deep_messages_are_remembered() -> None:
    scene, alice, _, _ = ring(most=40)
    for depth in range(1, 21):
        alice.send(say(alice, "lamp.on", depth))
    assert scene.broker.storms.chains._links == {}


def test_a_loop_that_goes_on_is_told_now_and_then() -> None:
    scene, alice, bob, carol = ring()
    for _ in range(100):
        alice.send(say(alice, "lamp.on", 5))
    bob.send(say(bob, "lamp.off", 5))
    scene.orders()
    assert len(carol.heard()) == 2
    assert scene.broker.storms.chains.loops == 101
    scene.wait(10)
    alice.send(say(alice, "lamp.on", 5))
    scene.orders()
    assert len(carol.heard()) == 1
