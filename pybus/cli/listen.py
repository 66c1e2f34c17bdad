"""`pybus-listen PATTERN...`: print the signals that match; with `--queue` take a queue's messages."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from itertools import count as counting
from time import monotonic
from typing import TypeVar

from pybus.cli.command import NOBODY, OK, REFUSED, WRONG_USE, complain
from pybus.cli.messages import show_message
from pybus.cli.parsing import Command, count, run, seconds
from pybus.cli.text import paint, plain, safe, to_json
from pybus.client.blocking import Bus, connect
from pybus.client.blocking_queues import Message
from pybus.client.inbox import Signal
from pybus.errors import NotFound

_One = TypeVar("_One")

PROGRAM = "pybus-listen"
DESCRIPTION = """\
Print the signals that match a pattern, one a line: topic and value.

With --queue, take the messages of a queue instead, and print routing key and
value. Each is acked once it is printed; with --exec, once the command has
succeeded, and else it goes back to its place in the queue."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(Command(PROGRAM, DESCRIPTION, add_arguments, listen), sys.argv[1:] if arguments is None else arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what can be written on the command line."""
    parser.add_argument("patterns", metavar="PATTERN", nargs="*", help="such as hal.# (* is one word, # any number)")
    parser.add_argument("--queue", metavar="QUEUE", help="take the messages of this queue, in the place of signals")
    parser.add_argument("--json", action="store_true", help="print JSON: all about each signal or message")
    parser.add_argument("--count", metavar="N", type=count, help="end after N signals or messages")
    parser.add_argument("--timeout", metavar="S", type=seconds, help="end after S seconds; code 3 if N did not come")
    parser.add_argument("--no-retained", action="store_true", help="leave out values that were kept from before")
    parser.add_argument("--exec", metavar="CMD", help="in place of printing, run CMD by the shell for each of them")
    parser.epilog = f"{_EXEC_HELP}\n\n{parser.epilog}"


_EXEC_HELP = """\
--exec runs one command at a time; signals wait meanwhile. The command finds in
its environment PYBUS_TOPIC, PYBUS_VALUE (as it would be printed; not there above
100 kB), PYBUS_SENDER, PYBUS_RETAINED and PYBUS_CLEARED (1 or empty), and on its
standard input the value: text and bytes as they are, anything else as JSON,
nothing if it was cleared. A failure is told on stderr and makes the exit code 1
in the end; the next signal is handled all the same. When the time of --timeout
is over, the last command may finish. Ctrl-C and SIGTERM end the command, too.
With --queue there are, in the place of the topic and the last two, PYBUS_EXCHANGE,
PYBUS_KEY, PYBUS_HEADERS (JSON) and PYBUS_REDELIVERED (1 or empty). A message whose
command failed comes again, after a pause that grows."""

_PREFETCH = 10
"""Messages that may be on their way to us while one is printed."""


def listen(options: argparse.Namespace) -> int:
    """Print signals or messages, or run a command for each, until the count or the time is reached, or for ever."""
    problem = _problem(options)
    if problem:
        return complain(PROGRAM, problem, WRONG_USE)
    take = _listen if options.queue is None else _consume
    if options.exec is None:
        return take(options, lambda one: _show(one, as_json=options.json))
    from pybus.cli.execute import Executor

    with Executor(PROGRAM, options.exec) as executor:
        code = take(options, executor.run)
    return code or (REFUSED if executor.failed else OK)


def _problem(options: argparse.Namespace) -> str:
    """What is wrong with the options; nothing if they are right."""
    if options.queue is not None and options.patterns:
        return f"PATTERN {options.patterns[0]!r} and --queue contradict each other: it takes messages, not signals"
    if options.queue is not None and options.no_retained:
        return "--no-retained is for signals: a queue has no values that were kept from before"
    if options.queue is None and not options.patterns:
        return "give a PATTERN, or a --queue"
    if options.exec is not None and not options.exec.strip():
        return "--exec needs a command to run for each signal"
    if options.exec is not None and options.json:
        return "--exec and --json contradict each other: the command gets the signal"
    return ""


