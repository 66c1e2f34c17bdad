"""The report: where it was measured, the figures side by side, and the targets beside them."""

import importlib.metadata
import os
import platform
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.figures import MEASURES, Figures, Measure
from tests.bench.peers import KINDS


class Target(NamedTuple):
    """What pybus aims at. value: the figure to hold against the limit, None if it was not measured."""

    text: str
    value: Callable[[Figures], float | None]
    limit: float
    more: bool


def _ours(measure: str) -> Callable[[Figures], float | None]:
    return lambda figures: figures.median(measure, "pybus")


def _times_better(measure: str, bus: str) -> Callable[[Figures], float | None]:
    return lambda figures: figures.ratio(measure, bus)


def _start_ratio(figures: Figures) -> float | None:
    sends, least = (figures.values.get(measure, {}).get("pybus", []) for measure in ("start_send", "start_pass"))
    return median([ours / bare for ours, bare in zip(sends, least, strict=True)]) if sends else None


def _event_ratio(figures: Figures) -> float | None:
    ours, theirs = figures.median("event_listener", "pybus"), figures.median("event_pyudev", "pybus")
    return ours / theirs if ours is not None and theirs is not None else None


def _export_ratio(bus: str) -> Callable[[Figures], float | None]:
    def ratio(figures: Figures) -> float | None:
        ours, bare = (figures.values.get(f"export_{one}_p50", {}).get(bus, []) for one in ("call", "bare"))
        return median([one / other for one, other in zip(ours, bare, strict=True)]) if ours else None

    return ratio


def _times_the_disk(disk: str) -> Callable[[Figures], float | None]:
    def ratio(figures: Figures) -> float | None:
        confirmed, alone = (figures.values.get(one, {}).get("pybus", []) for one in ("queue_confirmed_p50", disk))
        return median([ours / least for ours, least in zip(confirmed, alone, strict=True)]) if confirmed else None

    return ratio


def _most(measure: str) -> Callable[[Figures], float | None]:
    return lambda figures: max((max(values) for values in figures.values.get(measure, {}).values()), default=None)


TARGETS = (
    Target("signals 1 to 1, a second", _ours("signals_1_1"), 1_000_000, True),
    Target("signals 1 to 1, times dbus-broker's", _times_better("signals_1_1", "dbus-broker"), 5, True),
    Target("two signals, times faster than dbus-broker", _times_better("roundtrip_p50", "dbus-broker"), 1, True),
    Target("the same on one core", _times_better("roundtrip_core_p50", "dbus-broker"), 1, True),
    Target("call, times faster than dbus-next on dbus-broker", _times_better("call_aio_p50", "dbus-broker"), 2, True),
    Target("the same on one core", _times_better("call_aio_core_p50", "dbus-broker"), 2, True),
    Target("call, times faster than dbus-next on dbus-daemon", _times_better("call_aio_p50", "dbus-daemon"), 2, True),
    Target("the same on one core", _times_better("call_aio_core_p50", "dbus-daemon"), 2, True),
    Target("Python to Python, messages a second", _ours("python"), 250_000, True),
    Target("a pair's p99 beside a flood to 1, times alone", _ours("storm_1_growth"), 5, False),
    Target("the same beside a flood to 8", _ours("storm_8_growth"), 5, False),
    Target("call through org.pybus.Bus1, times a bare one", _export_ratio("dbus-broker"), 2, False),
    Target("the same on dbus-daemon", _export_ratio("dbus-daemon"), 2, False),
    Target("the exporter's longest wait in a burst, ms", _most("export_wait"), 100, False),
    Target("start of pybus-send, times python -c pass", _start_ratio, 2.2, False),
    Target("idle daemon, MB", _ours("idle_memory"), 28, False),
    Target("idle connection, KB", _ours("scale_2000_memory"), 12, False),
    Target("wake-ups of the idle daemon", _ours("wake_ups"), 0, False),
    Target("kernel event to a listener's print, times pyudev's", _event_ratio, 2, False),
    Target("transient messages, times RabbitMQ's", _times_better("queue_transient", "rabbitmq"), 3, True),
    Target("persistent messages confirmed, a second", _ours("queue_persistent"), 30_000, True),
    Target("the same, times RabbitMQ's", _times_better("queue_persistent", "rabbitmq"), 3, True),
    Target("one message confirmed, times an fdatasync", _times_the_disk("queue_confirmed_over"), 1.5, False),
    Target("the same, at the end of a file", _times_the_disk("queue_confirmed_after"), 1.5, False),
    Target("a million messages queued, MB", _ours("queued_memory"), 400, False),
    Target("restart with them, s", _ours("queued_restart"), 10, False),
    Target("routing beside 100 000 bindings, times slower", _ours("bound_slower"), 1.5, False),
)


