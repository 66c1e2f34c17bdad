"""`python -m pybus_services.dbus`: options, messages and exit codes around the service."""

import argparse
import asyncio
import contextlib
import importlib.util
import signal
import sys

import pybus

PROGRAM = "pybus-dbus"
FAREWELL = 1.0
"""Seconds that the bus gets to take the goodbye. One that hangs must not hold up a shutdown."""

FAILED, NO_DBUS_NEXT, NO_BUS, NAME_TAKEN = 1, 3, 4, 5

_EXIT_CODES = """exit codes:
  0  ended by SIGTERM or SIGINT
  1  failed: a bug (--debug shows where)
  2  wrong options
  3  dbus-next is not installed
  4  no bus there, or it refused this program
  5  another such service serves this bus

The bus is found by $PYBUS_ADDRESS, else at its usual place. The buses of D-Bus are looked for at the
first call: $DBUS_SESSION_BUS_ADDRESS, else $XDG_RUNTIME_DIR/bus, and $DBUS_SYSTEM_BUS_ADDRESS, else
the usual place."""


def main(arguments: list[str] | None = None) -> int:
    """Run the service until a signal ends it; returns the exit code. arguments: sys.argv's, if None."""
    options = _parser().parse_args(arguments)
    try:
        _need_dbus_next()
        asyncio.run(_serve())
    except Exception as error:
        if options.debug:
            raise
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return _exit_code(error)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}",
        description="Call methods on the session and the system bus of D-Bus for programs on the bus.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    return parser


def _need_dbus_next() -> None:
    """Raises `ModuleNotFoundError` saying what to install."""
    if importlib.util.find_spec("dbus_next") is None:
        raise ModuleNotFoundError("dbus-next is not installed; install it with: pip install 'pybus[services]'")


async def _serve() -> None:
    """Serve until SIGTERM or SIGINT, or until the bus bans this program."""
    from .link import Link
    from .service import NAME, Service

    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    links = {which: Link(which) for which in ("session", "system")}
    bus = await pybus.aio.connect(program=PROGRAM)
    try:
        await bus.register(NAME, Service(links))
        print(f"{PROGRAM}: serving", file=sys.stderr, flush=True)
        await _until(stopped, bus)
    finally:
        for link in links.values():
            link.close()
        with contextlib.suppress(TimeoutError, pybus.NotConnected):
            async with asyncio.timeout(FAREWELL):
                await bus.close()


async def _until(stopped: asyncio.Event, bus: pybus.aio.Bus) -> None:
    """Wait for a signal, or the end of the bus. Raises `NotConnected` for that."""
    waits = [asyncio.ensure_future(stopped.wait()), asyncio.ensure_future(bus.run())]
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    for wait in done:
        wait.result()


def _exit_code(error: Exception) -> int:
    if isinstance(error, pybus.NameTaken):
        return NAME_TAKEN
    if isinstance(error, (pybus.NotConnected, pybus.AddressError)):
        return NO_BUS
    return NO_DBUS_NEXT if isinstance(error, ImportError) else FAILED


if __name__ == "__main__":
    sys.exit(main())
