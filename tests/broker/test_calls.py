"""Calls: each is answered exactly once, by the service or by the bus."""

from collections.abc import Callable

import pytest

from pybus.broker.calls import OpenCalls
from pybus.broker.peer import Credentials, Peer
from pybus.errors import BadName, DeadlinePassed, NameHasNoOwner, ProtocolError, ServiceDied
from pybus.limits import Limits
from pybus.protocol.frames import ANSWER, CALL, ERROR, NO_REPLY, PEER, RAW, frame
from tests.broker.scene import Heard, Person, Scene, acquaintance, answer, body, call, refusal

NAME = "org.example.Player"


def player() -> tuple[Scene, Person, Person]:
    """A scene where bob is the player, and alice is there too."""
    scene = Scene()
    alice, bob = scene.join("alice"), scene.join("bob")
    assert bob.ask("request_name", NAME) == "owner"
    return scene, alice, bob


# --- there and back -------------------------------------------------------------------------------


def test_a_call_goes_to_the_owner_and_its_answer_to_the_caller() -> None:
    _, alice, bob = player()
    serial = alice.call(NAME, "play", "x.ogg", allowed=500)
    who, what = bob.heard()
    assert who == acquaintance(bob, alice)
    assert what == call(alice, serial, f"{NAME} play", "x.ogg", allowed=500)
    bob.answer(what, True)
    assert alice.heard() == [answer(bob, alice, serial, True)]
    assert bob.heard() == []


def test_a_caller_is_introduced_to_a_service_once() -> None:
    _, alice, bob = player()
    first, second = alice.call(NAME, "play"), alice.call(NAME, "stop")
    assert bob.heard() == [
        acquaintance(bob, alice),
        call(alice, first, f"{NAME} play"),
        call(alice, second, f"{NAME} stop"),
    ]


def test_a_caller_that_has_left_is_forgotten() -> None:
    _, alice, bob = player()
    alice.call(NAME, "play")
    assert bob.peer.acquainted == {alice.number}
    alice.leave()
    assert bob.peer.acquainted == set()


def test_an_error_of_the_service_reaches_the_caller_as_it_is() -> None:
    _, alice, bob = player()
    serial = alice.call(NAME, "play")
    bob.fail(bob.heard()[-1], "org.example.NoSuchFile", "no x.ogg")
    assert alice.heard() == [
        Heard(ERROR, 0, bob.number, alice.number, serial, "", ["org.example.NoSuchFile", "no x.ogg"])
    ]


def test_a_raw_answer_is_passed_on_untouched() -> None:
    _, alice, bob = player()
    serial = alice.call(NAME, "picture")
    data = frame(ANSWER, RAW, bob.number, alice.number, serial, b"", b"\xc1\xc1")
    bob.send(data)
    assert list(alice.peer.outbox) == [data]


def test_a_call_to_a_unique_name_goes_to_that_connection() -> None:
    _, alice, bob = player()
    serial = bob.call(alice.name, "hello")
    assert alice.heard() == [acquaintance(alice, bob), call(bob, serial, f"{alice.name} hello")]


def test_one_may_call_oneself() -> None:
    _, _, bob = player()
    serial = bob.call(NAME, "play")
    what = bob.heard()[-1]
    bob.answer(what, 1)
    assert bob.heard() == [answer(bob, bob, serial, 1)]


def test_answers_may_come_in_any_order() -> None:
    _, alice, bob = player()
    first, second = alice.call(NAME, "play"), alice.call(NAME, "stop")
    _, play, stop = bob.heard()
    bob.answer(stop, "stopped")
    bob.answer(play, "played")
    assert alice.heard() == [answer(bob, alice, second, "stopped"), answer(bob, alice, first, "played")]


def test_a_call_that_wants_no_reply_gets_none_not_even_an_error() -> None:
    scene, alice, bob = player()
    serial = alice.call(NAME, "play", reply=False)
    what = bob.heard()[-1]
    assert what == call(alice, serial, f"{NAME} play", flags=NO_REPLY)
    bob.answer(what, True)
    alice.call("org.example.Nobody", "play", reply=False)
    alice.call("org.pybus.Bus", "no_such_method", reply=False)
    bob.leave()
    scene.wait(1000)
    assert alice.heard() == []
    assert len(scene.broker.dispatch.open) == 0


