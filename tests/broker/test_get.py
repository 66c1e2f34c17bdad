"""Asking for a topic's value starts the service that has it, and waits for that."""

import pytest

from pybus.broker.life import Service
from pybus.errors import PREFIX, DeadlinePassed, LimitExceeded, NoSuchValue, ReceiverFull, StartFailed
from pybus.limits import Limits
from pybus.names import BUS_NAME
from pybus.protocol.codec import pack
from pybus.protocol.frames import CALL, EPHEMERAL, RETAIN
from tests.broker.scene import Heard, Person, Scene, acquaintance, answer, call, refusal
from tests.broker.test_services import NAME, PLAYER, news, running, stage, state

TOPIC = "media.volume"


def get(who: Person, topic: str = TOPIC, allowed: int = 0) -> int:
    """Ask for a value, whose answer may have to wait; returns the serial."""
    return who.call(BUS_NAME, "get", topic, allowed=allowed)


def value(sender: Person, to: Person, serial: int, body: object, *, ephemeral: bool = True) -> Heard:
    """The answer to `get`, just after the value came."""
    found = {"topic": TOPIC, "body": pack(body), "raw": False, "sender": sender.name, "age": 0.0}
    return answer(None, to, serial, {**found, "ephemeral": ephemeral, "holder": sender.name if ephemeral else None})


def none(to: Person, serial: int, topic: str = TOPIC) -> Heard:
    """The answer that there is no value."""
    return refusal(to, serial, NoSuchValue, f"no value is retained under {topic}")


def pid_of(who: Person) -> int:
    return who.peer.credentials.pid


def come(scene: Scene, *, volume: int | None) -> Person:
    """The player comes: it publishes its state, if it has one, and then claims its name."""
    bob = scene.join("bob")
    if volume is not None:
        bob.publish(TOPIC, volume, RETAIN, target=EPHEMERAL)
    bob.ask("request_name", NAME)
    return bob


# --- what waits, and until when -----------------------------------------------------------------------


def test_it_starts_the_service_and_is_answered_when_the_value_is_there() -> None:
    scene, alice = stage()
    carol = scene.join("carol")
    first, second = get(alice), get(carol)
    scene.start(NAME)
    bob = scene.join("bob")
    bob.publish("media.film", 40, RETAIN, target=EPHEMERAL)
    assert alice.heard() == []
    bob.publish(TOPIC, 50, RETAIN, target=EPHEMERAL)
    bob.publish(TOPIC, 60, RETAIN, target=EPHEMERAL)
    assert alice.heard() == [value(bob, alice, first, 50)]
    assert carol.heard() == [value(bob, carol, second, 50)]
    bob.ask("request_name", NAME)
    assert (alice.heard(), carol.heard(), bob.heard()) == ([], [], [])
    assert (alice.peer.held, alice.peer.calls, len(scene.broker.dispatch.open)) == (0, {}, 0)


def test_it_is_told_for_whom_it_starts() -> None:
    scene, alice = stage()
    alice.subscribe("bus.service.#")
    get(alice)
    scene.start(NAME)
    scene.orders()
    assert news(alice) == [
        {"name": NAME, "event": "starting", "pid": 500, "why": ":1 alice (pid 101) asked for media.volume"}
    ]


def test_a_service_that_has_no_such_value_is_no_reason_to_wait_longer() -> None:
    scene, alice = stage()
    serial = get(alice)
    scene.start(NAME)
    come(scene, volume=None)
    assert alice.heard() == [none(alice, serial)]


def test_calls_and_questions_are_served_in_their_order() -> None:
    scene, alice = stage()
    first, second = get(alice), alice.call(NAME, "play")
    scene.start(NAME)
    bob = come(scene, volume=50)
    assert alice.heard() == [value(bob, alice, first, 50)]
    assert bob.heard() == [acquaintance(bob, alice), call(alice, second, f"{NAME} play")]


def test_a_value_that_is_there_is_told_at_once_and_starts_nothing() -> None:
    scene, alice = stage()
    alice.publish(TOPIC, 30, RETAIN)
    serial = get(alice)
    assert alice.heard() == [value(alice, alice, serial, 30, ephemeral=False)]
    assert (scene.orders(), state(alice)) == ([], "stopped")


def test_a_service_that_runs_is_not_waited_for() -> None:
    scene, alice, _ = running()
    serial = get(alice)
    assert (alice.heard(), scene.orders()) == ([none(alice, serial)], [])


def test_a_topic_that_no_service_declares_is_not_waited_for() -> None:
    scene, alice = stage()
    serial = get(alice, "hal.lid")
    assert (alice.heard(), scene.orders()) == ([none(alice, serial, "hal.lid")], [])


def test_a_service_that_takes_no_calls_is_not_waited_for() -> None:
    scene, alice = stage(calls=False)
    serial = get(alice)
    assert (alice.heard(), scene.orders()) == ([none(alice, serial)], [])


