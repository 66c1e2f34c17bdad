"""A record that was kept is read again as it was; what is no record is refused with the reason."""

import json
from pathlib import Path

import pytest

from tests.bench.figures import Figures
from tests.bench.record import Record, Unreadable, as_data, read, write


def record(rounds: dict[str, dict[str, list[float]]], **parts: list[str]) -> Record:
    """A record with these figures, by measure and by who was measured."""
    figures = Figures()
    figures.values = rounds
    return Record(
        figures=figures,
        date="2026-11-28T21:00:00+00:00",
        scope={"name": "quick", "rounds": 3},
        machine={"cpu": "i386", "cores": "2"},
        versions={"pybus": "1.0", "nats-server": "2.9"},
        left_out=parts.get("left_out", []),
        failed=parts.get("failed", []),
    )


def test_is_read_as_it_was_written(tmp_path: Path) -> None:
    before = record(
        {"signals_1_1": {"pybus": [3.0, 1.0], "nats": [2.0, 2.5]}}, left_out=["redis: absent"], failed=["x"]
    )
    write(before, tmp_path / "kept.json")
    after = read(tmp_path / "kept.json")
    assert after.figures.values == before.figures.values
    assert after[1:] == before[1:]


def test_a_file_tells_all_without_the_program() -> None:
    found = as_data(record({"signals_1_1": {"pybus": [1_000_000, 3_000_000, 1_300_000]}}, left_out=["redis: absent"]))
    assert found == {
        "date": "2026-11-28T21:00:00+00:00",
        "scope": {"name": "quick", "rounds": 3},
        "machine": {"cpu": "i386", "cores": "2"},
        "versions": {"pybus": "1.0", "nats-server": "2.9"},
        "figures": [
            {
                "measure": "signals_1_1",
                "title": "signals, 1 to 1, 64 bytes, one topic",
                "unit": "/s",
                "more is better": True,
                "bus": "pybus",
                "median": 1_300_000,
                "rounds": [1_000_000, 3_000_000, 1_300_000],
            }
        ],
        "targets": [
            {
                "target": "signals 1 to 1, 64 B, a second",
                "leg": "pybus",
                "limit": 1_200_000,
                "value": 1_300_000,
                "met": True,
            }
        ],
        "left out": ["redis: absent"],
        "failed": [],
    }


def test_a_measure_that_is_no_more_is_left_out_by_name(tmp_path: Path) -> None:
    data = as_data(record({"signals_1_1": {"pybus": [1.0]}}))
    old = {"measure": "pigeons", "bus": "pybus", "rounds": [1.0]}
    path = tmp_path / "old.json"
    path.write_text(json.dumps({**data, "figures": [old, {**old, "bus": "nats"}]}))
    kept = read(path)
    assert kept.figures.values == {}
    assert kept.left_out == ["pigeons: no measure of this version of the benchmark"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("{}", "is not what --json writes: KeyError('left out')"),
        ("[]", "is not what --json writes: TypeError('list indices must be integers or slices, not str')"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(Unreadable) as refused:
        read(path)
    assert str(refused.value) == f"{path} {reason}"


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unreadable) as refused:
        read(tmp_path / "absent.json")
    assert str(refused.value) == f"{tmp_path}/absent.json can't be read: No such file or directory"
