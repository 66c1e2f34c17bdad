"""A desktop's session for tests: a user's systemd and D-Bus, and a system bus of its own with a logind on it.

In the tests the user is a mapped one, see `with-user-systemd`: no desktop is made for root. python3-dbusmock
stands in for logind; what a kind of desktop has besides is its own, see `gnome_session`.
"""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import Self

import pytest

from tests.daemon import PATIENCE

from .hal_scene import needs
from .user_session import NEEDS as NEEDS_SYSTEMD
from .user_session import Session

NEEDS = [
    *NEEDS_SYSTEMD,
    needs("gdbus", "dbus-daemon"),
    pytest.mark.skipif(
        not os.path.exists("/usr/lib/python3/dist-packages/dbusmock"), reason="not installed: python3-dbusmock"
    ),
]

LOGIN1 = "org.freedesktop.login1"


class Signals:
    """The signals of one name on the session's D-Bus, each as the line that gdbus prints of it."""

    def __init__(self, session: Session, name: str) -> None:
        self.lines: list[str] = []
        self._session = session
        self._heard = threading.Condition()
        self._monitor = session.start("gdbus", "monitor", "--session", "--dest", name)
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()
        self.wait_for(f"The name {name} is owned by")  # and what is told from here on is heard

    def _listen(self) -> None:
        assert self._monitor.stdout is not None
        for line in self._monitor.stdout:
            with self._heard:
                self.lines.append(line.rstrip("\n"))
                self._heard.notify_all()

    def count(self, text: str) -> int:
        """How many signals with this text there were until now."""
        return sum(text in line for line in self.lines)

    def wait_for(self, text: str, times: int = 1, seconds: float = PATIENCE) -> None:
        """Wait until so many signals had this text."""
        with self._heard:
            heard = self._heard.wait_for(lambda: self.count(text) >= times, seconds)
        assert heard, f"no {text!r} {times} times, but: {self.lines}"

    def stays_without(self, text: str, times: int, seconds: float) -> None:
        """See that for so long no more than so many signals have this text."""
        with self._heard:
            heard = self._heard.wait_for(lambda: self.count(text) > times, seconds)
        assert not heard, f"{text!r} was told: {self.lines}"

    def close(self) -> None:
        self._session.kill(self._monitor)
        self._reader.join(PATIENCE)
        self._monitor.communicate(timeout=PATIENCE)


class DesktopSession:
    """A session in which a desktop can run. Everything in it ends with it; what its journal has is printed then.

    session: the user's session it lives in.
    """

    def __init__(self) -> None:
        self.session = Session("alice", mapped=True)
        self._signals: list[Signals] = []
        try:
            self.session.systemctl("mask", "--now", "pipewire.service", "pipewire-pulse.service", "wireplumber.service")
            self._start_system_bus()
        except BaseException:
            self.close()
            raise

    def _start_system_bus(self) -> None:
        address = f"unix:path={self.session.runtime}/system_bus"
        bus = ("dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={address}")
        self.unit("system-bus", "--property=Type=notify", *bus)
        self.session.systemctl("set-environment", f"DBUS_SYSTEM_BUS_ADDRESS={address}")
        self.mock("logind", LOGIN1, "--template", "logind")
        self.change_mock(LOGIN1, "/org/freedesktop/login1", "AddSession", "c1", "seat0", "1000", "alice", "true")

    # --- doing --------------------------------------------------------------------------------------

    def run(self, *words: str, seconds: float = PATIENCE) -> str:
        """Run a program to its end, and see that it succeeds; what it says."""
        done = self.session.run(*words, seconds=seconds)
        assert done.returncode == 0, f"{words}: {done.stderr}{self.log()}"
        return done.stdout.rstrip("\n")

    def unit(self, name: str, *words: str) -> None:
        """Start a program as a unit, so that what it says is in the journal. words: options, then the program."""
        self.run("systemd-run", "--user", "--quiet", "--collect", f"--unit={name}", *words)

    def call(self, name: str, path: str, method: str, *arguments: str) -> str:
        """Call a method on the session's D-Bus; what it answers, as gdbus has it. method: with its interface."""
        command = ("gdbus", "call", "--session", "--dest", name, "--object-path", path, "--method", method, "--")
        return self.run(*command, *arguments)

    def signals(self, name: str) -> Signals:
        """Hear the signals of a name on D-Bus from now on."""
        self._signals.append(Signals(self.session, name))
        return self._signals[-1]

    def mock(self, unit: str, name: str, *arguments: str) -> None:
        """Start a dbusmock on the system bus, and wait until it has its name."""
        self.unit(unit, "/usr/bin/python3", "-m", "dbusmock", "--system", *arguments)
        self._with_system_bus("wait", "--system", f"--timeout={PATIENCE:.0f}", name)

    def change_mock(self, name: str, path: str, method: str, *arguments: str) -> None:
        """Have a dbusmock on the system bus do something."""
        call = ("call", "--system", "--dest", name, "--object-path", path)
        self._with_system_bus(*call, "--method", f"org.freedesktop.DBus.Mock.{method}", *arguments)

    def _with_system_bus(self, *words: str) -> None:
        self.run("env", f"DBUS_SYSTEM_BUS_ADDRESS=unix:path={self.session.runtime}/system_bus", "gdbus", *words)

    # --- the end ------------------------------------------------------------------------------------

    def log(self) -> str:
        """What all programs of the session wrote until now, a line each."""
        entries = [(one.get("SYSLOG_IDENTIFIER", ""), one.get("MESSAGE", "")) for one in list(self.session.journal)]
        return "".join(f"{program}: {message}\n" for program, message in entries)

    def close(self) -> None:
        for signals in self._signals:
            signals.close()
        self.session.close()
        print(self.log())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
