"""`pybus-listen` against a real bus."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from threading import Thread
from time import monotonic

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
