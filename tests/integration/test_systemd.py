"""The bus as a unit of a real `systemd --user`, with the units as they ship."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest

from pybus import __version__
from tests.integration.user_session import BIN, NEEDS, Session

pytestmark = NEEDS

ADDRESS = "unix:/run/user/0/pybus/bus"
EXPOSURE = {"pybus.service": 80, "pybus-dbus.service": 63}
"""What `systemd-analyze security` may say, in tenths; most of the rest is not for a user's units."""


@pytest.fixture(scope="module")
def manager() -> Iterator[Session]:
    """A user's systemd for all tests, as each start takes half a second."""
    session = Session("root")
    try:
        session.install()
        yield session
    finally:
        session.close()


@pytest.fixture
def session(manager: Session) -> Iterator[Session]:
    """The user's session, with a socket on which nobody has connected yet."""
    manager.forget_journal()
    manager.systemctl("start", "pybus.socket")
    try:
        yield manager
    finally:
        manager.run("systemctl", "--user", "kill", "--signal=KILL", "pybus.service")
        manager.systemctl("stop", "pybus.socket", "pybus.service")
        manager.systemctl("reset-failed")
        manager.change()


def started(session: Session, times: int = 1) -> str:
    """The pid of the daemon that listens, when that has been so many times since the test began."""
    return session.wait_for(f"pybus {__version__} listens", times)[-1]["_PID"]


# --- start, stop, reload, enable ------------------------------------------------------------------


def test_connecting_starts_the_bus(session: Session) -> None:
    bus = session.outside(session.runtime) / "pybus" / "bus"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (bus.parent, bus)] == [0o700, 0o600]
    assert session.states() == ["listening", "dead"]
    assert session.pybus("pybus-send", "a.b", "1") == (0, "", "")
    assert session.states() == ["running", "running"]
    assert session.show("StatusText", "NRestarts") == [f"listening on {ADDRESS}", "0"]
    assert session.pid() == started(session)


def test_starting_the_bus_starts_the_socket_as_well(session: Session) -> None:
    session.systemctl("stop", "pybus.socket")
    assert session.states() == ["dead", "dead"]
    session.systemctl("start", "pybus")
    assert session.states() == ["running", "running"]
    assert session.pybus("pybus-send", "a.b", "1") == (0, "", "")


def test_a_stopped_bus_starts_again_for_the_next_who_connects(session: Session) -> None:
    session.systemctl("start", "pybus")
    first = session.pid()
    session.systemctl("stop", "pybus")
    session.wait_for("stopping: SIGTERM")
    assert session.show("Result", "ExecMainStatus") == ["success", "0"]
    assert session.states() == ["listening", "dead"]
    assert session.pybus("pybus-send", "a.b", "1") == (0, "", "")
    assert session.pid() not in (first, "0")


def test_stopping_the_socket_stops_all(session: Session) -> None:
    session.systemctl("start", "pybus")
    session.systemctl("stop", "pybus.socket")
    assert session.states() == ["dead", "dead"]
    assert session.left_behind() == ["bus.lock"]
    assert session.pybus("pybus-send", "a.b", "1") == (
        4,
        "",
        f"pybus-send: no bus at {ADDRESS} (No such file or directory); start it with: systemctl --user start pybus\n",
    )


def test_a_restart_of_the_socket_is_a_restart_of_all(session: Session) -> None:
    with session.alice() as line:
        assert line() == "ready"
        before = started(session)
        session.systemctl("restart", "pybus.socket")
        assert session.left_behind() == ["bus", "bus.lock"]
        assert started(session, 2) != before  # alice has come back, or it would not have been started
        session.pybus("pybus-send", "--retain", "a.b", "after")
        assert line() == "after"
    assert session.states() == ["running", "running"]


def test_a_restart_by_hand_loses_no_client(session: Session) -> None:
    with session.alice() as line:
        assert line() == "ready"
        session.systemctl("restart", "pybus")
        session.pybus("pybus-send", "--retain", "a.b", "after")
        assert line() == "after"


def test_reload_keeps_the_process_and_its_clients(session: Session) -> None:
    with session.alice() as line:
        assert line() == "ready"
        before = session.pid()
        session.systemctl("reload", "pybus")
        session.wait_for("reloading: SIGHUP")
        session.pybus("pybus-send", "a.b", "still here")
        assert line() == "still here"
        assert session.pid() == before
        assert session.states() == ["running", "running"]
        assert session.show("StatusText") == [f"listening on {ADDRESS}"]


