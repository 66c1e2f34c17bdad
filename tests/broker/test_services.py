"""Services that start when needed: what starts them, who waits for them, and what becomes of a failure."""

from typing import Any

import pytest

from pybus.broker.life import Service
from pybus.broker.services import FORGIVEN, STEADY
from pybus.errors import (
    DeadlinePassed,
    LimitExceeded,
    NameHasNoOwner,
    NoSuchService,
    ReceiverFull,
    ServiceDied,
    StartFailed,
)
from pybus.limits import Limits
from tests.broker.scene import Person, Scene, acquaintance, answer, call, refusal

NAME = "org.example.Player"
PLAYER = Service(NAME, ("player",), topics=("media.#",), start_timeout=10.0, stop_timeout=5.0)


def stage(**changes: Any) -> tuple[Scene, Person]:
    """A scene with a player that does not run, and alice."""
    scene = Scene()
    scene.offer(PLAYER._replace(**changes))
    return scene, scene.join("alice")


def running(**changes: Any) -> tuple[Scene, Person, Person]:
    """The same, with the player running as bob."""
    scene, alice = stage(**changes)
    alice.ask("start_service", NAME)
    scene.start(NAME)
    bob = scene.join("bob")
    assert bob.ask("request_name", NAME) == "owner"
    assert scene.orders() == []
    return scene, alice, bob


def state(person: Person) -> object:
    found = person.ask("service", NAME)
    assert isinstance(found, dict)
    return found["state"]


def news(person: Person) -> list[dict[str, object]]:
    """What `bus.service.NAME` told since the last time."""
    return [one.value for one in person.heard() if one.key == f"bus.service.{NAME}" and isinstance(one.value, dict)]


# --- what starts a service, and who waits -----------------------------------------------------------


def test_calls_start_a_service_and_wait_for_it_in_their_order() -> None:
    scene, alice = stage()
    first, second = alice.call(NAME, "play", "a.ogg"), alice.call(NAME, "stop", reply=False)
    assert alice.heard() == []
    scene.start(NAME)
    bob = scene.join("bob")
    assert bob.ask("request_name", NAME) == "owner"
    assert bob.heard() == [
        acquaintance(bob, alice),
        call(alice, first, f"{NAME} play", "a.ogg"),
        call(alice, second, f"{NAME} stop", flags=32),
    ]
    bob.answer(call(alice, first, ""), True)
    assert alice.heard() == [answer(bob, alice, first, True)]


def test_a_name_without_a_file_has_no_owner() -> None:
    _, alice = stage()
    serial = alice.call("org.example.Other", "play")
    assert alice.heard() == [refusal(alice, serial, NameHasNoOwner, "nobody owns the name org.example.Other")]


@pytest.mark.parametrize("pattern", ["media.#", "media", "media.*.status", "media.film.status"])
def test_a_subscription_to_a_declared_topic_starts_it(pattern: str) -> None:
    scene, alice = stage()
    alice.subscribe(pattern)
    assert scene.orders() == [("start", NAME)]


@pytest.mark.parametrize("pattern", ["#", "*.film", "#.status", "hal.#", "medium.film"])
def test_a_subscription_to_everything_or_to_something_else_starts_nothing(pattern: str) -> None:
    scene, alice = stage()
    alice.subscribe(pattern)
    assert scene.orders() == []


def test_a_subscription_does_not_start_what_runs() -> None:
    scene, _, bob = running()
    bob.subscribe("media.#")
    assert scene.orders() == []


def test_autostart_starts_with_the_bus_and_once() -> None:
    scene, _ = stage(autostart=True)
    scene.start(NAME)
    scene.offer(PLAYER._replace(autostart=True))
    assert scene.orders() == []


def test_somebody_else_may_own_the_name() -> None:
    scene, alice = stage()
    carol = scene.join("carol")
    carol.ask("request_name", NAME)
    serial = alice.call(NAME, "play")
    assert carol.heard() == [acquaintance(carol, alice), call(alice, serial, f"{NAME} play")]
    assert scene.orders() == []


