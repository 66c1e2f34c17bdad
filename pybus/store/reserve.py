"""Room on the disk that is kept for what makes room.

To delete takes room as well: the write-ahead log grows by what a commit changes, and the file by what is written back
from the log. So a file of a few megabytes lies beside the store. It is given up when nothing can be written any more,
and taken again when there is room for that and as much again; meanwhile no messages are let in, as they would eat it
up.
"""

from __future__ import annotations

import os
from contextlib import suppress

BYTES = 8 * 1024 * 1024
"""At least twice what the log holds before it is written back: what the log itself and what the file may grow by."""


class Reserve:
    """The reserve of one store, a file beside it. held: whether it is there."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.held = os.path.exists(path) and os.path.getsize(path) == BYTES

    def take(self) -> bool:
        """Have it, if the disk has twice as much room; whether it is there."""
        if self.held:
            return True
        with suppress(OSError):
            if free_bytes(os.path.dirname(self._path)) >= 2 * BYTES:
                self._make()
                self.held = True
        return self.held

    def _make(self) -> None:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(file, 0, BYTES)
        except OSError:
            os.unlink(self._path)
            raise
        finally:
            os.close(file)

    def give_up(self) -> bool:
        """Leave its room to the store; whether there was any to leave."""
        held, self.held = self.held, False
        with suppress(OSError):
            os.unlink(self._path)
        return held


def free_bytes(folder: str) -> int:
    """The room on a disk for those who are not root. Raises OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
