"""The targets: what each leg of pybus aims at, as a figure of its own or beside a peer's.

A comparison is the median over the rounds, each with the peer's in the same round. A target whose figures were not
measured, or that only the other leg has, is not shown.
"""

from collections.abc import Callable
from statistics import median
from typing import NamedTuple

from tests.bench.figures import Figures, bus_of

_DBUS_FAST = "dbus-broker (dbus-fast)"

Value = Callable[[Figures, str], float | None]
"""The figure to hold against the limit, for a leg of pybus; None if it was not measured."""


class Target(NamedTuple):
    """What pybus aims at. more: whether more is better. plain, compiled: each leg's limit, None for no such aim."""

    text: str
    value: Value
    more: bool
    plain: float | None
    compiled: float | None

    def limit(self, leg: str) -> float | None:
        return self.plain if leg == "pybus" else self.compiled


class Outcome(NamedTuple):
    """A target and what a leg reached."""

    target: Target
    leg: str
    limit: float
    value: float

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.target.more else self.value <= self.limit


def outcomes(figures: Figures) -> list[Outcome]:
    """Of all targets for which there are figures, plain before compiled."""
    found = []
    for target in TARGETS:
        for leg in ("pybus", "pybus-compiled"):
            limit, value = target.limit(leg), target.value(figures, leg)
            if limit is not None and value is not None:
                found.append(Outcome(target, leg, limit, value))
    return found


def _ours(measure: str) -> Value:
    def value(figures: Figures, leg: str) -> float | None:
        who = figures.ours(measure, leg)
        return figures.median(measure, who) if who else None

    return value


def _better(measure: str, peer: str | None = None) -> Value:
    """How many times better than a peer, a bus or `bus (client)`; than the best of a bus's clients, or of all."""

    def value(figures: Figures, leg: str) -> float | None:
        whos = [who for who in figures.values.get(measure, {}) if peer in (who, bus_of(who))]
        best = figures.best(measure, whos if peer else None)
        return figures.ratio(measure, best, leg) if best else None

    return value


def _times(measure: str, peer: str) -> Value:
    """How many times a peer's time it takes."""
    better = _better(measure, peer)

    def value(figures: Figures, leg: str) -> float | None:
        ratio = better(figures, leg)
        return 1 / ratio if ratio else None

    return value


def _beside(measure: str, other: str) -> Value:
    """How many times another measure of the same bus, each round with the same round."""

    def value(figures: Figures, leg: str) -> float | None:
        return _quotient(figures, (measure, other), figures.ours(measure, leg))

    return value


def _exported(bus: str) -> Value:
    """A call through the exporter beside a bare one on the same D-Bus; the figures stand with that bus."""

    def value(figures: Figures, leg: str) -> float | None:
        return _quotient(figures, ("export_call_p50", "export_bare_p50"), bus) if leg == "pybus" else None

    return value


def _quotient(figures: Figures, measures: tuple[str, str], who: str | None) -> float | None:
    ours, others = (figures.values.get(measure, {}).get(who or "", []) for measure in measures)
    pairs = [(one, other) for one, other in zip(ours, others, strict=False) if other]
    return median([one / other for one, other in pairs]) if pairs else None


def _most(measure: str) -> Value:
    """The worst of all rounds, whoever was measured."""

    def value(figures: Figures, leg: str) -> float | None:
        values = figures.values.get(measure, {}).values() if leg == "pybus" else ()
        return max((max(rounds) for rounds in values), default=None)

    return value


