"""Starting a program from the daemon, cleanly: nothing of the daemon's own goes along.

By fork and exec, as the child must ask the kernel to die with the daemon, which posix_spawn can't do.
Python code may run in the child: the daemon's one other thread, the committer, has no lock that is needed there, as
the interpreter and the C library see to their own at a fork.
"""

from __future__ import annotations

import errno
import os
import resource
import select
import signal
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_LONGEST_START_MS: Final = 1000


def spawn(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    stdin: int,
    output: int,
    descriptors: int,
    dies_with_us: bool = True,
) -> int:
    """Start a program in a session of its own, in the home folder; its process number.

    output: its stdout and stderr. descriptors: its soft limit of open files. dies_with_us: it is killed
    when this process ends, however that happens.
    Raises OSError, with the program's name, if it can't be started. Whoever can't say within a second
    (a network folder) counts as started, and exits with status 127 if it fails.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        parent = os.getpid()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                _be(argv, environ, (stdin, output), descriptors, parent if dies_with_us else 0, writing)
        except OSError as error:
            raise OSError(error.errno, error.strerror, argv[0]) from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(writing)
        writing = -1
        _see_it_started(pid, reading, argv[0])
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    return pid


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parents end, so that none gets out of sight."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _see_it_started(pid: int, reading: int, program: str) -> None:
    """Wait for the child to report why exec failed, or to close the pipe by it."""
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    report = os.read(reading, 16) if poll.poll(_LONGEST_START_MS) else b""
    if report:
        os.waitpid(pid, 0)
        number = int(report)
        text = os.strerror(number)
        if number == errno.ENOENT and os.path.exists(program):
            text = "The interpreter named in its first line is not there"
        raise OSError(number, text, program)


def _be(
    argv: Sequence[str],
    environ: Mapping[str, str],
    stdio: tuple[int, int],
    descriptors: int,
    parent: int,
    writing: int,
) -> NoReturn:
    """In the child: become the program, or report why not and exit."""
    number = errno.EINVAL
    try:
        _leave(stdio, descriptors, parent, writing)
        _go_home(environ)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execvpe(argv[0], list(argv), dict(environ))
    except OSError as error:
        number = error.errno or errno.EINVAL
    except BaseException:  # noqa: S110 - a word with a null byte in it; nothing may get back into the daemon's code
        pass
    finally:
        try:
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
            os.write(writing, b"%d" % number)
        finally:  # also if nobody waits for the report any more
            os._exit(127)


def _leave(stdio: tuple[int, int], descriptors: int, parent: int, writing: int) -> None:
    """Let go of everything that is the daemon's. Signals are still blocked."""
    signal.set_wakeup_fd(-1)
    os.setsid()
    if parent:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(127)  # the daemon ended before it was asked for
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    stdin, output = stdio
    os.dup2(stdin, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2 and fd != writing:
            try:
                os.close(fd)
            except OSError:
                pass  # the listing's own
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def _go_home(environ: Mapping[str, str]) -> None:
    try:
        os.chdir(environ.get("HOME", "/"))
    except OSError:
        os.chdir("/")


def _prctl(option: int, value: int) -> None:
    """Raises OSError."""
    import ctypes  # 0.2 MB that only a daemon that starts services pays for

    libc = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_ulong(word) for word in (value, 0, 0, 0)]
    if libc.prctl(option, *words) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
