"""`pybus-listen PATTERN...`: print the signals that match."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from time import monotonic

from pybus.cli.command import NOBODY, OK, REFUSED, WRONG_USE, complain
from pybus.cli.parsing import Command, count, run, seconds
from pybus.cli.text import paint, plain, safe, to_json
from pybus.client.blocking import Bus, Subscription, connect
from pybus.client.inbox import Signal

PROGRAM = "pybus-listen"
DESCRIPTION = "Print the signals that match a pattern, one a line: topic and value."


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(Command(PROGRAM, DESCRIPTION, add_arguments, listen), sys.argv[1:] if arguments is None else arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what can be written on the command line."""
    parser.add_argument("patterns", metavar="PATTERN", nargs="+", help="such as hal.# (* is one word, # any number)")
    parser.add_argument("--json", action="store_true", help="print JSON: topic, body, sender, retained, cleared")
    parser.add_argument("--count", metavar="N", type=count, help="end after N signals")
    parser.add_argument("--timeout", metavar="S", type=seconds, help="end after S seconds; code 3 if N did not come")
    parser.add_argument("--no-retained", action="store_true", help="leave out values that were kept from before")
    parser.add_argument("--exec", metavar="CMD", help="in place of printing, run CMD by the shell for each signal")
    parser.epilog = f"{_EXEC_HELP}\n\n{parser.epilog}"


_EXEC_HELP = """\
--exec runs one command at a time; signals wait meanwhile. The command finds in
its environment PYBUS_TOPIC, PYBUS_VALUE (as it would be printed; not there above
100 kB), PYBUS_SENDER, PYBUS_RETAINED and PYBUS_CLEARED (1 or empty), and on its
standard input the value: text and bytes as they are, anything else as JSON,
nothing if it was cleared. A failure is told on stderr and makes the exit code 1
in the end; the next signal is handled all the same. When the time of --timeout
is over, the last command may finish. Ctrl-C and SIGTERM end the command, too."""


def listen(options: argparse.Namespace) -> int:
    """Print signals, or run a command for each, until the count or the time is reached, or for ever."""
    if options.exec is None:
        return _listen(options, lambda signal: show(signal, as_json=options.json))
    if not options.exec.strip():
        return complain(PROGRAM, "--exec needs a command to run for each signal", WRONG_USE)
    if options.json:
        return complain(PROGRAM, "--exec and --json contradict each other: the command gets the signal", WRONG_USE)
    from pybus.cli.execute import Executor

    with Executor(PROGRAM, options.exec) as executor:
        code = _listen(options, executor.run)
    return code or (REFUSED if executor.failed else OK)


def _listen(options: argparse.Namespace, handle: Callable[[Signal], None]) -> int:
    with connect() as bus:
        tell_of_losses(bus)
        subscription = bus.subscribe(*options.patterns, retained=not options.no_retained)
        tell_of_services(bus, options.patterns)
        until = None if options.timeout is None else monotonic() + options.timeout
        number = 0
        while options.count is None or number < options.count:
            signal = _next(subscription, until)
            if signal is None:
                return OK if options.count is None else NOBODY
            handle(signal)
            number += 1
    return OK


def tell_of_losses(bus: Bus) -> None:
    """Let a person at the terminal know when signals are missing, and why."""

    def missed(topics: dict[str, int]) -> None:
        which = ", ".join(f"{number} of {safe(topic)}" for topic, number in sorted(topics.items()))
        print(f"{PROGRAM}: signals were missed, as they were not read in time: {which}", file=sys.stderr)

    bus.on_missed(missed)
    bus.on_disconnect(lambda _: print(f"{PROGRAM}: the bus went away; waiting for it to come back", file=sys.stderr))
    bus.on_reconnect(lambda: print(f"{PROGRAM}: the bus is back", file=sys.stderr))


def tell_of_services(bus: Bus, patterns: list[str]) -> None:
    """Let a person know why nothing comes, if a service that should publish there fails. After subscribing."""
    wanted = [pattern for pattern in patterns if pattern.split(".")[0] not in ("*", "#", "bus")]
    if wanted:
        from pybus.cli.publishers import Publishers

        Publishers(bus, wanted, lambda text: print(f"{PROGRAM}: {safe(text)}", file=sys.stderr, flush=True))


def show(signal: Signal, *, as_json: bool = False) -> None:
    """Print one signal as one line, at once."""
    if as_json:
        fields = ("topic", "body", "sender", "retained", "cleared")
        print(to_json({field: getattr(signal, field) for field in fields}), flush=True)
        return
    mark = paint(" (retained)", "dim") if signal.retained and sys.stdout.isatty() else ""
    value = "(cleared)" if signal.cleared else plain(signal.body)
    print(f"{paint(safe(signal.topic), 'topic')} {value}{mark}", flush=True)


def _next(subscription: Subscription, until: float | None) -> Signal | None:
    """The next signal, or None when the time is over, even if there are more."""
    if until is None:
        return subscription.receive()
    left = until - monotonic()
    return subscription.receive(left) if left > 0 else None
