"""What can be measured: how each measurement is set up on a bus, and by which of its clients."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

from tests.bench.calls import CallByCall, CallsInFlight
from tests.bench.python import PythonToPython
from tests.bench.queues import OneByOne, Persistent, Transient, confirm_each, go_and_return
from tests.bench.roundtrip import LoadedRoundTrip, RoundTrip
from tests.bench.signals import LOADS, SignalLoad
from tests.bench.storm import Storm


class Scenario(Protocol):
    """A measurement that is set up on one bus."""

    def warm_up(self, seconds: float) -> None:
        """Do it once, and choose the counts so that a round takes about so many seconds."""

    def round(self) -> dict[str, float]:
        """Do it once; values by measure."""


class Opening(NamedTuple):
    """How a scenario is set up. one_core: whether all processes, and the buses, run on one core.

    of: what a bus has to measure for it, see `Bus.measures`. by: what a Python client has to do for it; then it is set
    up by each of the bus's clients that do.
    """

    open: Callable[..., Scenario]
    of: str
    by: str | None = None
    one_core: bool = False


def _signals(measure: str) -> Opening:
    return Opening(lambda crew, bus: SignalLoad(crew, bus, measure, LOADS[measure]), "signals")


SCENARIOS = {
    "signals": [_signals(measure) for measure in LOADS],
    "roundtrip": [
        Opening(partial(RoundTrip, measure="roundtrip"), "signals"),
        Opening(partial(RoundTrip, measure="roundtrip_core"), "signals", one_core=True),
        Opening(LoadedRoundTrip, "signals"),
    ],
    "calls": [
        Opening(partial(CallByCall, measure="call"), "calls", "calls"),
        Opening(partial(CallByCall, measure="call_core"), "calls", "calls", one_core=True),
        Opening(CallsInFlight, "calls", "calls in flight"),
    ],
    "python": [Opening(PythonToPython, "python", "python")],
    "storm": [Opening(Storm, "storm")],
    "queues": [
        Opening(Transient, "queues", "transient"),
        Opening(Persistent, "queues", "persistent"),
        Opening(partial(OneByOne, measure="queue_confirmed", role=confirm_each), "queues", "persistent"),
        Opening(partial(OneByOne, measure="queue_latency", role=go_and_return), "queues", "transient"),
    ],
}
NAMES = {
    "signals": "signals a second: 1 to 1, 8 and 64; 64 bytes to 64 KiB; one topic, 16, 1 000 under patterns",
    "roundtrip": "two signals there and back, and beside half the maximal load",
    "calls": "call and answer through the Python clients, one by one and 100 in flight",
    "python": "a Python publisher to a Python subscriber with a callback",
    "storm": "a pair that exchanges signals beside a flooder",
    "queues": "messages through queues: transient, persistent with confirms, one by one",
    "matching": "signals a second beside 1 to 1 000 000 patterns, and their memory",
    "export": "calls and signals from D-Bus through org.pybus.Bus1",
    "idle": "what an idle bus costs: memory, wake-ups, connections, the daemon's start",
    "start": "the start of pybus-send",
    "hardware": "a kernel event until a listener has printed it (as root)",
    "queued": "a million messages in a queue",
    "bound": "ten thousand queues with a hundred thousand bindings",
}
"""What can be measured, in this order."""
