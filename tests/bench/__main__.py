"""`python -m tests.bench`: pybus measured against every bus and broker that is installed, in one run.

Run it from the repository's root. Every bus is started privately in a temporary folder, all that are measured
stay up while the rounds go through them in turn (one of each, then the next of each), so that a busy moment
of the machine hits all. What is shown is the median of the rounds. Each measurement says in its module
what it measures and why that is fair. The exit code is 1 if one failed, such as by a lost signal; a
missed target is shown and nothing more, as machines differ.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from tests.bench import report
from tests.bench.buses import Bus, NotAvailable, Pybus
from tests.bench.calls import Calls
from tests.bench.crew import Crew, Failure, on_core
from tests.bench.export import Export
from tests.bench.figures import Figures
from tests.bench.hardware import measure_hardware
from tests.bench.idle import allow_many_files, measure_first_greeting, measure_idle
from tests.bench.installation import Installation
from tests.bench.many import measure_bound, measure_queued
from tests.bench.matching import Matching
from tests.bench.peers import KINDS
from tests.bench.python import PythonToPython
from tests.bench.queues import OneByOne, Persistent, Transient, confirm_each, go_and_return
from tests.bench.roundtrip import LoadedRoundTrip, RoundTrip
from tests.bench.signals import LOADS, SignalLoad
from tests.bench.start import measure_start
from tests.bench.storm import Storm, add_growth


class Scenario(Protocol):
    """A measurement that is set up on one bus."""

    def warm_up(self, seconds: float) -> None:
        """Do it once, and choose the counts so that a round takes about so many seconds."""

    def round(self) -> dict[str, float]:
        """Do it once; values by measure."""


AnyScenario = TypeVar("AnyScenario", bound=Scenario)


class Scope(NamedTuple):
    """How much is measured. seconds: of one round. daemons: starts of each. starts: pairs. watched: seconds for
    wake-ups. connections: idle ones. patterns: present, in turn. events: of the hardware, a round. queued: messages
    that wait. queues: that are declared.
    """

    rounds: int
    seconds: float
    daemons: int
    starts: int
    watched: float
    connections: tuple[int, ...]
    patterns: tuple[int, ...]
    events: int
    queued: int
    queues: int


FULL = Scope(
    rounds=5,
    seconds=0.4,
    daemons=3,
    starts=25,
    watched=10,
    connections=(100, 2000),
    patterns=(1, 100, 10_000, 1_000_000),
    events=500,
    queued=1_000_000,
    queues=10_000,
)
QUICK = FULL._replace(rounds=3, seconds=0.2, daemons=1, starts=9, watched=2, patterns=(1, 100, 10_000), events=200)
TINY = Scope(
    rounds=1,
    seconds=0.01,
    daemons=1,
    starts=1,
    watched=0.1,
    connections=(100,),
    patterns=(1, 100),
    events=3,
    queued=100,
    queues=10,
)


class Opening(NamedTuple):
    """How a scenario is set up. one_core: whether all processes, and the buses, run on one core.

    of: what a bus has to measure for it, see `Bus.measures`.
    """

    open: Callable[[Crew, Bus], Scenario]
    of: str
    one_core: bool = False


def _signals(measure: str) -> Opening:
    return Opening(lambda crew, bus: SignalLoad(crew, bus, measure, LOADS[measure]), "signals")


SCENARIOS = {
    "signals": [_signals(measure) for measure in LOADS],
    "roundtrip": [
        Opening(lambda crew, bus: RoundTrip(crew, bus, "roundtrip"), "signals"),
        Opening(lambda crew, bus: RoundTrip(crew, bus, "roundtrip_core"), "signals", one_core=True),
        Opening(LoadedRoundTrip, "signals"),
    ],
    "calls": [
        Opening(lambda crew, bus: Calls(crew, bus, "call_aio", blocking=False), "calls"),
        Opening(lambda crew, bus: Calls(crew, bus, "call_aio_core", blocking=False), "calls", one_core=True),
        Opening(lambda crew, bus: Calls(crew, bus, "call_blocking", blocking=True), "calls"),
        Opening(lambda crew, bus: Calls(crew, bus, "call_blocking_core", blocking=True), "calls", one_core=True),
    ],
    "python": [Opening(PythonToPython, "python")],
    "storm": [Opening(Storm, "storm")],
    "queues": [
        Opening(Transient, "queues"),
        Opening(Persistent, "queues"),
        Opening(lambda crew, bus: OneByOne(crew, bus, "queue_confirmed", confirm_each), "queues"),
        Opening(lambda crew, bus: OneByOne(crew, bus, "queue_latency", go_and_return), "queues"),
    ],
}
NAMES = [*SCENARIOS, "matching", "export", "idle", "start", "hardware", "queued", "bound"]


class Harness:
    """One run. notes: what was left out, and what failed."""

    def __init__(self, stack: ExitStack, scope: Scope, bus_types: Iterable[type[Bus]]) -> None:
        self.figures = Figures()
        self.notes: dict[str, list[str]] = {"left out": [], "failed": []}
        self._stack = stack
        self._scope = scope
        self._bus_types = list(bus_types)
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pybus-bench-")))
        self._running = stack.enter_context(ExitStack())
        self._purpose = self._measuring = ""
        self._buses: list[Bus] = []
        self._installation: Installation | None = None

    def measure(self, names: Iterable[str]) -> None:
        """Measure what has these names, one after the other."""
        for name in names:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            self._measuring = name
            try:
                if name == "export":
                    self._export()
                elif name == "matching":
                    self._matching()
                elif name == "start":
                    self._on_pybus(lambda bus: measure_start(self._installed(), bus), self._scope.starts)
                elif name == "idle":
                    self._idle()
                elif name == "hardware":
                    self._on_pybus(lambda bus: measure_hardware(bus, self._scope.events))
                elif name == "queued":
                    self._on_pybus(lambda bus: measure_queued(bus, self._scope.queued), rounds=1)
                elif name == "bound":
                    self._on_pybus(lambda bus: measure_bound(bus, self._scope.queues), rounds=1)
                else:
                    for opening in SCENARIOS[name]:
                        self._play(opening)
                    if name == "storm":
                        add_growth(self.figures)
            except NotAvailable as reason:
                self.notes["left out"].append(f"{name}: {reason}")
            except Failure as problem:
                self.notes["failed"].append(f"{name}: {problem}")

    def _play(self, opening: Opening) -> None:
        """Set a scenario up on every bus, then go through the rounds, the buses in turn."""
        core = max(os.sched_getaffinity(0)) if opening.one_core else None
        with Crew(core) as crew:
            scenarios = self._open(opening, crew)
            with on_core(core, [bus.pid for bus in self._buses] if opening.one_core else []):
                self._rounds(scenarios)

    def _open(self, opening: Opening, crew: Crew) -> dict[str, Scenario]:
        scenarios: dict[str, Scenario] = {}
        for bus in self._buses_with(opening.of):
            with self._blaming(bus.name, scenarios):
                scenarios[bus.name] = opening.open(crew, bus)
        return scenarios

    def _rounds(self, scenarios: dict[str, AnyScenario]) -> None:
        for name in list(scenarios):
            with self._blaming(name, scenarios):
                scenarios[name].warm_up(self._scope.seconds)
        for _ in range(self._scope.rounds):
            for name in list(scenarios):
                with self._blaming(name, scenarios):
                    self.figures.add(name, scenarios[name].round())

    def _matching(self) -> None:
        """The patterns grow on every bus, then the rounds go through the buses, and so on."""
        with Crew() as crew:
            scenarios = {bus.name: Matching(crew, bus) for bus in self._buses_with("matching")}
            for patterns in self._scope.patterns:
                for name in list(scenarios):
                    with self._blaming(name, scenarios):
                        self.figures.add(name, scenarios[name].grow(patterns))
                self._rounds(scenarios)

    @contextmanager
    def _blaming(self, bus: str, scenarios: dict[str, Any]) -> Iterator[None]:
        """Note on which bus a measurement failed or can't be made, and go on without that bus."""
        try:
            yield
        except NotAvailable as reason:
            self._leave_out(f"{bus}: {reason}")
            scenarios.pop(bus, None)
        except Failure as problem:
            self.notes["failed"].append(f"{self._measuring}: on {bus}: {problem}")
            scenarios.pop(bus, None)

    def _export(self) -> None:
        """Pybus is in it on every bus of D-Bus, so they can't take turns."""
        buses = self._buses_with("export")
        ours = [bus for bus in buses if isinstance(bus, Pybus)]
        for bus in [bus for bus in buses if bus.protocol == "dbus" and ours]:
            with Crew() as crew, self._blaming(bus.name, {}), Export(crew, bus, ours[0]) as export:
                export.warm_up(self._scope.seconds)
                for _ in range(self._scope.rounds):
                    self.figures.add(bus.name, export.round())

    def _idle(self) -> None:
        python = self._installed().python if self._scope is not TINY else sys.executable
        allow_many_files()
        for _ in range(self._scope.daemons):
            self._purpose = ""  # so that they start afresh
            for bus in self._buses_with("signals", "idle", python):
                self.figures.add(bus.name, measure_first_greeting(bus))
        measure_idle(self._buses, self.figures, self._scope.watched, self._scope.connections)

    def _on_pybus(self, measure: Callable[[Pybus], dict[str, float]], rounds: int | None = None) -> None:
        """Measure what only pybus has, if it is among the buses."""
        for bus in self._buses_with("own"):
            if isinstance(bus, Pybus):
                for _ in range(self._scope.rounds if rounds is None else rounds):
                    self.figures.add(bus.name, measure(bus))

    def _installed(self) -> Installation:
        if self._installation is None:
            folder = tempfile.mkdtemp(prefix="installation-", dir=self._folder)
            self._installation = Installation(Path(folder))
        return self._installation

    def _buses_with(self, of: str, purpose: str = "", python: str = sys.executable) -> list[Bus]:
        """All on which this is measured, as far as there are any here.

        They are fresh when the purpose is another than before; then those of before have ended, so that none takes
        time from those that are measured. They end with the run.
        """
        purpose = purpose or of
        if self._purpose != purpose:
            self._running.close()
            self._purpose = purpose
            self._buses = list(self._started(of, python))
        return self._buses

    def _started(self, of: str, python: str) -> Iterator[Bus]:
        for kind in self._bus_types:
            if of not in kind.measures:
                continue
            folder = Path(tempfile.mkdtemp(prefix=f"{kind.name}-", dir=self._folder))
            try:
                bus = Pybus(folder, python) if kind is Pybus else kind(folder)
            except NotAvailable as reason:
                self._leave_out(f"{kind.name}: {reason}")
                continue
            self._running.callback(bus.stop)
            yield bus

    def _leave_out(self, text: str) -> None:
        if text not in self.notes["left out"]:
            self.notes["left out"].append(text)


def main() -> int:
    """Run what the command line says; 1 if a measurement failed."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the buses are stopped then, too
    scope = TINY if options.tiny else QUICK if options.quick else FULL
    about = {"machine": report.machine(), "versions": report.versions()}
    with ExitStack() as stack:
        harness = Harness(stack, scope, [KINDS[name] for name in options.bus or KINDS])
        harness.measure(options.only or NAMES)
    print(report.as_text(harness.figures, harness.notes, about))
    if options.json is not None:
        data = report.as_data(harness.figures, harness.notes, about)
        Path(options.json).write_text(json.dumps(data, indent=2) + "\n")
    return 1 if harness.notes["failed"] else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", choices=NAMES, help="measure only this (may be repeated)")
    parser.add_argument("--bus", action="append", choices=list(KINDS), help="only this bus (may be repeated)")
    parser.add_argument("--json", metavar="FILE", help="write all values to FILE")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="few and short rounds")
    size.add_argument("--tiny", action="store_true", help="only to see that it works; the figures mean nothing")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