def test_a_reload_with_mistakes_is_seen_in_the_status(session: Session) -> None:
    configuration = session.home / ".config/pybus/pybus.toml"
    configuration.parent.mkdir()
    configuration.write_text("[limits\n")
    session.systemctl("start", "pybus")
    doubtful = f"listening on {ADDRESS}; the configuration has mistakes, see the log"
    assert session.show("StatusText") == [doubtful]
    session.systemctl("reload", "pybus")
    (entry,) = session.wait_for("kept the old configuration")
    assert (entry["PRIORITY"], session.show("StatusText")) == ("4", [doubtful])
    configuration.unlink()
    session.systemctl("reload", "pybus")
    session.wait_for("reloaded the configuration")
    assert session.show("StatusText") == [f"listening on {ADDRESS}"]
    configuration.parent.rmdir()


def test_the_bus_and_its_socket_are_enabled_each_for_itself(session: Session) -> None:
    def enabled() -> list[str]:
        return [session.run("systemctl", "--user", "is-enabled", name).stdout.strip() for name in units]

    units = ["pybus.socket", "pybus.service"]
    session.systemctl("enable", "pybus.socket")
    assert enabled() == ["enabled", "disabled"]
    assert session.unit("sockets.target.wants/pybus.socket").is_symlink()
    session.systemctl("enable", "pybus")
    assert enabled() == ["enabled", "enabled"]
    assert session.unit("default.target.wants/pybus.service").is_symlink()
    session.systemctl("disable", "pybus")
    assert enabled() == ["enabled", "disabled"]
    session.systemctl("disable", "pybus.socket")
    assert enabled() == ["disabled", "disabled"]


def test_enabling_the_bus_alone_starts_both_with_the_session(session: Session) -> None:
    session.systemctl("stop", "pybus.socket")
    session.systemctl("enable", "pybus")
    try:
        assert session.states() == ["dead", "dead"]
        session.systemctl("start", "default.target")  # what a login starts
        started(session)
        assert session.states() == ["running", "running"]
    finally:
        session.systemctl("disable", "pybus")


def test_the_journal_knows_the_unit_and_the_priority_of_each_line(session: Session) -> None:
    session.systemctl("start", "pybus")
    pid = started(session)
    fields = ("_SYSTEMD_USER_UNIT", "SYSLOG_IDENTIFIER", "PRIORITY", "_PID")
    (entry,) = session.wait_for("listens on")
    assert [entry[name] for name in fields] == ["pybus.service", "pybus", "6", pid]
    assert entry["MESSAGE"].startswith(f"pybus {__version__} listens on {ADDRESS} (pid {pid}, ")


# --- failures -------------------------------------------------------------------------------------


def test_a_killed_bus_is_started_again_and_its_clients_come_back(session: Session) -> None:
    with session.alice() as line:
        assert line() == "ready"
        before = started(session)
        session.run("kill", "-KILL", before)
        after = started(session, 2)
        assert after != before
        session.pybus("pybus-send", "--retain", "a.b", "after")
        assert line() == "after"
    assert session.show("NRestarts") == ["1"]
    assert session.pid() == after


def test_what_a_killed_bus_leaves_behind_is_ended(session: Session) -> None:
    session.change("ExecStart=", f"ExecStart=/bin/sh -c 'sleep 1000 & exec {BIN}/pybus daemon'")
    session.systemctl("start", "pybus")
    group = session.outside("/sys/fs/cgroup" + session.show("ControlGroup")[0])
    assert len((group / "cgroup.procs").read_text().split()) == 2
    session.run("kill", "-KILL", started(session))
    session.wait_for("Killing process", SYSLOG_IDENTIFIER="systemd")
    started(session, 2)
    assert len((group / "cgroup.procs").read_text().split()) == 2


def test_a_bus_that_crashes_again_and_again_leaves_its_socket_open(session: Session) -> None:
    with session.alice() as line:
        assert line() == "ready"
        session.change("ExecStart=", "ExecStart=/bin/false", "RestartSec=20ms")
        session.run("kill", "-KILL", started(session))
        session.wait_for("restart counter is at 10.")  # systemd's own limit is 5 starts
        assert session.show("ActiveState", unit="pybus.socket") == ["active"]
        assert session.connects()
        session.change()
        session.pybus("pybus-send", "--retain", "a.b", "after")
        assert line() == "after"
    assert session.states() == ["running", "running"]


def test_a_bus_that_hangs_is_ended_by_the_watchdog_and_tells_where_it_was(session: Session) -> None:
    session.change("WatchdogSec=1")
    with session.alice() as line:
        assert line() == "ready"
        before = started(session)
        session.run("kill", "-STOP", before)
        session.wait_for("Watchdog timeout", SYSLOG_IDENTIFIER="systemd")
        session.wait_for("Fatal Python error: Aborted", _PID=before)
        session.wait_for("loop.py", _PID=before)
        assert started(session, 2) != before
        session.pybus("pybus-send", "--retain", "a.b", "after")
        assert line() == "after"


