"""The daemon as a process: where it listens, who may come, how it ends, what it costs."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

import pytest

import pybus
from pybus.protocol.frames import BYE
from tests.daemon import PATIENCE, BusDaemon
from tests.raw import RawPeer

IDLE_SECONDS = 10


@pytest.fixture
def daemon() -> Iterator[BusDaemon]:
    """One that is started as a person starts it, as its start and its memory are looked at."""
    with BusDaemon(forked=False) as running:
        yield running


def run_daemon(environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `pybus daemon` where it can't start."""
    command = [sys.executable, "-m", "pybus", "daemon"]
    clean = {key: value for key, value in os.environ.items() if key not in ("PYBUS_ADDRESS", "XDG_RUNTIME_DIR")}
    return subprocess.run(command, env={**clean, **environ}, capture_output=True, text=True, timeout=PATIENCE)


# --- where it listens -----------------------------------------------------------------------------


def test_folder_and_socket_are_closed_to_others(daemon: BusDaemon) -> None:
    modes = [stat.S_IMODE(os.stat(path).st_mode) for path in (daemon.folder, daemon.path)]
    assert modes == [0o700, 0o600]


def test_the_address_may_come_from_xdg_runtime_dir(daemon: BusDaemon) -> None:
    environ = {"XDG_RUNTIME_DIR": daemon.folder}
    started = subprocess.Popen(
        [sys.executable, "-m", "pybus", "daemon"],
        env={**{k: v for k, v in os.environ.items() if k != "PYBUS_ADDRESS"}, **environ},
        stderr=subprocess.PIPE,
        text=True,
    )
    with started:
        assert started.stderr is not None
        assert f"listens on unix:{daemon.folder}/pybus/bus " in started.stderr.readline()
        assert stat.S_IMODE(os.stat(f"{daemon.folder}/pybus").st_mode) == 0o700
        started.terminate()
        assert started.wait(PATIENCE) == 0


def test_a_live_bus_is_left_alone_and_its_pid_told(daemon: BusDaemon) -> None:
    second = run_daemon(daemon.environ)
    assert (second.returncode, second.stdout) == (75, "")
    assert second.stderr == f"pybus daemon: a bus already listens on {daemon.path} (pid {daemon.process.pid})\n"
    pybus.connect(daemon.address).close()


def test_a_socket_left_by_a_crash_is_taken_over(daemon: BusDaemon) -> None:
    daemon.kill()
    assert stat.S_ISSOCK(os.stat(daemon.path).st_mode)
    daemon.restart()
    with pybus.connect(daemon.address) as bus:
        assert bus.name == ":1"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("tcp:host=x", "$PYBUS_ADDRESS is 'tcp:host=x'; it must be unix: and an absolute path"),
        ("unix:" + "/long" * 25, "has 125 bytes; a socket's path has at most 107"),
        ("unix:/proc/none/bus", "can't make the folder /proc/none: No such file or directory"),
        ("unix:/dev/null/bus", "/dev/null is not a folder"),
    ],
)
def test_an_address_that_can_not_be_is_named(address: str, message: str) -> None:
    refused = run_daemon({"PYBUS_ADDRESS": address})
    assert refused.returncode == 4
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_folder_open_to_others_is_refused_with_the_cure(daemon: BusDaemon) -> None:
    folder = f"{daemon.folder}/open"
    os.mkdir(folder)
    os.chmod(folder, 0o755)
    refused = run_daemon({"PYBUS_ADDRESS": f"unix:{folder}/bus"})
    assert refused.stderr == (
        f"pybus daemon: the folder {folder} has mode 0755 and must have 0700: chmod 700 {folder}\n"
    )


# --- who may come ---------------------------------------------------------------------------------

