"""`pybus wait` and `pybus ping` against a real bus."""

from __future__ import annotations

import os
import re
from time import monotonic

import pytest

import pybus
from tests.cli.programs import line_of, run, started
from tests.cli.service_files import offer_services
from tests.daemon import PATIENCE, BusDaemon
from tests.serving import serving

NAME = "org.example.Player"


@pytest.fixture
def service_bus(daemon: BusDaemon) -> BusDaemon:
    """A bus that has services."""
    offer_services(daemon)
    return daemon


def until_somebody_waits(bus: pybus.Bus) -> None:
    """Return when a command listens for changes of the name."""
    until = monotonic() + PATIENCE
    while not any(f"bus.name.{NAME}" in one["patterns"] for one in bus.call("org.pybus.Bus", "subscriptions")):
        assert monotonic() < until, "nobody waits"


# --- wait -----------------------------------------------------------------------------------------


def test_wait_prints_who_owns_the_name_already(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.register(NAME, {"x": repr})
    code, out, err = run(daemon, "pybus", "wait", NAME)
    assert (code, err, out.split("\t")[:2]) == (0, "", [bob.name, str(os.getpid())])
    assert out.split("\t")[2].startswith("bob [")


def test_wait_ends_when_somebody_owns_the_name(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with started(daemon, "pybus", "wait", NAME) as waiting:
        until_somebody_waits(bob)
        bob.register("org.example.Other", {"x": repr})
        bob.register(NAME, {"x": repr})
        out, err = waiting.communicate(timeout=PATIENCE)
        assert (waiting.returncode, out.split("\t")[0], err) == (0, bob.name, "")


def test_wait_ends_when_the_name_is_gone(daemon: BusDaemon, bob: pybus.Bus) -> None:
    assert run(daemon, "pybus", "wait", NAME, "--gone") == (0, "", "")
    bob.register(NAME, {"x": repr})
    with started(daemon, "pybus", "wait", NAME, "--gone") as waiting:
        until_somebody_waits(bob)
        bob.unregister(NAME)
        assert waiting.communicate(timeout=PATIENCE) == ("", "")
        assert waiting.returncode == 0


def test_wait_gives_up_in_time(daemon: BusDaemon, bob: pybus.Bus) -> None:
    message = f"pybus wait: {NAME} has no owner after 0.05 s\n"
    assert run(daemon, "pybus", "wait", NAME, "--timeout", "0.05") == (3, "", message)
    bob.register(NAME, {"x": repr})
    message = f"pybus wait: {NAME} is still owned after 0.05 s\n"
    assert run(daemon, "pybus", "wait", NAME, "--gone", "--timeout", "0.05") == (3, "", message)


def test_wait_waits_for_the_bus_first(daemon: BusDaemon) -> None:
    daemon.stop()
    with started(daemon, "pybus", "wait", NAME) as waiting:
        assert line_of(waiting.stderr).startswith(f"pybus wait: no bus at {daemon.address}")
        daemon.restart()
        with pybus.connect(daemon.address) as bus:
            until_somebody_waits(bus)
            bus.register(NAME, {"x": repr})
            out, err = waiting.communicate(timeout=PATIENCE)
            assert (waiting.returncode, out.split("\t")[0], err) == (0, bus.name, "")


def test_wait_bears_a_bus_that_goes_away_and_comes_back(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with started(daemon, "pybus", "wait", NAME) as waiting:
        until_somebody_waits(bob)
        daemon.kill()
        assert line_of(waiting.stderr) == "pybus wait: the bus went away; waiting for it to come back\n"
        daemon.restart()
        with pybus.connect(daemon.address) as carol:
            until_somebody_waits(carol)
            carol.register(NAME, {"x": repr})
            out, err = waiting.communicate(timeout=PATIENCE)
            assert (waiting.returncode, out.split("\t")[0], err) == (0, carol.name, "")


def test_with_the_bus_every_name_is_gone(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.register(NAME, {"x": repr})
    with started(daemon, "pybus", "wait", NAME, "--gone") as waiting:
        until_somebody_waits(bob)
        daemon.kill()
        assert waiting.communicate(timeout=PATIENCE) == ("", "")
        assert waiting.returncode == 0


def test_wait_without_a_bus(daemon: BusDaemon) -> None:
    assert run(daemon, "pybus", "wait", "org.pybus.Bus") == (0, "org.pybus.Bus\t-\t-\n", "")
    daemon.stop()
    code, out, err = run(daemon, "pybus", "wait", NAME, "--timeout", "0.05")
    assert (code, out, err.splitlines()[1:]) == (3, "", [f"pybus wait: {NAME} has no owner after 0.05 s"])
    code, out, err = run(daemon, "pybus", "wait", NAME, "--gone")
    assert (code, out, err.startswith("pybus wait: no bus at ")) == (4, "", True)


def test_wait_starts_nothing(service_bus: BusDaemon) -> None:
    assert run(service_bus, "pybus", "wait", NAME, "--timeout", "0.05")[0] == 3
    with pybus.connect(service_bus.address) as bus:
        assert bus.call("org.pybus.Bus", "service", NAME)["starts"] == 0


# --- ping -----------------------------------------------------------------------------------------


def test_ping_prints_the_time_of_each_answer(daemon: BusDaemon) -> None:
    with serving(daemon.address, NAME, {"x": repr}):
        code, out, err = run(daemon, "pybus", "ping", NAME)
        assert (code, err, bool(re.fullmatch(r"1\t\d+\.\d{3} ms\n", out))) == (0, "", True)
        code, out, err = run(daemon, "pybus", "ping", NAME, "--count", "3", "--interval", "0.01")
        rows = [line.split("\t") for line in out.splitlines()]
        assert (code, err, [row[0] for row in rows]) == (0, "", ["1", "2", "3", "min", "median", "max"])
        taken = sorted(float(row[1].removesuffix(" ms")) for row in rows[:3])
        assert [float(row[1].removesuffix(" ms")) for row in rows[3:]] == taken


def test_ping_of_the_bus_itself(daemon: BusDaemon) -> None:
    code, out, err = run(daemon, "pybus", "ping", "org.pybus.Bus")
    assert (code, err, bool(re.fullmatch(r"1\t\d+\.\d{3} ms\n", out))) == (0, "", True)


def test_ping_tells_that_the_service_had_to_be_started(service_bus: BusDaemon) -> None:
    code, out, err = run(service_bus, "pybus", "ping", NAME)
    assert (code, err, bool(re.fullmatch(r"started\tin \d\.\d s\n1\t\d+\.\d{3} ms\n", out))) == (0, "", True)
    code, out, err = run(service_bus, "pybus", "ping", NAME)
    assert (code, err, bool(re.fullmatch(r"1\t\d+\.\d{3} ms\n", out))) == (0, "", True)


def test_ping_of_nobody_and_of_one_who_does_not_answer(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.register(NAME, {"x": repr})
    message = "pybus ping: no answer: nobody owns the name org.example.Playr; did you mean org.example.Player?\n"
    assert run(daemon, "pybus", "ping", "org.example.Playr") == (3, "", message)
    code, out, err = run(daemon, "pybus", "ping", NAME, "--timeout", "0.05", "--count", "2", "--interval", "0.01")
    assert (code, out, [line.partition(": no answer: ")[0] for line in err.splitlines()]) == (3, "", ["pybus ping"] * 2)


def test_ping_of_a_service_that_can_not_start_gives_the_reason(service_bus: BusDaemon) -> None:
    code, out, err = run(service_bus, "pybus", "ping", "org.example.Crashing")
    assert (code, out) == (3, "")
    assert re.match(r"pybus ping: no answer: org.example.Crashing exited with status 3 after \d\.\d s", err)
    assert err.count("\n") == 1
