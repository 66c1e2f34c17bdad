"""The run: buses that are started for what is measured on them, and rounds that go through them in turn.

Whoever fails falls out of that measurement by name, and the others go on.
"""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import NamedTuple, TypeVar

from tests.bench.buses import Bus, NotAvailable, Pybus
from tests.bench.client import Client, clients_of, need
from tests.bench.crew import Crew, Failure, on_core
from tests.bench.export import Export
from tests.bench.figures import Figures
from tests.bench.hardware import measure_hardware
from tests.bench.idle import allow_many_files, measure_first_greeting, measure_idle
from tests.bench.installation import Installation
from tests.bench.many import measure_bound, measure_queued
from tests.bench.matching import Matching
from tests.bench.scenarios import SCENARIOS, Opening, Scenario
from tests.bench.start import measure_start
from tests.bench.storm import add_growth

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S", bound=Scenario)


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


class Stopped(BaseException):
    """A signal asked to end the run. number: which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Harness:
    """One run. left_out, failed: what is not among the figures, and why."""

    def __init__(self, stack: ExitStack, scope: Scope, bus_types: Iterable[type[Bus]]) -> None:
        self.figures = Figures()
        self.left_out: list[str] = []
        self.failed: list[str] = []
        self._scope = scope
        self._bus_types = list(bus_types)
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pybus-bench-")))
        self._running = stack.enter_context(ExitStack())
        self._purpose = self._name = ""
        self._buses: list[Bus] = []
        self._installation: Installation | None = None

    def measure(self, names: Sequence[str]) -> None:
        """Measure what has these names, one after the other."""
        for number, name in enumerate(names, 1):
            print(f"measuring {name} ({number} of {len(names)}) ...", file=sys.stderr, flush=True)
            self._name = name
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
                self._leave_out(f"{name}: {reason}")
            except (Failure, OSError) as problem:
                self.failed.append(f"{name}: {problem}")
            except Stopped as stop:
                self.failed.append(f"{name}, and what comes after it: stopped by {signal.Signals(stop.number).name}")
                raise

    def _play(self, opening: Opening) -> None:
        """Set a scenario up on every bus, then go through the rounds, the buses in turn."""
        core = max(os.sched_getaffinity(0)) if opening.one_core else None
        with Crew(core) as crew:
            scenarios = self._open(opening, crew)
            with on_core(core, [bus.pid for bus in self._buses] if opening.one_core else []):
                self._rounds(scenarios)
        self._bury()

    def _open(self, opening: Opening, crew: Crew) -> dict[str, Scenario]:
        """By who is measured: a bus, or a bus and its client."""
        scenarios: dict[str, Scenario] = {}
        for bus in self._buses_with(opening.of):
            crew.environment = bus.environment
            if opening.by is None:
                scenarios |= self._step({bus.name: bus}, partial(opening.open, crew))
            else:
                clients = {client.on(bus): client for client in clients_of(bus, opening.by)}
                scenarios |= self._step(clients, partial(_open_by, opening, crew, bus))
        return scenarios

    def _rounds(self, scenarios: dict[str, S]) -> None:
        """Go through the rounds, all in turn. Whoever does not come through all of them gets no figures."""
        self._step(scenarios, methodcaller("warm_up", self._scope.seconds))
        rounds = [self._step(scenarios, methodcaller("round")) for _ in range(self._scope.rounds)]
        for who in scenarios:
            for found in rounds:
                self.figures.add(who, found[who])

    def _step(self, whos: dict[str, T], step: Callable[[T], R]) -> dict[str, R]:
        """One step with each in turn; what came of it. Those with whom it fails or can't be made fall out, by name."""
        found: dict[str, R] = {}
        for who, one in list(whos.items()):
            try:
                found[who] = step(one)
            except NotAvailable as reason:
                del whos[who]
                self._leave_out(f"{self._name} on {who}: {reason}")
            except (Failure, OSError) as problem:
                del whos[who]
                self.failed.append(f"{self._name} on {who}: {problem}")
        return found

    def _bury(self) -> None:
        """Go on without the buses that have ended."""
        for bus in self._buses:
            code = bus.exit_code()
            if code is not None:
                how = f"with {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
                self.failed.append(f"{self._name}: {bus.name} ended {how}")
        self._buses = [bus for bus in self._buses if bus.exit_code() is None]

    def _matching(self) -> None:
        """The patterns grow on every bus, then the rounds go through the buses, and so on."""
        with Crew() as crew:
            matching = self._step({bus.name: bus for bus in self._buses_with("matching")}, partial(Matching, crew))
            for patterns in self._scope.patterns:
                for who, found in self._step(matching, methodcaller("grow", patterns)).items():
                    self.figures.add(who, found)
                self._rounds(matching)
        self._bury()

    def _export(self) -> None:
        """Pybus is in it on every bus of D-Bus, so they can't take turns."""
        buses = self._buses_with("export")
        ours = [bus for bus in buses if isinstance(bus, Pybus)]
        if ours:
            self._step({bus.name: bus for bus in buses if bus.protocol == "dbus"}, partial(self._export_on, ours[0]))

    def _export_on(self, ours: Pybus, dbus: Bus) -> None:
        with Crew() as crew, Export(crew, dbus, ours) as export:
            self._rounds({dbus.name: export})

    def _idle(self) -> None:
        python = self._installed().python if self._scope is not TINY else sys.executable
        allow_many_files()
        for _ in range(self._scope.daemons):
            self._purpose = ""  # so that they start afresh
            for bus in self._buses_with("signals", "idle", python):
                self.figures.add(bus.name, measure_first_greeting(bus))
        measure_idle(self._buses, self.figures, self._scope.watched, self._scope.connections)

    def _on_pybus(self, measure: Callable[[Pybus], dict[str, float]], rounds: int | None = None) -> None:
        """Measure what only pybus has, its legs in turn, if it is among the buses."""
        legs = {bus.name: bus for bus in self._buses_with("own") if isinstance(bus, Pybus)}
        for _ in range(self._scope.rounds if rounds is None else rounds):
            for who, found in self._step(legs, measure).items():
                self.figures.add(who, found)

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
            print(f"  on {', '.join(bus.name for bus in self._buses) or 'nothing'}", file=sys.stderr, flush=True)
        return self._buses

    def _started(self, of: str, python: str) -> Iterator[Bus]:
        for kind in self._bus_types:
            if of not in kind.measures:
                continue
            folder = Path(tempfile.mkdtemp(prefix=f"{kind.name}-", dir=self._folder))
            try:
                bus = kind(folder, python) if issubclass(kind, Pybus) else kind(folder)
            except NotAvailable as reason:
                self._leave_out(f"{kind.name}: {reason}")
                continue
            self._running.callback(bus.stop)
            yield bus

    def _leave_out(self, text: str) -> None:
        if text not in self.left_out:
            self.left_out.append(text)


def _open_by(opening: Opening, crew: Crew, bus: Bus, client: Client) -> Scenario:
    return opening.open(crew, bus, need(client))
