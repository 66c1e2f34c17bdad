"""The same call by a program on D-Bus: to a dbus-next service there, and through org.pybus.Bus1 to a service on pybus.

The caller is dbus-next's `MessageBus.call` both times, the services are those of `calls`, a text and a
float are the arguments. Each is a process of its own, so that the way through pybus has two more: the
exporter and the daemon. The two are measured in turn in each round.
"""

import os
import subprocess
import sys
from types import TracebackType

from tests.bench import dbus_next_roles
from tests.bench.buses import Bus, Pybus
from tests.bench.calls import need_dbus_next, serve_aio
from tests.bench.crew import Crew, Failure, hear
from tests.bench.figures import percentile

_GUESS = 1e-3


class Export:
    """Both services and both callers; `with` starts and ends the exporter."""

    def __init__(self, crew: Crew, dbus: Bus, pybus: Pybus) -> None:
        """Raises `NotAvailable` without dbus-next."""
        need_dbus_next()
        self._crew = crew
        self._dbus = dbus
        self._pybus = pybus
        self._times = 1

    def __enter__(self) -> "Export":
        environment = {
            **os.environ,
            "PYBUS_ADDRESS": self._pybus.address,
            "DBUS_SESSION_BUS_ADDRESS": self._dbus.address,
        }
        command = [sys.executable, "-m", "pybus_services.dbus.export"]
        self._exporter = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        assert self._exporter.stderr is not None
        line = self._exporter.stderr.readline()
        if line != "pybus-dbus-export: serving\n":
            raise Failure(f"the exporter did not start: {line}")
        hear(self._crew.start(serve_aio, self._pybus.address))
        hear(self._crew.start(dbus_next_roles.serve, self._dbus.address))
        self._callers = {
            "export_bare": self._crew.start(dbus_next_roles.call, self._dbus.address),
            "export_call": self._crew.start(dbus_next_roles.call_exported, self._dbus.address),
        }
        hear(*self._callers.values())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exporter.terminate()
        self._exporter.communicate()

    def warm_up(self, seconds: float) -> None:
        self._times = max(10, round(seconds / _GUESS))
        self.round()

    def round(self) -> dict[str, float]:
        """Many calls of each, one after the other; microseconds."""
        found = {}
        for measure, caller in self._callers.items():
            caller.send(self._times)
            (seconds,) = hear(caller)
            found[f"{measure}_p50"] = percentile(seconds, 0.50) * 1e6
        return found
