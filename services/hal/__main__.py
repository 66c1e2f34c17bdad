"""`python -m pybus_services.hal`: the service in its shell."""

import contextlib
import functools
import logging
import os
import sys
from typing import TYPE_CHECKING

import pybus

from .. import serving
from . import catalogue, settings

if TYPE_CHECKING:
    from .udev import Monitor

PROGRAM = "pybus-hal"

_MORE = "Your own rules are read from $XDG_CONFIG_HOME/pybus/hal.toml, see docs/hardware.md."


def main(arguments: list[str] | None = None) -> int:
    """Run the service until a signal ends it; returns the exit code. arguments: sys.argv's, if None."""
    description = "Publish this machine's hardware on the bus: its events and states, as topics under hal."
    parser = serving.parser(__package__ or "", description, "pyudev or libudev", _MORE)
    parser.add_argument(
        "--source",
        choices=("kernel", "udev", "auto"),
        default="auto",
        help="whose events: the kernel's at once, or udevd's, which have more properties (auto: udev if udevd runs)",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(format=f"{PROGRAM}: %(message)s", level=logging.INFO)
    return serving.run(PROGRAM, functools.partial(_open_monitor, options.source), _serve, debug=options.debug)


async def _serve(bus: pybus.aio.Bus, monitor: "Monitor") -> None:
    """Serve until cancelled. Raises as `Service.start` and `Service.run` do."""
    from .service import Service

    wanted = settings.load(os.environ)
    for problem in wanted.problems:
        print(f"{PROGRAM}: {problem}", file=sys.stderr)
    with contextlib.closing(Service(bus, monitor, catalogue.hardware(wanted, monitor.devices))) as service:
        await service.start()
        serving.say_ready(PROGRAM)
        await service.run()


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


if __name__ == "__main__":
    sys.exit(main())
