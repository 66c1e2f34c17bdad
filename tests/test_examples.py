"""Each example does what its docstring says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import pybus
from tests.daemon import PATIENCE, BusDaemon

EXAMPLES = Path(__file__).parent.parent / "examples"


def done(daemon: BusDaemon, name: str, *words: str) -> tuple[int, str, str]:
    """Run an example to its end; its exit code, stdout and stderr."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *words]
    ended = subprocess.run(command, env=daemon.environ, capture_output=True, text=True, timeout=PATIENCE)
    return ended.returncode, ended.stdout, ended.stderr


@contextmanager
def example(daemon: BusDaemon, name: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run an example, and end it as Ctrl-C does, together with all that it runs."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *words]
    pipe = subprocess.PIPE
    running = subprocess.Popen(command, env=daemon.environ, stdout=pipe, stderr=pipe, text=True, process_group=0)
    try:
        yield running
    finally:
        os.killpg(running.pid, signal.SIGINT)
        try:
            _, errors = running.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            raise
    assert (running.returncode, errors) == (0, "")


def test_the_player_can_be_called_and_tells_its_status(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address, program="alice") as alice:
        names = alice.subscribe("bus.name.org.example.Player")
        status = alice.subscribe("media.player.status")
        with example(daemon, "player.py") as running:
            assert names.receive(PATIENCE) is not None
            player = alice.proxy("org.example.Player")
            assert player.play("film.mkv", volume=0.5) is True
            player.stop()
            assert running.stdout is not None
            assert running.stdout.readline().endswith(" plays film.mkv at 0.5\n")
        heard = [status.receive(PATIENCE) for _ in range(3)]
        assert [(one.body, one.cleared) for one in heard if one] == [
            ("playing", False),
            ("stopped", False),
            (None, True),
        ]


def test_on_unplugged_says_so(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice, example(daemon, "on_unplugged.py") as running:
        while alice.publish("hal.power.ac", "unplugged", confirm=True) == 0:
            pass
        assert running.stdout is not None
        assert running.stdout.readline() == "unplugged (after 0 s)\n"


# --- queues ---------------------------------------------------------------------------------------

QUIET = (0, "", "")


def line_of(running: subprocess.Popen[str]) -> str:
    """The next line that it prints."""
    assert running.stdout is not None
    return running.stdout.readline()


def wait_for_consumers(bus: pybus.Bus, number: int) -> None:
    """Until so many programs consume queues."""
    while sum(len(queue["consumers"]) for queue in bus.call("org.pybus.Bus", "queues")) < number:
        pass


@pytest.fixture
def alice(daemon: BusDaemon) -> Iterator[pybus.Bus]:
    with pybus.connect(daemon.address, program="alice") as bus:
        yield bus


def test_a_broadcast_reaches_all_who_listen(daemon: BusDaemon, alice: pybus.Bus) -> None:
    assert done(daemon, "broadcast_send.py", "nobody", "hears") == QUIET
    with example(daemon, "broadcast_receive.py") as one, example(daemon, "broadcast_receive.py") as two:
        wait_for_consumers(alice, 2)
        assert done(daemon, "broadcast_send.py", "dinner is", "ready") == QUIET
        assert [line_of(one), line_of(two)] == ["dinner is ready\n"] * 2
    assert alice.call("org.pybus.Bus", "queues") == []


def test_direct_send_knows_whether_it_got_there(daemon: BusDaemon, alice: pybus.Bus) -> None:
    message = "direct_send: there is no queue 'letters'; make one by: pybus queue declare letters\n"
    assert done(daemon, "direct_send.py", "letters", "dear bob") == (1, "", message)
    letters = alice.queue("letters")
    assert done(daemon, "direct_send.py", "letters", "dear", "bob") == QUIET
    letter = letters.get()
    assert letter is not None
    assert letter.body == "dear bob"


def test_what_one_asks_another_answers(daemon: BusDaemon, alice: pybus.Bus) -> None:
    with example(daemon, "answer.py"), example(daemon, "answer.py"):
        wait_for_consumers(alice, 2)
        assert done(daemon, "ask.py", "6", "*", "7") == (0, "42\n", "")
        assert done(daemon, "ask.py", "6 / 7") == (0, "'6 / 7' is no product of two whole numbers\n", "")
    status = alice.queue("questions").status()
    assert (status["acked"], status["messages"], status["unacked"]) == (2, 0, 0)


def test_topic_receive_prints_what_matches(daemon: BusDaemon, alice: pybus.Bus) -> None:
    with example(daemon, "topic_receive.py", "kitchen.#", "*.*.hot") as receiving:
        wait_for_consumers(alice, 1)
        for key in ("cellar.pump.wet", "kitchen", "kitchen.oven.hot", "cellar.fire.hot"):
            assert done(daemon, "topic_send.py", key, "220", "degrees") == QUIET
        shown = [line_of(receiving) for _ in range(3)]
    assert shown == [f"{key}: 220 degrees\n" for key in ("kitchen", "kitchen.oven.hot", "cellar.fire.hot")]


def test_without_a_listener_qecho_says_that_there_is_no_exchange(daemon: BusDaemon, alice: pybus.Bus) -> None:
    refused = (1, "", "NOT_FOUND - no exchange 'myfanout' in vhost '/'\n")
    assert done(daemon, "qecho", "hello") == refused
    with example(daemon, "qlisten"):
        wait_for_consumers(alice, 1)
        assert done(daemon, "qecho", "hello") == QUIET
    assert done(daemon, "qecho", "hello") == refused


def test_all_who_run_qlisten_print_what_qecho_says(daemon: BusDaemon, alice: pybus.Bus) -> None:
    with example(daemon, "qlisten") as one, example(daemon, "qlisten") as two:
        wait_for_consumers(alice, 2)
        assert done(daemon, "qecho", "--urgent=yes", "hello", "all") == QUIET
        for listening in (one, two):
            line = line_of(listening)
            shown = re.fullmatch(r"\d\d:\d\d:\d\d \[(\d+)\] \{'pid': \d+, 'urgent': 'yes'\} hello all\n", line)
            assert shown, line
            assert int(shown[1]) == listening.pid
        assert done(daemon, "qecho", "bye") == QUIET
        assert [line_of(listening)[-4:] for listening in (one, two)] == ["bye\n"] * 2


def test_workers_share_the_work_and_one_gets_what_a_killed_one_had(daemon: BusDaemon, alice: pybus.Bus) -> None:
    assert done(daemon, "work_send.py", "echo begun; exec sleep 60", "echo one; exit 3") == QUIET
    command = [sys.executable, str(EXAMPLES / "work_receive.py")]
    pipe = subprocess.PIPE
    killed = subprocess.Popen(command, env=daemon.environ, stdout=pipe, text=True, process_group=0)
    try:
        assert [line_of(killed), line_of(killed)] == ["running 'echo begun; exec sleep 60'\n", "begun\n"]
        with example(daemon, "work_receive.py") as other:
            shown = [line_of(other) for _ in range(3)]
            assert shown == ["running 'echo one; exit 3'\n", "one\n", "'echo one; exit 3' exited with status 3\n"]
            alice.queue("work", durable=True).publish("echo two", confirm=True)
            shown = [line_of(other) for _ in range(3)]
            assert shown == ["running 'echo two'\n", "two\n", "'echo two' exited with status 0\n"]
            os.killpg(killed.pid, signal.SIGKILL)
            assert line_of(other) == "running 'echo begun; exec sleep 60' again, as its worker has ended\n"
            assert line_of(other) == "begun\n"
    finally:
        if killed.poll() is None:
            os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate()


def test_the_work_is_still_there_after_a_crash_of_the_bus(daemon: BusDaemon) -> None:
    assert done(daemon, "work_send.py", "echo one", "echo two") == QUIET
    daemon.kill()
    daemon.restart()
    with example(daemon, "work_receive.py") as worker:
        shown = [line_of(worker) for _ in range(6)]
    assert [line for line in shown if line in ("one\n", "two\n")] == ["one\n", "two\n"]
    assert shown[-1] == "'echo two' exited with status 0\n"


@pytest.mark.parametrize("name", ["ask.py", "direct_send.py", "topic_send.py", "work_send.py"])
def test_who_sends_nothing_is_told_how(daemon: BusDaemon, name: str) -> None:
    code, out, err = done(daemon, name)
    assert (code, out, err.startswith(f"usage: {name} ")) == (1, "", True)


@pytest.mark.parametrize(
    "name", ["broadcast_send.py", "broadcast_receive.py", "qecho", "qlisten", "topic_receive.py", "work_receive.py"]
)
def test_without_a_bus_they_say_so(daemon: BusDaemon, name: str) -> None:
    daemon.stop()
    code, out, err = done(daemon, name)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"{name.removesuffix('.py')}: no bus at {daemon.address}")
