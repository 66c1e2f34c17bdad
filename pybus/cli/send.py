"""`pybus-send TOPIC [VALUE]`: publish a signal.

The plain form, a topic and a value, is recognised without argparse, whose import would take longer
than everything else that the command does.
"""

from __future__ import annotations

import sys

from pybus.cli.command import NOBODY, OK, WRONG_USE, complain, run_command
from pybus.client.blocking import connect

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

PROGRAM = "pybus-send"
DESCRIPTION = 'Publish a signal, such as: pybus-send hal.power.ac "unplugged"'


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if len(words) == 2 and not words[0].startswith("-") and not words[1].startswith("-"):
        return run_command(PROGRAM, lambda: _send_plain(words[0], words[1]))
    from pybus.cli.parsing import Command, run

    return run(Command(PROGRAM, DESCRIPTION, add_arguments, send), words)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what can be written on the command line."""
    parser.add_argument("topic", metavar="TOPIC", help="words joined by dots, such as hal.power.ac")
    parser.add_argument("value", metavar="VALUE", nargs="?", help="text; - reads it from standard input")
    parser.add_argument("--json", action="store_true", help="VALUE is JSON (with --lines, each line is)")
    parser.add_argument("--file", metavar="FILE", help="the value is the content of FILE, as bytes")
    parser.add_argument("--lines", action="store_true", help="publish each line of standard input")
    parser.add_argument("--retain", action="store_true", help="let the bus keep the value for those who come later")
    parser.add_argument("--clear", action="store_true", help="let the bus forget the value that it keeps")
    parser.add_argument("--on-change", action="store_true", help="--retain, and pass on only what differs from before")
    parser.add_argument("--report", action="store_true", help="print how many got it; exit code 3 if nobody did")
    parser.add_argument(
        "--dry-run", action="store_true", help="send nothing, but tell who would get it, as pybus explain"
    )


def send(options: argparse.Namespace) -> int:
    """Publish what the options say."""
    given = [name for name in ("value", "file") if getattr(options, name) is not None]
    given += [name for name in ("lines", "clear") if getattr(options, name)]
    if len(given) > 1:
        return complain(PROGRAM, f"give only one of VALUE, --file, --lines and --clear, not {_and(given)}", WRONG_USE)
    if options.clear and (options.retain or options.on_change):
        other = "--retain" if options.retain else "--on-change"
        return complain(PROGRAM, f"--clear and {other} contradict each other", WRONG_USE)
    try:
        if options.dry_run:
            return _explain(options)
        reached = _publish(options)
    except _Malformed as error:
        return complain(PROGRAM, str(error), WRONG_USE)
    if not options.report:
        return OK
    print(reached)
    return OK if reached else NOBODY


def _publish(options: argparse.Namespace) -> int:
    """Publish, and return how many got it if that is to be reported."""
    reached = 0
    how = {"retain": options.retain or options.on_change, "confirm": options.report, "on_change": options.on_change}
    with connect() as bus:
        if options.clear:
            return bus.clear(options.topic, confirm=options.report) or 0
        for value in _values(options):
            reached += bus.publish(options.topic, value, **how) or 0
    return reached


def _explain(options: argparse.Namespace) -> int:
    from pybus.cli.explain import Change, explain_topic

    values = [] if options.clear else list(_values(options))
    value = values[-1] if values else None  # the last one is what would be kept
    if not (options.retain or options.on_change or options.clear):
        return explain_topic(options.topic)
    return explain_topic(options.topic, Change(value, options.clear, options.on_change))


class _Malformed(Exception):
    """A value that can't be read."""


def _send_plain(topic: str, value: str) -> int:
    with connect() as bus:
        bus.publish(topic, value)
    return OK


def _values(options: argparse.Namespace) -> Iterator[object]:
    if options.file is not None:
        with open(options.file, "rb") as file:
            yield file.read()
    elif options.lines:
        for number, line in enumerate(sys.stdin, 1):
            yield _value(line.removesuffix("\n"), options.json, f"line {number}")
    elif options.value == "-":
        yield _value(sys.stdin.read(), options.json, "standard input")
    elif options.value is not None:
        yield _value(options.value, options.json, "VALUE")
    else:
        yield None


def _value(text: str, is_json: bool, where: str) -> object:
    if not is_json:
        return text
    import json

    try:
        return json.loads(text)
    except ValueError as error:
        raise _Malformed(f"{where} is not JSON: {error}") from None
    except RecursionError:
        raise _Malformed(f"{where} is nested too deeply") from None


def _and(words: list[str]) -> str:
    return " and ".join(word.upper() if word == "value" else f"--{word}" for word in words)
