"""The processes of services: started by the daemon, watched by it, and ended with it.

A service is a process and all that descends from it. The daemon makes itself the parent of every
descendant whose own parent ends (PR_SET_CHILD_SUBREAPER), so all of them are always below it in the
tree of processes; which service an orphan belongs to is told by its session, or by the mark that a
service finds in its environment and hands on.

A run of a service is over when its main process has ended and so has all the rest. A main process
that ends well and leaves a child behind may have forked away: the child is the main process from then on.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pybus.broker.life import Ending
from pybus.server.ending import ending_of
from pybus.server.family import children_of, send, session_of, variable_of, with_descendants
from pybus.server.log import Log
from pybus.server.loop import Loop, Timer
from pybus.server.output import History, Output, new_history

if TYPE_CHECKING:
    from pybus.server.guard import Guard

_MARK: Final = "PYBUS_LAUNCH"
_NOT_PASSED_ON: Final = ("NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_", "JOURNAL_STREAM", "INVOCATION_ID", "SYSTEMD_EXEC_PID")
"""Beginnings of variables by which systemd speaks to the daemon alone (systemd.exec(5), sd_notify(3))."""

_GRACE: Final = 1.0
"""Seconds that what a crashed service left behind has to end by itself; then as long to die of SIGKILL."""

_DOUBT: Final = 0.2
"""Seconds that an orphan may keep it open whose it is. A process has no environment while it ends or is in exec."""

_LAST_LINES: Final = 5


class Processes:
    """Starts, watches and ends the services' processes.

    The daemon has a handler for SIGCHLD (any; without one the kernel may throw endings away), and
    calls `reap` on it. has_forked: asked as `has_forked(name, pid, child)` when a main process has
    ended well and left a child: whether the child is the service now.
    """

    def __init__(
        self, loop: Loop, log: Log, address: str, descriptors: int, on_exit: Callable[[str, int, Ending], None]
    ) -> None:
        """address: the bus's, for PYBUS_ADDRESS. descriptors: the soft limit of open files that a service gets.

        on_exit: called as `on_exit(name, pid, ending)` when a run is over. It may start the service anew.
        """
        self._loop = loop
        self._log = log
        self._address = address
        self._descriptors = descriptors
        self._on_exit = on_exit
        self.has_forked: Callable[[str, int, int], bool] = lambda _name, _pid, _child: True
        self._runs: dict[str, _Run] = {}
        self._history: dict[str, History] = {}
        self._mark = os.urandom(8).hex()
        self._started = 0
        self._guard: Guard | None = None
        self._not_ours: frozenset[int] | None = None

    # --- starting ---------------------------------------------------------------------------------

    def start(self, name: str, argv: Sequence[str], environ: Mapping[str, str]) -> int:
        """Start a service that doesn't run; its process number.

        Raises OSError, with strerror and the program as its filename, if that can't be done.
        """
        from pybus.server.spawn import spawn

        assert name not in self._runs
        mark = f"{self._mark}-{self._started}"
        self._started += 1
        environ = {key: value for key, value in environ.items() if not key.startswith(_NOT_PASSED_ON)}
        environ |= {"PYBUS_SERVICE": name, "PYBUS_ADDRESS": self._address, _MARK: mark}
        reading = -1
        opened: list[int] = []
        try:
            self._prepare()
            opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            reading, writing = os.pipe2(os.O_CLOEXEC)
            opened.append(writing)
            pid = spawn(argv, environ, stdin=opened[0], output=writing, descriptors=self._descriptors)
        except OSError:
            if reading >= 0:
                os.close(reading)
            self._dismiss_guard()
            raise
        finally:
            for fd in opened:
                os.close(fd)
        os.set_blocking(reading, False)
        history = self._history.setdefault(name, new_history())
        self._runs[name] = _Run(name, pid, mark, Output(self._loop, self._log, history, name, pid, reading))
        return pid

    def _prepare(self) -> None:
        """See that nothing that will be started can get lost."""
        from pybus.server.guard import Guard
        from pybus.server.spawn import adopt_orphans

        if self._not_ours is None:
            self._not_ours = frozenset(children_of(os.getpid()))
            adopt_orphans()
        if self._guard is None:
            self._guard = Guard(f"{_MARK}={self._mark}-")

    def _dismiss_guard(self) -> None:
        if self._guard is not None and not self._runs:
            guard, self._guard = self._guard, None
            guard.end()

    # --- looking ----------------------------------------------------------------------------------

    def pid(self, name: str) -> int | None:
        """The main process of a service; None if it doesn't run."""
        run = self._runs.get(name)
        return run.pid if run is not None else None

    def alive(self) -> bool:
        """Whether any service runs, or is not wholly gone yet."""
        return bool(self._runs)

    def belongs(self, name: str, pid: int) -> bool:
        """Whether a process is one of a service's: its main process, or what that has started."""
        run = self._runs.get(name)
        return run is not None and (pid == run.pid or run.owns(pid))

    def lines(self, name: str) -> list[str]:
        """What a service wrote last, in all its runs, oldest first."""
        return [line for _, line in self._history.get(name, ())]

    def last_lines(self, name: str, pid: int) -> list[str]:
        """The last lines that one process of a service wrote, those it had left in the pipe included."""
        lines = [line for writer, line in self._history.get(name, ()) if writer == pid]
        return [line for line in lines if line.strip(" ^~")][-_LAST_LINES:]  # not the marks below a traceback's code

    # --- ending -----------------------------------------------------------------------------------

    def terminate(self, name: str) -> None:
        """Ask a service and all its descendants to end (SIGTERM). What doesn't, needs `kill`."""
        run = self._runs.get(name)
        if run is not None:
            run.ordered = True
            send(signal.SIGTERM, self._family(run))

    def kill(self, name: str) -> None:
        """End a service and all its descendants at once (SIGKILL)."""
        run = self._runs.get(name)
        if run is not None:
            self._kill(run)

    def kill_all(self) -> None:
        """Kill everything that is left below the daemon, and wait until it is gone, at most about a second."""
        for run in self._runs.values():
            run.ordered = run.killed = True
        until = time.monotonic() + _GRACE
        while (left := with_descendants(self._orphans() + self._mains())) and time.monotonic() < until:
            send(signal.SIGKILL, left)
            time.sleep(0.005)
            self.reap()
        for run in list(self._runs.values()):
            self._finish(run)
        self._dismiss_guard()

    def _kill(self, run: _Run) -> None:
        run.ordered = run.killed = True
        send(signal.SIGKILL, self._family(run))
        if run.ending is not None:
            run.later(self._loop.after(_GRACE, lambda: self._finish(run)))

    # --- what has ended ---------------------------------------------------------------------------

    def reap(self) -> None:
        """Take notice of every child that has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            self._reaped(pid, status)
        for run in list(self._runs.values()):
            if run.ending is not None and self._runs.get(run.name) is run:
                self._settle(run)

    def _reaped(self, pid: int, status: int) -> None:
        if self._guard is not None and pid == self._guard.pid:
            self._log.warning("guard", f"the guard of services (pid {pid}) {ending_of(status).text()}")
            self._guard.gone()
            self._guard = None
            return
        for run in self._runs.values():
            if run.pid == pid and run.ending is None:
                run.output.drain()
                run.ending = ending_of(status)
                run.sure_by = time.monotonic() + _DOUBT

    def _settle(self, run: _Run) -> None:
        """A main process has ended: see what becomes of its run."""
        rest = self._family(run)
        if not rest:
            if self._in_doubt() and time.monotonic() < run.sure_by:
                run.later(self._loop.after(_DOUBT / 10, lambda: self._settle(run)))
            else:
                self._finish(run)
        elif run.killed:
            send(signal.SIGKILL, rest)
            run.later(self._loop.after(_GRACE, lambda: self._finish(run)))  # some can't be killed (setuid, a dead disk)
        elif not run.ordered:
            self._end_or_follow(run, rest)

    def _end_or_follow(self, run: _Run, rest: list[int]) -> None:
        assert run.ending is not None
        if run.ending.status == 0 and self.has_forked(run.name, run.pid, rest[0]):
            self._log.info(f"{run.name}[{run.pid}] forked away: it is pid {rest[0]} now")
            run.becomes(rest[0])
        else:
            self._log.info(f"{run.name}[{run.pid}] {run.ending.text()}; ending what it left: {_listed(rest)}")
            run.ordered = True
            send(signal.SIGTERM, rest)
            run.later(self._loop.after(_GRACE, lambda: self._kill(run)))

    def _finish(self, run: _Run) -> None:
        del self._runs[run.name]
        run.later(None)
        run.output.close()
        self._on_exit(run.name, run.pid, run.ending or Ending(None, None))
        self._dismiss_guard()

    # --- who belongs to whom ----------------------------------------------------------------------

    def _family(self, run: _Run) -> list[int]:
        """All live processes of a run. The main process is the first, or if it has ended, the eldest that is left."""
        first = [run.pid] if run.ending is None else []
        return with_descendants(first + [pid for pid in self._orphans() if run.owns(pid)])

    def _mains(self) -> list[int]:
        return [run.pid for run in self._runs.values() if run.ending is None]

    def _orphans(self) -> list[int]:
        """Our children that we didn't start: what services left. What was there before the first one is not ours."""
        if self._not_ours is None:
            return []
        known = {*self._mains(), *self._not_ours, self._guard.pid if self._guard is not None else 0}
        return [pid for pid in children_of(os.getpid()) if pid not in known]

    def _in_doubt(self) -> bool:
        """Whether there is an orphan that can't be told whose it is, as yet."""
        return any(variable_of(pid, _MARK) is None for pid in self._orphans())


