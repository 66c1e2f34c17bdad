"""What a process has open, for tests that nothing is left behind."""

import contextlib
import os


def descriptors(pid: int | None = None) -> set[tuple[int, str]]:
    """The open descriptors: each one's number, and what it is of. pid: another process than this one.

    Nothing left behind is no more than before (`<=`), for earlier scenes' may be closed at any time. What is opened
    later under an old number is a file, pipe or socket of its own, and told apart.
    """
    folder, found = f"/proc/{pid or 'self'}/fd", set()
    for number in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # that of the listing
            found.add((int(number), os.readlink(f"{folder}/{number}")))
    return found
