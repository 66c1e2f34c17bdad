"""`pybus setup` from a shell whose $XDG_CONFIG_HOME is not that of the user's systemd, a real one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.programs import BIN
from tests.integration.user_session import NEEDS, Session

pytestmark = NEEDS

UNITS = ("pybus.service", "pybus.socket", "pybus-dbus.service")
_LOOKS = """\
import sys
from pybus.cli.user_manager import UserManager
print([UserManager.find().looks_into(folder) for folder in sys.argv[1:]])
"""


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    session = Session("root")
    try:
        yield session
    finally:
        session.close()


def setup_elsewhere(session: Session, *words: str) -> subprocess.CompletedProcess[str]:
    return session.run("env", "XDG_CONFIG_HOME=/run/home/other", str(BIN / "pybus"), "setup", *words)


def files(folder: Path) -> dict[str, int]:
    """All that is there, by path, with what changes when it is replaced."""
    return {str(path): path.lstat().st_ino for path in folder.rglob("*")}


def test_it_knows_where_systemd_looks(session: Session) -> None:
    folders = ["/run/home/.config/systemd/user", "/run/home/../home/.config/systemd/user", "/run/home/other", "/"]
    done = session.run(sys.executable, "-c", _LOOKS, *folders)
    assert (done.stdout, done.stderr) == ("[True, True, False, False]\n", "")


def test_an_installation_that_systemd_would_not_see_changes_nothing(session: Session) -> None:
    session.pybus("pybus", "setup")
    before = files(session.home)
    done = setup_elsewhere(session)
    first, second, third = (f"/run/home/other/systemd/user/{name}" for name in UNITS)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"pybus setup: systemd does not use {first} and {second} and {third}: it has another $HOME or $XDG_CONFIG_HOME"
        " than this shell; nothing was changed\n"
    )
    assert files(session.home) == before
    assert session.systemctl("is-active", "pybus.socket") == "active"


def test_from_there_the_units_are_stopped_before_they_are_removed(session: Session) -> None:
    session.pybus("pybus", "setup")
    done = setup_elsewhere(session, "--remove")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"disabled  {' and '.join(UNITS)}\n")
    assert list(session.home.iterdir()) == []
    assert session.show("LoadState", "ActiveState", unit="pybus.socket") == ["not-found", "inactive"]
