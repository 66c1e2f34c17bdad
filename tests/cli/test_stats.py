"""`pybus stats`: once, again and again, and for Prometheus."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import threading
from collections import defaultdict
from typing import Any

import pytest

import pybus
from pybus.cli.prometheus import exposition
from tests.cli.programs import BIN, line_of, run, started
from tests.daemon import PATIENCE, BusDaemon

Series = dict[tuple[str, str], float]
"""Samples of an exposition, by name and labels as they stand there."""


def parse(text: str) -> Series:
    """Read an exposition as strictly as its description (version 0.0.4) is; the samples.

    Each metric once and in one piece: HELP, TYPE, samples. Counters end in _total, nothing else does.
    """
    assert text.endswith("\n")
    samples: Series = {}
    families: list[str] = []
    lines = text[:-1].split("\n")
    while lines:
        help_line = re.fullmatch(r"# HELP ([a-z_][a-z0-9_]*) ([^\\\n]+)", lines.pop(0))
        assert help_line is not None
        family = help_line[1]
        type_line = re.fullmatch(r"# TYPE ([a-z0-9_]+) (counter|gauge)", lines.pop(0))
        assert type_line is not None
        assert type_line[1] == family
        assert family.endswith("_total") == (type_line[2] == "counter")
        assert family not in families
        families.append(family)
        while lines and not lines[0].startswith("#"):
            name, labels, value = sample(lines.pop(0))
            assert name == family
            assert (name, labels) not in samples
            samples[name, labels] = value
    return samples


def sample(line: str) -> tuple[str, str, float]:
    """One sample. Of backslashes only those that the format knows."""
    label = r'[a-z_][a-z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
    match = re.fullmatch(rf"([a-z0-9_]+)(?:\{{({label}(?:,{label})*)\}})? ([0-9.e+-]+)", line)
    assert match is not None, line
    return match[1], match[2] or "", float(match[3])


def test_once_as_names_and_numbers_or_as_json(daemon: BusDaemon, bob: pybus.Bus) -> None:
    code, out, err = run(daemon, "pybus", "stats")
    numbers = dict(line.split("\t") for line in out.splitlines())
    assert (code, err, numbers["peers"], numbers["dropped"]) == (0, "", "2", "0")
    code, out, err = run(daemon, "pybus", "stats", "--json")
    found = json.loads(out)
    assert (code, err, found.keys(), found["peers"]) == (0, "", {*numbers, "slowing"}, 2)


def test_on_a_terminal_the_uptime_has_a_unit(daemon: BusDaemon) -> None:
    ours, theirs = pty.openpty()
    environ = {**daemon.environ, "TERM": "xterm"}
    subprocess.run([str(BIN / "pybus"), "stats"], env=environ, stdout=theirs, check=True, timeout=PATIENCE)
    os.close(theirs)
    lines = os.read(ours, 65536).decode().splitlines()
    os.close(ours)
    assert re.fullmatch(r"uptime +\d s", lines[2])


def test_watching_in_a_pipe_is_a_record_each_time_under_one_header(daemon: BusDaemon) -> None:
    code, out, err = run(daemon, "pybus", "stats", "--watch", "0.1", "--count", "3")
    header, *records = [line.split("\t") for line in out.splitlines()]
    assert (code, err, len(records)) == (0, "", 3)
    assert header[:2] == ["version", "compiled"]
    assert header[-5:] == ["received/s", "delivered/s", "dropped/s", "bytes_received/s", "bytes_delivered/s"]
    assert {len(record) for record in records} == {len(header)}
    assert all(record[header.index("peers")] == "1" for record in records)


def test_rates_are_what_was_counted_over_the_time_between(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with started(daemon, "pybus", "stats", "--watch", "0.1", "--json") as watching:
        before = json.loads(line_of(watching.stdout))
        for number in range(100):
            bob.publish("a.b", number)
        bob.flush()
        while (after := json.loads(line_of(watching.stdout)))["received"] < before["received"] + 100:
            before = after
    seconds = after["uptime"] - before["uptime"]
    rates = after["per_second"]
    assert rates == {key: pytest.approx((after[key] - before[key]) / seconds) for key in rates}
    assert rates.keys() == {"received", "delivered", "dropped", "bytes_received", "bytes_delivered"}


def test_watching_on_a_terminal_is_redrawn_in_place(daemon: BusDaemon) -> None:
    ours, theirs = pty.openpty()
    environ = {**daemon.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "10"}
    command = [str(BIN / "pybus"), "stats", "--watch", "0.1", "--count", "2"]
    subprocess.run(command, env=environ, stdout=theirs, check=True, timeout=PATIENCE)
    os.close(theirs)
    first, second = os.read(ours, 65536).decode().split("\x1b[9A")
    os.close(ours)
    for block in (first, second):
        lines = block.removeprefix("\x1b[J").splitlines()
        assert (len(lines), lines[0].split()) == (9, ["NOW", "PER", "SECOND"])
        assert re.fullmatch(r"uptime +\d s", lines[3])


def test_watching_waits_for_a_bus_that_went_away(daemon: BusDaemon) -> None:
    with started(daemon, "pybus", "stats", "--watch", "0.1", "--json") as watching:
        line_of(watching.stdout)
        daemon.kill()
        assert line_of(watching.stderr) == "pybus stats: the bus went away; waiting for it to come back\n"
        daemon.restart()
        assert line_of(watching.stderr) == "pybus stats: the bus is back\n"
        for line in iter(lambda: line_of(watching.stdout), ""):
            rates = json.loads(line)["per_second"]
            assert min(rates.values()) >= 0
            if json.loads(line)["uptime"] < 5:
                break


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--count", "2"], "--count says how often to --watch: say both"),
        (["--watch", "--prometheus"], "leave out --watch"),
        (["--json", "--prometheus"], "not allowed with argument"),
        (["--watch", "0.01"], "must be at least 0.1 seconds"),
        (["--watch", "nan"], "must be more than 0"),
        (["--watch", "1", "--count", "0"], "must be at least 1"),
    ],
)
def test_wrong_use_is_named(daemon: BusDaemon, words: list[str], message: str) -> None:
    code, out, err = run(daemon, "pybus", "stats", *words)
    assert (code, out) == (2, "")
    assert message in err


# --- Prometheus -----------------------------------------------------------------------------------


def test_prometheus_reads_all_numbers_with_peers_by_name_and_program(daemon: BusDaemon, bob: pybus.Bus) -> None:
    daemon.offer("org.example.Player", 'exec = ["true"]')
    daemon.reload()
    for number in range(3):
        bob.publish("a.b", number)
    bob.flush()
    code, out, err = run(daemon, "pybus", "stats", "--prometheus")
    samples = parse(out)
    assert (code, err) == (0, "")
    bob_labels = f'name="{bob.name}",program="{program_of(bob)}"'
    assert samples["pybus_peers", ""] == 2
    compiled = "yes" if pybus.is_compiled() else "no"
    assert samples["pybus_info", f'version="{pybus.__version__}",compiled="{compiled}"'] == 1
    assert samples["pybus_peer_sent_total", bob_labels] >= 3
    assert samples["pybus_peer_slowed", bob_labels] == 0
    assert samples["pybus_service_state", 'service="org.example.Player",state="stopped"'] == 1
    stats = json.loads(run(daemon, "pybus", "stats", "--json")[1])
    of_the_bus = [name for name, labels in samples if not labels]
    assert len(of_the_bus) == len(stats) - 3, "all numbers are there, beside version, form, and who is slowed"


def program_of(bus: pybus.Bus) -> str:
    described = bus.call("org.pybus.Bus", "peer", bus.name)
    assert isinstance(described, dict)
    return str(described["program"])


def test_prometheus_reads_what_a_program_called_itself(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address, program='evil"} 1\n# "\\€') as mallory:
        code, out, err = run(daemon, "pybus", "stats", "--prometheus")
        program = program_of(mallory)
    samples = parse(out)
    escaped = program.replace("\\", "\\\\").replace('"', '\\"')
    assert (code, err) == (0, "")
    assert program.startswith('evil"} 1?# "\\€')
    assert ("pybus_peer_sent_total", f'name="{mallory.name}",program="{escaped}"') in samples


def test_what_can_not_be_printed_does_no_harm_on_a_terminal() -> None:
    peer: dict[str, Any] = defaultdict(int)
    peer |= {"name": ":1", "program": 'a"b\\c\n\x1b[2J'}
    text = exposition(defaultdict(int, version="1.2"), [peer], [])
    assert ("pybus_peer_sent_total", r'name=":1",program="a\"b\\c\\n\\x1b[2J"') in parse(text)
    assert all(line.isprintable() for line in text.splitlines())


def test_prometheus_is_utf_8_in_any_locale(daemon: BusDaemon) -> None:
    daemon.environ["PYTHONIOENCODING"] = "ascii"
    with pybus.connect(daemon.address, program="café"):
        done = subprocess.run([BIN / "pybus", "stats", "--prometheus"], env=daemon.environ, capture_output=True)
    assert 'program="café' in done.stdout.decode()


def test_services_have_one_state_each() -> None:
    def service(name: str, state: str, starts: int, failures: int) -> dict[str, object]:
        return {"name": name, "state": state, "starts": starts, "failures": failures}

    services = [service("org.example.Player", "running", 2, 0), service("org.example.Bad", "failed", 5, 5)]
    text = exposition(defaultdict(int, version="1.2"), [], services)
    found = {(name, labels): value for (name, labels), value in parse(text).items() if "service" in labels and value}
    assert found == {
        ("pybus_service_starts_total", 'service="org.example.Player"'): 2,
        ("pybus_service_starts_total", 'service="org.example.Bad"'): 5,
        ("pybus_service_failures", 'service="org.example.Bad"'): 5,
        ("pybus_service_state", 'service="org.example.Player",state="running"'): 1,
        ("pybus_service_state", 'service="org.example.Bad",state="failed"'): 1,
    }
    assert len([1 for name, _ in parse(text) if name == "pybus_service_state"]) == 12


def test_who_is_slowed_is_named() -> None:
    limits = {"messages_per_second": 1000, "burst": 0.1, "alone": 1}
    with BusDaemon(limits=limits) as daemon, pybus.connect(daemon.address, program="alice") as alice:
        stop = threading.Event()

        def flood() -> None:
            with pybus.connect(daemon.address, program="mallory") as mallory:
                while not stop.is_set():
                    for _ in range(500):
                        mallory.publish("flood.x", "y" * 100)

        flooder = threading.Thread(target=flood)
        storm = alice.subscribe("bus.storm")
        flooder.start()
        try:
            assert storm.receive(PATIENCE) is not None
            code, out, err = run(daemon, "pybus", "stats")
            found = json.loads(run(daemon, "pybus", "stats", "--json")[1])["slowing"]
        finally:
            stop.set()
            flooder.join(PATIENCE)
    assert (code, err) == (0, "")
    last = out.splitlines()[-1]
    who = r"slowing\t:\d+ mallory \[\S+\] \(pid \d+\): "
    assert re.fullmatch(who + r"\d+ messages/s, slowed for \d+\.\d s in all", last)
    assert [one["program"].split()[0] for one in found] == ["mallory"]
