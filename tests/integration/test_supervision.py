"""What becomes of services that fail, as real processes: nobody's crash is silent, and nothing is left behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

import pybus
from pybus.errors import StartFailed
from pybus.server.family import variable_of
from tests.daemon import PATIENCE, BusDaemon

from .service_scene import (
    CRASHES,
    DIES,
    ECHO,
    FORKS_AWAY,
    HANGS,
    HAS_CHILDREN,
    IGNORES_SIGTERM,
    IS_SHOT,
    LEAVES_WELL,
    NAME,
    PARTS,
    STOPPED,
    Scene,
    Watched,
    eventually,
    exited,
    restarting,
    running,
    starting,
)

CALLED = starting(1, "called by alice")
IN_TIME = r"after [0-4]\.\d s"


@pytest.fixture
def scene(daemon: BusDaemon) -> Iterator[Scene]:
    with Scene(daemon) as made:
        yield made


def warnings(scene: Scene) -> list[str]:
    """The log's warnings until the service was down, without their times."""
    scene.daemon.wait_for_log(f"{NAME}: stopped")
    return [line.partition("warning: ")[2] for line in scene.daemon.log if " warning: " in line]


# --- those that do not come -------------------------------------------------------------------------


def test_one_that_crashes_at_once_fails_the_calls_with_status_and_last_words(scene: Scene) -> None:
    scene.offer(CRASHES, restart="no")
    reason = f"^{NAME} exited with status 3 {IN_TIME} before it claimed its name; its last words: no disk . no hope "
    with pytest.raises(StartFailed, match=reason):
        scene.alice.call(NAME, "play")
    assert scene.news("stopped") == [CALLED, exited(1, 3, "no disk", "no hope"), STOPPED]
    last = scene.ask("service", NAME)["last"]
    assert last.pop("ran") < PATIENCE
    assert last == {
        "pid": scene.pids[0],
        "status": 3,
        "signal": None,
        "stderr": ["no disk", "no hope"],
        "expected": False,
    }
    assert len([line for line in warnings(scene) if "with status 3" in line]) == 1
    assert eventually(lambda: scene.processes() == [])


def test_one_that_is_shot_before_it_comes_is_told_with_the_signal(scene: Scene) -> None:
    scene.offer(IS_SHOT, restart="no")
    reason = f"^{NAME} was killed by SIGSEGV {IN_TIME} before it claimed its name; its last words: here it comes "
    with pytest.raises(StartFailed, match=reason):
        scene.alice.call(NAME, "play")
    assert scene.news("stopped") == [CALLED, exited(1, "SIGSEGV", "here it comes"), STOPPED]


def test_one_that_ends_well_before_it_comes_fails_the_calls_too(scene: Scene) -> None:
    scene.offer(LEAVES_WELL)
    reason = f"^{NAME} exited with status 0 {IN_TIME} before it claimed its name; its last words: nothing to do "
    with pytest.raises(StartFailed, match=reason):
        scene.alice.call(NAME, "play")
    assert scene.news("restarting") == [CALLED, exited(1, 0, "nothing to do"), restarting(0.5, 1)]


def test_one_that_hangs_is_ended_in_time_and_the_calls_hear_so(scene: Scene) -> None:
    scene.offer(HANGS, start_timeout=1, restart="no")
    with pytest.raises(StartFailed, match=f"^{NAME} did not claim its name in 1 s; its last words: thinking "):
        scene.alice.call(NAME, "play")
    assert scene.news("stopped") == [
        CALLED,
        {"event": "failed", "reason": f"{NAME} did not claim its name in 1 s; its last words: thinking"},
        exited(1, "SIGTERM", "thinking"),
        STOPPED,
    ]
    assert f"{NAME}: failed: {NAME} did not claim its name in 1 s; its last words: thinking" in warnings(scene)


