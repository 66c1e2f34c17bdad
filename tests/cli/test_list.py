"""`pybus list` against a real bus."""

from __future__ import annotations

import os
import re

import pybus
from tests.cli.programs import run
from tests.cli.service_files import offer_services
from tests.daemon import BusDaemon


def rows_of(daemon: BusDaemon) -> list[list[str]]:
    code, out, err = run(daemon, "pybus", "list")
    assert (code, err) == (0, "")
    return [line.split("\t") for line in out.splitlines()]


def test_peers_have_names_pids_programs_and_the_time_of_their_coming(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.register("org.example.Player", {"x": repr})
    with pybus.connect(daemon.address, program="carol") as carol:
        carol.register("org.example.Player", {"x": repr}, queue=True)
        rows = rows_of(daemon)
    assert [row[:3] for row in rows[:2]] == [
        [bob.name, "org.example.Player", str(os.getpid())],
        [carol.name, "(org.example.Player)", str(os.getpid())],
    ]
    assert (rows[2][1], rows[2][3]) == ("-", "pybus list")
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", row[4]) for row in rows)
    assert [row[5] for row in rows[:3]] == ["-", "-", "-"]


def test_a_monitor_is_seen(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.subscribe("bus.monitor", retained=False)
    bob.call("org.pybus.Bus", "monitor")
    assert rows_of(daemon)[0][5] == "monitor"


def test_services_have_their_state_and_those_that_failed_the_reason(daemon: BusDaemon) -> None:
    offer_services(daemon)
    run(daemon, "pybus", "service", "org.example.Missing", "start")
    run(daemon, "pybus", "service", "org.example.Player", "start")
    rows = {row[1]: row for row in rows_of(daemon)}
    player = rows["org.example.Player"]
    assert (player[0][0], player[5]) == (":", "running")
    assert player[2].isdigit()
    crashing, missing = rows["org.example.Crashing"], rows["org.example.Missing"]
    assert [crashing[0], *crashing[2:4], crashing[5]] == ["-", "-", "-", "stopped"]
    assert [missing[0], *missing[2:4]] == ["-", "-", "-"]
    assert re.fullmatch("failed: can't be started: .*No such file or directory.*", missing[5])
