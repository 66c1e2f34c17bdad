"""`python -m tests.bench`: pybus and every other message bus that is installed here, measured in one run.

Run it from the repository's root. Every bus is started privately in a temporary folder, all stay up
while the rounds go through them in turn (one of each, then the next of each), so that a busy moment
of the machine hits all. What is shown is the median of the rounds. Each measurement says in its module
what it measures and why that is fair. pybus is measured twice, as two buses: plain, and with its hot path
compiled, each with its daemon and its clients.

A bus on which something fails, such as by a lost signal, falls out of that measurement by name, the others go on;
the exit code is 1 then. A missed target is shown and nothing more, as machines differ. Ctrl-C ends all that was
started and shows what there is until then.
"""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NamedTuple, Protocol, TypeVar

from tests.bench import command_line, report
from tests.bench.buses import BUSES, Bus, NotAvailable, Pybus
from tests.bench.calls import CallByCall, CallsInFlight
from tests.bench.client import clients_of, need
from tests.bench.crew import Crew, Failure, on_core
from tests.bench.export import Export
from tests.bench.figures import Figures
from tests.bench.hardware import measure_hardware
from tests.bench.idle import measure_idle
from tests.bench.installation import Installation
from tests.bench.machine import machine, versions
from tests.bench.many import measure_bound, measure_queued
from tests.bench.python import PythonToPython
from tests.bench.queues import OneByOne, Persistent, Transient, confirm_each, go_and_return
from tests.bench.rabbitmq import RabbitMQ
from tests.bench.record import Record, write
from tests.bench.roundtrip import RoundTrip
from tests.bench.signals import SignalLoad
from tests.bench.start import measure_start
from tests.bench.storm import Storm, add_growth

T = TypeVar("T")


class Scenario(Protocol):
    """A measurement that is set up on one bus."""

    def warm_up(self, seconds: float) -> None:
        """Do it once, and choose the counts so that a round takes about so many seconds."""

    def round(self) -> dict[str, float]:
        """Do it once; values by measure."""


class Scope(NamedTuple):
    """How much is measured. seconds: of one round. starts: pairs. watched: seconds for wake-ups.
    events: of the hardware, a round. queued: messages that wait. queues: that are declared.
    """

    rounds: int
    seconds: float
    starts: int
    watched: float
    connections: int
    events: int
    queued: int
    queues: int


FULL = Scope(
    rounds=5, seconds=0.4, starts=25, watched=10, connections=2000, events=500, queued=1_000_000, queues=10_000
)
QUICK = Scope(rounds=3, seconds=0.2, starts=9, watched=2, connections=500, events=200, queued=1_000_000, queues=10_000)
TINY = Scope(rounds=1, seconds=0.01, starts=1, watched=0.1, connections=20, events=3, queued=100, queues=10)


class Opening(NamedTuple):
    """How a scenario is set up. one_core: whether all processes, and the buses, run on one core.

    of: "signals" or "queues", which a bus has to have. by: what a Python client has to do for it; then it is set up
    by each of the bus's clients that do.
    """

    open: Callable[..., Scenario]
    one_core: bool = False
    of: str = "signals"
    by: str | None = None


SCENARIOS = {
    "signals": [
        Opening(lambda crew, bus: SignalLoad(crew, bus, "signals_1_1", subscribers=1, topics=1)),
        Opening(lambda crew, bus: SignalLoad(crew, bus, "signals_1_1_mixed", subscribers=1, topics=8)),
        Opening(lambda crew, bus: SignalLoad(crew, bus, "signals_1_8", subscribers=8, topics=1)),
    ],
    "roundtrip": [
        Opening(lambda crew, bus: RoundTrip(crew, bus, "roundtrip")),
        Opening(lambda crew, bus: RoundTrip(crew, bus, "roundtrip_core"), one_core=True),
    ],
    "calls": [
        Opening(partial(CallByCall, measure="call"), by="calls"),
        Opening(partial(CallByCall, measure="call_core"), by="calls", one_core=True),
        Opening(CallsInFlight, by="calls in flight"),
    ],
    "python": [Opening(PythonToPython, by="python")],
    "storm": [Opening(Storm)],
    "queues": [
        Opening(Transient, of="queues", by="transient"),
        Opening(Persistent, of="queues", by="persistent"),
        Opening(partial(OneByOne, measure="queue_confirmed", role=confirm_each), of="queues", by="persistent"),
        Opening(partial(OneByOne, measure="queue_latency", role=go_and_return), of="queues", by="transient"),
    ],
}
NAMES = {
    "signals": "signals a second, to 1, 8 and 64 subscribers, of 64 bytes to 64 KiB",
    "roundtrip": "two signals there and back",
    "calls": "call and answer through the Python clients",
    "python": "a Python publisher to a Python subscriber with a callback",
    "storm": "a pair that exchanges signals beside a flooder",
    "queues": "messages through queues: transient, persistent with confirms, one by one",
    "export": "calls and signals from D-Bus through org.pybus.Bus1",
    "start": "the start of pybus-send",
    "idle": "what an idle bus costs: memory, wake-ups, connections",
    "hardware": "a kernel event until a listener has printed it (as root)",
    "queued": "a million messages in a queue",
    "bound": "ten thousand queues with a hundred thousand bindings",
}
"""What can be measured, in this order."""