def test_listing_topics_starts_nothing() -> None:
    scene, alice = stage()
    assert (alice.ask("topics", TOPIC), alice.ask("topics", "media.#"), scene.orders()) == ([], [], [])


def test_one_that_wants_no_answer_asks_for_nothing() -> None:
    scene, alice = stage()
    alice.call(BUS_NAME, "get", TOPIC, reply=False)
    assert (alice.heard(), scene.orders(), alice.peer.held) == ([], [], 0)


def test_of_two_services_that_do_not_run_one_is_waited_for() -> None:
    scene = Scene()
    other = Service("org.example.Radio", ("radio",), topics=("*.volume",))
    scene.offer(other, PLAYER)
    alice = scene.join("alice")
    get(alice)
    assert scene.orders() == [("start", NAME)]


def test_a_service_that_asks_for_its_own_topic_does_not_wait_for_itself() -> None:
    scene, alice = stage()
    alice.call(NAME, "play")
    assert scene.orders() == [("start", NAME)]
    bob = scene.join("bob")
    scene.broker.services.started(NAME, pid_of(bob), scene.now)
    serial = get(bob)
    assert bob.heard() == [none(bob, serial)]


def test_nor_does_one_that_the_service_has_started() -> None:
    scene, alice = stage()
    alice.call(NAME, "play")
    scene.start(NAME)
    bob = scene.join("bob")
    scene.broker.services.belongs = lambda name, pid: (name, pid) == (NAME, pid_of(bob))
    serial = get(bob)
    assert bob.heard() == [none(bob, serial)]
    get(alice)
    assert alice.heard() == []


# --- while it is neither stopped nor running ----------------------------------------------------------


def test_during_a_pause_it_waits_if_that_is_in_time_and_fails_if_not() -> None:
    scene, alice = stage()
    alice.ask("start_service", NAME)
    scene.start(NAME)
    scene.end(NAME, 1)
    scene.orders()
    late, serial = get(alice, allowed=400), get(alice, allowed=600)
    reason = f"{NAME} exited with status 1 after 1.5 s before it claimed its name; it is started again in 0.5 s"
    assert alice.heard() == [refusal(alice, late, StartFailed, reason)]
    scene.wait(0.5)
    scene.start(NAME)
    bob = come(scene, volume=50)
    assert alice.heard() == [value(bob, alice, serial, 50)]


def test_after_a_crash_it_waits_for_the_restart() -> None:
    scene, alice, bob = running()
    bob.publish(TOPIC, 40, RETAIN, target=EPHEMERAL)
    bob.leave()
    serial = get(alice)  # the end of the process is not known yet
    scene.end(NAME, None, "SIGKILL")
    assert (alice.heard(), scene.orders()) == ([], [])
    scene.wait(0.5)
    scene.start(NAME)
    bert = come(scene, volume=50)
    assert alice.heard() == [value(bert, alice, serial, 50)]


def test_while_it_stops_it_is_started_again_afterwards() -> None:
    scene, alice, bob = running()
    alice.ask("stop_service", NAME)
    scene.orders()
    serial = get(alice)
    bob.leave(goodbye=True)
    scene.end(NAME, 0)
    scene.start(NAME)
    bert = come(scene, volume=50)
    assert alice.heard() == [value(bert, alice, serial, 50)]


def test_somebody_else_who_claims_the_name_does_as_well() -> None:
    scene, alice = stage()
    serial = get(alice)
    bob = come(scene, volume=50)
    assert (alice.heard(), scene.orders()) == ([value(bob, alice, serial, 50)], [])


# --- failures -----------------------------------------------------------------------------------------


def test_it_fails_with_the_reason_when_the_service_does() -> None:
    scene, alice = stage()
    serial = get(alice)
    scene.start(NAME)
    scene.end(NAME, 3, words="no sound card")
    reason = f"{NAME} exited with status 3 after 1.5 s before it claimed its name; its last words: no sound card"
    assert alice.heard() == [refusal(alice, serial, StartFailed, reason)]


def test_it_fails_at_once_if_the_service_was_given_up() -> None:
    scene, alice = stage()
    get(alice)
    assert scene.orders() == [("start", NAME)]
    scene.broker.service_not_started(NAME, "player: No such file or directory")
    alice.heard()
    serial = get(alice)
    reason = f"{NAME} can't be started: player: No such file or directory; after mending it: pybus service {NAME} start"
    assert alice.heard() == [refusal(alice, serial, StartFailed, reason)]


def test_it_fails_if_the_service_is_stopped_or_its_file_goes() -> None:
    scene, alice = stage()
    serial = get(alice)
    alice.broker.stop_service(NAME)
    message = f"{NAME} was stopped before it claimed its name"
    assert alice.heard() == [refusal(alice, serial, StartFailed, message)]
    serial = get(alice)
    scene.offer()
    assert alice.heard() == [refusal(alice, serial, StartFailed, f"{NAME} has no service file any more")]


