"""What is said to systemd and heard from it, with a socket of the test's own in systemd's place."""

from __future__ import annotations

import os
import pty
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import pybus
from pybus.server.systemd import Systemd
from tests.daemon import PATIENCE, BusDaemon

_PASS = """\
import os, sys
count, *program = sys.argv[1:]
for number in range(int(count)):
    os.dup2(int(program.pop(0)), 3 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=count, LISTEN_FDNAMES="bus")
os.execv(sys.executable, [sys.executable, *program])
"""
"""Passes its first arguments as sd_listen_fds(3) has it, and becomes the rest."""

_TELL_PASSED = """\
import os
from pybus.server.systemd import Systemd
passed = Systemd().sockets
print([(sock.fileno(), sock.getsockname(), sock.get_inheritable()) for sock in passed])
print([name for name in os.environ if name.startswith("LISTEN_")])
"""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Where systemd would listen to its services."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(PATIENCE)
        yield sock


@pytest.fixture
def notified(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Iterator[BusDaemon]:
    """A bus that systemd has started, as it thinks."""
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    with BusDaemon() as daemon:
        yield daemon


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket as pybus.socket makes it."""
    (tmp_path / "pybus").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "pybus" / "bus"))
        sock.listen()
        yield sock


def heard(manager: socket.socket) -> list[str]:
    """The lines of the next message."""
    return manager.recv(4096).decode().split("\n")


def passing(*sockets: socket.socket, program: list[str]) -> subprocess.Popen[str]:
    """Start Python with the sockets passed to it."""
    numbers = [sock.fileno() for sock in sockets]
    command = [sys.executable, "-c", _PASS, str(len(numbers)), *map(str, numbers), *program]
    environ = {**os.environ, "PYBUS_ADDRESS": "unix:/not/used"}
    return subprocess.Popen(
        command, env=environ, pass_fds=numbers, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


# --- telling --------------------------------------------------------------------------------------


def test_lines_go_to_the_socket_of_a_path(manager: socket.socket) -> None:
    Systemd({"NOTIFY_SOCKET": manager.getsockname()}).notify("READY=1", "STATUS=listens, é")
    assert heard(manager) == ["READY=1", "STATUS=listens, é"]


def test_lines_go_to_an_abstract_socket() -> None:
    name = f"pybus-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{name}")
        sock.settimeout(PATIENCE)
        Systemd({"NOTIFY_SOCKET": f"@{name}"}).notify("STOPPING=1")
        assert heard(sock) == ["STOPPING=1"]


@pytest.mark.parametrize(
    "address", ["", "@", "relative", "vsock:2:1234", "/gone/notify", "/" + "long" * 50, "/dev/null"]
)
def test_where_nobody_listens_nothing_comes_of_it(address: str) -> None:
    Systemd({"NOTIFY_SOCKET": address}).notify("READY=1")


def test_a_manager_that_does_not_read_is_not_waited_for(manager: socket.socket) -> None:
    systemd = Systemd({"NOTIFY_SOCKET": manager.getsockname()})
    sent = 5000  # more than any kernel queues for a datagram socket
    for _ in range(sent):
        systemd.notify("WATCHDOG=1", patience=0)
    manager.setblocking(False)
    kept = 0
    while kept < sent:
        try:
            manager.recv(100)
        except BlockingIOError:
            break
        kept += 1
    assert 0 < kept < sent


# --- hearing --------------------------------------------------------------------------------------


def test_nothing_is_left_for_children_to_take_for_theirs() -> None:
    names = ("NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID")
    environ = {**dict.fromkeys(names, "1"), "HOME": "/home/alice"}
    Systemd(environ)
    assert environ == {"HOME": "/home/alice"}


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "1500000"}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "x"}, 0.0),
        ({"WATCHDOG_USEC": "1500000", "NOTIFY_SOCKET": ""}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({"WATCHDOG_USEC": "-5"}, 0.0),
        ({"WATCHDOG_USEC": "9" * 5000}, 0.0),
        ({"WATCHDOG_USEC": ""}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_watchdog_is_ours_only_if_it_says_so(environ: dict[str, str], seconds: float) -> None:
    assert Systemd({"NOTIFY_SOCKET": "/run/notify", **environ}).watchdog == seconds


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "one", "LISTEN_PID": str(os.getpid())},
        {"LISTEN_FDS": "-1", "LISTEN_PID": str(os.getpid())},
        {"LISTEN_FDS": "0", "LISTEN_PID": str(os.getpid())},
    ],
)
def test_no_socket_is_taken_that_was_not_passed_to_us(environ: dict[str, str]) -> None:
    assert Systemd(dict(environ)).sockets == []


def test_passed_sockets_are_taken_and_not_passed_on(listening: socket.socket) -> None:
    with passing(listening, program=["-c", _TELL_PASSED]) as program:
        out, err = program.communicate(timeout=PATIENCE)
    assert (out, err) == (f"[(3, {listening.getsockname()!r}, False)]\n[]\n", "")


def test_passed_files_are_passed_over_and_a_count_too_high_is_no_matter(listening: socket.socket) -> None:
    with open("/dev/null") as null:
        command = [sys.executable, "-c", _PASS.replace("LISTEN_FDS=count", "LISTEN_FDS='1000000000'"), "2"]
        command += [str(null.fileno()), str(listening.fileno()), "-c", _TELL_PASSED]
        done = subprocess.run(
            command, pass_fds=[null.fileno(), listening.fileno()], capture_output=True, text=True, timeout=PATIENCE
        )
    assert (done.stdout, done.stderr) == (f"[(4, {listening.getsockname()!r}, False)]\n[]\n", "")


# --- the daemon -----------------------------------------------------------------------------------


def test_the_daemon_tells_what_becomes_of_it(notified: BusDaemon, manager: socket.socket) -> None:
    listens = ["READY=1", f"STATUS=listening on unix:{notified.path}"]
    assert heard(manager) == listens
    with pybus.connect(notified.address, reconnect=False) as alice:
        before = time.monotonic_ns() // 1000
        notified.process.send_signal(signal.SIGHUP)
        reloading, moment, status = heard(manager)
        assert (reloading, status) == ("RELOADING=1", "STATUS=reloading")
        name, _, number = moment.partition("=")
        assert name == "MONOTONIC_USEC"
        assert before <= int(number) <= time.monotonic_ns() // 1000
        assert heard(manager) == listens
        notified.wait_for_log("reloading: SIGHUP")
        assert alice.publish("a.b", confirm=True) == 0
    assert notified.stop() == 0
    assert heard(manager) == ["STOPPING=1", "STATUS=stopping: SIGTERM"]


def test_while_the_configuration_has_mistakes_the_status_says_so(notified: BusDaemon, manager: socket.socket) -> None:
    listens = f"STATUS=listening on unix:{notified.path}"
    assert heard(manager) == ["READY=1", listens]
    usual = Path(notified.configuration).read_text()
    notified.configure("[limits\n")
    notified.process.send_signal(signal.SIGHUP)
    assert heard(manager)[0] == "RELOADING=1"
    doubtful = ["READY=1", f"{listens}; the configuration has mistakes, see the log"]
    assert heard(manager) == doubtful
    notified.stop()
    assert heard(manager)[0] == "STOPPING=1"
    notified.restart()
    assert heard(manager) == doubtful
    notified.configure(usual)
    notified.reload()
    assert heard(manager)[0] == "RELOADING=1"
    assert heard(manager) == ["READY=1", listens]


_HANGS_UP = """
exec = ["{{python}}", "-c", '''
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGTERM}})
open({ready!r}, "w").close()
signal.sigwait({{signal.SIGTERM}})
os.kill({bus}, signal.SIGHUP)
''']
autostart = true
"""
"""A service that sends its bus a SIGHUP when that stops."""


def test_a_bus_that_is_stopping_does_not_reload(notified: BusDaemon, manager: socket.socket, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    notified.offer("org.example.Late", _HANGS_UP.format(ready=str(ready), bus=notified.process.pid))
    notified.reload()
    assert ready.read_text() == ""  # it has come as far as that
    told = [heard(manager)[0] for _ in range(3)]
    assert notified.stop() == 0
    assert [*told, heard(manager)[0]] == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        heard(manager)
    assert [line for line in notified.log if "reload" in line][2:] == []


def test_the_daemon_tells_nothing_more_while_no_watchdog_wants_it(notified: BusDaemon, manager: socket.socket) -> None:
    heard(manager)
    with pybus.connect(notified.address) as alice:
        alice.flush()
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        heard(manager)


def test_the_daemon_keeps_a_watchdog_quiet_until_it_has_stopped(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    with BusDaemon():
        assert heard(manager)[0] == "READY=1"
        assert heard(manager) == ["WATCHDOG=1"]
        start = time.monotonic()
        assert [heard(manager) for _ in range(4)] == [["WATCHDOG=1"]] * 4
        assert time.monotonic() - start >= 0.1


def test_a_manager_that_has_gone_is_not_missed(notified: BusDaemon, manager: socket.socket) -> None:
    heard(manager)
    os.unlink(manager.getsockname())
    manager.close()
    notified.process.send_signal(signal.SIGHUP)
    notified.wait_for_log("reloading: SIGHUP")
    assert notified.stop() == 0


def test_the_daemon_serves_on_a_passed_socket_and_leaves_its_file(listening: socket.socket) -> None:
    path = listening.getsockname()
    with passing(listening, program=["-m", "pybus", "daemon"]) as daemon:
        assert daemon.stderr is not None
        assert f"listens on unix:{path} (pid {daemon.pid}, " in daemon.stderr.readline()
        with pybus.connect(f"unix:{path}") as alice:
            assert alice.publish("a.b", confirm=True) == 0
        daemon.terminate()
        assert daemon.wait(PATIENCE) == 0
    assert stat.S_ISSOCK(os.stat(path).st_mode)
    with passing(listening, program=["-m", "pybus", "daemon"]) as again:
        with pybus.connect(f"unix:{path}") as alice:
            assert alice.publish("a.b", confirm=True) == 0
        again.terminate()


def test_a_passed_socket_that_can_not_be_a_bus_is_named(manager: socket.socket) -> None:
    with passing(manager, program=["-m", "pybus", "daemon"]) as daemon:
        assert daemon.communicate(timeout=PATIENCE) == (
            "",
            "pybus daemon: the socket that systemd passed is not a listening Unix stream socket;"
            " pybus.socket must have one ListenStream= with an absolute path\n",
        )
    assert daemon.returncode == 4


# --- a terminal -----------------------------------------------------------------------------------


def test_a_daemon_ends_with_its_terminal_but_reloads_on_a_hang_up_from_anybody_else(tmp_path: Path) -> None:
    ours, its = pty.openpty()
    daemon = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-m", "pybus", "daemon"],
        env={**os.environ, "PYBUS_ADDRESS": f"unix:{tmp_path}/pybus/bus"},
        stdin=its,
        stdout=its,
        stderr=its,
    )
    os.close(its)
    with daemon, open(ours, "rb") as terminal:
        assert b"listens on" in terminal.readline()
        daemon.send_signal(signal.SIGHUP)
        assert b"reloading: SIGHUP" in terminal.readline()
        terminal.close()
        assert daemon.wait(PATIENCE) == 0