class _Run:
    """One run of a service.

    ending: how the main process ended, once it has. sure_by: when it must be clear what it left
    behind, monotonic. ordered: the whole run is to end. killed: at once.
    """

    __slots__ = ("_mark", "_sessions", "_timer", "ending", "killed", "name", "ordered", "output", "pid", "sure_by")

    def __init__(self, name: str, pid: int, mark: str, output: Output) -> None:
        self.name = name
        self.pid = pid
        self.output = output
        self.ending: Ending | None = None
        self.ordered = False
        self.killed = False
        self.sure_by = 0.0
        self._timer: Timer | None = None
        self._mark = mark
        self._sessions = {pid}

    def later(self, timer: Timer | None) -> None:
        """What will be done if nothing happens before; only one thing at a time."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer

    def owns(self, pid: int) -> bool:
        """Whether a process, such as an orphan, comes from this run."""
        return session_of(pid) in self._sessions or variable_of(pid, _MARK) == self._mark

    def becomes(self, pid: int) -> None:
        """Another process is the main one from now on."""
        self.output.belongs_to(pid)
        self.pid = pid
        self.ending = None
        self.later(None)
        session = session_of(pid)
        if session is not None:
            self._sessions.add(session)


def _listed(pids: Sequence[int]) -> str:
    return ", ".join(f"pid {pid}" for pid in pids[:5]) + (f" and {len(pids) - 5} more" if len(pids) > 5 else "")
