"""Charts of throughput, as SVG, and the only place that knows matplotlib.

The background is transparent, and each colour stands out as much from white as from a dark page (4.3 to 1), so that one
file serves both. Text stays text. Whatever changes from run to run by itself (the date, identifiers) is fixed, so
that two files differ where the figures do.
"""

from collections.abc import Mapping, Sequence
from math import log
from pathlib import Path
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from tests.bench.figures import Figures, bus_of
from tests.bench.record import Record
from tests.bench.report import name_of, number


class Chart(NamedTuple):
    """Throughput over something. points: the measure at each value of it. marks: how these values are written."""

    title: str
    over: str
    points: Mapping[int, str]
    marks: Sequence[str]


CHARTS = {
    "subscribers.svg": Chart(
        "Deliveries a second, 64 bytes, one topic",
        "subscribers",
        {1: "signals_1_1", 8: "signals_1_8", 64: "signals_1_64"},
        ("1", "8", "64"),
    ),
    "patterns.svg": Chart(
        "Signals a second beside patterns that don't match",
        "patterns present",
        {1: "matching_1", 100: "matching_100", 10_000: "matching_10000", 1_000_000: "matching_1000000"},
        ("1", "100", "10 000", "1 000 000"),
    ),
    "sizes.svg": Chart(
        "Signals a second, 1 to 1, one topic",
        "size of a message",
        {64: "signals_1_1", 1024: "signals_1k", 65536: "signals_64k"},
        ("64 B", "1 KiB", "64 KiB"),
    ),
}
"""By the names of their files."""

_GREY = "#727c86"
_COLOURS = {
    "pybus": "#e23e0c",
    "pybus-compiled": "#e23e0c",
    "nats": "#1979e5",
    "redis": "#e1307a",
    "dbus-broker": "#238b46",
    "dbus-daemon": "#60852c",
    "mosquitto": "#995ae2",
    "rabbitmq": "#a76e1e",
}

_STYLE = {
    "svg.hashsalt": "pybus",
    "svg.fonttype": "none",
    "font.size": 12,
    "text.color": _GREY,
    "axes.labelcolor": _GREY,
    "axes.edgecolor": _GREY,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
}

_GAP = 0.066
"""The least distance between two labels, as part of the height."""


def draw(record: Record, folder: Path) -> dict[str, Path | None]:
    """Draw all charts into a folder; the file of each by its name, None where not enough was measured to draw it.

    Raises `OSError`.
    """
    return {name: _draw(record, chart, folder / name) for name, chart in CHARTS.items()}


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places between 0 and 1, this far from each other at least, as near as can be to the wanted ones, which ascend."""
    blocks: list[list[float]] = []  # of labels that touch; of each label: where the first of its block would be for it
    for index, place in enumerate(wanted):
        blocks.append([place - index * gap])
        while len(blocks) > 1 and _mean(blocks[-2]) > _mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    firsts = [_mean(block) for block in blocks for _ in block]
    most = max(0, 1 - (len(wanted) - 1) * gap)
    return [min(max(first, 0), most) + index * gap for index, first in enumerate(firsts)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _draw(record: Record, chart: Chart, path: Path) -> Path | None:
    lines = _lines(record.figures, chart)
    if not lines:
        return None
    with matplotlib.rc_context(_STYLE):
        canvas = Canvas(figsize=(8, 4.5))
        axes = canvas.add_axes((0.08, 0.15, 0.6, 0.74))
        _furnish(axes, chart, [value for line in lines.values() for _, value in line])
        for who, line in lines.items():
            _plot(axes, who, line)
        _label(axes, lines)
        about = {"Title": f"{chart.title}, over {chart.over}", "Date": None, "Creator": None}
        canvas.savefig(path, format="svg", transparent=True, metadata=about)
    return path


def _lines(figures: Figures, chart: Chart) -> dict[str, list[tuple[int, float]]]:
    """Where each bus stands at each point; those that were measured at one point only have no line."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for place, measure in chart.points.items():
        for who in figures.values.get(measure, {}):
            value = figures.median(measure, who)
            if value:
                lines.setdefault(who, []).append((place, value))
    return {who: line for who, line in lines.items() if len(line) > 1}


def _furnish(axes: Axes, chart: Chart, values: Sequence[float]) -> None:
    """Scales, grid and words."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = min(values) / 1.4, max(values) * 1.4
    axes.set_ylim(low, high)
    axes.set_xticks(list(chart.points), chart.marks)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1,) if high > 50 * low else (1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.grid(axis="y", color=_GREY, alpha=0.3, linewidth=0.8)
    axes.tick_params(length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(chart.title, loc="left", fontweight="bold", pad=12)
    axes.set_xlabel(chart.over)


def _plot(axes: Axes, who: str, line: Sequence[tuple[int, float]]) -> None:
    """One bus: pybus thick, and dashed where it runs plain."""
    ours = who.startswith("pybus")
    axes.plot(
        *zip(*line, strict=True),
        color=_COLOURS.get(bus_of(who), _GREY),
        linewidth=3 if ours else 1.8,
        linestyle="--" if who == "pybus" else "-",
        marker="o",
        markersize=6 if ours else 4.5,
        zorder=3 if ours else 2,
    )


def _label(axes: Axes, lines: Mapping[str, Sequence[tuple[int, float]]]) -> None:
    """At the end of each line its name and last value, moved apart as far as they have to be."""
    low, high = axes.get_ylim()
    ends = sorted(((line[-1], who) for who, line in lines.items()), key=lambda end: end[0][1])
    wanted = [log(value / low) / log(high / low) for (_, value), _ in ends]
    for (end, who), place in zip(ends, spread(wanted, _GAP), strict=True):
        colour = _COLOURS.get(bus_of(who), _GREY)
        axes.annotate(
            f"{name_of(who)}  {number(end[1])}",
            xy=end,
            xytext=(1.05, place),
            textcoords="axes fraction",
            va="center",
            color=colour,
            fontweight="bold" if who.startswith("pybus") else "normal",
            arrowprops={"arrowstyle": "-", "color": colour, "alpha": 0.5, "linewidth": 0.8, "relpos": (0, 0.5)},
        )