KINDS = {**BUSES, RabbitMQ.name: RabbitMQ}


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
        self._stack = stack
        self._scope = scope
        self._bus_types = list(bus_types)
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pybus-bench-")))
        self._buses: dict[str, list[Bus]] = {}
        self._installation: Installation | None = None
        self._name = ""

    def measure(self, names: Sequence[str]) -> None:
        """Measure what has these names, one after the other."""
        for number, name in enumerate(names, 1):
            print(f"measuring {name} ({number} of {len(names)}) ...", file=sys.stderr, flush=True)
            self._name = name
            try:
                if name == "export":
                    self._export()
                elif name == "start":
                    self._start()
                elif name == "idle":
                    self._idle()
                elif name == "hardware":
                    self._on_pybus("signals", lambda bus: measure_hardware(bus, self._scope.events))
                elif name == "queued":
                    self._on_pybus("queues", lambda bus: measure_queued(bus, self._scope.queued), rounds=1)
                elif name == "bound":
                    self._on_pybus("queues", lambda bus: measure_bound(bus, self._scope.queues), rounds=1)
                else:
                    for opening in SCENARIOS[name]:
                        self._play(opening)
                    if name == "storm":
                        add_growth(self.figures)
            except NotAvailable as reason:
                self._leave_out(f"{name}: {reason}")
            except Failure as problem:
                self.failed.append(f"{name}: {problem}")
            except Stopped as stop:
                self.failed.append(f"{name}, and what comes after it: stopped by {signal.Signals(stop.number).name}")
                raise

    def _play(self, opening: Opening) -> None:
        """Set a scenario up on every bus, then go through the rounds, the buses in turn."""
        core = max(os.sched_getaffinity(0)) if opening.one_core else None
        with Crew(core) as crew:
            scenarios = self._open(opening, crew)
            with on_core(core, [bus.pid for bus in self._buses_with(opening.of)] if opening.one_core else []):
                self._step(scenarios, lambda scenario: scenario.warm_up(self._scope.seconds))
                rounds = [self._step(scenarios, lambda scenario: scenario.round()) for _ in range(self._scope.rounds)]
        for name in scenarios:
            for found in rounds:
                self.figures.add(name, found[name])
        self._bury(opening.of)

    def _open(self, opening: Opening, crew: Crew) -> dict[str, Scenario]:
        scenarios: dict[str, Scenario] = {}
        for bus in self._buses_with(opening.of):
            crew.environment = bus.environment
            clients = [None] if opening.by is None else clients_of(bus, opening.by)
            for client in clients:
                who = bus.name if client is None else client.on(bus)
                try:
                    scenarios[who] = opening.open(crew, bus) if client is None else opening.open(crew, bus, need(client))
                except NotAvailable as reason:
                    self._leave_out(f"{who}: {reason}")
                except Failure as problem:
                    self._fall_out(who, problem)
        return scenarios

    def _step(self, scenarios: dict[str, Scenario], step: Callable[[Scenario], T]) -> dict[str, T]:
        """One step on each bus in turn, what came of it by name; a bus on which it fails falls out of the scenarios."""
        found: dict[str, T] = {}
        for name, scenario in list(scenarios.items()):
            try:
                found[name] = step(scenario)
            except Failure as problem:
                del scenarios[name]
                self._fall_out(name, problem)
        return found

    def _fall_out(self, bus: str, problem: Failure) -> None:
        self.failed.append(f"{self._name}: on {bus}: {problem}")

    def _bury(self, of: str) -> None:
        """Go on without the buses that have ended."""
        for bus in self._buses_with(of):
            code = bus.exit_code()
            if code is not None:
                how = f"with {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
                self.failed.append(f"{bus.name} ended {how}: what comes after {self._name} is without it")
        self._buses[of] = [bus for bus in self._buses[of] if bus.exit_code() is None]

    def _export(self) -> None:
        """Pybus is in it on every bus of D-Bus, so they can't take turns."""
        buses = self._buses_with("signals")
        ours = [bus for bus in buses if isinstance(bus, Pybus)]
        for bus in [bus for bus in buses if bus.protocol == "dbus" and ours]:
            with Crew() as crew, _blaming(bus.name), Export(crew, bus, ours[0]) as export:
                export.warm_up(self._scope.seconds)
                for _ in range(self._scope.rounds):
                    self.figures.add(bus.name, export.round())

    def _start(self) -> None:
        self._on_pybus("signals", lambda bus: measure_start(self._installed(), bus), self._scope.starts)

    def _idle(self) -> None:
        python = self._installed().python if self._scope is not TINY else sys.executable
        buses = self._start_buses("idle", "signals", python)
        measure_idle(buses, self.figures, self._scope.watched, self._scope.connections)

    def _on_pybus(self, of: str, measure: Callable[[Pybus], dict[str, float]], rounds: int | None = None) -> None:
        """Measure what only pybus has, if it is among the buses."""
        for bus in self._buses_with(of):
            if isinstance(bus, Pybus):
                for _ in range(self._scope.rounds if rounds is None else rounds):
                    self.figures.add(bus.name, measure(bus))

    def _installed(self) -> Installation:
        if self._installation is None:
            folder = tempfile.mkdtemp(prefix="installation-", dir=self._folder)
            self._installation = Installation(Path(folder))
        return self._installation

    def _buses_with(self, of: str) -> list[Bus]:
        """Those that are measured by their signals or their queues, started when they are first needed."""
        if of not in self._buses:
            self._buses[of] = self._start_buses(of, of)
        return self._buses[of]

    def _start_buses(self, purpose: str, of: str, python: str = sys.executable) -> list[Bus]:
        """Fresh ones, of all kinds that there are here; they end with the run."""
        buses: list[Bus] = []
        for kind in self._bus_types:
            if of not in kind.measures:
                continue
            folder = self._folder / f"{purpose}-{kind.name}"
            folder.mkdir(mode=0o700)
            try:
                bus = kind(folder, python) if issubclass(kind, Pybus) else kind(folder)
            except NotAvailable as reason:
                self._leave_out(f"{kind.name}: {reason}")
                continue
            self._stack.callback(bus.stop)
            buses.append(bus)
        return buses

    def _leave_out(self, text: str) -> None:
        if text not in self.left_out:
            self.left_out.append(text)


