"""The buses that are compared: each started privately, and ended by its own process number.

Every bus gets a folder of its own (mode 0700) in the run's temporary folder. It is ready when it says
so on a pipe; nothing waits by sleeping. What it says further goes to a log in that folder.
"""

import importlib.metadata
import os
import re
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from threading import Thread
from time import monotonic
from types import MappingProxyType

_PYBUS = "import sys; from pybus.cli.main import main; sys.exit(main())"
_FORM = "import pybus; print('compiled' if getattr(pybus, 'is_compiled', bool)() else 'plain')"
_JOURNAL = "/run/systemd/journal/socket"

WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
"""Before a command: it ends when the harness does, even if that is killed."""


class NotAvailable(Exception):
    """This bus can't be had here; the text says why."""


class Bus:
    """A running bus. name: for people. protocol: of its clients. measures: what is measured on it, by name.

    folder: with all that it keeps. path: of its socket. pid: of the process that routes. started_in: seconds until
    it said that it was ready. environment: what its clients need in theirs.
    """

    name = ""
    protocol = "dbus"
    measures = frozenset({"signals", "calls", "python", "storm", "export"})
    environment: Mapping[str, str] = MappingProxyType({})

    def __init__(self, folder: Path) -> None:
        """Start it. folder: exists, is empty and ours. Raises `NotAvailable`."""
        self.folder = folder
        self.path = str(folder / "bus")
        self._stack = ExitStack()
        self._log = self._stack.enter_context(open(folder / "log", "wb"))  # noqa: SIM115
        started = monotonic()
        try:
            self.process = self._start(folder)
        except BaseException:
            self._stack.close()
            raise
        self.started_in = monotonic() - started

    @classmethod
    def version(cls) -> str | None:
        """Of what is installed; None if nothing is."""
        return told_version(cls.name, "--version")

    @property
    def address(self) -> str:
        """As clients take it."""
        return f"unix:path={self.path}"

    @property
    def endpoint(self) -> str:
        """As raw clients take it: the path of a Unix socket, or host:port."""
        return self.path

    @property
    def pid(self) -> int:
        return self.process.pid

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.poll()

    def stop(self) -> None:
        """End it, and wait for its end."""
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._stack.close()

    def _start(self, folder: Path) -> "subprocess.Popen[bytes]":
        raise NotImplementedError

    def _launch(self, command: list[str], ready: bytes = b"\n", **environment: str) -> "subprocess.Popen[bytes]":
        """Start a process and wait until it has said `ready`; all output goes to the log."""
        reading, writing = os.pipe()
        output = self._stack.enter_context(os.fdopen(reading, "rb", buffering=0))
        process = subprocess.Popen(
            [*WITH_US, *command],
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            env={**os.environ, **self.environment, **environment},
            process_group=0,  # Ctrl-C is the harness's, which ends its buses in their order
        )
        os.close(writing)
        try:
            self._hear(output, ready)
        except EOFError as said:
            raise NotAvailable(f"{command[0]} ended at once with {process.wait()}: {said}") from None
        except BaseException:
            process.kill()
            process.wait()
            raise
        copying = Thread(target=shutil.copyfileobj, args=(output, self._log), daemon=True)
        copying.start()
        self._stack.callback(copying.join)
        return process

    def _hear(self, output: FileIO, ready: bytes) -> None:
        """Wait until a process has said this. Raises `EOFError` with its last line if it ends before."""
        said = b""
        while ready not in said:
            data = output.read(4096)
            self._log.write(data)
            if not data:
                raise EOFError((said.decode(errors="replace").splitlines() or ["it said nothing"])[-1])
            said += data