def _listen(options: argparse.Namespace, handle: Callable[[Signal], bool]) -> int:
    with connect() as bus:
        _tell_of_losses(bus)
        subscription = bus.subscribe(*options.patterns, retained=not options.no_retained)
        _tell_of_services(bus, options.patterns)
        return _each(options, subscription.receive, lambda signal, _is_last: handle(signal))


def _consume(options: argparse.Namespace, handle: Callable[[Message], bool]) -> int:
    # What is not handled in the end goes back marked as redelivered, so nothing is taken that may not be wanted.
    prefetch = _PREFETCH if options.exec is None and options.count is None else 1
    with connect() as bus:
        _tell_of_losses(bus)
        try:
            consumer = bus.queue(options.queue, passive=True).consume(prefetch=prefetch)
        except NotFound as error:
            from pybus.cli.misnamed import not_there

            return complain(PROGRAM, not_there(error), REFUSED)

        def settle(message: Message, is_last: bool) -> None:
            if is_last:
                consumer.close()  # else the ack would let another one come
            if handle(message):
                message.ack()
            else:
                message.nack()

        return _each(options, consumer.receive, settle)


def _each(
    options: argparse.Namespace,
    receive: Callable[[float | None], _One | None],
    handle: Callable[[_One, bool], object],
) -> int:
    """Handle what is received, until the count or the time is reached; the last one is handed over as such."""
    until = None if options.timeout is None else monotonic() + options.timeout
    for number in counting(1):
        one = _next(receive, until)
        if one is None:
            return OK if options.count is None else NOBODY
        handle(one, number == options.count)
        if number == options.count:
            break
    return OK


def _tell_of_losses(bus: Bus) -> None:
    """Let a person at the terminal know when signals are missing, and why."""

    def missed(topics: dict[str, int]) -> None:
        which = ", ".join(f"{number} of {safe(topic)}" for topic, number in sorted(topics.items()))
        print(f"{PROGRAM}: signals were missed, as they were not read in time: {which}", file=sys.stderr)

    bus.on_missed(missed)
    bus.on_disconnect(lambda _: print(f"{PROGRAM}: the bus went away; waiting for it to come back", file=sys.stderr))
    bus.on_reconnect(lambda: print(f"{PROGRAM}: the bus is back", file=sys.stderr))


def _tell_of_services(bus: Bus, patterns: list[str]) -> None:
    """Let a person know why nothing comes, if a service that should publish there fails. After subscribing."""
    wanted = [pattern for pattern in patterns if pattern.split(".")[0] not in ("*", "#", "bus")]
    if wanted:
        from pybus.cli.publishers import Publishers

        Publishers(bus, wanted, lambda text: print(f"{PROGRAM}: {safe(text)}", file=sys.stderr, flush=True))


def _show(one: Signal | Message, *, as_json: bool) -> bool:
    if isinstance(one, Signal):
        _show_signal(one, as_json=as_json)
    else:
        show_message(one, as_json=as_json)
    return True


def _show_signal(signal: Signal, *, as_json: bool = False) -> None:
    """Print one signal as one line, at once."""
    if as_json:
        fields = ("topic", "body", "sender", "retained", "cleared")
        print(to_json({field: getattr(signal, field) for field in fields}), flush=True)
        return
    mark = paint(" (retained)", "dim") if signal.retained and sys.stdout.isatty() else ""
    value = "(cleared)" if signal.cleared else plain(signal.body)
    print(f"{paint(safe(signal.topic), 'topic')} {value}{mark}", flush=True)


def _next(receive: Callable[[float | None], _One | None], until: float | None) -> _One | None:
    """The next signal or message, or None when the time is over, even if there are more."""
    if until is None:
        return receive(None)
    left = until - monotonic()
    return receive(left) if left > 0 else None
