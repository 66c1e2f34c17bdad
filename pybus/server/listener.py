"""The bus's socket: its folder and file made or checked, a stale one taken over, a live one left alone."""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Sequence

from pybus.errors import AddressError, PybusError
from pybus.server.credentials import socket_owner

_BACKLOG = 4096


class AlreadyRunning(PybusError):
    """A live bus holds the socket. pid: of its daemon, 0 if it can't be told."""

    def __init__(self, path: str, pid: int) -> None:
        holder = f"pid {pid}" if pid else "another process"
        super().__init__(f"a bus already listens on {path} ({holder})")
        self.pid = pid


class Listener:
    """A bound, listening, non-blocking socket, and the lock that keeps a second daemon away.

    The lock (`PATH.lock`) closes the gap between finding a socket stale and replacing it, where two
    daemons that start together would otherwise throw each other out.

    A socket that systemd passed is taken over as it is, and its file left alone in the end: systemd
    goes on listening there, and starts the next daemon.
    """

    def __init__(self, path: str, passed: Sequence[socket.socket] = ()) -> None:
        """passed: a socket that listens already, in place of one made at `path`.

        Raises `AlreadyRunning`, or `AddressError` naming what is wrong with the folder, file or socket.
        """
        self.path = _path_of(passed) if passed else path
        _prepare_folder(os.path.dirname(self.path))
        self._lock = _open_lock(f"{self.path}.lock")
        try:
            self._take_lock()
            self.sock = passed[0] if passed else self._bind()
        except BaseException:
            os.close(self._lock)
            raise
        self.sock.setblocking(False)
        self._identity = None if passed else os.stat(self.path).st_ino

    def close(self) -> None:
        """Stop listening, and remove the socket file if it is still ours. Once more does nothing."""
        if self.sock.fileno() < 0:
            return
        try:
            if self._identity is not None and os.stat(self.path).st_ino == self._identity:
                os.unlink(self.path)
        except FileNotFoundError:
            pass
        self.sock.close()
        os.close(self._lock)

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            recorded = os.pread(self._lock, 20, 0).strip()
            pid = int(recorded) if recorded.isdigit() else 0
            raise AlreadyRunning(self.path, pid) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, b"%d\n" % os.getpid(), 0)

    def _bind(self) -> socket.socket:
        _remove_stale(self.path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        former = os.umask(0o177)
        try:
            sock.bind(self.path)
            sock.listen(_BACKLOG)
        except OSError as error:
            sock.close()
            raise AddressError(f"can't listen on {self.path}: {error.strerror or error}") from None
        finally:
            os.umask(former)
        return sock


def _path_of(passed: Sequence[socket.socket]) -> str:
    """Where the passed socket listens. Raises `AddressError` if there is more than one, or it can't be a bus's."""
    rule = "pybus.socket must have one ListenStream= with an absolute path"
    if len(passed) > 1:
        raise AddressError(f"systemd passed {len(passed)} sockets; {rule}")
    (sock,) = passed
    listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if (sock.family, sock.type, listens) != (socket.AF_UNIX, socket.SOCK_STREAM, 1):
        raise AddressError(f"the socket that systemd passed is not a listening Unix stream socket; {rule}")
    path = sock.getsockname()
    if not isinstance(path, str) or not path.startswith("/"):
        raise AddressError(f"the socket that systemd passed has no absolute path; {rule}")
    return path


def _prepare_folder(folder: str) -> None:
    """Make the folder with mode 0700, or check that it is ours and closed to others."""
    try:
        os.mkdir(folder, 0o700)
        os.chmod(folder, 0o700)  # an unusual umask may have taken bits away
        return
    except FileExistsError:
        pass
    except OSError as error:
        raise AddressError(f"can't make the folder {folder}: {error.strerror}") from None
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode):
        raise AddressError(f"{folder} is not a folder")
    if status.st_uid != os.getuid():
        raise AddressError(f"the folder {folder} belongs to uid {status.st_uid}, not to you (uid {os.getuid()})")
    mode = stat.S_IMODE(status.st_mode)
    if mode != 0o700:
        raise AddressError(f"the folder {folder} has mode {mode:04o} and must have 0700: chmod 700 {folder}")


def _open_lock(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise AddressError(f"can't open the lock {path}: {error.strerror}") from None


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens on. Raises `AlreadyRunning` if somebody does."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise AddressError(f"{path} exists and is not a socket; move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        code = probe.connect_ex(path)
        if code in (0, errno.EAGAIN):  # EAGAIN: a live listener whose backlog is full
            raise AlreadyRunning(path, socket_owner(probe)[0] if code == 0 else 0)
    if code != errno.ECONNREFUSED:
        raise AddressError(f"can't tell whether a bus listens on {path}: {os.strerror(code)}")
    os.unlink(path)