def test_a_quiet_bus_is_left_alone_by_the_watchdog(session: Session) -> None:
    session.change("WatchdogSec=300ms")
    session.systemctl("start", "pybus")
    before = session.show("MainPID", "WatchdogTimestampMonotonic")
    later = before
    while int(later[1]) - int(before[1]) < 1_000_000:
        later = session.show("MainPID", "WatchdogTimestampMonotonic")
        assert later[0] == before[0]
    assert session.show("NRestarts") == ["0"]


# --- beside another bus -----------------------------------------------------------------------------


@contextmanager
def by_hand(session: Session) -> Iterator[str]:
    """A bus that was started by hand while the socket was stopped; its pid."""
    session.systemctl("stop", "pybus.socket")
    program = session.start(str(BIN / "pybus"), "daemon")
    try:
        assert program.stderr is not None
        yield program.stderr.readline().partition("(pid ")[2].partition(",")[0]
    finally:
        session.end(program)


def test_the_socket_is_not_taken_from_a_bus_that_was_started_by_hand(session: Session) -> None:
    with by_hand(session) as pid, session.alice() as line:
        assert line() == "ready"
        for unit in ["pybus", "pybus.socket"] * 3:  # more often than systemd's own limit
            done = session.run("systemctl", "--user", "start", unit)
            assert (done.returncode, "ailed" in done.stderr) == (1, True)
        session.wait_for("a bus runs already", 6)
        # The journal looks a sender's unit up when it reads the line; for one that ended at once it may be too late.
        (told,) = session.wait_for("a bus runs already", 1, _SYSTEMD_USER_UNIT="pybus.socket")
        assert (told["PRIORITY"], told["SYSLOG_IDENTIFIER"]) == ("3", "pybus")
        assert told["MESSAGE"] == (
            f"a bus runs already (pid {pid}), which was not started by systemd, and keeps its socket;"
            f" end it first: kill {pid}; then: systemctl --user start pybus"
        )
        assert session.states() == ["failed", "dead"]
        session.systemctl("stop", "pybus.socket")
        assert session.left_behind() == ["bus", "bus.lock"]
        assert session.pybus("pybus-send", "a.b", "still here") == (0, "", "")
        assert line() == "still here"
        session.run("kill", pid)
        session.wait_until_free()
        session.systemctl("start", "pybus")
        session.pybus("pybus-send", "--retain", "a.b", "after")
        assert line() == "after"
        assert session.states() == ["running", "running"]


def test_where_a_bus_got_in_between_the_unit_waits_with_pauses(session: Session) -> None:
    lock = f"{session.runtime}/pybus/bus.lock"
    bob = session.start("flock", "--no-fork", lock, "sh", "-c", "echo has it; exec sleep 1000")
    try:
        assert bob.stdout is not None
        assert bob.stdout.readline() == "has it\n"
        with session.alice() as line:
            first, second = session.wait_for(f"a bus already listens on {session.runtime}/pybus/bus", 2)
            pause = int(second["__MONOTONIC_TIMESTAMP"]) - int(first["__MONOTONIC_TIMESTAMP"])
            assert pause >= 1_000_000
            session.end(bob)
            assert line() == "ready"
        assert session.pid() == started(session)
    finally:
        session.end(bob)


# --- the files ------------------------------------------------------------------------------------


def test_the_units_are_without_fault(session: Session) -> None:
    units = [str(session.unit(name)).replace(str(session.home), "/run/home") for name in session.UNITS]
    done = session.run("systemd-analyze", "--user", "verify", "--man=no", "--recursive-errors=yes", *units)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", EXPOSURE)
def test_the_service_is_as_closed_as_it_was(session: Session, name: str) -> None:
    unit = str(session.unit(name)).replace(str(session.home), "/run/home")
    words = ("--user", "security", "--no-pager", "--offline=true", f"--threshold={EXPOSURE[name]}", unit)
    done = session.run("systemd-analyze", *words)
    assert done.returncode == 0, done.stdout[-200:]


