"""Figures: what is measured, in which unit, and the values of all rounds."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Measure(NamedTuple):
    """One line of the report. more: whether more is better. compared: False if it only tells of the circumstances."""

    title: str
    unit: str
    more: bool
    compared: bool = True


MEASURES = {
    "signals_1_1": Measure("signals, 1 to 1, 64 bytes, one topic", "/s", True),
    "signals_16_topics": Measure("signals, 1 to 1, 16 topics in turn", "/s", True),
    "signals_1000_topics": Measure("signals, 1 to 1, 1 000 topics under 10 patterns", "/s", True),
    "signals_1_8": Measure("signals, 1 to 8, deliveries", "/s", True),
    "signals_1_64": Measure("signals, 1 to 64, deliveries", "/s", True),
    "signals_1k": Measure("signals, 1 to 1, 1 KiB", "/s", True),
    "signals_64k": Measure("signals, 1 to 1, 64 KiB", "/s", True),
    "roundtrip_p50": Measure("two signals there and back, p50", "us", False),
    "roundtrip_p99": Measure("two signals there and back, p99", "us", False),
    "roundtrip_core_p50": Measure("two signals there and back, on one core, p50", "us", False),
    "roundtrip_core_p99": Measure("two signals there and back, on one core, p99", "us", False),
    "roundtrip_loaded_p50": Measure("two signals beside half the maximal load, p50", "us", False),
    "roundtrip_loaded_p99": Measure("two signals beside half the maximal load, p99", "us", False),
    "roundtrip_load": Measure("signals of that load that came through", "/s", True, compared=False),
    "call_p50": Measure("call, p50", "us", False),
    "call_p99": Measure("call, p99", "us", False),
    "call_core_p50": Measure("call on one core, p50", "us", False),
    "call_core_p99": Measure("call on one core, p99", "us", False),
    "call_100_in_flight": Measure("calls answered, 100 in flight", "/s", True),
    "python_to_python": Measure("Python to Python with a callback", "/s", True),
    "storm_alone_p50": Measure("one signal, a pair alone, p50", "us", False),
    "storm_alone_p99": Measure("one signal, a pair alone, p99", "us", False),
    "storm_1_p50": Measure("beside a flood to 1 subscriber, p50", "us", False),
    "storm_1_p99": Measure("beside a flood to 1 subscriber, p99", "us", False),
    "storm_1_growth": Measure("growth of the p99", "times", False),
    "storm_1_flood": Measure("signals that the flooder got through", "/s", True),
    "storm_8_p50": Measure("beside a flood to 8 subscribers, p50", "us", False),
    "storm_8_p99": Measure("beside a flood to 8 subscribers, p99", "us", False),
    "storm_8_growth": Measure("growth of the p99 with 8", "times", False),
    "storm_8_flood": Measure("signals that the flooder got through to 8", "/s", True),
    "export_bare_p50": Measure("call on D-Bus, dbus-next to dbus-next, p50", "us", False),
    "export_call_p50": Measure("the same call through org.pybus.Bus1, p50", "us", False),
    "export_burst": Measure("signals in a burst to a D-Bus subscriber", "/s", True),
    "export_wait": Measure("the longest wait for a Ping beside it", "ms", False),
    "start_send": Measure("pybus-send, start to end", "ms", False),
    "start_pass": Measure("python -c pass, start to end", "ms", False),
    "matching_1": Measure("signals, 16 topics in turn, beside 1 pattern", "/s", True),
    "matching_100": Measure("signals, 16 topics in turn, beside 100 patterns", "/s", True),
    "matching_10000": Measure("signals, 16 topics in turn, beside 10 000 patterns", "/s", True),
    "matching_1000000": Measure("signals, 16 topics in turn, beside 1 000 000 patterns", "/s", True),
    "matching_memory_10000": Measure("memory for each of 10 000 patterns", "bytes", False),
    "matching_memory_1000000": Measure("memory for each of 1 000 000 patterns", "bytes", False),
    "idle_memory": Measure("idle daemon's memory", "MB", False),
    "scale_100_memory": Measure("memory for each of 100 idle connections", "KB", False),
    "scale_2000_memory": Measure("memory for each of 2 000 idle connections", "KB", False),
    "wake_ups": Measure("wake-ups while idle", "", False),
    "start_daemon": Measure("start of the daemon until it greets", "ms", False),
    "event_pyudev": Measure("kernel event to a print by pyudev", "us", False),
    "event_listener": Measure("kernel event to a listener's print", "us", False),
    "queue_transient": Measure("transient messages through a queue", "/s", True),
    "queue_persistent": Measure("persistent messages confirmed, pipelined", "/s", True),
    "queue_confirmed_p50": Measure("one persistent message confirmed, p50", "us", False),
    "queue_confirmed_p99": Measure("one persistent message confirmed, p99", "us", False),
    "queue_confirmed_over": Measure("the disk's own fdatasync meanwhile, in place", "us", False, compared=False),
    "queue_confirmed_after": Measure("the disk's own fdatasync at the end of a file", "us", False, compared=False),
    "queue_latency_p50": Measure("a message into a queue and back, p50", "us", False),
    "queue_latency_p99": Measure("a message into a queue and back, p99", "us", False),
    "queued_memory": Measure("daemon with a million messages queued", "MB", False),
    "queued_restart": Measure("restart with a million persistent ones", "s", False),
    "bound_declare": Measure("10 000 queues, 100 000 bindings declared", "s", False),
    "bound_before": Measure("messages routed, confirmed, before that", "/s", True),
    "bound_after": Measure("messages routed, confirmed, after that", "/s", True),
    "bound_slower": Measure("how many times slower that is", "times", False),
}


LEGS = {"pybus": "pybus plain", "pybus-compiled": "pybus compiled"}
"""The two ways in which pybus runs, which are measured side by side as two buses; how people read their names."""


def bus_of(who: str) -> str:
    """The bus's name in a name such as `nats (nats-py)`, which says by which client it was measured."""
    return who.partition(" (")[0]