def test_one_that_can_not_be_executed_fails_the_calls_at_once_and_comes_when_it_can(scene: Scene) -> None:
    program = f"{scene.daemon.folder}/player"
    scene.offer([program])
    reason = f"{NAME} can't be started: {program}: No such file or directory"
    with pytest.raises(StartFailed, match=f"^{reason} "):
        scene.alice.call(NAME, "echo", "hello")
    with pytest.raises(StartFailed, match=f"^{reason}; after mending it: pybus service {NAME} start "):
        scene.alice.call(NAME, "echo", "hello")
    assert scene.news("failed") == [{"event": "failed", "reason": reason}]
    assert scene.state() == "failed"
    assert eventually(lambda: scene.processes() == [])
    with open(program, "w") as file:
        file.write(f"#!{sys.executable}\n{ECHO}")
    os.chmod(program, 0o755)
    assert scene.ask("start_service", NAME) == "starting"
    assert scene.alice.call(NAME, "echo", "hello") == "hello"
    assert scene.news("running") == [starting(1, "alice asked for it"), running(1, ":2")]


def test_a_subscriber_hears_of_a_service_that_does_not_come_though_nobody_waits(scene: Scene) -> None:
    scene.offer(CRASHES, topics=["media.#"], restart="no")
    scene.alice.subscribe("media.state")
    why = "alice subscribed to media.state"
    assert scene.news("stopped") == [starting(1, why), exited(1, 3, "no disk", "no hope"), STOPPED]


# --- those that come and fail -----------------------------------------------------------------------


def test_one_that_is_killed_in_a_call_fails_it_at_once_and_is_started_again(scene: Scene) -> None:
    scene.offer(DIES)
    with pytest.raises(pybus.ServiceDied, match=r"^service \[.*\] \(pid \d+\) ended before it answered "):
        scene.alice.call(NAME, "die")
    assert scene.alice.call(NAME, "echo", "there again") == "there again"
    assert scene.news("running") + scene.news("running") == [
        CALLED,
        running(1, ":2"),
        exited(1, "SIGKILL"),
        restarting(0.5, 1),
        starting(2, "restart after failure 1"),
        running(2, ":3"),
    ]
    found = scene.ask("service", NAME)
    assert [found[key] for key in ("state", "starts", "failures")] == ["running", 2, 1]


@pytest.mark.parametrize(
    ("policy", "status", "then"),
    [
        ("no", 1, STOPPED),
        ("on-failure", 0, STOPPED),
        ("on-failure", 1, restarting(0.5, 1)),
        ("always", 0, restarting(0.5, 1)),
    ],
)
def test_whether_it_comes_back_is_the_policys_to_say(
    scene: Scene, policy: str, status: int, then: dict[str, object]
) -> None:
    scene.offer(DIES, restart=policy)
    with pytest.raises(pybus.ServiceDied):
        scene.alice.call(NAME, "leave", status)
    assert scene.news(str(then["event"])) == [CALLED, running(1, ":2"), exited(1, status), then]


def test_one_that_ignores_sigterm_is_killed_in_time(scene: Scene) -> None:
    scene.offer(IGNORES_SIGTERM, stop_timeout=0.3)
    scene.alice.call(NAME, "pid")
    scene.ask("stop_service", NAME)
    assert scene.news("stopped") == [CALLED, running(1, ":2"), exited(1, "SIGKILL", expected=True), STOPPED]
    assert eventually(lambda: scene.processes() == [])


def test_failures_in_a_row_have_growing_pauses_and_it_is_given_up(scene: Scene) -> None:
    scene.offer(CRASHES)
    crash = exited(1, 3, "no disk", "no hope")
    with pytest.raises(StartFailed):
        scene.alice.call(NAME, "play")
    assert scene.news("restarting") == [CALLED, crash, restarting(0.5, 1)]
    for failures, pause in ((2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0)):
        assert scene.news("restarting") == [
            starting(failures, f"restart after failure {failures - 1}"),
            {**crash, "pid": failures},
            restarting(pause, failures),
        ]
    *_, told = scene.news("gave up")
    assert told["failures"] == 6
    assert str(told["reason"]).startswith(f"given up after 6 failures in a row: {NAME} exited with status 3 after ")
    mending = f"; after mending it: pybus service {NAME} start "
    with pytest.raises(StartFailed, match=f"^given up after 6 failures in a row: {NAME} exited.*no hope{mending}"):
        scene.alice.call(NAME, "play")
    assert (scene.state(), scene.nothing_more()) == ("failed", True)
    scene.offer(ECHO)
    assert scene.alice.call(NAME, "echo", "mended") == "mended"


