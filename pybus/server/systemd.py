"""What systemd tells a service at its start, and what the service tells it: sd_listen_fds(3), sd_notify(3)."""

import errno
import os
import socket
from collections.abc import MutableMapping

_FIRST_DESCRIPTOR = 3
_PATIENCE = 1.0


class Systemd:
    """The side of systemd. Where somebody else started the daemon, nothing is passed and nobody is told.

    It takes its variables out of the environment, as the daemon's children would take them for theirs.
    sockets: those that it listens on for us. watchdog: seconds within which it wants to hear `WATCHDOG=1`
    again and again, 0 if it does not.
    """

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        self._address = _address(environ.pop("NOTIFY_SOCKET", ""))
        count = _number(environ.pop("LISTEN_FDS", ""))
        ours = environ.pop("LISTEN_PID", "") == str(os.getpid())
        environ.pop("LISTEN_FDNAMES", None)
        self.sockets = _passed(count) if ours else []
        interval = _number(environ.pop("WATCHDOG_USEC", "")) / 1e6
        watched = environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog = interval if watched and self._address else 0.0

    def notify(self, *lines: str, patience: float = _PATIENCE) -> None:
        """Tell systemd, in lines such as `READY=1`.

        patience: seconds to wait if it has not read what came before. Nothing comes of it if it does
        not listen: the bus goes on without.
        """
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(patience)
            try:
                sock.sendto("\n".join(lines).encode(errors="replace"), self._address)
            except OSError:
                pass


def _address(text: str) -> str:
    """A socket's address: a path, or `@` and a name that is in no folder (unix(7), abstract)."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else ""


def _number(text: str) -> int:
    try:
        return max(0, int(text))
    except ValueError:
        return 0


def _passed(count: int) -> list[socket.socket]:
    """The sockets among the passed descriptors; they are not passed on to children."""
    found = []
    for fd in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + count):
        try:
            os.set_inheritable(fd, False)
            found.append(socket.socket(fileno=fd))
        except OSError as error:
            if error.errno == errno.EBADF:
                break  # fewer than was said
    return found
