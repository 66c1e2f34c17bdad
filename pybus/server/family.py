"""Which processes belong together, from /proc: children, and the marks that they carry."""

from __future__ import annotations

import os
from collections.abc import Iterable


def children_of(pid: int) -> list[int]:
    """The children of a process, oldest first. None on a kernel without CONFIG_PROC_CHILDREN, which is rare."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except OSError:
        pass  # it has just ended
    return found


def with_descendants(pids: Iterable[int]) -> list[int]:
    """These processes, and after them everything that descends from them."""
    family = list(pids)
    for pid in family:
        family += children_of(pid)
    return family


def variable_of(pid: int, name: str) -> str | None:
    """A variable of the environment that a process was started with; "" if it has none, or hides them.

    None: it has no environment at all, as it is ending, or just becoming another program.
    """
    start = name.encode() + b"="
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environ = file.read()
    except PermissionError:
        return ""
    except OSError:
        return None
    found = (entry[len(start) :].decode(errors="replace") for entry in environ.split(b"\0") if entry.startswith(start))
    return next(found, "") if environ else None


def session_of(pid: int) -> int | None:
    """The session that a process is in; None if it has gone."""
    try:
        return os.getsid(pid)
    except OSError:
        return None


def send(signal: int, pids: Iterable[int]) -> None:
    """Send a signal to each that is still there and may be sent one."""
    for pid in pids:
        try:
            os.kill(pid, signal)
        except OSError:
            pass  # it has ended, or runs as another user by now
