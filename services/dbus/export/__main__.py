"""`python -m pybus_services.dbus.export`: the exporter as a program."""

import argparse
import asyncio
import signal
import sys

from ... import serving

PROGRAM = "pybus-dbus-export"

OK, FAILED, NOT_INSTALLED, NAME_TAKEN = 0, 1, 3, 5

_EPILOG = """exit codes:
  0  ended by SIGTERM or SIGINT, or as nobody needed it
  1  failed (--debug shows where)
  2  wrong options
  3  dbus-next is not installed
  5  another program has the name org.pybus.Bus on D-Bus

The session bus is found by $DBUS_SESSION_BUS_ADDRESS, else in $XDG_RUNTIME_DIR/bus; pybus by $PYBUS_ADDRESS,
else at its usual place. Where one of them is not there, it is waited for, for a session bus as long as --idle says."""


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal ends it, or nobody needs it; returns the exit code. arguments: sys.argv's, if None."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}",
        description="Offer the bus as org.pybus.Bus on the session bus of D-Bus.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    parser.add_argument(
        "--idle",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="end after so long without calls and subscribers, or without a session bus; 0: never (default: 60)",
    )
    options = parser.parse_args(arguments)
    try:
        serving.need_dbus_next()
    except ModuleNotFoundError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return NOT_INSTALLED
    from .exporter import NameTaken

    try:
        asyncio.run(_run(options.idle))
    except Exception as error:
        if options.debug:
            raise
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return NAME_TAKEN if isinstance(error, NameTaken) else FAILED
    return OK


def _seconds(text: str) -> float:
    """Raises `ArgumentTypeError`, `ValueError`."""
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {text}")
    return seconds


async def _run(idle: float) -> None:
    from .exporter import Exporter

    exporter = Exporter(idle, _say_ready)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, exporter.stop)
    await exporter.run()


def _say_ready() -> None:
    print(f"{PROGRAM}: serving", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