def test_the_life_of_a_service_is_told() -> None:
    scene, alice = stage()
    carol = scene.join("carol")
    carol.subscribe("bus.service.#")
    alice.call(NAME, "play")
    scene.start(NAME)
    scene.wait(0.5)
    bob = scene.join("bob")
    bob.ask("request_name", NAME)
    scene.orders()
    bob.leave()
    scene.end(NAME, None, "SIGSEGV", words="oops")
    scene.orders()
    assert news(carol) == [
        {"name": NAME, "event": "starting", "pid": 500, "why": "called by :1 alice (pid 101)"},
        {"name": NAME, "event": "running", "pid": 500, "owner": bob.name, "after": 0.5},
        {
            "name": NAME,
            "event": "exited",
            "pid": 500,
            "status": None,
            "signal": "SIGSEGV",
            "ran": 1.5,
            "stderr": ["oops"],
            "expected": False,
        },
        {"name": NAME, "event": "restarting", "pause": 0.5, "failures": 1},
    ]


# --- failures ---------------------------------------------------------------------------------------


def test_waiting_calls_fail_with_the_reason_when_it_exits() -> None:
    scene, alice = stage()
    serial = alice.call(NAME, "play")
    alice.call(NAME, "stop", reply=False)
    scene.start(NAME)
    scene.end(NAME, 3, words="no module named film")
    reason = f"{NAME} exited with status 3 after 1.5 s before it claimed its name; its last words: no module named film"
    assert alice.heard() == [refusal(alice, serial, StartFailed, reason)]
    assert state(alice) == "pausing"


def test_waiting_calls_fail_when_it_does_not_claim_its_name_in_time() -> None:
    scene, alice = stage()
    serial = alice.call(NAME, "play")
    scene.start(NAME)
    scene.wait(10)
    assert alice.heard() == [refusal(alice, serial, StartFailed, f"{NAME} did not claim its name in 10 s")]
    assert scene.orders() == [("terminate", NAME)]
    scene.wait(5)
    assert scene.orders() == [("kill", NAME)]
    scene.end(NAME, None, "SIGKILL")
    assert state(alice) == "pausing"


def test_a_call_does_not_wait_longer_than_its_deadline() -> None:
    scene, alice = stage()
    serial = alice.call(NAME, "play", allowed=2000)
    scene.start(NAME)
    scene.wait(2)
    assert alice.heard() == [refusal(alice, serial, DeadlinePassed, f"{NAME} did not come in time")]
    bob = scene.join("bob")
    bob.ask("request_name", NAME)
    assert bob.heard() == []


def test_a_command_that_cannot_be_executed_fails_the_calls_and_is_tried_again() -> None:
    scene, alice = stage()
    serial = alice.call(NAME, "play")
    assert scene.orders() == [("start", NAME)]
    scene.broker.service_not_started(NAME, "player: No such file or directory")
    reason = f"{NAME} can't be started: player: No such file or directory"
    assert alice.heard() == [refusal(alice, serial, StartFailed, reason)]
    assert state(alice) == "failed"
    at_once = alice.call(NAME, "play")
    again = f"{reason}; after mending it: pybus service {NAME} start"
    assert alice.heard() == [refusal(alice, at_once, StartFailed, again)]
    scene.wait(0.5)
    alice.call(NAME, "play")
    scene.start(NAME)
    assert alice.heard() == []


def test_failures_in_a_row_are_followed_by_growing_pauses_and_then_it_is_given_up() -> None:
    scene, alice = stage()
    carol = scene.join("carol")
    carol.subscribe("bus.service.#")
    alice.subscribe("media.#")
    for pause in (0.5, 1.0, 2.0, 4.0, 8.0):
        scene.start(NAME)
        scene.end(NAME, 1)
        assert scene.orders() == []
        assert news(carol)[-1]["pause"] == pause
        scene.wait(pause - 0.01)
        assert scene.orders() == []
        scene.wait(0.01)
    scene.start(NAME)
    scene.end(NAME, 1)
    assert scene.orders() == []
    reason = f"given up after 6 failures in a row: {NAME} exited with status 1 after 1.5 s before it claimed its name"
    assert news(carol)[-1] == {"name": NAME, "event": "gave up", "failures": 6, "reason": reason}
    serial = alice.call(NAME, "play")
    error = refusal(alice, serial, StartFailed, f"{reason}; after mending it: pybus service {NAME} start")
    assert alice.heard() == [error]


