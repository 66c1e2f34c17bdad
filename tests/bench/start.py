"""The start of a small command: `pybus-send hal.power.ac unplugged` against `python -c pass`.

Both with the same interpreter, in a fresh environment with a normal installation (see
`installation`), in turn, so that a busy moment of the machine hits both. The command has connected, sent,
and heard that the bus has it when it ends; so the whole of it is measured, not only its start.
"""

import os
import subprocess
from time import perf_counter

from tests.bench.buses import Bus
from tests.bench.crew import Failure
from tests.bench.installation import Installation


def measure_start(installation: Installation, bus: Bus) -> dict[str, float]:
    """One run of each; milliseconds."""
    environment = {**os.environ, **bus.environment, "PYBUS_ADDRESS": bus.address}
    return {
        "start_send": _run([installation.send, "hal.power.ac", "unplugged"], environment),
        "start_pass": _run([installation.python, "-c", "pass"], environment),
    }


def _run(command: list[str], environment: dict[str, str]) -> float:
    started = perf_counter()
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True)
    seconds = perf_counter() - started
    if done.returncode:
        raise Failure(f"{command[0]} ended with {done.returncode}: {done.stderr.decode().strip()[-200:]}")
    return seconds * 1e3