class Pybus(Bus):
    """`pybus daemon` and its clients in plain Python. python: whose pybus is run."""

    name = protocol = "pybus"
    measures = frozenset({"signals", "matching", "calls", "python", "storm", "export", "queues", "own"})
    environment = MappingProxyType({"PYBUS_PURE": "1"})
    form = "plain"

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        """Raises `NotAvailable` as well if this isn't how that Python's pybus runs."""
        self._python = python
        asked = [python, "-c", _FORM]
        told = subprocess.run(asked, env={**os.environ, **self.environment}, stdout=subprocess.PIPE, text=True).stdout
        if told.strip() != self.form:
            raise NotAvailable(f"pybus runs {told.strip() or 'not at all'} here, not {self.form}")
        super().__init__(folder)

    @classmethod
    def version(cls) -> str | None:
        return importlib.metadata.version("pybus")

    @property
    def address(self) -> str:
        return f"unix:{self.path}"

    def _start(self, folder: Path) -> "subprocess.Popen[bytes]":
        state = str(folder / "state")
        return self._launch([self._python, "-c", _PYBUS, "daemon"], PYBUS_ADDRESS=self.address, XDG_STATE_HOME=state)

    def kill_and_restart(self) -> None:
        """End it as a crash would, and start it again; returns when it is ready."""
        self.process.kill()
        self.process.wait()
        self.process = self._start(self.folder)


class PybusCompiled(Pybus):
    """The same with the hot path compiled, in the daemon and in its clients."""

    name = "pybus-compiled"
    environment = MappingProxyType({"PYBUS_PURE": ""})
    form = "compiled"


class DBusDaemon(Bus):
    """The reference implementation of D-Bus."""

    name = "dbus-daemon"

    def _start(self, folder: Path) -> "subprocess.Popen[bytes]":
        need("dbus-daemon")
        return self._launch(
            ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={self.address}", "--print-address"]
        )


class DBusBroker(Bus):
    """The fast implementation of D-Bus, in C. Its launcher is not counted, neither in time nor in memory.

    It is socket-activated, and wants the journal's socket. Where there is no journal it gets a mount
    namespace in which our folder is at /run, and a socket that nobody reads in place of the journal.
    """

    name = "dbus-broker"

    def _start(self, folder: Path) -> "subprocess.Popen[bytes]":
        need("dbus-broker", "dbus-broker-launch", "systemd-socket-activate")
        launch = shutil.which("dbus-broker-launch")
        activate = f"exec systemd-socket-activate -l {self.path} -E XDG_RUNTIME_DIR={folder} {launch} --scope user"
        if os.path.exists(_JOURNAL):
            return self._launch(["sh", "-c", activate])
        need("unshare")
        if os.geteuid():
            raise NotAvailable(f"there is no {_JOURNAL}, and only root can stand in for it")
        stand_in = folder / "run" / Path(_JOURNAL).relative_to("/run")
        stand_in.parent.mkdir(parents=True)
        journal = self._stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        journal.bind(str(stand_in))
        mount = f"mount --bind {folder}/run /run && {activate}"
        return self._launch(["unshare", "--mount", "sh", "-c", mount])

    @property
    def pid(self) -> int:
        """Of the launcher's only child; it exists once somebody has connected."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return int(children)

    def stop(self) -> None:
        """The broker ends when its launcher does."""
        try:
            broker = os.pidfd_open(self.pid)
        except (OSError, ValueError):
            super().stop()  # nobody ever connected
            return
        super().stop()
        ended, _, _ = select.select([broker], [], [], 10)
        if not ended:
            raise RuntimeError("dbus-broker outlived its launcher")
        os.close(broker)


def need(*programs: str) -> None:
    """Raises `NotAvailable` if one is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            raise NotAvailable(f"{program} is not installed")


def free_port() -> int:
    """A TCP port of loopback that nobody has."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def told_version(program: str, option: str) -> str | None:
    """The first number that a program says when it is asked for its version; None if it is not installed."""
    try:
        answer = subprocess.run([program, option], capture_output=True, text=True).stdout
    except FileNotFoundError:
        return None
    found = re.search(r"\d+(\.\d+)*", answer)
    return found[0] if found else None
