"""How a process ended, also one that is not our child.

Whoever connects may be anybody's child, so `waitpid` tells nothing. A pidfd does: it becomes readable
when the process has ended, and since Linux 6.15 it keeps the exit status (PIDFD_GET_INFO). On an older
kernel /proc has the status for as long as the process's parent has not fetched it; after that
nobody knows, and nothing is claimed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import socket
import struct
from collections.abc import Callable
from typing import Final

from pybus.broker.life import Ending
from pybus.server.credentials import socket_owner
from pybus.server.loop import READ, Loop, Timer

_SO_PEERPIDFD: Final = 77
_PIDFD_GET_INFO: Final = 0xC040FF0B  # _IOWR(0xFF, 11, 64 bytes), linux/pidfd.h
_PIDFD_INFO_EXIT: Final = 1 << 3
_INFO = struct.Struct("=Q52xi")
"""`struct pidfd_info` in its first size: the mask, what is not needed here, the wait status."""

_PATIENCE: Final = 1.0
"""Seconds. A process that dies closes its sockets first; writing a core file takes longest."""


def ending_of(wait_status: int) -> Ending:
    """From what wait(2) or PIDFD_GET_INFO has."""
    code = os.waitstatus_to_exitcode(wait_status)
    return Ending(code, None) if code >= 0 else Ending(None, _signal_name(-code))


class Endings:
    """Waits for the processes behind lost connections, on the daemon's loop."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._waiting: dict[int, Timer] = {}

    def tell(self, pidfd: int, callback: Callable[[Ending | None, bool], None]) -> None:
        """Call `callback(ending, alive)` once the process has ended, at the latest after a second.

        ending: None if it can't be known, or if the process is alive: it just closed the
        connection. Never calls back at once. Takes over the pidfd.
        """

        def done(alive: bool) -> None:
            ending = how_it_ended(pidfd)
            self._release(pidfd)
            callback(ending, alive and ending is None)

        self._waiting[pidfd] = self._loop.after(_PATIENCE, lambda: done(True))
        self._loop.watch(pidfd, READ, lambda _events: done(False))

    def close(self) -> None:
        """Stop waiting. Nobody is called any more."""
        for pidfd in list(self._waiting):
            self._release(pidfd)

    def _release(self, pidfd: int) -> None:
        self._waiting.pop(pidfd).cancel()
        self._loop.forget(pidfd)
        os.close(pidfd)


def peer_pidfd(sock: socket.socket) -> int | None:
    """A pidfd of the process that connected, None if there is none.

    It can be had for certain while that process lives or has not been waited for by its parent,
    and since Linux 6.16 ever after.
    """
    try:
        return sock.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            return None
    try:  # before Linux 6.5; by its number, which may be another's if it ended long ago
        return os.pidfd_open(socket_owner(sock)[0])
    except OSError:
        return None


def how_it_ended(pidfd: int) -> Ending | None:
    """How a process ended. None: it has not, or there is no knowing."""
    return told_by_pidfd(pidfd) or told_by_proc(pidfd)


def told_by_pidfd(pidfd: int) -> Ending | None:
    """What the kernel has kept. None before Linux 6.15, and until the parent has fetched the status itself."""
    info = bytearray(_INFO.pack(_PIDFD_INFO_EXIT, 0))
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, info)
    except OSError:
        return None
    mask, wait_status = _INFO.unpack(info)
    return ending_of(wait_status) if mask & _PIDFD_INFO_EXIT else None


def told_by_proc(pidfd: int) -> Ending | None:
    """What /proc says of a process that has ended but is still in its parent's books. None of any other."""
    try:
        pid = _pid(pidfd)
        if pid <= 0 or not has_ended(pidfd):
            return None
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        readable = os.geteuid() in (0, os.stat(f"/proc/{pid}").st_uid)
    except OSError:
        return None
    # To whoever may not know, the kernel says 0. And the number may be another process's by now.
    if not readable or _pid(pidfd) != pid:
        return None
    return ending_of(int(fields[49]))  # exit_code, the 52nd field; these begin with the third


def has_ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _pid(pidfd: int) -> int:
    """The process's number; -1 if it has none any more."""
    with open(f"/proc/self/fdinfo/{pidfd}", "rb") as file:
        return next((int(line[4:]) for line in file if line.startswith(b"Pid:")), -1)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
