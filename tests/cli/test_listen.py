"""`pybus-listen` against a real bus."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from time import monotonic

import pytest

import pybus
from tests.cli.programs import line_of, run, started
from tests.daemon import PATIENCE, BusDaemon


def test_listen_prints_topic_and_value_a_line(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with started(daemon, "pybus-listen", "hal.#", "--count", "5") as listening:
        while bob.publish("hal.x", "begin", confirm=True) == 0:
            pass
        bob.publish("hal.power.ac", {"a": b"\x00", "t": datetime(2026, 1, 2, tzinfo=UTC)})
        bob.publish("hal.text", "two\nlines \x1b[31m")
        bob.publish("hal.nothing")
        bob.clear("hal.power.ac")
        out, _ = listening.communicate(timeout=PATIENCE)
    assert out.splitlines() == [
        "hal.x begin",
        'hal.power.ac {"a": {"base64": "AA=="}, "t": "2026-01-02T00:00:00+00:00"}',
        'hal.text "two\\nlines \\u001b[31m"',
        "hal.nothing null",
        "hal.power.ac (cleared)",
    ]


def test_listen_prints_retained_values_first_as_json(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.publish("a.b", [1], retain=True)
    bob.flush()
    code, out, err = run(daemon, "pybus-listen", "a.#", "--json", "--count", "1")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"topic": "a.b", "body": [1], "sender": bob.name, "retained": True, "cleared": False}


def test_listen_ends_in_time_and_tells_by_its_code_whether_all_came(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.publish("a.b", 1, retain=True)
    bob.flush()
    assert run(daemon, "pybus-listen", "a.#", "--timeout", "0.05") == (0, "a.b 1\n", "")
    assert run(daemon, "pybus-listen", "a.#", "--timeout", "0.05", "--count", "2") == (3, "a.b 1\n", "")
    assert run(daemon, "pybus-listen", "a.#", "--timeout", "0.05", "--count", "1", "--no-retained") == (3, "", "")


def test_listen_ends_in_time_while_signals_keep_coming(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with started(daemon, "pybus-listen", "a.#", "--timeout", "0.3") as listening:
        reader = Thread(target=listening.communicate)
        reader.start()
        until = monotonic() + PATIENCE
        while listening.poll() is None and monotonic() < until:
            bob.publish("a.b", 1)
        in_time = monotonic() < until
        reader.join(PATIENCE)
        assert (in_time, listening.returncode) == (True, 0)


def test_listen_ends_quietly_on_ctrl_c_and_on_a_closed_pipe(daemon: BusDaemon, bob: pybus.Bus) -> None:
    for end in ("ctrl-c", "pipe"):
        with started(daemon, "pybus-listen", "#") as listening:
            while bob.publish("a.b", 1, confirm=True) == 0:
                pass
            assert line_of(listening.stdout) == "a.b 1\n"
            if end == "ctrl-c":
                listening.send_signal(signal.SIGINT)
                assert listening.wait(PATIENCE) == 130
            else:
                assert listening.stdout is not None
                listening.stdout.close()
                bob.publish("a.b", 2)
                bob.flush()
                assert listening.wait(PATIENCE) == 141
            assert line_of(listening.stderr) == ""


def test_listen_says_that_the_bus_went_away_and_came_back(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with started(daemon, "pybus-listen", "a.#") as listening:
        while bob.publish("a.b", 1, confirm=True) == 0:
            pass
        assert line_of(listening.stdout) == "a.b 1\n"
        daemon.kill()
        assert line_of(listening.stderr) == "pybus-listen: the bus went away; waiting for it to come back\n"
        daemon.restart()
        assert line_of(listening.stderr) == "pybus-listen: the bus is back\n"
        bob.publish("a.b", 2)
        assert line_of(listening.stdout) == "a.b 2\n"
        listening.send_signal(signal.SIGINT)


# --- --exec ---------------------------------------------------------------------------------------

SHOW = 'printf "%s|" "$PYBUS_TOPIC" "$PYBUS_VALUE" "$PYBUS_SENDER" "$PYBUS_RETAINED" "$PYBUS_CLEARED"; cat; echo'


def test_exec_runs_a_command_for_each_message(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.publish("a.b", "kept", retain=True)
    bob.flush()
    with started(daemon, "pybus-listen", "a.#", "--exec", SHOW, "--count", "6") as listening:
        assert line_of(listening.stdout) == f"a.b|kept|{bob.name}|1||kept\n"
        bob.publish("a.text", "two\nlines")
        bob.publish("a.bytes", b"\x00x")
        bob.publish("a.map", {"€": [1, None]})
        bob.publish("a.nothing")
        bob.clear("a.b")
        out, err = listening.communicate(timeout=PATIENCE)
    assert (listening.returncode, err) == (0, "")
    assert out == (
        f'a.text|"two\\nlines"|{bob.name}|||two\nlines\n'
        f'a.bytes|{{"base64": "AHg="}}|{bob.name}|||\x00x\n'
        f'a.map|{{"€": [1, null]}}|{bob.name}|||{{"€": [1, null]}}\n'
        f"a.nothing|null|{bob.name}|||null\n"
        f"a.b||{bob.name}||1|\n"
    )


def test_exec_runs_one_command_at_a_time_in_order(daemon: BusDaemon, bob: pybus.Bus, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    alone = f"mkdir {lock} || exit 9; cat; echo; rmdir {lock}"
    with started(daemon, "pybus-listen", "a.b", "--exec", alone, "--count", "20") as listening:
        while bob.publish("a.b", 0, confirm=True) == 0:
            pass
        for number in range(1, 20):
            bob.publish("a.b", number)
        out, err = listening.communicate(timeout=PATIENCE)
    assert (listening.returncode, out.split(), err) == (0, [str(number) for number in range(20)], "")


def test_a_command_that_fails_is_told_and_the_next_one_runs(daemon: BusDaemon, bob: pybus.Bus) -> None:
    for topic, body in (("a.1", "exit 3"), ("a.2", "kill -9 $$"), ("a.3", "echo well")):
        bob.publish(topic, body, retain=True)
    bob.flush()
    command = 'eval "$PYBUS_VALUE"'
    assert run(daemon, "pybus-listen", "a.#", "--exec", command, "--count", "3") == (
        1,
        "well\n",
        "pybus-listen: the command for a.1 exited with status 3\n"
        "pybus-listen: the command for a.2 was killed by SIGKILL\n",
    )
    assert run(daemon, "pybus-listen", "a.3", "--exec", command, "--timeout", "0.05") == (0, "well\n", "")
    assert run(daemon, "pybus-listen", "a.3", "--exec", "false", "--timeout", "0.05", "--count", "2")[0] == 3


def test_a_value_that_is_too_large_for_the_environment_is_on_stdin_only(daemon: BusDaemon, bob: pybus.Bus) -> None:
    show = 'echo "${PYBUS_VALUE-none}" | wc -c; wc -c'
    daemon.environ["PYBUS_VALUE"] = "of an outer command"
    with started(daemon, "pybus-listen", "a.b", "--exec", show, "--count", "2", "--no-retained") as listening:
        while bob.publish("a.b", "x" * 100_000, confirm=True) == 0:
            pass
        bob.publish("a.b", "x" * 3_000_000)
        out, err = listening.communicate(timeout=PATIENCE)
    assert (listening.returncode, out.split(), err) == (0, ["100001", "100000", "5", "3000000"], "")


def test_what_a_slow_command_makes_us_miss_is_told(tmp_path: Path) -> None:
    with BusDaemon(limits={"outbox": 65536}) as daemon, pybus.connect(daemon.address) as bob:
        command = f"echo begun; until [ -e {tmp_path}/go ]; do sleep 0.01; done"
        with started(daemon, "pybus-listen", "a.b", "--exec", command) as listening:
            while bob.publish("a.b", b"", confirm=True) == 0:
                pass
            assert line_of(listening.stdout) == "begun\n"
            for _ in range(100):
                bob.publish("a.b", b"x" * 60_000)
            bob.flush()
            (tmp_path / "go").touch()
            line = line_of(listening.stderr)
    assert re.fullmatch(r"pybus-listen: signals were missed, as they were not read in time: \d+ of a\.b\n", line)


def test_a_command_need_not_read_and_may_leave_a_program_behind(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with started(daemon, "pybus-listen", "a.b", "--exec", "sleep 60 >&- 2>&- & echo $!", "--count", "1") as listening:
        while bob.publish("a.b", b"x" * 3_000_000, confirm=True) == 0:
            pass
        out, err = listening.communicate(timeout=PATIENCE)
    os.kill(int(out), signal.SIGKILL)
    assert (listening.returncode, err) == (0, "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -15), (signal.SIGHUP, -1), (signal.SIGINT, 130)])
def test_what_ends_us_ends_the_running_command_first(
    daemon: BusDaemon, bob: pybus.Bus, number: signal.Signals, code: int
) -> None:
    command = "echo begun; sleep 60; true"
    with started(daemon, "pybus-listen", "a.b", "--exec", command) as listening:
        while bob.publish("a.b", 1, confirm=True) == 0:
            pass
        bob.publish("a.b", 2)
        assert line_of(listening.stdout) == "begun\n"
        listening.send_signal(number)
        out, err = listening.communicate(timeout=PATIENCE)  # and so nobody has its stdout any more
    assert (listening.returncode, out, err) == (code, "", "")


def test_a_command_that_does_not_want_to_end_is_killed_at_the_second_signal(daemon: BusDaemon, bob: pybus.Bus) -> None:
    deaf = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: os.write(1, b'told\\n'))\n"  # print may be what it interrupts
        "print('begun', flush=True)\n"
        "while True: time.sleep(0.1)"
    )
    command = shlex.join([sys.executable, "-c", deaf])  # the shell is not deaf and ends at once
    for_ever = "from pybus.cli import execute, listen; execute._END_SECONDS = 1e6; raise SystemExit(listen.main())"
    with started(daemon, "python", "-c", for_ever, "a.b", "--exec", command) as listening:
        while bob.publish("a.b", 1, confirm=True) == 0:
            pass
        assert line_of(listening.stdout) == "begun\n"
        listening.send_signal(signal.SIGTERM)
        assert line_of(listening.stdout) == "told\n"
        listening.send_signal(signal.SIGTERM)
        assert listening.communicate(timeout=PATIENCE) == ("", "")
        assert listening.returncode == -15


def test_exec_prints_nothing_itself(daemon: BusDaemon, bob: pybus.Bus) -> None:
    message = "pybus-listen: --exec and --json contradict each other: the command gets the signal\n"
    assert run(daemon, "pybus-listen", "a.b", "--exec", "true", "--json") == (2, "", message)


def test_scripts_that_trigger_each_other_are_cut(daemon: BusDaemon, bob: pybus.Bus) -> None:
    daemon.configure("[limits]\ndepth = 4\n")
    daemon.reload()
    loops = bob.subscribe("bus.loop")
    send = Path(sys.executable).parent / "pybus-send"
    on = started(daemon, "pybus-listen", "lamp.on", "--exec", f"{send} lamp.off x")
    off = started(daemon, "pybus-listen", "lamp.off", "--exec", f"{send} lamp.on x")
    with on, off:
        while len(bob.call("org.pybus.Bus", "subscriptions")) < 3:
            pass
        bob.publish("lamp.on", "x")
        told = loops.receive(PATIENCE)
    assert told is not None
    assert isinstance(told.body, dict)
    assert told.body["depth"] == 5
    links = [re.fullmatch(r"pybus-send \(pid \d+\): (.*)", link) for link in told.body["chain"]]
    assert {link and link[1] for link in links} == {"lamp.off", "lamp.on"}
