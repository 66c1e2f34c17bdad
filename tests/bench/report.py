"""The report of a run, for a terminal and as Markdown: when and where it was, the figures side by side, the targets.

All measures are there, each with a line for whoever was measured, the best first. Markdown begins with a table of
the most telling ones, with a column for each bus, as a README shows it; the whole is folded below.
"""

import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from tests.bench.figures import LEGS, MEASURES, Figures, Measure, bus_of
from tests.bench.record import Record
from tests.bench.targets import Outcome, outcomes

_SECTIONS = {
    "Signals, bytes in and bytes out": ("signals_",),
    "Two signals there and back": ("roundtrip_",),
    "Beside many patterns": ("matching_",),
    "Through Python clients": ("python_", "call_"),
    "Beside a flooder": ("storm_",),
    "Queues": ("queue", "bound_"),
    "What it costs": ("idle_", "scale_", "wake_", "start_", "event_"),
    "From D-Bus": ("export_",),
}
"""How the measures of each part of the report begin."""

_PROMISES = {
    "queue_persistent": "When they confirm, pybus, RabbitMQ and Redis always have a message on disk; Redis everysec "
    "has it there within a second, NATS jetstream within two minutes."
}
"""What has to be known beside a measure: bus and peer don't promise the same."""

_TELLING = (
    "signals_1_1",
    "signals_16_topics",
    "signals_1000_topics",
    "signals_1_8",
    "signals_1_64",
    "signals_1k",
    "signals_64k",
    "matching_1000000",
    "roundtrip_p50",
    "roundtrip_core_p50",
    "roundtrip_loaded_p99",
    "python_to_python",
    "call_p50",
    "call_core_p50",
    "call_100_in_flight",
    "queue_transient",
    "queue_persistent",
    "queue_confirmed_p50",
    "queue_latency_p50",
    "start_daemon",
    "idle_memory",
    "scale_2000_memory",
    "wake_ups",
)
"""The measures of the table in a README."""

_COLUMNS = ("nats", "redis", "dbus-broker", "dbus-daemon", "mosquitto", "rabbitmq", "zmq")
"""The peers side by side there; what is called `nats-jetstream` stands in the column of `nats`."""

_NAMES = {
    **LEGS,
    "nats": "NATS",
    "redis": "Redis",
    "mosquitto": "Mosquitto",
    "rabbitmq": "RabbitMQ",
    "zmq": "ZeroMQ",
}
"""As they are written; all others are written as they are called."""


class Line(NamedTuple):
    """Who was measured, what came out, and how many times better each leg of pybus is, as texts."""

    who: str
    value: str
    ratios: list[str]


def as_text(record: Record) -> str:
    """The whole run for a terminal."""
    figures, legs = record.figures, _legs(record.figures)
    lines = [f"{name}: {text}" for name, text in _about(record).items()]
    if legs:
        lines.append("Beside each peer stands how many times better pybus is.")
    heads = "".join(f"{_leg_name(leg):>11}" for leg in legs)
    for heading, measures in sections(figures):
        lines += ["", heading.upper()]
        for measure in measures:
            lines.append(f"{_title(MEASURES[measure]):58}{heads}".rstrip())
            for who, value, ratios in _ranking(figures, measure):
                lines.append(f"  {who:40}{value:>16}{''.join(f'{ratio:>11}' for ratio in ratios)}".rstrip())
            lines += textwrap.wrap(_PROMISES.get(measure, ""), 80)
    if reached := outcomes(figures):
        lines += ["", "TARGETS"]
        lines += [
            f"  {one.target.text:51}{_leg_name(one.leg):10}{number(one.value):>8}  {_verdict(one)}" for one in reached
        ]
    return "\n".join([*lines, "", *_notes(record)]).rstrip()


def as_markdown(record: Record) -> str:
    """The same for a README."""
    figures, about = record.figures, _about(record)
    parts = [f"Measured on {record.date.partition('T')[0]} ({about['scope']}). Machine: {about['machine']}."]
    parts += [*_matrix(figures), *_targets(figures), f"Versions: {about['versions']}.", *_notes(record)]
    legs = [f"times better: {_leg_name(leg)}" for leg in _legs(figures)]
    for heading, measures in sections(figures):
        rows = [
            ["" if index else _title(MEASURES[measure]), who, value, *ratios]
            for measure in measures
            for index, (who, value, ratios) in enumerate(_ranking(figures, measure))
        ]
        table = _table(["", "", "median", *legs], rows, words=2)
        promises = [_PROMISES[measure] for measure in measures if measure in _PROMISES]
        folded = "\n\n".join([f"<details><summary>{heading}</summary>", table, *promises, "</details>"])
        parts.append(folded)
    return "\n\n".join(parts)


def _about(record: Record) -> dict[str, str]:
    """When, how much, where and with what."""
    scope = f"{record.scope['name']}, {record.scope['rounds']} rounds taken in turn, of which the medians are shown"
    machine = ", ".join(f"{name} {value}" for name, value in record.machine.items())
    versions = ", ".join(f"{name} {value}" for name, value in record.versions.items())
    return {"measured": record.date, "scope": scope, "machine": machine, "versions": versions}


