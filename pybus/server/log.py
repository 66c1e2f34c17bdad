"""The daemon's log: lines on stderr, for a journal or for a person at a terminal.

Under systemd each line begins with its priority (`<6>`, sd-daemon(3)); elsewhere with the time of
day. Lines about the same thing are gathered: the first is written at once, those that follow within
ten seconds are counted, and one line tells their number. So a misbehaving peer can't flood the log.
"""

import os
import select
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Final, TextIO

from pybus.server.loop import Loop

ERROR: Final = 3
WARNING: Final = 4
NOTICE: Final = 5
INFO: Final = 6
DEBUG: Final = 7

LEVELS: Final = {"error": ERROR, "warning": WARNING, "notice": NOTICE, "info": INFO, "debug": DEBUG}

_GATHER_SECONDS: Final = 10.0
_LONGEST_LINE: Final = 3900
_MARKS = {ERROR: "error: ", WARNING: "warning: ", NOTICE: "", INFO: "", DEBUG: ""}


class Log:
    """Writes the daemon's log lines. level: the least important priority that is written."""

    def __init__(self, loop: Loop, stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> None:
        self.level = INFO
        self._loop = loop
        self._stream = stream if stream is not None else sys.stderr
        self._journal = _is_journal(self._stream, environ)
        self._gathered: dict[str, int] = {}
        self._lost = 0
        self._room = _poll_for_room(self._stream)

    def write(self, priority: int, text: str) -> None:
        """Write one line. What can't be printed is escaped, as a program chooses its own name.

        A reader that takes nothing must not hold up the bus: while there is no room, lines are counted.
        """
        if priority > self.level:
            return
        if not self._has_room():
            self._lost += 1
            return
        if self._lost:
            text = f"{text} ({self._lost} log lines before this one were lost: nobody read them)"
            self._lost = 0
        if not text.isprintable():
            text = repr(text)[1:-1]
        text = text[:_LONGEST_LINE]
        start = f"<{priority}>" if self._journal else f"{time.strftime('%H:%M:%S')} {_MARKS[priority]}"
        try:
            print(start + text, file=self._stream, flush=True)
        except (OSError, ValueError):
            pass  # the log's reader has gone; the bus goes on without it

    def _has_room(self) -> bool:
        """Whether a line can be written at once; a pipe says so while it takes 4096 bytes (PIPE_BUF, pipe(7))."""
        if self._room is None:
            return True
        return any(events & select.POLLOUT or events & select.POLLERR for _, events in self._room.poll(0))

    def info(self, text: str) -> None:
        """Something that happens every day."""
        self.write(INFO, text)

    def debug(self, text: str) -> None:
        """Something that interests nobody on most days."""
        self.write(DEBUG, text)

    def warning(self, about: str, text: str) -> None:
        """Something that a person may want to look at; `about` says what counts as the same thing."""
        self.gather(WARNING, about, text)

    def gather(self, priority: int, about: str, text: str) -> None:
        """Something that may happen very often; `about` says what counts as the same thing."""
        if about in self._gathered:
            self._gathered[about] += 1
            return
        self._gathered[about] = 0
        self._loop.after(_GATHER_SECONDS, lambda: self._release(priority, about))
        self.write(priority, text)

    def bug(self, text: str, error: BaseException) -> None:
        """A failure of the daemon itself, with its traceback."""
        lines = traceback.format_exception(error)
        for line in f"{text}\n{''.join(lines)}".splitlines():
            self.write(ERROR, line)

    def close(self) -> None:
        """Write the counts that are still gathered."""
        for about in list(self._gathered):
            self._release(WARNING, about)

    def _release(self, priority: int, about: str) -> None:
        more = self._gathered.pop(about, 0)
        if more:
            self.write(priority, f"{about}: {more} more in the last {_GATHER_SECONDS:.0f} s")


def _poll_for_room(stream: TextIO) -> "select.poll | None":
    try:
        fd = stream.fileno()
    except (OSError, ValueError):
        return None
    room = select.poll()
    room.register(fd, select.POLLOUT)
    return room


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether the stream is the one that systemd connected to its journal (systemd.exec(5), $JOURNAL_STREAM)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
