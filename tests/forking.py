"""Python programs in processes of their own, started in a tenth of the time: forked off one that has imported pybus.

The tests start some thousand commands and buses, each of which takes 50 to 80 ms to start Python and to import, and a
few for what it is started for. So each process of the tests has a server, `tests/fork_server.py`: a Python that has
imported pybus, whose forks are those programs. What tests a start or its cost, or needs what is decided before it
(-W, the locale, a terminal), starts its program as people do.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import IO

PATIENCE = 20.0
"""Seconds after which a test gives up waiting for something that should come at once."""

DECIDED = ("LANG", "LC_", "PYTHON", "PYBUS_PURE")
"""What the variables begin with that Python or pybus has looked at when the first line of a command runs."""

_ENVIRON = dict(os.environ)
_ROOM = "-" * 4000
"""An argument of the server, where its forked processes have their own."""


class Forked:
    """A running Python program, used as a `subprocess.Popen` with text is.

    stdout, stderr: to read what it writes. returncode: None until it has ended.
    """

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], stdin: str = "", stdout: int = subprocess.PIPE
    ) -> None:
        """command: of `sys.executable`, or installed. stdin: all that it reads there, as much as a pipe holds.
        stdout: another descriptor than that of a pipe.
        """
        decided = {key for one in (_ENVIRON, environ) for key in one if key.startswith(DECIDED)}
        different = [key for key in decided if _ENVIRON.get(key) != environ.get(key)]
        assert not different, f"{different} matter before the first line runs: start the program itself"
        self.args = command
        self.returncode: int | None = None
        self._asking = threading.Lock()
        given, giving = os.pipe()
        reading, out = os.pipe() if stdout == subprocess.PIPE else (None, os.dup(stdout))
        complaining, err = os.pipe()
        self.stdout: IO[str] | None = None if reading is None else os.fdopen(reading)
        self.stderr: IO[str] | None = os.fdopen(complaining)
        with os.fdopen(giving, "w") as file:
            file.write(stdin)
        python = [] if command[0] == sys.executable else [sys.executable]
        self._report, self._pidfd, self.pid = _server().start([*python, *command], environ, (given, out, err))
        weakref.finalize(self, os.close, self._pidfd)  # and not at the end, when another thread may want to send to it

    def poll(self) -> int | None:
        """The exit code, or -N if signal N ended it; None as long as it runs."""
        return self._ended(0)

    def wait(self, timeout: float = PATIENCE) -> int:
        """The same, once it has ended."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return code

    def _ended(self, timeout: float) -> int | None:
        """One thread may wait while others ask: the report comes once."""
        until = monotonic() + timeout
        if not self._asking.acquire(timeout=timeout):
            return self.returncode
        try:
            if self.returncode is None:
                self._report.settimeout(max(0, until - monotonic()))
                self.returncode = int(self._report.recv(16))
                self._report.close()
        except (BlockingIOError, TimeoutError):
            pass
        finally:
            self._asking.release()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            try:
                signal.pidfd_send_signal(self._pidfd, number)
            except ProcessLookupError:
                pass  # it has just ended

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = PATIENCE) -> tuple[str, str]:
        """Wait for the end; what it has written to stdout and to stderr, and was not read yet."""
        until = monotonic() + timeout
        written: dict[IO[str] | None, bytes] = {}
        with selectors.DefaultSelector() as ready:
            for stream in (self.stdout, self.stderr):
                if stream is not None and not stream.closed:
                    ready.register(stream, selectors.EVENT_READ, stream)
                    written[stream] = b""
            while ready.get_map():
                found = ready.select(max(0, until - monotonic()))
                if not found:
                    raise subprocess.TimeoutExpired(self.args, timeout)
                for key, _ in found:
                    piece = os.read(key.fd, 65536)
                    written[key.data] += piece
                    if not piece:
                        ready.unregister(key.data)
                        key.data.close()
        self.wait(max(0, until - monotonic()))
        return written.get(self.stdout, b"").decode(), written.get(self.stderr, b"").decode()


class _Server:
    """The process that forks."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        script = str(Path(__file__).with_name("fork_server.py"))
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, script, str(number), _ROOM]
            self._process = subprocess.Popen(command, pass_fds=[number], stdin=subprocess.DEVNULL, env=_ENVIRON)
        atexit.register(self._end)

    def _end(self) -> None:
        self._control.close()
        self._process.wait()

    def start(
        self, command: Sequence[str], environ: Mapping[str, str], streams: Sequence[int]
    ) -> tuple[socket.socket, int, int]:
        """Run the command with these standard streams, which are closed here. Returns where its end is told, a pidfd,
        and its pid.
        """
        report, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = json.dumps([[*command], dict(environ), os.getcwd()]).encode()
        with theirs:
            socket.send_fds(self._control, [request], [theirs.fileno(), *streams])
        for number in streams:
            os.close(number)
        report.settimeout(PATIENCE)
        pid, (pidfd,), _, _ = socket.recv_fds(report, 16, 1)
        return report, pidfd, int(pid)


_server = functools.cache(_Server)