def test_one_that_loses_its_name_and_runs_on_is_ended_when_somebody_needs_it(scene: Scene) -> None:
    scene.offer(PARTS, start_timeout=2)
    with pytest.raises(pybus.ServiceDied):
        scene.alice.call(NAME, "part")
    with pytest.raises(StartFailed, match=f"^{NAME} did not claim its name again in 2 s "):
        scene.alice.call(NAME, "part")
    assert scene.news("restarting") == [
        CALLED,
        running(1, ":2"),
        {"event": "failed", "reason": f"{NAME} did not claim its name again in 2 s"},
        exited(1, "SIGTERM"),
        restarting(0.5, 1),
    ]


# --- those that are more than one process -----------------------------------------------------------


def test_one_that_forks_away_works_and_is_stopped_like_any_other(scene: Scene) -> None:
    scene.offer(FORKS_AWAY + ECHO)
    away = scene.alice.call(NAME, "pid")
    assert scene.news("running") == [CALLED, running(2, ":2")]
    assert scene.pids[1] == away == scene.ask("service", NAME)["pid"]
    assert scene.ask("stop_service", NAME) == "stopping"
    assert scene.news("stopped") == [exited(2, "SIGTERM", expected=True), STOPPED]
    assert eventually(lambda: scene.processes() == [])


def test_the_crash_of_one_that_forked_away_is_noticed_and_it_is_started_again(scene: Scene) -> None:
    scene.offer(FORKS_AWAY + "print('away', flush=True)\n" + DIES)
    with pytest.raises(pybus.ServiceDied):
        scene.alice.call(NAME, "die")
    assert scene.news("restarting") == [CALLED, running(2, ":2"), exited(2, "SIGKILL", "away"), restarting(0.5, 1)]
    assert scene.alice.call(NAME, "echo", "there again") == "there again"
    assert scene.news("running") == [starting(3, "restart after failure 1"), running(4, ":3")]


@pytest.mark.parametrize("status", [0, 1])
def test_what_it_leaves_behind_is_ended_before_its_own_end_is_told(scene: Scene, status: int) -> None:
    scene.offer(HAS_CHILDREN, restart="no")
    main = scene.alice.call(NAME, "pid")
    family = [pid for pid in scene.processes() if variable_of(pid, "PYBUS_SERVICE") == NAME]
    assert len(family) == 4
    watched = Watched(family)
    with pytest.raises(pybus.ServiceDied):
        scene.alice.call(NAME, "leave", status)
    assert scene.news("stopped") == [CALLED, running(1, ":2"), exited(1, status), STOPPED]
    assert watched.left_after(0) == []
    scene.daemon.wait_for_log(f"{NAME}[{main}] exited with status {status}; ending what it left: pid ")
    assert scene.alice.call(NAME, "echo", "there again") == "there again"


def test_one_that_leaves_a_child_before_it_comes_has_to_come_in_time(scene: Scene) -> None:
    scene.offer("import subprocess; subprocess.Popen(['sleep', '1000'])", start_timeout=2, restart="no")
    with pytest.raises(StartFailed, match=f"^{NAME} did not claim its name in 2 s "):
        scene.alice.call(NAME, "play")
    *_, ended, stopped = scene.news("stopped")
    assert (ended, stopped) == (exited(2, "SIGTERM"), STOPPED)
    assert eventually(lambda: scene.processes() == [])