def test_its_deadline_holds_while_it_waits() -> None:
    scene, alice = stage(start_timeout=60.0)
    short, usual = get(alice, allowed=2000), get(alice)
    scene.start(NAME)
    scene.wait(2)
    assert alice.heard() == [refusal(alice, short, DeadlinePassed, f"{NAME} did not come in time")]
    scene.wait(23)
    assert alice.heard() == [refusal(alice, usual, DeadlinePassed, f"{NAME} did not come in time")]
    assert (alice.peer.held, scene.broker.dispatch.held.is_awaited(NAME)) == (0, False)
    come(scene, volume=50)
    assert alice.heard() == []


def test_one_who_leaves_leaves_nothing_behind() -> None:
    scene, alice = stage()
    carol = scene.join("carol")
    get(alice)
    get(carol)
    alice.leave()
    assert (alice.peer.held, carol.peer.held, len(scene.broker.dispatch.open)) == (0, 1, 1)
    carol.leave()
    assert (len(scene.broker.dispatch.open), scene.broker.dispatch.held.is_awaited(NAME)) == (0, False)


@pytest.mark.parametrize(
    ("limits", "error", "message"),
    [
        ({"held": 1}, LimitExceeded, "1 of your calls wait for services to start, the limit"),
        ({"pending": 1}, LimitExceeded, "1 of your calls are unanswered, the limit"),
        ({"serving": 1}, ReceiverFull, f"1 calls wait for {NAME} to start, its limit"),
    ],
)
def test_the_limits_of_waiting_calls_hold(
    limits: dict[str, int], error: type[LimitExceeded | ReceiverFull], message: str
) -> None:
    scene = Scene(Limits()._replace(**limits))
    scene.offer(PLAYER)
    alice = scene.join("alice")
    get(alice)
    assert alice.heard() == []
    serial = get(alice)
    assert alice.heard() == [refusal(alice, serial, error, message)]


def test_those_who_do_not_read_are_not_given_more_than_they_may_owe() -> None:
    body = "x" * 1000
    scene = Scene(Limits()._replace(outbox=2000))
    scene.offer(PLAYER)
    alice = scene.join("alice")
    for _ in range(6):
        get(alice)
    alice.publish(TOPIC, body, RETAIN)
    full = [PREFIX + ReceiverFull.__name__, "the answer came, but you do not read what is sent to you"]
    assert [one.value for one in alice.heard()] == [
        *[value(alice, alice, serial, body, ephemeral=False).value for serial in (1, 2, 3, 4)],
        full,
        full,
    ]
    assert (alice.peer.calls, alice.peer.held) == ({}, 0)


# --- what it counts as --------------------------------------------------------------------------------


@pytest.mark.parametrize("volume", [50, None])
def test_to_be_asked_is_use(volume: int | None) -> None:
    scene, alice = stage(idle=60.0)
    get(alice)
    scene.start(NAME)
    bob = come(scene, volume=volume)
    scene.wait(50)
    get(alice)
    scene.wait(59)
    assert scene.orders() == []
    get(bob)  # which is its own
    scene.wait(1)
    assert scene.orders() == [("terminate", NAME)]


def test_a_monitor_sees_one_call_and_one_answer() -> None:
    scene, alice = stage()
    carol = scene.join("carol")
    carol.ask("monitor", [])
    get(alice)
    scene.start(NAME)
    bob = scene.join("bob")
    bob.publish(TOPIC, 50, RETAIN, target=EPHEMERAL)
    bob.ask("request_name", NAME)
    shown = [one.value for one in carol.heard() if isinstance(one.value, dict)]
    assert [(one["kind"], one["sender"], one["receivers"]) for one in shown if one["serial"] == 1] == [
        ("call", alice.number, [0]),
        ("answer", 0, [alice.number]),
        ("call", bob.number, [0]),
        ("answer", 0, [bob.number]),
    ]


@pytest.mark.parametrize("topic", [TOPIC, "a..b"])
def test_a_monitor_sees_a_refused_one_once(topic: str) -> None:
    scene = Scene()
    alice, carol = scene.join("alice"), scene.join("carol")
    carol.ask("monitor")
    get(alice, topic)
    shown = [one.value for one in carol.heard() if one.kind != CALL and isinstance(one.value, dict)]
    assert [(one["kind"], one["receivers"]) for one in shown] == [("call", [0]), ("error", [alice.number])]


def test_the_time_that_it_waited_is_measured() -> None:
    scene, alice = stage()
    carol = scene.join("carol")
    carol.ask("traffic")
    get(alice)
    get(alice, allowed=1000)
    scene.start(NAME)
    scene.wait(1)
    scene.wait(2)
    come(scene, volume=50)
    found = carol.ask("traffic")
    assert isinstance(found, dict)
    assert [one for one in found["methods"] if one["method"] == "get"] == [
        {"name": BUS_NAME, "method": "get", "calls": 2, "errors": 1, "time": 2.0, "time_worst": 3.0}
    ]
