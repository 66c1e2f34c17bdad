"""A small process that outlives the daemon by a moment, so that nothing else does.

A daemon that is killed with -9 ends no services. The kernel ends its children (PR_SET_PDEATHSIG),
but neither their children nor a service that forked away. So while services run there is a shell,
asleep on a pipe from the daemon; when the pipe closes, it kills whatever carries the daemon's mark.
"""

from __future__ import annotations

import os
import resource
import signal

from pybus.server.spawn import spawn

_SCRIPT = """\
trap '' HUP INT TERM
read -r _
for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    found=$(grep -lszF "$1" /proc/[0-9]*/environ)
    [ -n "$found" ] || exit 0
    for file in $found; do
        pid=${file#/proc/}
        kill -KILL "${pid%/environ}"
    done
done
"""


class Guard:
    """Runs from its making until `end`, or until this process ends in whatever way."""

    def __init__(self, mark: str) -> None:
        """mark: a part of an environment entry, in /proc/PID/environ. Raises OSError if there is no shell."""
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            reading, self._pipe = os.pipe2(os.O_CLOEXEC)
        except OSError:
            os.close(nowhere)
            raise
        try:
            self.pid = spawn(
                ["/bin/sh", "-c", _SCRIPT, "pybus-guard", mark],
                {"PATH": os.environ.get("PATH", os.defpath)},
                stdin=reading,
                output=nowhere,
                descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
                dies_with_us=False,
            )
        except OSError:
            os.close(self._pipe)
            raise
        finally:
            os.close(reading)
            os.close(nowhere)

    def end(self) -> None:
        """End it; nobody needs it any more. It is reaped like any child."""
        os.kill(self.pid, signal.SIGKILL)
        self.gone()

    def gone(self) -> None:
        """It has ended by itself: let go of it."""
        os.close(self._pipe)