CONNECT_AS = """\
import os, socket, sys
sock = socket.socket(socket.AF_UNIX)
os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
sock.connect(sys.argv[1])
sock.settimeout(10)
while data := sock.recv(4096):
    sys.stdout.buffer.write(data)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_is_refused_before_its_bytes_are_read(daemon: BusDaemon) -> None:
    os.chmod(daemon.folder, 0o711)
    os.chmod(daemon.path, 0o666)
    command = [sys.executable, "-c", CONNECT_AS, daemon.path, "65534"]
    refused = subprocess.run(command, capture_output=True, timeout=PATIENCE)
    assert refused.stdout.startswith(b"PYBUS\0\0\x01")
    assert refused.stdout[12] == BYE
    assert refused.stdout.endswith(b"this is the bus of another user; uid 65534 is not admitted")
    daemon.wait_for_log("of uid 65534: this is the bus of another user")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can run a bus as another user")
@pytest.mark.parametrize(("allow", "admitted"), [(False, False), (True, True)])
def test_root_is_refused_on_a_users_bus_unless_allowed(daemon: BusDaemon, allow: bool, admitted: bool) -> None:
    folder = f"{daemon.folder}/user"
    os.mkdir(folder)
    os.chown(folder, 65534, 65534)
    os.chmod(folder, 0o700)
    os.chmod(daemon.folder, 0o711)
    script = (
        "import os, sys; from pybus.cli import daemon; from pybus.cli.main import main\n"
        "os.setgid(65534); os.setuid(65534); sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, "daemon", *(["--allow-root"] if allow else [])]
    environ = {**daemon.environ, "PYBUS_ADDRESS": f"unix:{folder}/bus"}
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as users:
        assert users.stderr is not None
        assert "listens on" in users.stderr.readline()
        try:
            if admitted:
                pybus.connect(f"unix:{folder}/bus").close()
            else:
                with pytest.raises(pybus.ConnectionRefused, match="this is the bus of another user; uid 0"):
                    pybus.connect(f"unix:{folder}/bus")
        finally:
            users.terminate()


# --- how it ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_in_order_and_tells_every_peer(daemon: BusDaemon, number: str) -> None:
    with RawPeer(daemon.path) as alice, RawPeer(daemon.path, greet=False) as silent:
        subprocess.run(["kill", f"-{number}", str(daemon.process.pid)], check=True)
        goodbye = [(BYE, ["org.pybus.Error.Shutdown", "the bus is stopping"])]
        assert alice.read_to_the_end() == goodbye
        assert silent.read_to_the_end() == goodbye
    assert daemon.process.wait(PATIENCE) == 0
    assert not os.path.exists(daemon.path)
    daemon.wait_for_log(f"stopping: {number}")


def test_it_ends_in_time_although_a_peer_does_not_read(daemon: BusDaemon) -> None:
    with RawPeer(daemon.path) as mallory, pybus.connect(daemon.address) as alice:
        mallory.ask("subscribe", ["flood.#"])
        for _ in range(100):
            alice.publish("flood.one", bytes(10_000))
        alice.flush()
        assert daemon.stop() == 0


def test_signals_published_just_before_the_end_arrive(daemon: BusDaemon) -> None:
    with RawPeer(daemon.path) as bob, pybus.connect(daemon.address, reconnect=False) as alice:
        bob.ask("subscribe", ["a.b"])
        for number in range(100):
            alice.publish("a.b", number)
        alice.flush()
        daemon.stop()
        with pytest.raises(pybus.ConnectionLost, match="the bus is stopping"):
            alice.flush()
        got = 0
        while (run := bob.read())[0] != BYE:
            got += run[7]
        assert got == 100


# --- what it writes -------------------------------------------------------------------------------


def test_coming_and_going_is_logged_a_line_each(daemon: BusDaemon) -> None:
    pybus.connect(daemon.address).close()
    with RawPeer(daemon.path):
        pass
    daemon.wait_for_log("left: :2")
    lines = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in daemon.log[1:]]
    who = re.sub(r"^joined: :1 ", "", lines[0])
    assert who.endswith(f"(pid {os.getpid()})")
    assert lines == [
        f"joined: :1 {who}",
        f"left: :1 {who}: goodbye",
        f"joined: :2 raw [{who.rpartition(' (')[0]}] (pid {os.getpid()})",
        f"left: :2 raw [{who.rpartition(' (')[0]}] (pid {os.getpid()}): connection closed without a goodbye",
    ]


def test_a_flood_of_bad_peers_is_one_warning_and_a_count(daemon: BusDaemon) -> None:
    for _ in range(50):
        with RawPeer(daemon.path, greet=False) as mallory:
            mallory.sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            mallory.read_to_the_end()
    daemon.stop()
    warnings = [line for line in daemon.log if "thrown out" in line]
    assert len(warnings) == 2
    assert warnings[1].endswith(": 49 more in the last 10 s")


# --- limits ---------------------------------------------------------------------------------------


def test_one_connection_past_the_limit_is_refused_with_the_reason() -> None:
    with BusDaemon({"connections": 2}, forked=False) as daemon:
        alice, bob = pybus.connect(daemon.address), pybus.connect(daemon.address)
        with pytest.raises(pybus.ConnectionRefused, match="the bus has 2 connections, its limit"):
            pybus.connect(daemon.address)
        alice.close()
        pybus.connect(daemon.address).close()
        bob.close()


def test_a_peer_that_does_not_greet_is_sent_away_in_time() -> None:
    with BusDaemon({"handshake": 0.05}, forked=False) as daemon, RawPeer(daemon.path, greet=False) as silent:
        assert silent.read_to_the_end() == [(BYE, ["org.pybus.Error.Violation", "no complete greeting came in 0.05 s"])]


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit (util-linux)")
def test_out_of_descriptors_accepting_pauses_and_goes_on_later() -> None:
    with BusDaemon(descriptors=40) as daemon:
        alice = pybus.connect(daemon.address)
        crowd = []
        while not any("not accepting" in line for line in daemon.log):
            crowd.append(socket.socket(socket.AF_UNIX))
            crowd[-1].connect(daemon.path)
            alice.flush()
        late = RawPeer(daemon.path, greet=False)
        assert alice.publish("a.b", confirm=True) == 0
        for one in crowd:
            one.close()
        late.close()
        with pybus.connect(daemon.address) as bob:
            assert bob.publish("a.b", confirm=True) == 0
        alice.close()


def test_2000_connections_cost_little_each(daemon: BusDaemon) -> None:
    assert daemon.memory() < 28 * 1024
    with RawPeer(daemon.path) as alice:
        before = daemon.memory()
        crowd = [RawPeer(daemon.path) for _ in range(2000)]
        assert alice.ask("stats")["peers"] == 2001  # type: ignore[index]
        assert (daemon.memory() - before) / 2000 < 12
        crowd[1999].ask("subscribe", ["a.b"])
        crowd[0].ask("subscribe", ["a.b"])
        with pybus.connect(daemon.address) as bob:
            assert bob.publish("a.b", confirm=True) == 2
        for one in crowd:
            one.close()


def test_it_never_wakes_up_while_nothing_happens(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice, pybus.connect(daemon.address) as bob:
        bob.subscribe("a.#")
        alice.publish("a.b", 1, retain=True)
        alice.call("org.pybus.Bus", "ping")
        with pytest.raises(pybus.NameHasNoOwner):
            alice.call("org.example.Nobody", "ping")
        _wait_until_asleep(daemon)
        before = daemon.wake_ups()
        time.sleep(IDLE_SECONDS)  # the time without traffic is what is measured
        assert daemon.wake_ups() == before


def _wait_until_asleep(daemon: BusDaemon) -> None:
    while True:
        with open(f"/proc/{daemon.process.pid}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] == "S":
                return