def test_one_that_was_given_up_is_started_by_hand_or_after_some_time_or_when_its_file_changes() -> None:
    def given_up() -> tuple[Scene, Person]:
        scene, alice = stage()
        alice.ask("start_service", NAME)
        for pause in (0.5, 1.0, 2.0, 4.0, 8.0, 0.0):
            scene.start(NAME)
            scene.end(NAME, 1)
            scene.orders()
            scene.wait(pause)
        assert state(alice) == "failed"
        return scene, alice

    scene, alice = given_up()
    assert alice.ask("start_service", NAME) == "starting"
    scene.start(NAME)

    scene, alice = given_up()
    scene.wait(FORGIVEN)
    alice.call(NAME, "play")
    scene.start(NAME)

    scene, alice = given_up()
    scene.offer(PLAYER._replace(exec=("better",)))
    alice.call(NAME, "play")
    scene.start(NAME)


def test_a_call_during_a_pause_waits_if_that_is_in_time_and_fails_if_not() -> None:
    scene, alice = stage()
    alice.ask("start_service", NAME)
    scene.start(NAME)
    scene.end(NAME, 1)
    scene.orders()
    late = alice.call(NAME, "play", allowed=400)
    reason = f"{NAME} exited with status 1 after 1.5 s before it claimed its name; it is started again in 0.5 s"
    assert alice.heard() == [refusal(alice, late, StartFailed, reason)]
    alice.call(NAME, "play", allowed=600)
    scene.wait(0.5)
    scene.start(NAME)
    assert alice.heard() == []


def test_steady_running_makes_earlier_failures_forgotten() -> None:
    scene, alice, bob = running()
    scene.wait(STEADY)
    bob.leave()
    scene.end(NAME, 1)
    found = alice.ask("service", NAME)
    assert isinstance(found, dict)
    assert (found["state"], found["failures"], found["due"]) == ("pausing", 1, 0.5)


@pytest.mark.parametrize(
    ("policy", "status", "expected"),
    [
        ("on-failure", 0, "stopped"),
        ("on-failure", 1, "pausing"),
        ("always", 0, "pausing"),
        ("always", 1, "pausing"),
        ("no", 0, "stopped"),
        ("no", 1, "stopped"),
    ],
)
def test_what_is_restarted_is_the_policys_to_say(policy: str, status: int, expected: str) -> None:
    scene, alice, bob = running(restart=policy)
    bob.leave()
    scene.end(NAME, status)
    assert state(alice) == expected


def test_one_that_dies_in_the_middle_of_a_call_fails_that_call_and_serves_the_next() -> None:
    scene, alice, bob = running()
    serial = alice.call(NAME, "play")
    bob.leave()
    assert alice.heard() == [refusal(alice, serial, ServiceDied, "bob (pid 102) ended before it answered")]
    late = alice.call(NAME, "play")  # its end is not known yet
    scene.end(NAME, None, "SIGKILL")
    scene.orders()
    scene.wait(0.5)
    scene.start(NAME)
    bert = scene.join("bert")
    bert.ask("request_name", NAME)
    assert bert.heard() == [acquaintance(bert, alice), call(alice, late, f"{NAME} play")]


def test_calls_that_wait_for_one_that_ended_well_start_it_again() -> None:
    scene, alice, bob = running()
    bob.leave(goodbye=True)
    alice.call(NAME, "play")
    scene.end(NAME, 0)
    scene.start(NAME)


def test_waiting_calls_have_a_limit() -> None:
    scene = Scene(Limits()._replace(serving=2))
    scene.offer(PLAYER)
    alice = scene.join("alice")
    alice.call(NAME, "play")
    alice.call(NAME, "play")
    serial = alice.call(NAME, "play")
    assert alice.heard() == [refusal(alice, serial, ReceiverFull, f"2 calls wait for {NAME} to start, its limit")]


# --- the end of use -----------------------------------------------------------------------------------


def test_stop_ends_it_and_what_needs_it_meanwhile_starts_it_again() -> None:
    scene, alice, bob = running()
    assert alice.ask("stop_service", NAME) == "stopping"
    assert scene.orders() == [("terminate", NAME)]
    serial = alice.call(NAME, "play")
    assert bob.heard() == []
    bob.leave(goodbye=True)
    scene.end(NAME, None, "SIGTERM")
    scene.start(NAME)
    bert = scene.join("bert")
    bert.ask("request_name", NAME)
    assert bert.heard() == [acquaintance(bert, alice), call(alice, serial, f"{NAME} play")]


