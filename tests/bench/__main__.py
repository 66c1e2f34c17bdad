"""`python -m tests.bench`: pybus and every other message bus that is installed here, measured in one run.

Run it from the repository's root. Every bus is started privately in a temporary folder, all stay up
while the rounds go through them in turn (one of each, then the next of each), so that a busy moment
of the machine hits all. What is shown is the median of the rounds. Each measurement says in its module
what it measures and why that is fair. pybus is measured twice, as two buses: plain, and with its hot path
compiled, each with its daemon and its clients.

A bus on which something fails, such as by a lost signal, falls out of that measurement by name, the others go on;
the exit code is 1 then. A missed target is shown and nothing more, as machines differ. Ctrl-C ends all that was
started and shows what there is until then.
"""

import signal
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from types import FrameType

from tests.bench import command_line, report
from tests.bench.harness import FULL, QUICK, TINY, Harness, Stopped
from tests.bench.machine import machine, versions
from tests.bench.peers import KINDS
from tests.bench.record import Record, write
from tests.bench.scenarios import NAMES


def main() -> int:
    """Do what the command line says; 1 if a measurement failed, 128 and its number after a signal."""
    options = command_line.parse(NAMES, KINDS, sys.argv[1:])
    if options.list:
        print(command_line.listing(NAMES, KINDS))
        return 0
    stopped = 0
    if options.source is None:
        record, stopped = _run(options)
    else:
        record = options.source
    kept = bool(stopped) or _keep(record, options)  # what a stopped run has must not replace a whole one
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # whoever reads it may have seen enough
    print(report.as_markdown(record) if options.markdown else report.as_text(record), flush=True)
    failed = not kept or (record.failed and options.source is None)
    return stopped or (1 if failed else 0)


def _keep(record: Record, options: command_line.Options) -> bool:
    """Write the files that were asked for; whether they could be written."""
    try:
        if options.json is not None:
            write(record, options.json)
        if options.charts is not None:
            from tests.bench.charts import draw

            for name, path in draw(record, options.charts).items():
                if path is None:
                    print(f"{name} is not drawn: too little of it was measured", file=sys.stderr)
    except OSError as error:
        print(f"{error.filename} can't be written: {error.strerror}", file=sys.stderr)
        return False
    return True


def _run(options: command_line.Options) -> tuple[Record, int]:
    """Measure; what came of it, and the exit code if a signal ended it early, else 0."""
    name, scope = ("tiny", TINY) if options.tiny else ("quick", QUICK) if options.quick else ("full", FULL)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    about = (date, {"name": name, **scope._asdict()}, machine(), versions(KINDS))
    stack = ExitStack()
    harness = Harness(stack, scope, [KINDS[name] for name in options.bus or KINDS])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    code = 0
    try:
        with stack:
            harness.measure(options.only or list(NAMES))
    except Stopped as stop:
        code = 128 + stop.number
    return Record(harness.figures, *about, harness.left_out, harness.failed), code


def _stop(number: int, frame: FrameType | None) -> None:
    """End the run, once: nothing may come between while the buses are stopped."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)


if __name__ == "__main__":
    sys.exit(main())
