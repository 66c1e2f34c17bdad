"""Whether a daemon really runs, found out without touching its socket.

A socket may be systemd's, which would start the bus at the first connection. A running daemon holds
a lock on `PATH.lock` (see `pybus.server.listener`); the kernel's table of locks (/proc/locks, proc(5))
tells so without our taking it, which might turn away a daemon that starts at that moment.
"""

from __future__ import annotations

import os


def daemon_pid(path: str) -> int:
    """The pid of the daemon on the socket at this path; 0 if none runs there."""
    try:
        file = os.open(f"{path}.lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return 0
    try:
        recorded = os.read(file, 20).strip()
        inode = os.fstat(file).st_ino
    finally:
        os.close(file)
    return int(recorded) if recorded.isdigit() and _holds_lock(recorded.decode(), inode) else 0


def _holds_lock(pid: str, inode: int) -> bool:
    """Whether the process holds a lock (flock) on the file, as in `1: FLOCK  ADVISORY  WRITE 4711 00:1a:815 0 EOF`."""
    try:
        with open("/proc/locks") as table:
            rows = [line.split() for line in table]
    except OSError:
        return False
    # A waiter's row has an arrow after the number. The device is left out, as some file systems show another one there.
    return any(row[1] == "FLOCK" and row[4] == pid and row[5].endswith(f":{inode}") for row in rows if len(row) == 8)
