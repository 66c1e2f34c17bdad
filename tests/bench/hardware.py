"""From a kernel event to the line that a listener prints, beside a program that prints what pyudev gives it.

Both print the whole event to a pipe. Between the two lie the hardware service, the daemon and the
listener's client: two processes more. The harness makes the events itself, by writing to the
`uevent` file of a device that is everywhere and to which nobody minds one, each with a number of its own,
and waits for the line with that number before it makes the next. Where udevd runs both take the events
from there, as they do on a desktop, so its work counts for both; elsewhere from the kernel.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from tests.bench.buses import Bus, NotAvailable
from tests.bench.crew import Failure

_UEVENT = Path("/sys/class/mem/null/uevent")

_SOURCE = "udev" if os.path.exists("/run/udev/control") else "kernel"

_PYUDEV = f"""
import pyudev
monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source="{_SOURCE}")
monitor.start()
print("ready", flush=True)
for device in iter(monitor.poll, None):
    print(dict(device.properties), flush=True)
"""

_LISTENER = """
import pybus
with pybus.connect() as bus:
    signals = bus.subscribe("hal.mem.change")
    bus.call("org.pybus.Bus", "ping")
    print("ready", flush=True)
    for signal in signals:
        print(signal.body, flush=True)
"""


def measure_hardware(bus: Bus, events: int) -> dict[str, float]:
    """One round of each; microseconds, the median of so many events."""
    if not os.access(_UEVENT, os.W_OK):
        raise NotAvailable("events can't be made without being root")
    return {"event_pyudev": _by_pyudev(events), "event_listener": _by_pybus(bus, events)}


def _by_pyudev(events: int) -> float:
    with subprocess.Popen(
        [sys.executable, "-c", _PYUDEV], stdout=subprocess.PIPE, text=True, process_group=0
    ) as printer:
        try:
            return _time_events(printer, events)
        finally:
            printer.kill()


def _by_pybus(bus: Bus, events: int) -> float:
    environment = {**os.environ, **bus.environment, "PYBUS_ADDRESS": bus.address}
    command = [sys.executable, "-m", "pybus_services.hal", "--source", _SOURCE]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, process_group=0) as service:
        try:
            assert service.stderr is not None
            _wait_for(service.stderr.readline, "pybus-hal: serving\n")
            command = [sys.executable, "-c", _LISTENER]
            with subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, text=True, process_group=0
            ) as listener:
                try:
                    return _time_events(listener, events)
                finally:
                    listener.kill()
        finally:
            service.terminate()


def _time_events(printer: "subprocess.Popen[str]", events: int) -> float:
    assert printer.stdout is not None
    _wait_for(printer.stdout.readline, "ready\n")
    times = []
    for number in range(events):
        begun = perf_counter()
        _UEVENT.write_text(f"change 00000000-0000-0000-0000-{number:012} NUMBER={number}")
        while f"'SYNTH_ARG_NUMBER': '{number}'" not in (line := printer.stdout.readline()):
            if not line:
                raise Failure("the program that prints the events ended")
        times.append((perf_counter() - begun) * 1e6)
    return median(times)


def _wait_for(read: Callable[[], str], wanted: str) -> None:
    for line in iter(read, ""):
        if line == wanted:
            return
    raise Failure(f"a program ended before it said {wanted.strip()!r}")
