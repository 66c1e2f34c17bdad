"""README and the page of all figures show what the kept run says."""

from pathlib import Path

from tests.bench.record import read
from tests.bench.report import as_markdown

_ROOT = Path(__file__).parents[2]
_KEPT = _ROOT / "docs/bench/figures.json"


def test_the_page_shows_all_of_the_figures_that_are_kept() -> None:
    assert (_ROOT / "docs/bench/figures.md").read_text().endswith(f"\n\n{as_markdown(read(_KEPT))}\n")


def test_readme_shows_their_table() -> None:
    table, _, rest = as_markdown(read(_KEPT)).partition("\n| target |")
    assert rest
    assert table in (_ROOT / "README.md").read_text()
