"""The record of a run: all that a report is made from, and its form as JSON, in which it is kept and read again."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.figures import MEASURES, Figures
from tests.bench.targets import outcomes


class Record(NamedTuple):
    """One run. date: when it began, ISO 8601. scope: how much was measured, with a `name`.

    machine, versions: see the module `machine`. left_out, failed: what is not among the figures, and why.
    """

    figures: Figures
    date: str
    scope: dict[str, str | float]
    machine: dict[str, str]
    versions: dict[str, str]
    left_out: list[str]
    failed: list[str]


class Unreadable(Exception):
    """A file is not the record of a run; the text says why."""


def write(record: Record, path: Path) -> None:
    """Keep it in a file, as JSON. Raises `OSError`."""
    path.write_text(json.dumps(as_data(record), indent=1) + "\n")


def read(path: Path) -> Record:
    """A record that was kept. What this version of the benchmark does not measure is left out by name.

    Raises `Unreadable`, also if the file can't be opened.
    """
    try:
        data = json.loads(path.read_text())
        return _from_data(data)
    except OSError as error:
        raise Unreadable(f"{path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise Unreadable(f"{path} is not JSON: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"{path} is not what --json writes: {error!r}") from None


def as_data(record: Record) -> dict[str, object]:
    """As it stands in a file; each figure has its title, unit, median and rounds, each target what came of it."""
    figures = record.figures
    return {
        "date": record.date,
        "scope": record.scope,
        "machine": record.machine,
        "versions": record.versions,
        "figures": [
            {
                "measure": measure,
                "title": MEASURES[measure].title,
                "unit": MEASURES[measure].unit,
                "more is better": MEASURES[measure].more,
                "bus": who,
                "median": figures.median(measure, who),
                "rounds": rounds,
            }
            for measure, found in figures.values.items()
            for who, rounds in found.items()
        ],
        "targets": [
            {"target": one.target.text, "leg": one.leg, "limit": one.limit, "value": one.value, "met": one.met}
            for one in outcomes(figures)
        ],
        "left out": record.left_out,
        "failed": record.failed,
    }


def _from_data(data: dict[str, Any]) -> Record:
    figures = Figures()
    left_out = list(data["left out"])
    for found in data["figures"]:
        measure = found["measure"]
        if measure in MEASURES:
            figures.values.setdefault(measure, {})[found["bus"]] = [float(value) for value in found["rounds"]]
        elif (text := f"{measure}: no measure of this version of the benchmark") not in left_out:
            left_out.append(text)
    parts = {name: data[name] for name in ("date", "scope", "machine", "versions", "failed")}
    return Record(figures=figures, left_out=left_out, **parts)