_ATTEMPTS = """\
import ctypes, json, mmap, os, pathlib, socket
libc = ctypes.CDLL(None, use_errno=True)

def system(code, *arguments):
    if code(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "")

def family(name):
    socket.socket(getattr(socket, name), socket.SOCK_DGRAM).close()

def namespaces():
    if (child := os.fork()) == 0:
        os._exit(libc.unshare(0x10000000 | 0x00020000) < 0)  # CLONE_NEWUSER | CLONE_NEWNS
    if os.waitpid(child, 0)[1]:
        raise OSError(1, "")

home = pathlib.Path.home()
attempts = {
    "write to the home folder": lambda: (home / "file").write_text("x"),
    "unix": lambda: family("AF_UNIX"),
    "network": lambda: (family("AF_INET"), family("AF_INET6")),
    "devices": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15).close(),
    "just-in-time compiler": lambda: mmap.mmap(-1, 4096, prot=7).close(),
    "sandbox of its own": namespaces,
    "raw packets": lambda: family("AF_PACKET"),
    "setuid file": lambda: (home / "file").chmod(0o4755),
    "other personality": lambda: system(libc.personality, 0x0020000),
    "clock": lambda: system(libc.adjtimex, ctypes.create_string_buffer(512)),
}
done = {}
for name, attempt in attempts.items():
    try:
        attempt()
        done[name] = "done"
    except OSError as error:
        done[name] = type(error).__name__
status = pathlib.Path("/proc/self/status").read_text()
done["new privileges"] = "done" if "NoNewPrivs:\\t0" in status else "PermissionError"
"""

_TELL = """\
(home / "done").write_text(json.dumps(done))
os.execvp("systemd-notify", ["systemd-notify", "--ready"])
"""


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs a Python that every user may run")
def test_services_of_an_ordinary_user_may_do_what_they_need_and_nothing_odd() -> None:
    session = Session("nobody")
    try:
        session.install()
        (session.home / "attempts.py").write_text(_ATTEMPTS + "print(json.dumps(done))")
        free = json.loads(session.run("/usr/bin/python3", "/run/home/attempts.py").stdout)
        (session.home / "attempts.py").write_text(_ATTEMPTS + _TELL)
        session.change("ExecStart=", "ExecStart=/usr/bin/python3 /run/home/attempts.py", "NotifyAccess=all")
        session.systemctl("start", "pybus")
        bound = json.loads((session.home / "done").read_text())
    finally:
        session.close()
    odd = ["raw packets", "setuid file", "other personality", "clock", "new privileges"]
    assert {name for name in free if free[name] != bound[name]} == set(odd)
    assert [bound[name] for name in odd] == ["OSError", *["PermissionError"] * 4]


# --- on D-Bus -------------------------------------------------------------------------------------


@pytest.fixture
def activated(session: Session) -> Iterator[Session]:
    """A session whose D-Bus starts the bus's interface when it is called."""
    if session.show("LoadState", unit="dbus.socket") != ["loaded"]:
        pytest.skip("needs the D-Bus session units (package dbus-user-session)")
    folder = session.outside(session.runtime) / "dbus-1/services"  # D-Bus asks the password file for the home folder
    folder.mkdir(parents=True, exist_ok=True)
    text = files("pybus_systemd").joinpath("org.pybus.Bus.service").read_text()
    (folder / "org.pybus.Bus.service").write_text(text)
    bus = ("busctl", "--user", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
    assert session.run(*bus, "ReloadConfig").returncode == 0
    yield session
    session.systemctl("stop", "pybus-dbus.service")


def names_on_dbus(session: Session) -> tuple[int, str, str]:
    """Ask the interface for the names on the bus: exit code, stdout and stderr."""
    done = session.run("busctl", "--user", "call", "org.pybus.Bus", "/org/pybus/Bus", "org.pybus.Bus1", "Names")
    return done.returncode, done.stdout, done.stderr


def test_asking_for_it_on_dbus_starts_the_bus(activated: Session) -> None:
    """By way of its interface there, which connects to it."""
    assert names_on_dbus(activated) == (0, "as 0\n", "")
    assert activated.states() == ["running", "running"]
    assert activated.show("ActiveState", unit="pybus-dbus.service") == ["active"]
    activated.systemctl("stop", "pybus-dbus.service")
    assert activated.show("ActiveState", "Result", unit="pybus-dbus.service") == ["inactive", "success"]


def test_calls_that_come_while_the_interface_ends_are_answered(activated: Session) -> None:
    unit = activated.unit("pybus-dbus.service")
    unit.write_text(unit.read_text().replace("dbus.export", "dbus.export --idle 0.001"))
    activated.systemctl("daemon-reload")
    activated.forget_journal()
    for _ in range(8):
        assert names_on_dbus(activated) == (0, "as 0\n", "")
    activated.wait_for("pybus-dbus-export: serving", 2)
    assert activated.show("Result", "NRestarts", unit="pybus-dbus.service") == ["success", "0"]
    activated.install()
    activated.systemctl("daemon-reload")


def test_a_bus_of_dbus_that_restarts_starts_the_interface_again(activated: Session) -> None:
    assert names_on_dbus(activated)[0] == 0
    activated.systemctl("restart", "dbus.service")
    assert names_on_dbus(activated) == (0, "as 0\n", "")
    assert activated.show("NRestarts", unit="pybus-dbus.service") == ["0"]
