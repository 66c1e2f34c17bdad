"""What a bus costs when nobody needs it: memory, wake-ups, and memory for each idle connection.

The daemons are fresh and have one connection, which does nothing (dbus-broker starts by it). Memory is
VmRSS of the process that routes. A wake-up is a voluntary context switch of that process: it has to go
to sleep again after each. All daemons are watched during the same seconds. Then many raw clients connect
and greet, and do nothing either.
"""

import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.buses import Bus
from tests.bench.figures import Figures
from tests.bench.wire import raw_client


def measure_idle(buses: Sequence[Bus], figures: Figures, seconds: float, connections: int) -> None:
    """seconds: how long to watch for wake-ups. connections: how many to hold."""
    first = [raw_client(bus.protocol, bus.path) for bus in buses]
    for bus in buses:
        _wait_until_asleep(bus.pid)
    before = {bus.name: _status(bus.pid, "voluntary_ctxt_switches") for bus in buses}
    time.sleep(seconds)  # nothing is waited for: this is the time that is measured
    for bus in buses:
        woken = _status(bus.pid, "voluntary_ctxt_switches") - before[bus.name]
        memory = memory_of(bus.pid)
        figures.add(bus.name, {"wake_ups": woken, "idle_memory": memory / 1e6})
        figures.add(bus.name, {"connection_memory": _memory_of_connections(bus, connections)})
    for client in first:
        client.sock.close()


def memory_of(pid: int) -> int:
    """The bytes of memory that a process has."""
    return _status(pid, "VmRSS") * 1024


def _memory_of_connections(bus: Bus, connections: int) -> float:
    """Kilobytes for each of many idle connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    before = memory_of(bus.pid)
    clients = [raw_client(bus.protocol, bus.path) for _ in range(connections)]
    after = memory_of(bus.pid)
    for client in clients:
        client.sock.close()
    return (after - before) / 1e3 / connections


def _wait_until_asleep(pid: int) -> None:
    """Until the process has done what it had to do, and waits."""
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        os.sched_yield()


def _status(pid: int, key: str) -> int:
    """A number from the process's status; VmRSS is in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0])
    raise KeyError(key)