def test_one_that_does_not_stop_is_killed() -> None:
    scene, alice, bob = running()
    alice.ask("stop_service", NAME)
    scene.orders()
    scene.wait(5)
    assert scene.orders() == [("kill", NAME)]
    bob.leave()
    scene.end(NAME, None, "SIGKILL")
    assert (state(alice), scene.orders()) == ("stopped", [])


def test_stop_while_it_starts_fails_the_waiting_calls() -> None:
    scene, alice = stage()
    serial = alice.call(NAME, "play")
    scene.start(NAME)
    carol = scene.join("carol")
    assert carol.ask("stop_service", NAME) == "stopping"
    reason = f"{NAME} was stopped before it claimed its name"
    assert alice.heard() == [refusal(alice, serial, StartFailed, reason)]


def test_restart_stops_and_starts() -> None:
    scene, alice, bob = running()
    assert alice.ask("restart_service", NAME) == "stopping"
    assert scene.orders() == [("terminate", NAME)]
    bob.leave(goodbye=True)
    scene.end(NAME, 0)
    scene.start(NAME, pid=501)


def test_an_idle_one_is_ended_and_one_in_use_is_not() -> None:
    scene, alice, bob = running(idle=60.0)
    scene.wait(50)
    alice.call(NAME, "play")
    *_, asked = bob.heard()
    scene.wait(59)
    assert scene.orders() == []  # a call is open
    bob.answer(asked, None)
    alice.subscribe("media.film")
    scene.wait(200)
    assert scene.orders() == []  # somebody listens
    alice.ask("unsubscribe", ["media.film"])
    scene.wait(60)
    assert scene.orders() == [("terminate", NAME)]


def test_a_reload_that_changes_the_time_holds_for_the_one_that_runs() -> None:
    scene, alice, _ = running(idle=60.0)
    scene.offer(PLAYER)
    assert scene.broker.next_deadline() is None
    scene.wait(100)
    scene.offer(PLAYER._replace(idle=30.0))
    assert scene.broker.next_deadline() == scene.now + 30.0
    alice.subscribe("media.#")
    scene.offer(PLAYER._replace(idle=20.0))
    assert (scene.broker.next_deadline(), scene.orders()) == (None, [])


def test_a_reload_that_changes_something_else_leaves_a_wait_for_the_name_alone() -> None:
    scene, alice, bob = running()
    bob.ask("release_name", NAME)
    alice.call(NAME, "play")
    due = scene.broker.services.due
    scene.wait(1)
    scene.offer(PLAYER._replace(idle=60.0))
    assert scene.broker.services.due == due


def test_a_service_that_nobody_described_is_refused() -> None:
    _, alice = stage()
    for method in ("service", "start_service", "stop_service", "restart_service", "service_log"):
        with pytest.raises(NoSuchService, match="no service file describes org.example.Other"):
            alice.ask(method, "org.example.Other")


def test_one_whose_file_has_gone_ends_its_run_first() -> None:
    scene, alice, bob = running()
    scene.offer()
    assert state(alice) == "running"
    bob.leave(goodbye=True)
    scene.end(NAME, 0)
    scene.offer()
    with pytest.raises(NoSuchService):
        alice.ask("service", NAME)


def test_services_are_described() -> None:
    scene, alice, bob = running(description="Plays films.", idle=30.0, file="/etc/player.toml")
    scene.wait(2)
    assert alice.ask("services") == [
        {
            "name": NAME,
            "exec": ["player"],
            "description": "Plays films.",
            "topics": ["media.#"],
            "calls": True,
            "autostart": False,
            "restart": "on-failure",
            "start_timeout": 10.0,
            "stop_timeout": 5.0,
            "idle": 30.0,
            "file": "/etc/player.toml",
            "base": "",
            "state": "running",
            "pid": 500,
            "owner": bob.name,
            "since": 2.0,
            "starts": 1,
            "failures": 0,
            "reason": "",
            "last": None,
            "due": None,
            "listeners": 0,
        }
    ]


# --- corners ------------------------------------------------------------------------------------------


def test_a_subscriber_that_comes_while_it_stops_has_it_started_again() -> None:
    scene, alice, bob = running()
    alice.ask("stop_service", NAME)
    scene.orders()
    alice.subscribe("media.#")
    bob.leave(goodbye=True)
    scene.end(NAME, 0)
    scene.start(NAME)