class Figures:
    """The values of all rounds, by measure and by who was measured: a bus, or a bus and its client."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, list[float]]] = {}

    def add(self, who: str, found: dict[str, float]) -> None:
        """Note one round's values, by measure."""
        for measure, value in found.items():
            self.values.setdefault(measure, {}).setdefault(who, []).append(value)

    def median(self, measure: str, who: str) -> float | None:
        """The median of the rounds, None if this was not measured."""
        values = self.values.get(measure, {}).get(who)
        return median(values) if values else None

    def ours(self, measure: str, leg: str) -> str | None:
        """Who stands for a leg of pybus in comparisons: the first of its clients; None if it was not measured."""
        return next((who for who in self.values.get(measure, {}) if bus_of(who) == leg), None)

    def best(self, measure: str, peers: Sequence[str] | None = None) -> str | None:
        """The best of these, by default of all that are not pybus; None if none of them was measured."""
        found = self.values.get(measure, {})
        choose = max if MEASURES[measure].more else min
        chosen = [who for who in found if (bus_of(who) not in LEGS if peers is None else who in peers)]
        return choose(chosen, key=lambda who: median(found[who]), default=None)

    def ratio(self, measure: str, who: str, leg: str = "pybus") -> float | None:
        """How many times better a leg of pybus is than another; below 1 it is worse.

        The median over the rounds, each compared with the other's in the same round, as the
        machine was then most nearly the same for both.
        """
        found = self.values.get(measure, {})
        rounds = zip(found.get(self.ours(measure, leg) or "", ()), found.get(who, ()), strict=False)
        pairs = [(ours, theirs) for ours, theirs in rounds if ours and theirs]
        if not pairs:
            return None
        more = MEASURES[measure].more
        return median([ours / theirs if more else theirs / ours for ours, theirs in pairs])


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which `part` (0 to 1) of the values are."""
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]
