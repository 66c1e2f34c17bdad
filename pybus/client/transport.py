"""What both faces need to reach the bus: a socket, what to say when there is none, and growing pauses.

`_socket` is used in place of `socket`, whose enumerations would cost a small command a third of its
start; the two have the same sockets.
"""

from __future__ import annotations

import os
from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM, socket
from _thread import get_ident

from pybus.errors import NoBus, UsageError

READ_SIZE = 64 * 1024
BULK_SIZE = 256 * 1024
"""Bytes of a read after one that was full. Past 128 KiB each costs three system calls more, as the C library has the
kernel make such a buffer: nothing beside a thousand signals, much beside one."""
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
GRACE = 5.0
"""Seconds that a client waits beyond a call's deadline, which the bus keeps, before it gives the bus up."""


def open_socket(path: str) -> socket:
    """A blocking socket that is connected to the bus. Raises `NoBus` saying what to do."""
    sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
    try:
        sock.connect(path)
    except OSError as error:
        sock.close()
        raise no_bus(path, error) from None
    return sock


def no_bus(path: str, error: OSError) -> NoBus:
    """What is raised when nobody listens at `path`: says what to do."""
    return NoBus(f"no bus at unix:{path} ({error.strerror}); {_how_to_start(path)}")


def _how_to_start(path: str) -> str:
    """The way to a bus for a person. systemd listens only at the usual place, if it has our unit (systemd.unit(5))."""
    if path != f"{os.environ.get('XDG_RUNTIME_DIR') or f'/run/user/{os.getuid()}'}/pybus/bus":
        return "start one with: pybus daemon"
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    folders = (f"{config}/systemd/user", "/etc/systemd/user", "/usr/lib/systemd/user")
    if any(os.path.exists(f"{folder}/pybus.socket") for folder in folders):
        return "start it with: systemctl --user start pybus"
    return "start one with: pybus daemon (or pybus setup, once)"


_forks = 0
"""How often this process and those that it comes from were forked: cheaper to ask than the kernel for a number."""


def _forked() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_forked)


class Owner:
    """Who may use a connection: the thread and the process that made it, until it is closed."""

    __slots__ = ("_forks", "_thread", "closed")

    def __init__(self) -> None:
        self._forks = _forks
        self._thread = get_ident()
        self.closed = False

    def check(self) -> None:
        """Raises `UsageError` if the connection is used by anybody else, or too late."""
        if self.closed:
            raise UsageError("this connection to the bus is closed; connect again")
        if get_ident() != self._thread:
            raise UsageError("this connection belongs to another thread; connect once in each thread")
        if _forks != self._forks:
            raise UsageError("this connection belongs to the parent process; connect again after a fork")