# --- the bus answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["org.example.Nobody", ":99"])
def test_a_call_to_a_name_without_an_owner_is_refused(name: str) -> None:
    _, alice, _ = player()
    serial = alice.call(name, "play")
    assert alice.heard() == [refusal(alice, serial, NameHasNoOwner, f"nobody owns the name {name}")]


def test_a_call_to_a_malformed_name_is_refused() -> None:
    _, alice, _ = player()
    alice.send(frame(CALL, 0, alice.number, 0, 1, b"\xff.a play", body()))
    serial = 2
    alice.send(frame(CALL, 0, alice.number, 0, serial, b":x play", body()))
    assert alice.heard() == [
        refusal(alice, 1, BadName, "b'\\xff.a' is not UTF-8"),
        refusal(alice, 2, BadName, "name ':x': a unique name is a colon and a number, such as :17"),
    ]


def test_a_service_that_dies_leaves_no_caller_waiting() -> None:
    _, alice, bob = player()
    first, second = alice.call(NAME, "play"), alice.call(NAME, "stop")
    bob.leave()
    who = "bob (pid 102) ended before it answered"
    assert alice.heard() == [refusal(alice, first, ServiceDied, who), refusal(alice, second, ServiceDied, who)]


def test_a_call_is_answered_by_the_bus_when_its_time_has_passed() -> None:
    scene, alice, bob = player()
    serial = alice.call(NAME, "play", allowed=500)
    assert scene.broker.next_deadline() == 1000.5
    scene.wait(0.499)
    assert alice.heard() == []
    scene.wait(0.001)
    assert alice.heard() == [refusal(alice, serial, DeadlinePassed, "bob (pid 102) did not answer in time")]
    assert scene.broker.next_deadline() is None
    bob.answer(bob.heard()[-1], True)
    assert alice.heard() == []
    assert scene.broker.dispatch.late_answers == 1


def test_an_answered_call_does_not_expire() -> None:
    scene, alice, bob = player()
    serial = alice.call(NAME, "play", allowed=500)
    bob.answer(bob.heard()[-1], True)
    scene.wait(1)
    assert alice.heard() == [answer(bob, alice, serial, True)]


# --- whoever answers what was not asked -----------------------------------------------------------


def test_only_the_callee_can_answer() -> None:
    scene, alice, bob = player()
    carol = scene.join("carol")
    serial = alice.call(NAME, "play")
    what = bob.heard()[-1]
    carol.answer(what, "forged")
    assert alice.heard() == []
    bob.answer(what, "real")
    bob.answer(what, "twice")
    assert alice.heard() == [answer(bob, alice, serial, "real")]
    assert scene.broker.dispatch.late_answers == 2


def test_an_answer_to_a_caller_that_has_left_is_dropped() -> None:
    scene, alice, bob = player()
    alice.call(NAME, "play")
    what = bob.heard()[-1]
    alice.leave()
    bob.answer(what, True)
    assert [(one.kind, one.value) for one in bob.heard()] == [(PEER, {"number": alice.number, "gone": True})]
    assert (len(scene.broker.dispatch.open), scene.broker.dispatch.late_answers) == (0, 1)


def test_a_call_stays_with_the_one_it_went_to_when_the_name_moves() -> None:
    scene, alice, bob = player()
    carol = scene.join("carol")
    carol.ask("request_name", NAME)
    serial = alice.call(NAME, "play")
    bob.ask("release_name", NAME)
    assert carol.heard() == []
    bob.answer(bob.heard()[-1], 1)
    later = alice.call(NAME, "play")
    assert carol.heard()[-1] == call(alice, later, f"{NAME} play")
    assert alice.heard() == [answer(bob, alice, serial, 1)]


@pytest.mark.parametrize("name", [NAME, "org.pybus.Bus", "org.example.Nobody"])
def test_a_serial_that_is_still_unanswered_must_not_be_used_again(name: str) -> None:
    _, alice, _ = player()
    serial = alice.call(NAME, "play")
    with pytest.raises(ProtocolError) as caught:
        alice.send(frame(CALL, 0, alice.number, 0, serial, f"{name} ping".encode(), body()))
    assert str(caught.value) == f"the serial {serial} is that of a call still unanswered"


def test_a_call_that_wants_no_reply_may_have_any_serial() -> None:
    _, alice, bob = player()
    serial = alice.call(NAME, "play")
    alice.send(frame(CALL, NO_REPLY, alice.number, 0, serial, f"{NAME} stop".encode(), body()))
    assert bob.heard()[1:] == [
        call(alice, serial, f"{NAME} play"),
        call(alice, serial, f"{NAME} stop", flags=NO_REPLY),
    ]


