"""The configuration of a running bus: read at the start, read again on SIGHUP, and never half."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import pybus
from tests.daemon import BusDaemon

QUIET = '[log]\nlevel = "warning"\n'


def processor_time(daemon: BusDaemon) -> float:
    """Seconds that the bus has been at work."""
    return int(Path(f"/proc/{daemon.process.pid}/schedstat").read_text().split()[0]) / 1e9


def test_a_reload_puts_new_limits_in_force(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice:
        alice.subscribe("a", "b", "c", "d")
        daemon.configure("[limits]\npatterns = 16\n")
        daemon.reload()
        with pytest.raises(pybus.LimitExceeded, match="has 4 of at most 16 patterns"):
            alice.subscribe(*(f"more.{number}" for number in range(13)))
        daemon.configure("")
        daemon.reload()
        alice.subscribe(*(f"more.{number}" for number in range(13)))


def test_mistakes_are_named_with_line_and_key_and_the_old_stays_in_force(daemon: BusDaemon) -> None:
    daemon.configure("[limits]\npatterns = 16\n")
    daemon.reload()
    daemon.configure('[limits]\npatterns = 17\nframes = 1\n\n[log]\nlevel = "loud"\n')
    daemon.log.clear()
    daemon.process.send_signal(signal.SIGHUP)
    last = daemon.wait_for_log("the service files are read again")
    assert last.partition("warning: ")[2] == "kept the old configuration; the service files are read again"
    assert [line for line in daemon.log if "reloaded" in line] == []
    named = [line.partition("warning: ")[2] for line in daemon.log if "the configuration is not used" in line]
    assert [line.partition(": ")[2].split(":")[:2] for line in named] == [
        [daemon.configuration, "3"],
        [daemon.configuration, "6"],
    ]
    assert "limits.frames" in named[0]
    assert "did you mean limits.frame?" in named[0]
    assert "log.level" in named[1]
    with pybus.connect(daemon.address) as alice:
        alice.subscribe("a", "b", "c", "d")
        with pytest.raises(pybus.LimitExceeded, match="has 4 of at most 16 patterns"):
            alice.subscribe(*(f"more.{number}" for number in range(13)))


def test_a_bus_starts_with_the_usual_values_if_its_configuration_has_mistakes(daemon: BusDaemon) -> None:
    daemon.stop()
    daemon.configure("[limits\n")
    daemon.restart()
    assert f"the configuration is not used: {daemon.configuration}:1" in daemon.wait_for_log("the configuration")
    with pybus.connect(daemon.address) as alice:
        assert alice.call("org.pybus.Bus", "names") == []


def test_a_key_without_end_does_not_hold_up_the_bus(daemon: BusDaemon) -> None:
    daemon.configure("\n" + "a." * 20_000 + "a = 1\n")
    before = processor_time(daemon)
    daemon.process.send_signal(signal.SIGHUP)
    assert f"{daemon.configuration}:2: is nested too deeply" in daemon.wait_for_log("the configuration is not used")
    with pybus.connect(daemon.address) as alice:
        assert alice.call("org.pybus.Bus", "names") == []
    assert processor_time(daemon) - before < 2  # tomllib alone takes 5 s and more


def test_a_service_file_with_such_a_key_is_named(daemon: BusDaemon) -> None:
    daemon.offer("org.example.Deep", "x = 1\n" + "a." * 20_000 + "a = 1\n")
    daemon.reload()
    assert f"{daemon.services}/org.example.Deep.toml:3: is nested" in daemon.wait_for_log("Deep.toml")


def test_the_level_of_the_log_follows_the_configuration(daemon: BusDaemon) -> None:
    daemon.configure(QUIET)
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for_log("reloading")
    with pybus.connect(daemon.address) as alice:
        alice.flush()  # the bus answers when it has done what it was at
        daemon.configure(QUIET + "[limits]\nnothing = 1\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for_log("the configuration is not used")
    assert [line for line in daemon.log if "reloaded" in line] == []


def test_a_wrong_service_file_is_named_and_the_others_work(daemon: BusDaemon) -> None:
    daemon.offer("org.example.Good", 'exec = "true"\n')
    daemon.offer("org.example.Wrong", 'exec = "true"\nidle = "long"\n')
    daemon.reload()
    assert f"{daemon.services}/org.example.Wrong.toml:3: idle" in daemon.wait_for_log("Wrong.toml")
    with pybus.connect(daemon.address) as alice:
        assert [one["name"] for one in alice.call("org.pybus.Bus", "services")] == ["org.example.Good"]
