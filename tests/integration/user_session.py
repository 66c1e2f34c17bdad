"""A real `systemd --user` for tests, in namespaces of its own; see `with-user-systemd` beside this file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest

from tests.daemon import PATIENCE

BIN = Path(sys.executable).parent
"""Where the installed commands are."""

_SCRIPT = Path(__file__).with_name("with-user-systemd")
_PROGRAMS = ("systemd-analyze", "systemctl", "journalctl", "unshare", "nsenter", "runuser", "findmnt", "flock")
_SYSTEMD = Path("/usr/lib/systemd/systemd")

NEEDS = [
    pytest.mark.skipif(os.getuid() != 0, reason="needs root, for namespaces and a cgroup of its own"),
    pytest.mark.skipif(
        not _SYSTEMD.exists() or not all(map(shutil.which, _PROGRAMS)), reason="needs systemd and util-linux"
    ),
    pytest.mark.skipif(
        not any(line.split()[2] == "cgroup2" for line in Path("/proc/mounts").read_text().splitlines()),
        reason="needs a cgroup2 mount",
    ),
]

_ALICE = """\
import pybus
with pybus.connect() as bus:
    signals = bus.subscribe("a.#")
    print("ready", flush=True)
    for message in signals:
        print(message.body, flush=True)
"""

Entry = dict[str, str]


class Session:
    """A user's systemd in namespaces of its own. Everything in it ends with it.

    runtime: the user's runtime folder, as it is seen from inside. home: the user's home folder, as it is
    seen from outside. journal: the entries until now.
    """

    UNITS = ("pybus.service", "pybus.socket", "pybus-dbus.service")

    def __init__(self, user: str, *, mapped: bool = False) -> None:
        """mapped: the user is one that this machine need not know: root under another name and number."""
        self._script = subprocess.Popen(
            [str(_SCRIPT), *(["--mapped"] if mapped else []), user, "sh", "-c", "echo $INSIDE_PID; id -u; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._script.stdout is not None
        self._pid = self._script.stdout.readline().strip()
        uid = self._script.stdout.readline().strip()
        assert self._pid, "the user's systemd did not start"
        self.runtime = f"/run/user/{uid}"
        self.home = self.outside("/run/home")
        self._enter = ["nsenter", f"--target={self._pid}", "--mount", "--pid", "--cgroup"]
        become = [f"--setuid={uid}", f"--setgid={uid}"]
        if mapped:
            become = ["nsenter", "--user=/run/user-namespace", "--preserve-credentials"]
        self._as_user = [
            *self._enter,
            *become,
            *("env", "-i", "HOME=/run/home", "LANG=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin"),
            *(f"XDG_RUNTIME_DIR={self.runtime}", f"DBUS_SESSION_BUS_ADDRESS=unix:path={self.runtime}/bus"),
        ]
        self.journal: list[Entry] = []
        self._heard = threading.Condition()
        self._follower = subprocess.Popen(
            [*self._enter, "journalctl", "--follow", "--lines=all", "--output=json"], stdout=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._follow)
        self._reader.start()

    def close(self) -> None:
        """End it all."""
        self._script.communicate(timeout=PATIENCE)
        self._reader.join(PATIENCE)
        self._follower.communicate(timeout=PATIENCE)

    def _follow(self) -> None:
        assert self._follower.stdout is not None
        for line in self._follower.stdout:
            with self._heard:
                self.journal.append(json.loads(line))
                self._heard.notify_all()

    # --- programs ---------------------------------------------------------------------------------

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a program in the session."""
        return subprocess.Popen([*self._as_user, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *words: str, seconds: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """Run a program in the session to its end."""
        return subprocess.run([*self._as_user, *words], capture_output=True, text=True, timeout=seconds)

    def as_root(self, *words: str) -> None:
        """Run a program in the session's namespaces with all of root's rights."""
        subprocess.run([*self._enter, *words], check=True, timeout=PATIENCE)

    def pybus(self, *words: str) -> tuple[int, str, str]:
        """Run an installed command of ours; its exit code, stdout and stderr."""
        done = self.run(str(BIN / words[0]), *words[1:])
        return done.returncode, done.stdout, done.stderr

    @contextmanager
    def alice(self) -> Iterator[Callable[[], str]]:
        """Someone who subscribes to a.# and comes back by herself; yields what gives her next line.

        The first line is "ready", when she has subscribed; then each is the body of a signal.
        """
        program = self.start(sys.executable, "-c", _ALICE)
        assert program.stdout is not None
        reader = program.stdout
        try:
            yield lambda: reader.readline().rstrip("\n")
        finally:
            self.end(program)

    def kill(self, program: subprocess.Popen[str]) -> None:
        """Kill a program that `start` started."""
        children = Path(f"/proc/{program.pid}/task/{program.pid}/children")
        if program.poll() is None:  # it is nsenter's, which waits for the program itself
            for pid in children.read_text().split():
                os.kill(int(pid), signal.SIGKILL)

    def end(self, program: subprocess.Popen[str]) -> str:
        """Kill a program that `start` started; what it wrote to stderr."""
        self.kill(program)
        return program.communicate(timeout=PATIENCE)[1]

    def outside(self, path: str) -> Path:
        """A path of the session as others find it."""
        return Path(f"/proc/{self._pid}/root{path}")

    # --- systemd ----------------------------------------------------------------------------------

    def systemctl(self, *words: str) -> str:
        """Have systemd do something, and see that it does."""
        done = self.run("systemctl", "--user", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")

    def show(self, *properties: str, unit: str = "pybus.service") -> list[str]:
        """A unit's properties."""
        shown = self.systemctl("show", unit, *(f"--property={name}" for name in properties))
        values = dict(line.split("=", 1) for line in shown.splitlines())
        return [values[name] for name in properties]

    def pid(self) -> str:
        """The pid of the daemon that systemd has started."""
        return self.show("MainPID")[0]

    def states(self) -> list[str]:
        """What the socket and the service are doing."""
        return [*self.show("SubState", unit="pybus.socket"), *self.show("SubState")]

    def connects(self) -> bool:
        """Whether a program that connects is not refused, if only to wait."""
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect_ex(str(self.outside(self.runtime) / "pybus/bus")) == 0

    def left_behind(self) -> list[str]:
        """What is in the folder of the bus's socket."""
        return sorted(path.name for path in (self.outside(self.runtime) / "pybus").iterdir())

    def wait_until_free(self) -> None:
        """Wait until no bus has the lock any more."""
        done = self.run("flock", f"{self.runtime}/pybus/bus.lock", "true")
        assert done.returncode == 0, done.stderr

    def unit(self, name: str) -> Path:
        """Where a unit's file or its drop-ins are, seen from outside."""
        return self.home / ".config/systemd/user" / name

    def install(self) -> None:
        """Install the units that ship, with the commands that run these tests in the place of those in /usr/bin."""
        for name in self.UNITS:
            text = files("pybus_systemd").joinpath(name).read_text().replace("/usr/bin/pybus", str(BIN / "pybus"))
            self.unit(name).parent.mkdir(parents=True, exist_ok=True)
            self.unit(name).write_text(text.replace("/usr/bin/python3", sys.executable))

    def change(self, *lines: str) -> None:
        """Override lines of the service, as `systemctl --user edit` does; none: no more."""
        folder = self.unit("pybus.service.d")
        shutil.rmtree(folder, ignore_errors=True)
        if lines:
            folder.mkdir()
            (folder / "change.conf").write_text("\n".join(["[Service]", *lines]))
        self.systemctl("daemon-reload")

    def wait_for(self, text: str, times: int = 1, **fields: str) -> list[Entry]:
        """The first entries of the journal that have the text and the fields, waiting for them."""

        def found() -> list[Entry]:
            return [
                entry
                for entry in self.journal
                if text in entry.get("MESSAGE", "") and all(entry.get(name) == value for name, value in fields.items())
            ]

        with self._heard:
            assert self._heard.wait_for(lambda: len(found()) >= times, PATIENCE), (
                f"no {text!r} {times} times in the journal: {[entry.get('MESSAGE') for entry in self.journal]}"
            )
            return found()[:times]

    def forget_journal(self) -> None:
        """Leave out what has been written until now."""
        mark = "what was before does not matter"
        subprocess.run([*self._enter, "systemd-cat", "echo", mark], check=True)
        self.wait_for(mark)
        with self._heard:
            self.journal.clear()