TARGETS = (
    Target("signals 1 to 1, 64 B, a second", _ours("signals_1_1"), True, 1_200_000, None),
    Target("signals 1 to 1, 64 B, times Redis's", _better("signals_1_1", "redis"), True, 1, None),
    Target("signals 1 to 1, 64 B, times NATS's", _better("signals_1_1", "nats"), True, None, 3),
    Target("signals 1 to 1, 64 B, times dbus-broker's", _better("signals_1_1", "dbus-broker"), True, 6, 15),
    Target("signals 1 to 1, 16 topics, a second", _ours("signals_16_topics"), True, 1_000_000, None),
    Target("signals 1 to 1, 16 topics, times NATS's", _better("signals_16_topics", "nats"), True, None, 1),
    Target("signals 1 to 8, 64 B, times NATS's", _better("signals_1_8", "nats"), True, 1.6, 4),
    Target("signals 1 to 8, 64 B, times dbus-broker's", _better("signals_1_8", "dbus-broker"), True, 6, 15),
    Target("signals 1 to 1, 1 KiB, times NATS's", _better("signals_1k", "nats"), True, 1.5, 2),
    Target("signals 1 to 1, 64 KiB, times dbus-broker's", _better("signals_64k", "dbus-broker"), True, 1, None),
    Target("signals 1 to 1, 64 KiB, times the best peer's", _better("signals_64k"), True, None, 1),
    Target("round trip, p50, times dbus-broker's", _times("roundtrip_p50", "dbus-broker"), False, 1, None),
    Target("round trip, p50, times Redis's", _times("roundtrip_p50", "redis"), False, None, 1.1),
    Target(
        "round trip on one core, p50, times dbus-broker's", _times("roundtrip_core_p50", "dbus-broker"), False, 1, None
    ),
    Target("round trip on one core, p50, times Redis's", _times("roundtrip_core_p50", "redis"), False, None, 1.1),
    Target(
        "signals beside 1 000 000 patterns, times beside 1", _beside("matching_1000000", "matching_1"), True, 0.8, 0.8
    ),
    Target("memory of each of 1 000 000 patterns, bytes", _ours("matching_memory_1000000"), False, 800, 800),
    Target("Python to Python, times the best peer's", _better("python_to_python"), True, 1.8, 3),
    Target("call, p50, times dbus-fast's on dbus-broker", _times("call_p50", _DBUS_FAST), False, 0.6, 0.45),
    Target("call on one core, p50, times dbus-fast's there", _times("call_core_p50", _DBUS_FAST), False, 0.6, 0.45),
    Target("a pair's p99 beside a flood to 1, times alone", _ours("storm_1_growth"), False, 5, 5),
    Target("a pair's p99 beside a flood to 8, times alone", _ours("storm_8_growth"), False, 5, 5),
    Target("transient messages, times RabbitMQ's", _better("queue_transient", "rabbitmq"), True, 3, 3),
    Target("persistent messages confirmed, a second", _ours("queue_persistent"), True, 30_000, 30_000),
    Target("persistent messages confirmed, times RabbitMQ's", _better("queue_persistent", "rabbitmq"), True, 3, 5),
    Target(
        "a message confirmed, times an fdatasync in place",
        _beside("queue_confirmed_p50", "queue_confirmed_over"),
        False,
        1.5,
        1.5,
    ),
    Target(
        "a message confirmed, times one that grows a file",
        _beside("queue_confirmed_p50", "queue_confirmed_after"),
        False,
        1.5,
        1.5,
    ),
    Target("a million messages queued, MB", _ours("queued_memory"), False, 400, 400),
    Target("restart with a million messages, s", _ours("queued_restart"), False, 10, 10),
    Target("routing beside 100 000 bindings, times slower", _ours("bound_slower"), False, 1.5, 1.5),
    Target("call through org.pybus.Bus1, times a bare one", _exported("dbus-broker"), False, 2, None),
    Target("the same call on dbus-daemon, times a bare one", _exported("dbus-daemon"), False, 2, None),
    Target("the exporter's longest wait in a burst, ms", _most("export_wait"), False, 100, None),
    Target("start of pybus-send, times python -c pass", _beside("start_send", "start_pass"), False, 2, 2),
    Target("idle daemon, MB", _ours("idle_memory"), False, 28, 30),
    Target("idle connection, KB", _ours("scale_2000_memory"), False, 12, 12),
    Target("wake-ups of the idle daemon", _ours("wake_ups"), False, 0, 0),
    Target("kernel event to a listener's print, times pyudev", _beside("event_listener", "event_pyudev"), False, 2, 2),
)
