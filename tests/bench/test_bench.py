"""The benchmark itself works: on pybus alone, with tiny counts, nothing is lost and every figure is there.

No test asserts on time; a busy machine must not fail it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.private_dbus import needs_dbus

_ROOT = Path(__file__).parents[2]
_MEASURES = {
    "signals": {f"signals_{what}" for what in ("1_1", "1_8", "1_64", "1k", "64k", "16_topics", "1000_topics")},
    "roundtrip": {f"roundtrip_{how}{part}" for how in ("", "core_", "loaded_") for part in ("p50", "p99")}
    | {"roundtrip_load"},
    "calls": {
        f"call_{client}_{part}"
        for client in ("aio", "aio_core", "blocking", "blocking_core")
        for part in ("p50", "p99")
    },
    "python": {"python"},
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
        assert figure["bus"] == "pybus"
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


def test_names_the_machine_and_the_versions(tmp_path: Path) -> None:
    found = bench(tmp_path, "--only", "roundtrip")
    assert set(found["machine"]) == {"cpu", "cores", "load before", "kernel", "udevd"}
    assert {"pybus", "Python", "msgpack"} <= set(found["versions"])


def test_targets_are_shown_with_what_was_reached(tmp_path: Path) -> None:
    found = bench(tmp_path, "--only", "python")
    (target,) = found["targets"]
    assert target["target"] == "Python to Python, messages a second"
    assert target["limit"] == 250_000
    assert target["met"] == (target["value"] >= 250_000)


@needs_dbus
def test_measures_the_way_from_dbus_with_nothing_lost(tmp_path: Path) -> None:
    found = bench(tmp_path, "--only", "export", "--bus", "dbus-daemon")
    assert (found["failed"], found["left out"]) == ([], [])
    assert {(figure["measure"], figure["bus"]) for figure in found["figures"]} == {
        (measure, "dbus-daemon") for measure in ("export_bare_p50", "export_call_p50", "export_burst", "export_wait")
    }
