"""The benchmark itself works: on pybus alone, with tiny counts, nothing is lost and every figure is there.

No test asserts on time; a busy machine must not fail it.
"""

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import pytest

from tests.bench.buses import Bus, DBusDaemon, Pybus
from tests.bench.crew import Crew
from tests.bench.figures import bus_of
from tests.bench.harness import TINY, Harness
from tests.bench.roundtrip import RoundTrip
from tests.bench.scenarios import NAMES, SCENARIOS, Opening
from tests.integration.private_dbus import needs_dbus

_ROOT = Path(__file__).parents[2]
_MEASURES = {
    "signals": {f"signals_{what}" for what in ("1_1", "1_8", "1_64", "1k", "64k", "16_topics", "1000_topics")},
    "roundtrip": {f"roundtrip_{how}{part}" for how in ("", "core_", "loaded_") for part in ("p50", "p99")}
    | {"roundtrip_load"},
    "calls": {f"{measure}_{part}" for measure in ("call", "call_core") for part in ("p50", "p99")}
    | {"call_100_in_flight"},
    "python": {"python_to_python"},
    "storm": {f"storm_{beside}_{part}" for beside in ("alone", "1", "8") for part in ("p50", "p99")}
    | {f"storm_{count}_{part}" for count in (1, 8) for part in ("growth", "flood")},
    "matching": {"matching_1", "matching_100"},
    "idle": {"wake_ups", "idle_memory", "scale_100_memory", "start_daemon"},
    "hardware": {"event_pyudev", "event_listener"},
    "queues": {"queue_transient", "queue_persistent", "queue_confirmed_over", "queue_confirmed_after"}
    | {f"queue_{what}_{part}" for what in ("confirmed", "latency") for part in ("p50", "p99")},
    "queued": {"queued_memory", "queued_restart"},
    "bound": {"bound_declare", "bound_before", "bound_after", "bound_slower"},
}