def _notes(record: Record) -> list[str]:
    return [f"Left out: {text}" for text in record.left_out] + [f"Failed: {text}" for text in record.failed]


def sections(figures: Figures) -> Iterator[tuple[str, list[str]]]:
    """The parts of the report with their measures, as far as there are figures."""
    for heading, beginnings in _SECTIONS.items():
        measures = [measure for measure in MEASURES if measure in figures.values and measure.startswith(beginnings)]
        if measures:
            yield heading, measures


def _ranking(figures: Figures, measure: str) -> list[Line]:
    """Whoever was measured, the best first."""
    medians = [(value, who) for who in figures.values[measure] if (value := figures.median(measure, who)) is not None]
    medians.sort(key=lambda pair: pair[0], reverse=MEASURES[measure].more)
    return [Line(name_of(who), number(value), _ratios(figures, measure, who)) for value, who in medians]


def _ratios(figures: Figures, measure: str, who: str) -> list[str]:
    """How many times better pybus is than a peer, for each leg; beside pybus itself, and beside nothing, no text."""
    if bus_of(who) in LEGS or not MEASURES[measure].compared:
        return ["" for _ in _legs(figures)]
    ratios = [figures.ratio(measure, who, leg) for leg in _legs(figures)]
    return ["" if ratio is None else _times(ratio) for ratio in ratios]


def _times(ratio: float) -> str:
    if ratio < 0.1:
        return f"{ratio:.2g}x"
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.0f}x"


def _matrix(figures: Figures) -> list[str]:
    """The telling measures with a column for each bus, the best peer's figure in bold, and what that means."""
    measures = [measure for measure in _TELLING if measure in figures.values]
    families = {_family(who) for measure in measures for who in figures.values[measure]}
    columns = [column for column in (*LEGS, *_COLUMNS) if column in families]
    if not columns:
        return []
    rows = [[_title(MEASURES[one]), *(_cell(figures, one, column) for column in columns)] for one in measures]
    legs = " and ".join(_leg_name(leg) for leg in _legs(figures))
    legend = f"In brackets: how many times better pybus is ({legs}), each round beside its own. In bold: the best peer."
    promises = [text for measure, text in _PROMISES.items() if measure in measures]
    return [_table(["", *map(name_of, columns)], rows), *([legend] if legs else []), *promises]


def _cell(figures: Figures, measure: str, column: str) -> str:
    """The best of a column's clients, with its name if that says more than the column's, and the ratios."""
    if column in LEGS:
        who = figures.ours(measure, column)
    else:
        who = figures.best(measure, [one for one in figures.values[measure] if _family(one) == column])
    value = figures.median(measure, who) if who else None
    if who is None or value is None:
        return ""
    shown = number(value) if who != figures.best(measure) else f"**{number(value)}**"
    more = who.removeprefix(column).strip("- ").replace("(", "").replace(")", "")
    ratios = ", ".join(filter(None, _ratios(figures, measure, who)))
    return " ".join([shown, *([more] if more else []), *([f"({ratios})"] if ratios else [])])


def _targets(figures: Figures) -> list[str]:
    """The targets with what each leg reached."""
    found: dict[str, dict[str, str]] = {}
    for one in outcomes(figures):
        verdict = _verdict(one) if one.met else f"**{_verdict(one)}**"
        found.setdefault(one.target.text, {})[one.leg] = f"{number(one.value)} ({verdict})"
    legs = [leg for leg in LEGS if any(leg in reached for reached in found.values())]
    rows = [[text, *(reached.get(leg, "") for leg in legs)] for text, reached in found.items()]
    return [_table(["target", *(LEGS[leg] for leg in legs)], rows)] if rows else []


def _table(head: list[str], rows: list[list[str]], words: int = 1) -> str:
    """A table in Markdown. words: how many columns hold words; the others hold numbers and stand to the right."""
    rules = ["---" if column < words else "--:" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rules, *rows])


def _legs(figures: Figures) -> list[str]:
    """The legs of pybus that were measured."""
    whos = {bus_of(who) for found in figures.values.values() for who in found}
    return [leg for leg in LEGS if leg in whos]


def _leg_name(leg: str) -> str:
    """`plain` or `compiled`."""
    return LEGS[leg].removeprefix("pybus ")


def name_of(who: str) -> str:
    """As people read it: which leg or product, and which client."""
    bus = bus_of(who)
    if bus in _NAMES:
        return _NAMES[bus] + who.removeprefix(bus)
    product, _, variant = who.partition("-")
    return f"{_NAMES[product]} {variant}" if product in _NAMES else who


def _family(who: str) -> str:
    """The column in which somebody stands."""
    bus = bus_of(who)
    return bus if bus in (*LEGS, *_COLUMNS) else bus.partition("-")[0]


def _title(measure: Measure) -> str:
    unit = "a second" if measure.unit == "/s" else measure.unit
    return f"{measure.title}, {unit}" if unit else measure.title


def number(value: float) -> str:
    """With three digits that count."""
    value = float(f"{value:.3g}")
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}"


def _verdict(one: Outcome) -> str:
    return f"{'>=' if one.target.more else '<='} {number(one.limit)}, {'met' if one.met else 'MISSED'}"
