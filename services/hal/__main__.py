"""`python -m pybus_services.hal`: options, messages and exit codes around the service."""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable
from typing import TYPE_CHECKING

import pybus

from . import catalogue, settings

if TYPE_CHECKING:
    from .service import Service
    from .udev import Monitor

PROGRAM = "pybus-hal"
FAREWELL = 1.0
"""Seconds that the bus gets to take the goodbye. One that hangs must not hold up a shutdown."""

FAILED, NO_UDEV, NO_BUS, NAME_TAKEN = 1, 3, 4, 5

_EXIT_CODES = """exit codes:
  0  ended by SIGTERM or SIGINT
  1  failed: the machine gives no events, or a bug (--debug shows where)
  2  wrong options
  3  pyudev or libudev is not installed
  4  no bus there, or it refused this program
  5  another hal service serves this bus

Your own rules are read from $XDG_CONFIG_HOME/pybus/hal.toml, see the README.
The bus is found by $PYBUS_ADDRESS, else at its usual place."""


def main(arguments: list[str] | None = None) -> int:
    """Run the service until a signal ends it; returns the exit code. arguments: sys.argv's, if None."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format=f"{PROGRAM}: %(message)s", level=logging.INFO)
    try:
        monitor = _open_monitor(options.source)
        asyncio.run(_serve(monitor))
    except Exception as error:
        if options.debug:
            raise
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return _exit_code(error)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}",
        description="Publish this machine's hardware on the bus: its events and states, as topics under hal.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--source",
        choices=("kernel", "udev", "auto"),
        default="auto",
        help="whose events: the kernel's at once, or udevd's, which have more properties (auto: udev if udevd runs)",
    )
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    return parser


def _open_monitor(source: str) -> "Monitor":
    """Raises `ModuleNotFoundError` saying what to install, `ImportError` without libudev, `OSError`."""
    try:
        from .udev import Monitor, default_source
    except ModuleNotFoundError as error:
        if error.name != "pyudev":
            raise
        raise ModuleNotFoundError("pyudev is not installed; install it with: pip install 'pybus[services]'") from error
    if source == "auto":
        source = default_source()
        if source == "kernel":
            print(f"{PROGRAM}: no udevd runs, so events come from the kernel, with fewer properties", file=sys.stderr)
    return Monitor(source)


async def _serve(monitor: "Monitor") -> None:
    """Serve until SIGTERM or SIGINT, or an error ends it. Either way the values go with the connection."""
    from .service import Service

    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    wanted = settings.load(os.environ)
    for problem in wanted.problems:
        print(f"{PROGRAM}: {problem}", file=sys.stderr)
    bus = await pybus.aio.connect(program=PROGRAM)
    try:
        with contextlib.closing(Service(bus, monitor, catalogue.hardware(wanted, monitor.devices))) as service:
            await _first(stopped.wait(), _start_and_run(service), bus.run())
    finally:
        with contextlib.suppress(TimeoutError, pybus.NotConnected):
            async with asyncio.timeout(FAREWELL):
                await bus.close()


async def _start_and_run(service: "Service") -> None:
    await service.start()
    print(f"{PROGRAM}: serving", file=sys.stderr, flush=True)
    await service.run()


async def _first(*ways: Awaitable[object]) -> None:
    """Wait for whatever ends first, and end the others. Raises what it raised."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _exit_code(error: Exception) -> int:
    if isinstance(error, pybus.NameTaken):
        return NAME_TAKEN
    if isinstance(error, (pybus.NotConnected, pybus.AddressError)):
        return NO_BUS
    return NO_UDEV if isinstance(error, ImportError) else FAILED


if __name__ == "__main__":
    sys.exit(main())
