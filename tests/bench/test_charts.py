"""The charts: what stands in them, that they are the same for the same figures, and that labels keep apart."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.bench.charts import draw, spread
from tests.bench.test_record import record

_SVG = "{http://www.w3.org/2000/svg}"
_MEASURED = record(
    {
        "signals_1_1": {"pybus": [1_500_000], "pybus-compiled": [6_000_000], "nats": [1_900_000], "redis": [1_200_000]},
        "signals_1_8": {"pybus": [6_500_000], "pybus-compiled": [18_000_000], "nats": [4_000_000]},
        "signals_1_64": {"pybus": [8_000_000], "pybus-compiled": [20_000_000], "nats": [4_300_000]},
    }
)


def texts(path: Path) -> list[str]:
    """All that is written in a chart, as it stands from the first to the last."""
    return [element.text or "" for element in ElementTree.parse(path).iter(f"{_SVG}text")]


def test_each_line_is_named_at_its_end_with_its_value(tmp_path: Path) -> None:
    drawn = draw(_MEASURED, tmp_path)
    assert drawn == {"subscribers.svg": tmp_path / "subscribers.svg", "patterns.svg": None, "sizes.svg": None}
    assert texts(tmp_path / "subscribers.svg") == [
        "1",
        "8",
        "64",
        "subscribers",
        "2M",
        "5M",
        "10M",
        "20M",
        "NATS  4.3M",
        "pybus plain  8M",
        "pybus compiled  20M",
        "Deliveries a second, 64 bytes, one topic",
    ]


def test_the_same_figures_give_the_same_bytes(tmp_path: Path) -> None:
    charts = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        draw(_MEASURED, tmp_path / name)
        charts.append((tmp_path / name / "subscribers.svg").read_bytes())
    assert charts[0] == charts[1]
    assert b"<dc:date>" not in charts[0]


def test_has_no_background_of_its_own(tmp_path: Path) -> None:
    draw(_MEASURED, tmp_path)
    patches = ElementTree.parse(tmp_path / "subscribers.svg").findall(f".//{_SVG}g[@id='figure_1']//{_SVG}path")
    filled = {patch.get("style") for patch in patches[:2]}
    assert filled == {"fill: none"}


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ([0.1, 0.5, 0.9], [0.1, 0.5, 0.9]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.3, 0.5, 0.52, 0.54], [0.3, 0.42, 0.52, 0.62]),
        ([0.0, 0.01], [0.0, 0.1]),
        ([0.98, 1.0], [0.9, 1.0]),
        ([], []),
    ],
)
def test_labels_keep_apart_and_near(wanted: list[float], places: list[float]) -> None:
    assert spread(wanted, 0.1) == pytest.approx(places)