def bench(tmp_path: Path, *options: str, bus: str = "pybus", **environment: str) -> dict[str, Any]:
    """Run the benchmark on one bus; what it wrote to its JSON file."""
    result = tmp_path / "result.json"
    command = [sys.executable, "-m", "tests.bench", "--tiny", "--bus", bus, "--json", str(result), *options]
    variables = {**os.environ, **environment}
    done = subprocess.run(command, cwd=_ROOT, env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(result.read_text())
    return found


@pytest.mark.parametrize("name", _MEASURES)
def test_measures_with_nothing_lost(tmp_path: Path, name: str) -> None:
    found = bench(tmp_path, "--only", name)
    assert found["failed"] == []
    assert found["left out"] == []
    assert {figure["measure"] for figure in found["figures"]} == _MEASURES[name]
    for figure in found["figures"]:
        assert bus_of(figure["bus"]) == "pybus"
        assert figure["title"]
        assert figure["median"] >= 0
        assert len(figure["rounds"]) == 1


def test_what_is_not_installed_is_left_out_by_name(tmp_path: Path) -> None:
    found = bench(tmp_path, "--only", "queues", bus="rabbitmq", PATH=str(tmp_path))
    assert (found["failed"], found["figures"]) == ([], [])
    assert found["left out"] == ["rabbitmq: rabbitmq-server is not installed"]


def test_brokers_that_are_not_installed_are_left_out_by_name(tmp_path: Path) -> None:
    others = ["--bus", "nats", "--bus", "mosquitto"]
    found = bench(tmp_path, "--only", "roundtrip", *others, bus="redis", PATH=str(tmp_path))
    assert (found["failed"], found["figures"]) == ([], [])
    assert found["left out"] == [
        "redis: redis-server is not installed",
        "nats: nats-server is not installed",
        "mosquitto: mosquitto is not installed",
    ]


def test_measures_another_broker_with_nothing_lost(tmp_path: Path) -> None:
    found = bench(tmp_path, "--only", "signals", bus="redis")
    if found["left out"]:
        pytest.skip(found["left out"][0])
    assert found["failed"] == []
    assert {(figure["measure"], figure["bus"]) for figure in found["figures"]} == {
        (measure, "redis") for measure in _MEASURES["signals"]
    }


def test_tells_when_where_and_with_what_and_whether_the_targets_are_met(tmp_path: Path) -> None:
    found = bench(tmp_path, "--only", "bound")
    assert datetime.fromisoformat(found["date"]).tzinfo is UTC
    assert found["scope"] == {"name": "tiny", **TINY._asdict(), "connections": [100], "patterns": [1, 100]}
    assert set(found["machine"]) == {"cpu", "cores", "virtual", "kernel", "system", "load before", "udevd"}
    assert {"pybus", "Python", "msgpack"} <= set(found["versions"])
    (target,) = found["targets"]
    (slower,) = (figure["median"] for figure in found["figures"] if figure["measure"] == "bound_slower")
    assert target == {
        "target": "routing beside 100 000 bindings, times slower",
        "leg": "pybus",
        "limit": 1.5,
        "value": slower,
        "met": slower <= 1.5,
    }


def test_ctrl_c_ends_all_that_was_started(tmp_path: Path) -> None:
    """As a terminal presses it: the whole process group feels it. Then nothing is left, and nothing was written."""
    result = tmp_path / "result.json"
    command = [sys.executable, "-m", "tests.bench", "--tiny", "--bus", "pybus", "--json", str(result)]
    first = f"measuring signals (1 of {len(NAMES)}) ...\n"
    with subprocess.Popen(command, cwd=_ROOT, stdout=PIPE, stderr=PIPE, text=True, start_new_session=True) as run:
        assert run.stderr is not None
        assert [run.stderr.readline(), run.stderr.readline()] == [first, "  on pybus\n"]
        started = session(run.pid)
        os.killpg(run.pid, signal.SIGINT)
        shown, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (130, "")
    assert shown.splitlines()[-1] == "Failed: signals, and what comes after it: stopped by SIGINT"
    assert not result.exists()
    assert len(started) > 1
    wait_for_their_ends(started)


def test_nothing_outlives_a_killed_run() -> None:
    command = [sys.executable, "-m", "tests.bench", "--tiny", "--bus", "pybus"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=DEVNULL, stderr=PIPE, text=True, start_new_session=True) as run:
        assert run.stderr is not None
        for _ in range(2):
            run.stderr.readline()
        started = session(run.pid)
        run.kill()
    assert len(started) > 1
    wait_for_their_ends(started)


def wait_for_their_ends(processes: list[int]) -> None:
    """These are file descriptors, which are closed then."""
    for process in processes:
        ended, _, _ = select.select([process], [], [], 20)
        os.close(process)
        assert ended


def session(leader: int) -> list[int]:
    """File descriptors of all processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # those that end meanwhile
            if int(stat.read_text().rpartition(")")[2].split()[3]) == leader:
                found.append(os.pidfd_open(int(stat.parent.name)))
    return found


class Dying(RoundTrip):
    """A bus that is killed as the second round begins."""

    def __init__(self, crew: Crew, bus: Bus) -> None:
        super().__init__(crew, bus, "roundtrip")
        self._bus = bus
        self._left = 1

    def round(self) -> dict[str, float]:
        if not self._left:
            self._bus.process.kill()
            self._bus.process.wait()
        self._left -= 1
        return super().round()


@needs_dbus
def test_a_bus_that_dies_falls_out_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_on(crew: Crew, bus: Bus) -> RoundTrip:
        return Dying(crew, bus) if bus.name == "pybus" else RoundTrip(crew, bus, "roundtrip")

    monkeypatch.setitem(SCENARIOS, "roundtrip", [Opening(open_on, "signals"), Opening(open_on, "signals")])
    with ExitStack() as stack:
        harness = Harness(stack, TINY._replace(rounds=2), [Pybus, DBusDaemon])
        harness.measure(["roundtrip"])
    rounds = {who: len(values) for who, values in harness.figures.values["roundtrip_p50"].items()}
    assert rounds == {"dbus-daemon": 4}
    fallen, ended = harness.failed
    assert fallen.startswith("roundtrip on pybus: tests.bench.roundtrip.")
    assert "\n" not in fallen
    assert ended == "roundtrip: pybus ended by SIGKILL"


@needs_dbus
def test_measures_the_way_from_dbus_with_nothing_lost(tmp_path: Path) -> None:
    found = bench(tmp_path, "--only", "export", "--bus", "dbus-daemon")
    assert (found["failed"], found["left out"]) == ([], [])
    assert {(figure["measure"], figure["bus"]) for figure in found["figures"]} == {
        (measure, "dbus-daemon") for measure in ("export_bare_p50", "export_call_p50", "export_burst", "export_wait")
    }
