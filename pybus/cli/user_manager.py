"""The user's systemd, by `systemctl --user`."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence

from pybus.errors import PybusError

_PATIENCE = 60.0
"""Seconds for one systemctl; stopping a bus takes the longest (TimeoutStopSec= of its unit)."""


class SystemdError(PybusError):
    """systemctl refused something; the text is its own."""


class UserManager:
    """Orders to the user's systemd.

    lives: whether there is one to take them. problem: why not. socket: the path of the bus's socket in its unit.
    """

    def __init__(self, problem: str) -> None:
        self.problem = problem
        self.lives = not problem
        self.socket = f"{os.environ.get('XDG_RUNTIME_DIR', f'/run/user/{os.getuid()}')}/pybus/bus"

    @classmethod
    def find(cls) -> UserManager:
        """The manager of this user's session."""
        if shutil.which("systemctl") is None:
            return cls("this machine has no systemd (no systemctl in $PATH)")
        done = _systemctl("show-environment")
        reason = (done.stderr.strip().splitlines() or ["it does not answer"])[0]
        return cls("" if done.returncode == 0 else f"no systemd serves this user here ({reason})")

    def reload(self) -> None:
        """Let it read all units anew."""
        _order("daemon-reload")

    def enable(self, unit: str, *, now: bool) -> None:
        """Start the unit with each session, and now as well if asked."""
        _order("enable", *(["--now"] if now else []), unit)

    def disable(self, units: Sequence[str]) -> None:
        """Stop the units and start them no more. Without a manager only the links that enable them are removed."""
        if self.lives:
            _order("disable", "--now", *units)
        elif shutil.which("systemctl") is not None:
            _order("disable", *units, environ={"SYSTEMCTL_INSTALL_CLIENT_SIDE": "1"})

    def forget(self, units: Sequence[str]) -> None:
        """Read all units anew after these have gone, with what is remembered of their failures."""
        self.reload()
        _systemctl("reset-failed", *units)  # refused for those that never failed

    def reload_dbus(self) -> None:
        """Let the session's D-Bus read its activation files anew; it does not watch folders that it has not seen yet.

        Not every session has a D-Bus; the next one reads them anyway.
        """
        if shutil.which("busctl") is not None:
            bus = "org.freedesktop.DBus"
            _run(["busctl", "--user", "call", bus, "/org/freedesktop/DBus", bus, "ReloadConfig"])

    def is_enabled(self, unit: str) -> bool:
        return _systemctl("is-enabled", unit).returncode == 0

    def is_active(self, unit: str) -> bool:
        return _systemctl("is-active", unit).returncode == 0

    def main_pid(self, unit: str) -> int:
        """The pid of the unit's main process, 0 if there is none."""
        pid = self._property(unit, "MainPID")
        return int(pid) if pid.isdigit() else 0

    def file_of(self, unit: str) -> str:
        """The path of the unit's file, as the manager finds it; empty if it finds none."""
        return self._property(unit, "FragmentPath")

    def looks_into(self, folder: str) -> bool:
        """Whether the manager looks for units in this folder, be it there or not."""
        shown = _systemctl("show", "--property=UnitPath", "--value").stdout
        folders = [word.removeprefix("$") for word in shlex.split(shown)]  # a path with a blank is shown as $'/a b'
        return os.path.realpath(folder) in map(os.path.realpath, folders)

    def _property(self, unit: str, name: str) -> str:
        return _systemctl("show", f"--property={name}", "--value", unit).stdout.strip()


def _order(*words: str, environ: dict[str, str] | None = None) -> None:
    done = _systemctl(*words, environ=environ)
    if done.returncode:
        reason = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise SystemdError(f"systemctl --user {' '.join(words)}: {reason}")


def _systemctl(*words: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return _run(["systemctl", "--user", *words], environ)


def _run(command: list[str], environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {_PATIENCE:g} s")