@contextmanager
def _blaming(bus: str) -> Iterator[None]:
    """Say on which bus a measurement failed."""
    try:
        yield
    except Failure as problem:
        raise Failure(f"on {bus}: {problem}") from None


def main() -> int:
    """Do what the command line says; 1 if a measurement failed, 128 and its number after a signal."""
    options = command_line.parse(NAMES, KINDS)
    if options.list:
        print(command_line.listing(NAMES, KINDS))
        return 0
    stopped = 0
    if options.source is None:
        record, stopped = _run(options)
    else:
        record = options.source
    print(report.as_markdown(record) if options.markdown else report.as_text(record))
    try:
        _keep(record, options, bool(stopped))
    except OSError as error:
        print(f"{error.filename} can't be written: {error.strerror}", file=sys.stderr)
        return 1
    return stopped or (1 if record.failed and options.source is None else 0)


def _keep(record: Record, options: command_line.Options, stopped: bool) -> None:
    """Write the files that were asked for. A run that was stopped early keeps none, for it would replace a whole one."""
    if stopped:
        return
    if options.json is not None:
        write(record, options.json)
    if options.charts is not None:
        from tests.bench.charts import draw

        for name, path in draw(record, options.charts).items():
            if path is None:
                print(f"{name} is not drawn: too little of it was measured", file=sys.stderr)


def _run(options: command_line.Options) -> tuple[Record, int]:
    """Measure; what came of it, and the exit code if a signal ended it early, else 0."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    name, scope = ("tiny", TINY) if options.tiny else ("quick", QUICK) if options.quick else ("full", FULL)
    about = (datetime.now(UTC).isoformat(timespec="seconds"), {"name": name, **scope._asdict()}, machine(), versions())
    code = 0
    with ExitStack() as stack:
        harness = Harness(stack, scope, [KINDS[name] for name in options.bus or KINDS])
        try:
            harness.measure(options.only or list(NAMES))
        except Stopped as stop:
            code = 128 + stop.number
    return Record(harness.figures, *about, harness.left_out, harness.failed), code


def _stop(number: int, frame: FrameType | None) -> None:
    """End the run, once: nothing may come between while the buses are stopped."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)


if __name__ == "__main__":
    sys.exit(main())