def test_an_answered_serial_may_be_used_again() -> None:
    _, alice, bob = player()
    serial = alice.call(NAME, "play")
    bob.answer(bob.heard()[-1], 1)
    alice.heard()
    alice.send(frame(CALL, 0, alice.number, 0, serial, f"{NAME} stop".encode(), body()))
    assert bob.heard() == [call(alice, serial, f"{NAME} stop")]


# --- the table of open calls ----------------------------------------------------------------------


def person(number: int) -> Peer:
    return Peer(number, Credentials(0, number, "", ""), Limits(), [], 0.0)


def place(calls: OpenCalls, caller: Peer, callee: Peer, serial: int, deadline: float) -> None:
    """A call that is delivered at once."""
    calls.deliver(calls.open(caller, serial, b"a.b c", 0.0, deadline), callee)


def test_deadlines_come_in_their_order() -> None:
    calls, alice, bob = OpenCalls(), person(1), person(2)
    for serial, deadline in enumerate([5.0, 3.0, 4.0]):
        place(calls, alice, bob, serial, deadline)
    assert (len(calls), calls.next_deadline()) == (3, 3.0)
    assert [call.serial for call in calls.expired(4.0)] == [1, 2]
    assert (len(calls), calls.next_deadline()) == (1, 5.0)
    assert (list(alice.calls), list(bob.serving)) == ([0], [(1, 0)])


def test_deadlines_keep_their_order_when_many_calls_are_answered() -> None:
    calls, alice, bob = OpenCalls(), person(1), person(2)
    for serial in range(300):
        place(calls, alice, bob, serial, float(serial * 7919 % 300))
    for serial in range(300):
        if serial * 7919 % 300 % 5:
            calls.close(alice.calls[serial])
    assert [call.deadline for call in calls.expired(300.0)] == [float(when) for when in range(0, 300, 5)]
    assert (len(calls), alice.calls, bob.serving) == (0, {}, {})


def test_answered_calls_do_not_pile_up_until_their_deadline() -> None:
    calls, alice, bob = OpenCalls(), person(1), person(2)
    place(calls, alice, bob, 0, 1.0)
    for serial in range(1, 1001):
        place(calls, alice, bob, serial, 25.0 + serial)
        calls.close(alice.calls[serial])
        assert len(calls._heap) < 150
    assert (len(calls), calls.next_deadline()) == (1, 1.0)
    calls.close(alice.calls[0])
    assert (len(calls), calls.next_deadline()) == (0, None)
    assert calls.expired(2000.0) == []


# --- what the shell has to look at ----------------------------------------------------------------


def stirs(scene: Scene, step: Callable[[], object]) -> bool:
    """Whether the shell has to look for more than who is to be written to after that."""
    routes = scene.broker.signals.routes
    routes.stirred = False
    step()
    return routes.stirred


def test_the_shell_need_not_look_further_after_a_call_and_its_answer() -> None:
    scene, alice, bob = player()
    scene.broker.expires = scene.now + 1
    assert stirs(scene, lambda: alice.call(NAME, "play", allowed=2000)) is False
    assert stirs(scene, lambda: bob.answer(bob.heard()[-1], True)) is False


def test_the_shell_looks_further_if_a_call_ends_before_it_would_look() -> None:
    scene, alice, _ = player()
    scene.broker.expires = scene.now + 1
    assert stirs(scene, lambda: alice.call(NAME, "play", allowed=999)) is True
    assert stirs(scene, lambda: alice.call(NAME, "play", allowed=999, reply=False)) is False


def test_the_shell_looks_further_after_a_call_that_the_bus_answers() -> None:
    scene, alice, _ = player()
    scene.broker.expires = scene.now
    assert stirs(scene, lambda: alice.call("org.pybus.Bus", "ping")) is True
    assert stirs(scene, lambda: alice.call("org.example.Nobody", "play")) is True
    assert stirs(scene, lambda: alice.call("org.example.Nobody", "play", reply=False)) is True


def test_the_shell_looks_further_while_somebody_observes() -> None:
    scene, alice, bob = player()
    scene.broker.expires = scene.now
    alice.ask("monitor", ["#"])
    assert stirs(scene, lambda: alice.call(NAME, "play")) is True
    assert stirs(scene, lambda: bob.answer(bob.heard()[-1], True)) is True