def test_one_whose_file_has_gone_is_not_started_again() -> None:
    scene, alice, bob = running(restart="always")
    scene.offer()
    serial = alice.call(NAME, "play")
    bob.leave()
    late = alice.call(NAME, "play")
    scene.end(NAME, 1)
    assert scene.orders() == []
    assert alice.heard() == [
        refusal(alice, serial, ServiceDied, "bob (pid 102) ended before it answered"),
        refusal(alice, late, StartFailed, f"{NAME} has no service file any more"),
    ]
    with pytest.raises(NoSuchService):
        alice.ask("service", NAME)


def test_calls_that_wait_for_one_whose_file_goes_fail() -> None:
    scene, alice = stage()
    alice.ask("start_service", NAME)
    scene.start(NAME)
    scene.end(NAME, 1)
    serial = alice.call(NAME, "play")
    scene.offer()
    assert alice.heard() == [refusal(alice, serial, StartFailed, f"{NAME} has no service file any more")]
    scene.wait(1)
    assert scene.orders() == []


def test_a_file_that_comes_back_is_used_again() -> None:
    scene, alice, bob = running()
    scene.offer()
    scene.offer(PLAYER)
    bob.leave()
    scene.end(NAME, 1)
    assert state(alice) == "pausing"


def test_stop_before_its_process_exists_takes_the_start_back() -> None:
    scene, alice = stage()
    serial = alice.call(NAME, "play")
    assert alice.ask("stop_service", NAME) == "stopped"
    assert scene.orders() == []
    reason = f"{NAME} was stopped before it claimed its name"
    assert alice.heard() == [refusal(alice, serial, StartFailed, reason)]
    alice.ask("start_service", NAME)
    scene.start(NAME)


def test_somebody_who_is_faster_than_its_process_takes_the_start_back() -> None:
    scene, alice = stage()
    serial = alice.call(NAME, "play")
    carol = scene.join("carol")
    carol.ask("request_name", NAME)
    assert scene.orders() == []
    assert carol.heard() == [acquaintance(carol, alice), call(alice, serial, f"{NAME} play")]
    carol.ask("release_name", NAME)
    alice.ask("start_service", NAME)
    scene.start(NAME)


def test_a_start_by_hand_while_a_failed_one_is_ended_counts() -> None:
    scene, alice = stage()
    alice.call(NAME, "play")
    scene.start(NAME)
    scene.wait(10)
    assert scene.orders() == [("terminate", NAME)]
    alice.ask("start_service", NAME)
    scene.end(NAME, None, "SIGTERM")
    scene.start(NAME)


def test_calls_that_came_while_a_failed_one_was_ended_hear_that_it_is_given_up() -> None:
    scene, alice = stage()
    alice.ask("start_service", NAME)
    for pause in (0.5, 1.0, 2.0, 4.0, 8.0):
        scene.start(NAME)
        scene.end(NAME, 1)
        scene.orders()
        scene.wait(pause)
    scene.start(NAME)
    scene.wait(10)
    scene.orders()
    serial = alice.call(NAME, "play")
    scene.end(NAME, None, "SIGTERM")
    reason = f"given up after 6 failures in a row: {NAME} did not claim its name in 10 s"
    assert alice.heard() == [refusal(alice, serial, StartFailed, reason)]


def test_failures_between_good_runs_are_not_in_a_row() -> None:
    scene, alice, bob = running()
    for _ in range(7):
        bob.leave()
        scene.end(NAME, 1)
        scene.orders()
        scene.wait(0.5)
        scene.start(NAME)
        bob = scene.join("bob")
        bob.ask("request_name", NAME)
        alice.ask("restart_service", NAME)
        scene.orders()
        bob.leave(goodbye=True)
        scene.end(NAME, 0)
        scene.start(NAME)
        bob = scene.join("bob")
        bob.ask("request_name", NAME)
        scene.orders()
    assert state(alice) == "running"


def test_one_that_always_ends_at_once_is_given_up_even_if_it_ends_well() -> None:
    scene, alice = stage(restart="always")
    alice.ask("start_service", NAME)
    for pause in (0.5, 1.0, 2.0, 4.0, 8.0):
        scene.start(NAME)
        bob = scene.join("bob")
        bob.ask("request_name", NAME)
        bob.leave(goodbye=True)
        scene.end(NAME, 0)
        scene.orders()
        assert state(alice) == "pausing"
        scene.wait(pause)
    scene.start(NAME)
    scene.end(NAME, 0)
    assert state(alice) == "failed"


