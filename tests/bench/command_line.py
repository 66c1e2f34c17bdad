"""The command line of the benchmark: what can be asked for, and what is wrong with it, before anything is measured."""

import argparse
import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.buses import Bus
from tests.bench.record import Record, Unreadable, read

_EPILOG = """\
examples:
  make bench                                        everything
  make bench ARGS="--quick --only signals"          a first look
  make bench ARGS="--bus pybus --bus nats"          beside one peer
  make bench ARGS="--json new.json"                 keep all values
  make bench ARGS="--from new.json --charts docs/bench --markdown"
                                                    what README shows, from a run that was kept
"""


class Options(argparse.Namespace):
    """What was asked for. source: a run that was kept and is shown again, None to measure."""

    only: list[str] | None
    bus: list[str] | None
    quick: bool
    tiny: bool
    list: bool
    markdown: bool
    json: Path | None
    charts: Path | None
    source: Record | None


def parse(names: Mapping[str, str], kinds: Mapping[str, type[Bus]], words: Sequence[str]) -> Options:
    """names: what can be measured, kinds: on which buses. Ends the program with 2 if the words are wrong."""
    parser = _parser(names, kinds)
    options = parser.parse_args(words, Options())
    if options.source is not None:
        _refuse_beside_from(parser, options)
    if options.json is not None and not os.access(options.json.parent, os.W_OK):
        parser.error(f"argument --json: {options.json.parent} is no folder that can be written to")
    if options.charts is not None:
        if importlib.util.find_spec("matplotlib") is None:
            parser.error("argument --charts: matplotlib is not installed; `make bench` installs it")
        try:
            options.charts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"argument --charts: {options.charts} can't be made: {error.strerror}")
    return options


def listing(names: Mapping[str, str], kinds: Mapping[str, type[Bus]]) -> str:
    """What can be measured, and on which buses, a line for each."""
    measured = [f"  {name:16}{text}" for name, text in names.items()]
    buses = [f"  {name:16}{(kind.__doc__ or '').partition('.')[0]}." for name, kind in kinds.items()]
    return "\n".join(["measured, chosen with --only:", *measured, "", "on these buses, chosen with --bus:", *buses])


def _parser(names: Mapping[str, str], kinds: Mapping[str, type[Bus]]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure pybus and every other message bus that is installed here, in one run.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what is measured (by default everything)")
    what.add_argument("--list", action="store_true", help="show what NAME and BUS can be, and measure nothing")
    what.add_argument("--only", metavar="NAME", action="append", choices=names, help="only this (may be repeated)")
    what.add_argument("--bus", metavar="BUS", action="append", choices=kinds, help="only this bus (may be repeated)")
    size = what.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="few and short rounds")
    size.add_argument("--tiny", action="store_true", help="only to see that it works; the figures mean nothing")
    what.add_argument(
        "--from", metavar="FILE", dest="source", type=_record, help="measure nothing, show what --json kept in FILE"
    )
    output = parser.add_argument_group("what is shown and kept")
    output.add_argument("--markdown", action="store_true", help="show it as Markdown, for a README")
    output.add_argument("--json", metavar="FILE", type=Path, help="keep all values in FILE, unless the run is stopped")
    output.add_argument("--charts", metavar="FOLDER", type=Path, help="draw charts into FOLDER, as SVG")
    return parser


def _record(path: str) -> Record:
    try:
        return read(Path(path))
    except Unreadable as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def _refuse_beside_from(parser: argparse.ArgumentParser, options: Options) -> None:
    for name in ("only", "bus", "quick", "tiny", "json"):
        if getattr(options, name):
            parser.error(f"argument --{name}: not allowed with argument --from, which shows a run that was kept")
