"""`pybus setup` under a real `systemd --user`: after it the bus is there when called, and `--remove` leaves nothing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import PATIENCE
from tests.integration.user_session import NEEDS, Session

pytestmark = NEEDS

_PYBUS = Path(sys.executable).parent / "pybus"
UNITS = ("pybus.service", "pybus.socket", "pybus-dbus.service")


@pytest.fixture(scope="module")
def systemd() -> Iterator[Session]:
    session = Session("root")
    try:
        yield session
    finally:
        session.close()


@pytest.fixture
def session(systemd: Session) -> Iterator[Session]:
    """The user's systemd, with nothing installed before and after."""
    yield systemd
    systemd.pybus("pybus", "setup", "--remove")
    assert list(systemd.home.iterdir()) == []


def setup(session: Session, *words: str) -> tuple[int, list[str], str]:
    """Run `pybus setup`; its exit code, what it said beside the lines on files in the data folder, and its stderr."""
    code, out, err = session.pybus("pybus", "setup", *words)
    return code, [line for line in out.splitlines() if "/.local/" not in line], err


def test_after_it_systemctl_starts_the_bus(session: Session) -> None:
    code, said, err = setup(session)
    assert (code, err) == (0, "")
    assert said[:4] == [
        *(f"installed /run/home/.config/systemd/user/{unit}" for unit in UNITS),
        "enabled   pybus.socket: the bus starts when a program connects, or by: systemctl --user start pybus",
    ]
    assert session.states() == ["listening", "dead"]
    session.systemctl("start", "pybus")
    assert session.states() == ["running", "running"]
    assert session.systemctl("is-enabled", "pybus.socket") == "enabled"


def test_after_it_merely_connecting_starts_the_bus_and_completing_does_not(session: Session) -> None:
    setup(session)
    assert session.pybus("pybus", "complete", "names", "org.pybus.B") == (0, "", "")
    assert session.states() == ["listening", "dead"]
    assert session.pybus("pybus-send", "demo.door", "open", "--retain") == (0, "", "")
    assert session.states() == ["running", "running"]
    assert session.pybus("pybus", "complete", "topics", "demo") == (0, "demo.door\n", "")


def test_a_second_run_finds_all_as_it_is(session: Session) -> None:
    setup(session)
    code, said, err = setup(session)
    assert (code, err) == (0, "")
    assert said[:4] == [
        *(f"unchanged /run/home/.config/systemd/user/{unit}" for unit in UNITS),
        "unchanged pybus.socket is enabled and listens",
    ]


def test_a_changed_unit_is_replaced_and_a_running_bus_goes_on(session: Session) -> None:
    setup(session)
    session.systemctl("start", "pybus")
    pid = session.pid()
    unit = session.unit("pybus.service")
    wanted = unit.read_text()
    unit.write_text(wanted.replace("WatchdogSec=", "WatchdogSec=9"))
    code, said, _ = setup(session)
    assert code == 0
    assert said[0] == "replaced  /run/home/.config/systemd/user/pybus.service"
    assert "the bus still runs as it was started; for the new units: systemctl --user restart pybus" in said
    assert (unit.read_text(), session.pid()) == (wanted, pid)


def test_remove_stops_the_bus_and_leaves_nothing(session: Session) -> None:
    setup(session)
    session.systemctl("start", "pybus")
    code, said, err = setup(session, "--remove")
    assert (code, err) == (0, "")
    assert said == [
        f"disabled  {' and '.join(UNITS)}",
        *(f"removed   /run/home/.config/systemd/user/{unit}" for unit in UNITS),
        "removed   /run/home/.config/systemd/user",
        "removed   /run/home/.config/systemd",
        "removed   /run/home/.config",
        "removed   /run/home/.local",
    ]
    assert list(session.home.iterdir()) == []
    assert session.show("LoadState", "ActiveState", unit="pybus.socket") == ["not-found", "inactive"]
    assert session.show("LoadState", "ActiveState") == ["not-found", "inactive"]


