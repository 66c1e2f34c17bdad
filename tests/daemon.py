"""A real daemon in a process of its own, for tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from types import TracebackType

from tests.forking import PATIENCE as PATIENCE
from tests.forking import Forked

SHIPPED = ["org.pybus.DBus", "org.pybus.Hal", "org.pybus.Presence", "org.pybus.Screensaver"]
"""The services that come with the bus."""

_HOMES = ("CONFIG_HOME", "DATA_HOME", "DATA_DIRS", "STATE_HOME")

_WITH_LIMITS = """\
import json, sys
from pybus.limits import Limits
from pybus.server.daemon import run_daemon
run_daemon(sys.argv[1], limits=Limits()._replace(**json.loads(sys.argv[2])))
"""


class BusDaemon:
    """A bus in a temporary folder.

    address: for `pybus.connect`. environ: for other processes, with PYBUS_ADDRESS set. log: its
    lines on stderr until now. configuration, services: its configuration file, its folder of service files.
    """

    def __init__(
        self, limits: Mapping[str, float] | None = None, descriptors: int | None = None, *, forked: bool = True
    ) -> None:
        """limits: those that differ from the usual. descriptors: the hard limit of open files.

        forked: start it in little time (see `tests.forking`), unless it has such a hard limit.
        """
        self.folder = tempfile.mkdtemp(prefix="pb-")
        self.path = f"{self.folder}/bus"
        self.address = f"unix:{self.path}"
        self.environ = {**os.environ, "PYBUS_ADDRESS": self.address, **self._homes()}
        self.environ.pop("JOURNAL_STREAM", None)
        self.log: list[str] = []
        self._limits = limits
        self._descriptors = descriptors
        self._forked = forked and descriptors is None
        self._heard = threading.Condition()
        self._reader: threading.Thread | None = None
        self.process = self._start()

    def _homes(self) -> dict[str, str]:
        """Folders of its own for configuration and service files, and no shipped service unless a test wants it."""
        homes = {f"XDG_{name}": f"{self.folder}/{name.lower()}" for name in _HOMES}
        self.configuration = f"{homes['XDG_CONFIG_HOME']}/pybus/pybus.toml"
        self.services = f"{homes['XDG_DATA_HOME']}/pybus/services"
        os.makedirs(os.path.dirname(self.configuration))
        os.makedirs(self.services)
        self.configure(f'[log]\nlevel = "debug"\n[services]\ndisabled = {json.dumps(SHIPPED)}\n')
        return homes

    def configure(self, text: str) -> None:
        """Write the configuration, for the next start or reload."""
        with open(self.configuration, "w") as file:
            file.write(text)

    def offer(self, name: str, text: str) -> None:
        """Write a service file. text: its TOML beside the name."""
        with open(f"{self.services}/{name}.toml", "w") as file:
            file.write(f'name = "{name}"\n{text}')

    def reload(self) -> None:
        """Let it read its configuration and service files again."""
        self.log.clear()
        self.process.send_signal(signal.SIGHUP)
        self.wait_for_log("reloaded")

    def _start(self) -> subprocess.Popen[str] | Forked:
        command = [sys.executable, "-m", "pybus", "daemon"]
        if self._limits is not None:
            command = [sys.executable, "-c", _WITH_LIMITS, self.path, json.dumps(self._limits)]
        if self._descriptors is not None:
            command = ["prlimit", f"--nofile={self._descriptors}", *command]
        process: subprocess.Popen[str] | Forked
        if self._forked:
            process = Forked(command, self.environ, stdout=1)
        else:
            process = subprocess.Popen(command, env=self.environ, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._listen, args=(process,))
        self._reader.start()
        self.wait_for_log(f"(pid {process.pid}")
        return process

    def _listen(self, process: subprocess.Popen[str] | Forked) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                with self._heard:
                    self.log.append(line.rstrip("\n"))
                    self._heard.notify_all()

    def wait_for_log(self, part: str) -> str:
        """The first line of the log that has this part, waiting for it."""
        with self._heard:
            found = self._heard.wait_for(lambda: any(part in line for line in self.log), PATIENCE)
            assert found, f"the daemon never logged {part!r}, but: {self.log}"
            return next(line for line in self.log if part in line)

    def kill(self) -> None:
        """Kill it with -9, as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self._ended()

    def stop(self) -> int:
        """Ask it to stop; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def restart(self) -> None:
        """Start it again at the same address."""
        self.log.clear()
        self.process = self._start()

    def _ended(self) -> int:
        code = self.process.wait(PATIENCE)
        assert self._reader is not None
        self._reader.join(PATIENCE)
        return code

    def memory(self) -> int:
        """Its resident memory, KiB."""
        return self._status("VmRSS")

    def wake_ups(self) -> int:
        """How often it has gone to sleep of its own until now, which is how often it woke."""
        return self._status("voluntary_ctxt_switches")

    def _status(self, field: str) -> int:
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(field + ":"))

    def __enter__(self) -> BusDaemon:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder)
