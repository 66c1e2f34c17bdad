"""What a service writes: kept in part, and passed on to the daemon's log.

A service that writes without end costs the bus little: it is read some of the time, logged some lines
a second, and the rest is counted and told.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import Final

from pybus.server.log import NOTICE, Log
from pybus.server.loop import READ, Loop, Timer

KEPT_LINES: Final = 200
_LONGEST_LINE: Final = 1000
_READ_SIZE: Final = 64 * 1024
_LOGGED_A_SECOND: Final = 100
_BYTES_A_SECOND: Final = 2 * 1024 * 1024
_DRAINING_READS: Final = 16
"""Enough for the largest pipe that a program may ask for (pipe-max-size, pipe(7))."""

History = deque[tuple[int, str]]
"""A service's last lines, each with the process it came from."""


def new_history() -> History:
    return deque(maxlen=KEPT_LINES)


class Output:
    """The reading end of the pipe that one process and its children write to."""

    def __init__(self, loop: Loop, log: Log, history: History, name: str, pid: int, fd: int) -> None:
        """Takes over a non-blocking descriptor."""
        self._loop = loop
        self._log = log
        self._history = history
        self._name = name
        self._pid = pid
        self._fd = fd
        self._begun = b""
        self._until = 0.0
        self._lines = 0
        self._bytes = 0
        self._unlogged = 0
        self._timer: Timer | None = None
        self._watched = True
        loop.watch(fd, READ, self._ready)

    def belongs_to(self, pid: int) -> None:
        """All of it, from the first line on, is another process's now: the service forked away."""
        moved = [(pid if writer == self._pid else writer, line) for writer, line in self._history]
        self._history.clear()
        self._history.extend(moved)
        self._pid = pid

    def drain(self) -> None:
        """Take what is in the pipe now, without waiting for more."""
        for _ in range(_DRAINING_READS):
            if not self._read():
                return

    def close(self) -> None:
        """Take what is there, with a last line that was not finished, and let the pipe go."""
        self.drain()
        self._close()

    def _ready(self, _events: int) -> None:
        self._read()

    def _read(self) -> bool:
        """Whether there was something."""
        if self._fd < 0:
            return False
        try:
            data = os.read(self._fd, _READ_SIZE)
        except BlockingIOError:
            return False
        if not data:
            self._close()
            return False
        self._count(len(data))
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = self._begun + lines[0]
            self._take(lines)
            self._begun = rest[: _LONGEST_LINE + 1]
        else:
            self._begun += rest[: _LONGEST_LINE + 1 - len(self._begun)]
        return True

    def _take(self, lines: list[bytes]) -> None:
        logged = lines[: max(0, _LOGGED_A_SECOND - self._lines)]
        for line in logged:
            self._log.info(f"{self._name}[{self._pid}]: {_text(line)}")
        self._lines += len(lines)
        self._unlogged += len(lines) - len(logged)
        self._history.extend((self._pid, _text(line)) for line in lines[-KEPT_LINES:])
        if self._unlogged:
            self._wake_later()

    def _count(self, size: int) -> None:
        """Begin a new second if it is time; stop reading until the next one if this one's share is used up."""
        now = time.monotonic()
        if now >= self._until:
            self._tell()
            self._until = now + 1.0
            self._lines = self._bytes = 0
        self._bytes += size
        if self._bytes > _BYTES_A_SECOND and self._watched:
            self._watched = False
            self._loop.forget(self._fd)
            self._wake_later()

    def _wake_later(self) -> None:
        if self._timer is None:
            self._timer = self._loop.at(self._until, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        self._tell()
        if not self._watched:
            self._watched = True
            self._loop.watch(self._fd, READ, self._ready)

    def _tell(self) -> None:
        if self._unlogged:
            text = f"{self._name}[{self._pid}]: {self._unlogged} more lines in this second are not logged"
            self._log.write(NOTICE, text)
            self._unlogged = 0

    def _close(self) -> None:
        if self._fd < 0:
            return
        if self._begun:
            self._take([self._begun])
        self._tell()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watched:
            self._loop.forget(self._fd)
        os.close(self._fd)
        self._fd = -1


def _text(line: bytes) -> str:
    if len(line) > _LONGEST_LINE:
        line = line[: _LONGEST_LINE - 3] + b"..."
    return line.decode(errors="replace").rstrip()