def test_a_unit_of_somebody_else_is_left_alone(session: Session) -> None:
    unit = session.unit("pybus.service")
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    code, _, err = setup(session)
    assert code == 1
    assert err.splitlines() == [
        f"pybus setup: /run/home/.config/systemd/user/{UNITS[0]} was not written by `pybus setup`; it stays as it is",
        "pybus setup: the units are not all there, so pybus.socket is not enabled",
    ]
    assert setup(session, "--remove")[0] == 0
    assert unit.read_text() == "[Service]\nExecStart=/bin/true\n"
    shutil.rmtree(session.home / ".config")


def test_a_bus_that_was_started_by_hand_is_named_and_keeps_its_socket(session: Session) -> None:
    by_hand = session.start(str(_PYBUS), "daemon")
    try:
        assert by_hand.stderr is not None
        pid = by_hand.stderr.readline().partition("(pid ")[2].partition(",")[0]
        code, said, err = setup(session)
        assert code == 1
        assert said[3] == "enabled   pybus.socket, from the next session on"
        assert err == (
            f"pybus setup: a bus that was started by hand (pid {pid}) holds {session.runtime}/pybus/bus:"
            f" end it (kill {pid}), then: systemctl --user start pybus.socket\n"
        )
        assert session.states() == ["dead", "dead"]
        assert session.pybus("pybus-send", "demo.door", "open") == (0, "", "")
        session.run("kill", pid)
        assert by_hand.wait(PATIENCE) == 0
        session.systemctl("start", "pybus.socket")
        assert session.pybus("pybus-send", "demo.door", "open") == (0, "", "")
        assert session.states() == ["running", "running"]
    finally:
        session.end(by_hand)


def test_a_systemd_that_looks_elsewhere_is_named(session: Session) -> None:
    command = ["env", "XDG_CONFIG_HOME=/run/home/other", str(_PYBUS), "setup"]
    done = session.run(*command)
    assert done.returncode == 1
    assert done.stderr.startswith("pybus setup: systemd does not use /run/home/other/systemd/user/pybus.service and ")
    assert session.run(*command, "--remove").returncode == 0


def test_from_where_systemd_is_out_of_reach_units_stay_and_are_removed(session: Session) -> None:
    """Such as in a shell by `su`."""
    setup(session)
    command = ["env", "XDG_RUNTIME_DIR=/run/none", "DBUS_SESSION_BUS_ADDRESS=", str(_PYBUS), "setup"]
    assert session.run(*command).returncode == 0
    assert session.systemctl("is-enabled", "pybus.socket") == "enabled"
    assert (session.run(*command, "--remove").returncode, list(session.home.iterdir())) == (0, [])
    session.systemctl("stop", "pybus.socket")
    session.systemctl("daemon-reload")


@pytest.mark.parametrize("with_script", [True, False])
@pytest.mark.parametrize("name", ["two words", "100%h", "$HOME ${HOME}", 'it\'s "so"; \\n', "ünï"])
def test_an_installation_in_an_odd_place_is_started_from_there(
    name: str, with_script: bool, session: Session, tmp_path: Path
) -> None:
    python = install_in(tmp_path / name, with_script)
    done = session.run(str(python), "-m", "pybus", "setup")
    assert (done.returncode, done.stderr) == (0, "")
    assert session.run("systemd-analyze", "--user", "--man=no", "verify", "pybus.service").stderr == ""
    assert session.pybus("pybus-send", "demo.door", "open") == (0, "", "")
    words = session.outside(f"/proc/{session.pid()}/cmdline").read_text().split("\0")
    assert words == [str(python), "-m", "pybus", "daemon", ""]
    assert session.run(str(python), "-m", "pybus", "setup", "--remove").returncode == 0


def install_in(folder: Path, with_script: bool) -> Path:
    """An installation in this folder, with the modules of the one that runs the tests; returns its Python."""
    (folder / "bin").mkdir(parents=True)
    python = folder / "bin" / "python"
    python.symlink_to(os.path.realpath(sys.executable))
    shutil.copy(f"{sys.prefix}/pyvenv.cfg", folder)
    for name in ("lib", "lib64"):
        (folder / name).symlink_to(f"{sys.prefix}/lib")
    if with_script:
        script = folder / "bin" / "pybus"
        script.write_text('#!/bin/sh\nexec "${0%/*}/python" -m pybus "$@"\n')
        script.chmod(0o755)
    return python