def test_calls_that_nobody_waits_for_any_more_leave_room() -> None:
    scene = Scene(Limits()._replace(serving=2))
    scene.offer(PLAYER)
    alice, carol = scene.join("alice"), scene.join("carol")
    alice.call(NAME, "play", allowed=1000)
    carol.call(NAME, "play")
    scene.start(NAME)
    scene.wait(1)
    carol.leave()
    alice.heard()
    alice.call(NAME, "play")
    alice.call(NAME, "play")
    assert alice.heard() == []
    assert (alice.peer.held, carol.peer.held) == (2, 0)


def test_one_caller_does_not_take_all_the_room() -> None:
    scene = Scene(Limits()._replace(held=1))
    scene.offer(PLAYER)
    alice, carol = scene.join("alice"), scene.join("carol")
    alice.call(NAME, "play", reply=False)
    serial = alice.call(NAME, "play")
    message = "1 of your calls wait for services to start, the limit"
    assert alice.heard() == [refusal(alice, serial, LimitExceeded, message)]
    carol.call(NAME, "play")
    assert carol.heard() == []


def test_waiting_calls_have_a_limit_of_bytes() -> None:
    scene = Scene(Limits()._replace(outbox=1000))
    scene.offer(PLAYER)
    alice = scene.join("alice")
    alice.call(NAME, "play", "x" * 1000)
    serial = alice.call(NAME, "play")
    assert alice.heard() == [refusal(alice, serial, ReceiverFull, f"1 calls wait for {NAME} to start, its limit")]


def test_one_that_takes_no_calls_runs_without_its_name_and_by_its_listeners() -> None:
    scene, alice = stage(calls=False, idle=60.0, file="/etc/player.toml")
    serial = alice.call(NAME, "play")
    message = f"{NAME} takes no calls, as its file says (/etc/player.toml)"
    assert alice.heard() == [refusal(alice, serial, StartFailed, message)]
    assert scene.orders() == []
    alice.subscribe("media.#")
    scene.start(NAME)
    assert state(alice) == "running"
    scene.wait(1000)
    assert (state(alice), scene.broker.next_deadline(), scene.orders()) == ("running", None, [])
    alice.ask("unsubscribe", ["media.#"])
    scene.wait(60)
    assert scene.orders() == [("terminate", NAME)]


def test_somebody_who_listens_costs_no_look_at_the_clock() -> None:
    scene, alice, _ = running(idle=60.0)
    alice.subscribe("media.#")
    assert scene.broker.next_deadline() is None
    alice.leave()
    assert scene.broker.next_deadline() == scene.now + 60.0


def test_listeners_are_counted_anew_when_files_change() -> None:
    scene, alice, _ = running(idle=60.0)
    alice.subscribe("media.#", "song.#")
    scene.offer(PLAYER._replace(idle=60.0, topics=("song.*",)))
    alice.ask("unsubscribe", ["media.#"])
    assert scene.broker.next_deadline() is None
    alice.ask("unsubscribe", ["song.#"])
    assert scene.broker.next_deadline() == scene.now + 60.0


def test_a_reload_does_not_start_again_what_was_stopped_by_hand() -> None:
    scene, alice, bob = running(autostart=True)
    alice.ask("stop_service", NAME)
    scene.orders()
    bob.leave(goodbye=True)
    scene.end(NAME, 0)
    scene.offer(PLAYER._replace(autostart=True))
    assert scene.orders() == []


def test_a_start_that_hangs_is_told_with_its_last_words() -> None:
    scene, alice = stage()
    scene.broker.services.last_words = lambda name: [f"{name} is thinking"]
    serial = alice.call(NAME, "play")
    scene.start(NAME)
    scene.wait(10)
    reason = f"{NAME} did not claim its name in 10 s; its last words: {NAME} is thinking"
    assert alice.heard() == [refusal(alice, serial, StartFailed, reason)]


def test_a_call_that_is_refused_keeps_nothing_waiting() -> None:
    scene = Scene(Limits()._replace(held=1))
    other = "org.example.Other"
    scene.offer(PLAYER, Service(other, ("other",)))
    alice = scene.join("alice")
    alice.call(other, "play")
    alice.call(NAME, "play")
    assert (scene.broker.dispatch.held.is_awaited(other), scene.broker.dispatch.held.is_awaited(NAME)) == (True, False)