_QUEUES = ("queue", "bound")
"""How the measures of queues begin."""


def machine() -> dict[str, str]:
    """What the figures depend on, by name."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    cores = len(os.sched_getaffinity(0))
    load = f"{os.getloadavg()[0]:.1f}"
    udevd = "yes" if os.path.exists("/run/udev/control") else "no"
    return {"cpu": model, "cores": str(cores), "load before": load, "kernel": platform.release(), "udevd": udevd}


def versions() -> dict[str, str]:
    """What was measured with what, by name; programs that are not installed are absent."""
    found = {"Python": platform.python_version()}
    for package in ("msgpack", "dbus-next", "pika"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    told = {kind.name: kind.version() for kind in KINDS.values()}
    return found | {name: version for name, version in told.items() if version is not None}


def as_data(figures: Figures, notes: dict[str, list[str]], about: dict[str, dict[str, str]]) -> dict[str, object]:
    """The whole result for a JSON file. notes: `left out` and `failed`. about: `machine` and `versions`."""
    found = [
        {
            "measure": measure,
            "title": MEASURES[measure].title,
            "unit": MEASURES[measure].unit,
            "bus": bus,
            "median": figures.median(measure, bus),
            "rounds": values,
            "pybus_is_better_by": figures.ratio(measure, bus) if bus != "pybus" else None,
        }
        for measure, buses in figures.values.items()
        for bus, values in buses.items()
    ]
    targets = [
        {"target": one.text, "limit": one.limit, "value": value, "met": _met(one, value)}
        for one in TARGETS
        if (value := one.value(figures)) is not None
    ]
    return {**about, "figures": found, "targets": targets, **notes}


def as_text(figures: Figures, notes: dict[str, list[str]], about: dict[str, dict[str, str]]) -> str:
    """The whole result for people."""
    parts = [", ".join(f"{name} {value}" for name, value in part.items()) for part in about.values()]
    parts += ["", *_table(figures), "", *_targets(figures)]
    for kind, texts in notes.items():
        parts += [f"{kind}: {text}" for text in texts]
    return "\n".join(parts)


def _table(figures: Figures) -> list[str]:
    """Signals beside the D-Buses, then queues beside RabbitMQ, as far as each was measured."""
    lines: list[str] = []
    for rivals, of_queues in ((["dbus-broker", "dbus-daemon"], False), (["rabbitmq"], True)):
        keys = [key for key in MEASURES if key in figures.values and key.startswith(_QUEUES) == of_queues]
        columns = [bus for bus in ["pybus", *rivals] if any(bus in figures.values[key] for key in keys)]
        if columns:
            lines += [""] if lines else []
            lines.append(f"{'median of the rounds':52}" + "".join(f"{bus:>22}" for bus in columns))
        for key in keys:
            lines.append(f"{_title(MEASURES[key]):52}" + "".join(_cell(figures, key, bus) for bus in columns))
        if len(columns) > 1:
            lines.append("(in brackets: how many times better pybus is)")
    return lines


def _title(measure: Measure) -> str:
    return f"{measure.title}, {measure.unit}" if measure.unit not in ("", "/s") else measure.title + measure.unit


def _cell(figures: Figures, measure: str, bus: str) -> str:
    value = figures.median(measure, bus)
    if value is None:
        return f"{'-':>22}"
    ratio = figures.ratio(measure, bus) if bus != "pybus" else None
    return f"{_number(value):>13}" + (f"{f'({ratio:.2f}x)':>9}" if ratio is not None else " " * 9)


def _number(value: float) -> str:
    if value >= 1000 or value == int(value):
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.1f}"


def _met(target: Target, value: float) -> bool:
    return value >= target.limit if target.more else value <= target.limit


def _targets(figures: Figures) -> list[str]:
    lines = []
    for target in TARGETS:
        value = target.value(figures)
        if value is not None:
            sign = ">=" if target.more else "<="
            verdict = "met" if _met(target, value) else "MISSED"
            shown = f"{value:.2f}" if value < 100 else _number(value)
            lines.append(f"{target.text:50}{shown:>12}  {sign} {_number(target.limit):>9}  {verdict}")
    return lines
