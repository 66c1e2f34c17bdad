"""`pybus-send TOPIC [VALUE]`: publish a signal; with `--queue` or `--exchange` a message for queues.

The plain form, a topic and a value, is recognised without argparse, whose import would take longer
than everything else that the command does.
"""

from __future__ import annotations

import sys

from pybus.cli.command import NOBODY, OK, REFUSED, WRONG_USE, complain, run_command
from pybus.client.blocking import connect
from pybus.errors import NotFound, Unroutable
from pybus.names import AMQ_TOPIC, BUS_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any

    from pybus.client.blocking import Bus

PROGRAM = "pybus-send"
DESCRIPTION = """\
Publish a signal, or a message for queues.

  pybus-send hal.power.ac "unplugged"
  pybus-send --queue jobs "lint a.py" --persistent --confirm
  pybus-send --exchange logs --key app.error "no disk" --header try=1"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if len(words) == 2 and not words[0].startswith("-") and not words[1].startswith("-"):
        return run_command(PROGRAM, lambda: _send_plain(words[0], words[1]))
    from pybus.cli.parsing import Command, run

    return run(Command(PROGRAM, DESCRIPTION, add_arguments, send), words)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what can be written on the command line."""
    parser.add_argument(
        "topic", metavar="TOPIC", nargs="?", help="words joined by dots, such as hal.power.ac; none for a message"
    )
    parser.add_argument("value", metavar="VALUE", nargs="?", help="text; - reads it from standard input")
    parser.add_argument("--json", action="store_true", help="VALUE is JSON (with --lines, each line is)")
    parser.add_argument("--file", metavar="FILE", help="the value is the content of FILE, as bytes")
    parser.add_argument("--lines", action="store_true", help="publish each line of standard input")
    parser.add_argument("--retain", action="store_true", help="let the bus keep the value for those who come later")
    parser.add_argument("--clear", action="store_true", help="let the bus forget the value that it keeps")
    parser.add_argument("--on-change", action="store_true", help="--retain, and pass on only what differs from before")
    parser.add_argument("--report", action="store_true", help="print how many programs and queues got it; code 3: none")
    parser.add_argument(
        "--dry-run", action="store_true", help="send nothing, but tell who would get it, as pybus explain"
    )

    parser.add_argument("--queue", metavar="QUEUE", help="publish a message to this queue; code 3 if there is none")
    parser.add_argument("--exchange", metavar="EXCHANGE", help="publish a message to this exchange")
    parser.add_argument("--key", metavar="KEY", help="with --exchange: the routing key (default: an empty one)")
    parser.add_argument(
        "--header", metavar="K=V", action="append", type=_header, help="a header of the message; V is JSON, else text"
    )
    parser.add_argument("--persistent", action="store_true", help="the message survives the bus in durable queues")
    parser.add_argument("--mandatory", action="store_true", help="with --exchange: exit code 3 if it reaches no queue")
    parser.add_argument("--confirm", action="store_true", help="wait until the message is safe in its queues")


_FOR_SIGNALS = ("retain", "clear", "on_change", "report")
_FOR_MESSAGES = ("key", "header", "persistent", "mandatory", "confirm")


def send(options: argparse.Namespace) -> int:
    """Publish what the options say."""
    is_message = options.queue is not None or options.exchange is not None
    problem = _message_problem(options) if is_message else _signal_problem(options)
    if problem:
        return complain(PROGRAM, problem, WRONG_USE)
    if is_message:  # whose value is the first word, as it has no topic
        options.value = options.topic
    given = [name for name in ("value", "file") if getattr(options, name) is not None]
    given += [name for name in ("lines", "clear") if getattr(options, name)]
    if len(given) > 1:
        return complain(PROGRAM, f"give only one of VALUE, --file, --lines and --clear, not {_and(given)}", WRONG_USE)
    try:
        return _send_messages(options) if is_message else _send_signals(options)
    except _Malformed as error:
        return complain(PROGRAM, str(error), WRONG_USE)


def _signal_problem(options: argparse.Namespace) -> str:
    """Which options do not go together for a signal; nothing if all do."""
    if options.topic is None:
        return "give a TOPIC, or for a message --queue or --exchange"
    if options.clear and (options.retain or options.on_change):
        return f"--clear and {'--retain' if options.retain else '--on-change'} contradict each other"
    stray = _given(options, _FOR_MESSAGES)
    return f"{stray[0]} is for messages, which go to a --queue or an --exchange" if stray else ""


def _message_problem(options: argparse.Namespace) -> str:
    """The same for a message."""
    if options.value is not None:
        return f"a message has no topic, so give only one of {options.topic!r} and {options.value!r}"
    other = _given(options, ("exchange", "key"))
    if options.queue is not None and other:
        return f"--queue and {other[0]} contradict each other"
    stray = _given(options, _FOR_SIGNALS)
    return f"{stray[0]} is for signals, which have a TOPIC" if stray else ""


def _given(options: argparse.Namespace, names: tuple[str, ...]) -> list[str]:
    return [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) not in (None, False)]


def _send_signals(options: argparse.Namespace) -> int:
    if options.dry_run:
        return _explain(options)
    reached = _publish(options)
    if not options.report:
        return OK
    print(f"{reached}{_queues_of(options.topic)}" if sys.stdout.isatty() else reached)
    return OK if reached else NOBODY


def _queues_of(topic: str) -> str:
    """The queues that are among those who got it, for a person."""
    with connect() as bus:
        found = bus.call(BUS_NAME, "route", AMQ_TOPIC, topic)["queues"]
    from pybus.cli.text import safe

    shown = ", ".join(safe(name) for name in found)
    return f" ({'queue' if len(found) == 1 else 'queues'} {shown})" if found else ""


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


def _send_messages(options: argparse.Namespace) -> int:
    if options.dry_run:
        from pybus.cli.explain_message import explain_message

        return explain_message(*_place(options), dict(options.header or ()))
    try:
        with connect() as bus:
            if not options.confirm:
                _publish_to(bus, options)
            else:
                with bus.confirming():
                    _publish_to(bus, options)
    except Unroutable:
        if options.queue is None:
            raise
        from pybus.cli.misnamed import near

        return complain(PROGRAM, f"there is no queue {options.queue!r}{near('queue', options.queue)}", NOBODY)
    except NotFound as error:
        from pybus.cli.misnamed import not_there

        return complain(PROGRAM, not_there(error), REFUSED)
    return OK


def _publish_to(bus: Bus, options: argparse.Namespace) -> None:
    """Publish the messages. To AMQP it is no error if there is no such queue; to a person who names one it is."""
    to_queue = options.queue is not None
    exchange, key = _place(options)
    how: dict[str, Any] = {"persistent": options.persistent, "mandatory": options.mandatory or to_queue}
    if options.header:
        how["headers"] = dict(options.header)
    for value in _values(options):
        bus.publish_to(exchange, key, value, **how)


def _place(options: argparse.Namespace) -> tuple[str, str]:
    """The exchange and the routing key of the messages."""
    return ("", options.queue) if options.queue is not None else (options.exchange, options.key or "")


def _header(text: str) -> tuple[str, object]:
    from pybus.cli.parsing import pair  # which needs argparse

    return pair(text)


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
