"""Every end is told: of peers, on `bus.peer.gone`; of the bus, by ending all that it started."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

import pybus
from pybus.protocol.frames import BYE
from tests.daemon import PATIENCE, BusDaemon
from tests.raw import RawPeer

from .service_scene import (
    CRASHES,
    DIES,
    ECHO,
    FORKS_AWAY,
    HANGS,
    HAS_CHILDREN,
    IGNORES_SIGTERM,
    NAME,
    Scene,
    Watched,
    toml,
)

# --- the ends of peers ------------------------------------------------------------------------------

BOB = """\
import os, signal, sys, time
import pybus
bus = pybus.connect(program="bob")
bus.register("org.example.Bob", {})
"""

ENDS = {
    "goodbye": ("bus.close()", "goodbye", None, None),
    "exits": ("os._exit(0)", "exited", 0, None),
    "fails": ("os._exit(3)", "exited", 3, None),
    "raises": ("raise Exception('oops')", "exited", 1, None),
    "crashes": ("os.kill(os.getpid(), signal.SIGSEGV)", "killed", None, "SIGSEGV"),
    "is killed": ("os.kill(os.getpid(), signal.SIGKILL)", "killed", None, "SIGKILL"),
    "is asked to end": ("os.kill(os.getpid(), signal.SIGTERM)", "killed", None, "SIGTERM"),
}
"""What bob does, and how his end is told: how, status, signal."""

LINES = {
    "goodbye": "left: {}: goodbye",
    "exits": "left: {}: connection lost: it exited with status 0",
    "fails": "warning: left: {}: connection lost: it exited with status 3",
    "raises": "warning: left: {}: connection lost: it exited with status 1",
    "crashes": "warning: left: {}: connection lost: it was killed by SIGSEGV",
    "is killed": "warning: left: {}: connection lost: it was killed by SIGKILL",
    "is asked to end": "left: {}: connection lost: it was killed by SIGTERM",
}


class Witness:
    """Hears of the ends of peers."""

    def __init__(self, daemon: BusDaemon) -> None:
        self.bus = pybus.connect(daemon.address, program="witness")
        self._signals = self.bus.subscribe("bus.peer.gone")

    def hears(self) -> dict[str, object]:
        """The next end, without the age."""
        heard = self._signals.receive(PATIENCE)
        assert heard is not None
        assert isinstance(heard.body, dict)
        assert 0 <= heard.body.pop("age") < PATIENCE
        return heard.body

    def heard_all(self) -> bool:
        self.bus.flush()
        return self._signals.receive(0) is None


@pytest.fixture
def witness(daemon: BusDaemon) -> Iterator[Witness]:
    made = Witness(daemon)
    with made.bus:
        yield made


@pytest.mark.parametrize("end", ENDS)
def test_a_programs_end_is_told_with_program_pid_and_how(daemon: BusDaemon, witness: Witness, end: str) -> None:
    deed, how, status, number = ENDS[end]
    with subprocess.Popen([sys.executable, "-c", BOB + deed], env=daemon.environ, stderr=subprocess.DEVNULL) as bob:
        gone = witness.hears()
    program = gone.pop("program")
    assert str(program).startswith("bob [")
    names = ["org.example.Bob"]
    assert gone == {"name": ":2", "names": names, "pid": bob.pid, "how": how, "status": status, "signal": number}
    assert witness.heard_all()
    daemon.wait_for_log("left: :2")
    who = f":2 {program} (pid {bob.pid})"
    assert [line[9:] for line in daemon.log if ":2 " in line] == [f"joined: {who}", LINES[end].format(who)]


def test_the_crash_of_a_service_is_told_as_a_peers_and_as_a_services(daemon: BusDaemon, witness: Witness) -> None:
    daemon.offer(NAME, toml(exec=["{python}", "-c", DIES], restart="no"))
    daemon.reload()
    pid = witness.bus.call(NAME, "pid")
    with pytest.raises(pybus.ServiceDied):
        witness.bus.call(NAME, "die")
    gone = witness.hears()
    assert [gone[key] for key in ("names", "pid", "how", "signal")] == [[NAME], pid, "killed", "SIGKILL"]
    daemon.wait_for_log(f"{NAME}: stopped")
    daemon.wait_for_log("left: :2")
    told = [line.partition("warning: ")[2] for line in daemon.log if " warning: " in line]
    assert sorted(re.sub(r"\d\.\d s", "0 s", line) for line in told) == [
        f"left: :2 {gone['program']} (pid {pid}): connection lost: it was killed by SIGKILL",
        f"{NAME}: exited by SIGKILL after 0 s",
    ]


def test_one_that_closes_and_lives_on_is_told_as_such(daemon: BusDaemon, witness: Witness) -> None:
    RawPeer(daemon.path).close()
    gone = witness.hears()
    assert str(gone.pop("program")).startswith("raw [")
    assert gone == {"name": ":2", "names": [], "pid": os.getpid(), "how": "closed", "status": None, "signal": None}
    assert daemon.wait_for_log("left: :2").endswith(": connection closed without a goodbye")


def test_one_that_is_thrown_out_is_told_as_such(daemon: BusDaemon, witness: Witness) -> None:
    with RawPeer(daemon.path) as mallory:
        mallory.sock.sendall(b"\xff" * 64)
        assert [kind for kind, _ in mallory.read_to_the_end()] == [BYE]
        gone = witness.hears()
    assert (gone["name"], gone["pid"], gone["how"]) == (":2", os.getpid(), "thrown out")
    daemon.wait_for_log("left: :2")
    assert len([line for line in daemon.log if "thrown out: " in line]) == 1


# --- the end of the bus -----------------------------------------------------------------------------

FAMILIES = {
    "org.example.Plain": ECHO,
    "org.example.Tree": HAS_CHILDREN,
    "org.example.Away": FORKS_AWAY + HAS_CHILDREN,
    "org.example.Deaf": IGNORES_SIGTERM,
}


@pytest.fixture
def crowd(daemon: BusDaemon) -> Iterator[Watched]:
    """All that lives below a bus: services with children, away, deaf, hanging; and one waits to come back."""
    for name, program in FAMILIES.items():
        daemon.offer(name, toml(exec=["{python}", "-c", program], stop_timeout=60))
    with Scene(daemon) as scene:
        scene.offer(HANGS, "org.example.Hangs", start_timeout=60)
        scene.offer(CRASHES, "org.example.Crashes")
        for name in FAMILIES:
            scene.alice.call(name, "pid")
        scene.ask("start_service", "org.example.Hangs")
        daemon.wait_for_log("]: thinking")
        scene.ask("start_service", "org.example.Crashes")
        daemon.wait_for_log("org.example.Crashes: restarting")
        processes = scene.processes()
        assert len(processes) >= 12
        yield Watched(processes)


def test_a_bus_that_is_stopped_leaves_nothing_behind_and_is_gone_in_time(daemon: BusDaemon, crowd: Watched) -> None:
    assert daemon.stop() == 0  # which is awaited for less than the minute that the services would have
    assert crowd.left_after(0) == []
    after = daemon.log[daemon.log.index(daemon.wait_for_log("stopping: SIGTERM")) :]
    assert [line for line in after if ": starting" in line or "restarting" in line] == []
    ends = {line.split()[1]: line.partition("exited ")[2] for line in after if ": exited" in line}
    assert {name: end.split(" after")[0] for name, end in ends.items()} == {
        "org.example.Plain:": "by SIGTERM",
        "org.example.Tree:": "by SIGTERM",
        "org.example.Away:": "by SIGTERM",
        "org.example.Hangs:": "by SIGTERM",
        "org.example.Deaf:": "by SIGKILL",
    }


def test_a_bus_that_is_killed_leaves_nothing_behind(daemon: BusDaemon, crowd: Watched) -> None:
    daemon.kill()
    assert crowd.left_after(5) == []


def test_a_bus_without_deaf_services_stops_at_once(daemon: BusDaemon) -> None:
    with Scene(daemon) as scene:
        scene.offer(FORKS_AWAY + HAS_CHILDREN)
        scene.alice.call(NAME, "pid")
        watched = Watched(scene.processes())
    before = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - before < 3.5  # which is when the deaf are killed
    assert watched.left_after(0) == []
