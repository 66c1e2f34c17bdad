"""What a bus costs when nobody needs it: memory, wake-ups, memory for each idle connection, and its start.

The daemons are fresh and have one connection, which does nothing (dbus-broker starts by it). Memory is
VmRSS of the process that routes. A wake-up is a voluntary context switch of a thread of that process: it has to go
to sleep again after each. All daemons are watched during the same seconds. Then many raw clients connect
and greet, and do nothing either: the memory of each is shown for a hundred of them and for some thousands.

The start is that of the daemon, until it has said that it is ready and has greeted a client.
"""

import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from tests.bench.buses import Bus
from tests.bench.crew import Failure
from tests.bench.figures import Figures
from tests.bench.wire import RawClient, raw_client


def allow_many_files() -> None:
    """To this process, and to the daemons that it starts from now on, as not all see to that themselves."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def measure_idle(buses: Sequence[Bus], figures: Figures, seconds: float, connections: Sequence[int]) -> None:
    """seconds: how long to watch for wake-ups. connections: how many to hold, in rising order."""
    first = [_greeted(bus) for bus in buses]
    for client in first:
        client.settle()
    for bus in buses:
        _wait_until_asleep(bus.pid)
    before = {bus.name: _wake_ups(bus.pid) for bus in buses}
    time.sleep(seconds)  # nothing is waited for: this is the time that is measured
    woken = {bus.name: _wake_ups(bus.pid) - before[bus.name] for bus in buses}
    for bus in buses:
        figures.add(bus.name, {"wake_ups": woken[bus.name], "idle_memory": memory_of(bus.pid) / 1e6})
        figures.add(bus.name, _memory_of_connections(bus, connections))
    for client in first:
        client.close()


def measure_first_greeting(bus: Bus) -> dict[str, float]:
    """What the start of a bus that nobody has connected to yet has taken, and its first greeting; milliseconds."""
    started = monotonic()
    _greeted(bus).close()
    return {"start_daemon": (bus.started_in + monotonic() - started) * 1e3}


def memory_of(pid: int) -> int:
    """The bytes of memory that a process has."""
    return _status(f"/proc/{pid}/status", "VmRSS") * 1024


def _greeted(bus: Bus) -> RawClient:
    try:
        return raw_client(bus.protocol, bus.endpoint)
    except OSError as problem:
        raise Failure(f"{bus.name} did not let a client in: {problem}") from None


def _memory_of_connections(bus: Bus, connections: Sequence[int]) -> dict[str, float]:
    """Kilobytes for each of many idle connections."""
    before = memory_of(bus.pid)
    clients: list[RawClient] = []
    found = {}
    for count in connections:
        clients += [_greeted(bus) for _ in range(count - len(clients))]
        found[f"scale_{count}_memory"] = (memory_of(bus.pid) - before) / 1e3 / count
    for client in clients:
        client.close()
    return found


def _wake_ups(pid: int) -> int:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(_status(f"{task}/status", "voluntary_ctxt_switches") for task in tasks)


def _wait_until_asleep(pid: int) -> None:
    """Until the process has done what it had to do, and waits."""
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        os.sched_yield()


def _status(file: str, key: str) -> int:
    """A number from the status of a process or thread; VmRSS is in KiB."""
    for line in Path(file).read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0])
    raise KeyError(key)
