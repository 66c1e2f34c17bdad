"""`python -m pybus_services.screensaver`: the service in its shell."""

import logging
import sys

import pybus

from .. import serving

PROGRAM = "pybus-screensaver"

_MORE = """D-Bus is looked for when the screensaver is to be kept off: $DBUS_SESSION_BUS_ADDRESS, else
$XDG_RUNTIME_DIR/bus."""


def main(arguments: list[str] | None = None) -> int:
    """Run the service until a signal ends it; returns the exit code. arguments: sys.argv's, if None."""
    description = "Keep the desktop's screensaver off while programs on the bus ask for it."
    options = serving.parser(__package__ or "", description, "dbus-next", _MORE).parse_args(arguments)
    logging.basicConfig(format=f"{PROGRAM}: %(message)s", level=logging.INFO)
    return serving.run(PROGRAM, serving.need_dbus_next, _serve, debug=options.debug)


async def _serve(bus: pybus.aio.Bus, _prepared: None) -> None:
    """Serve until cancelled. Raises `NameTaken`."""
    from .service import Service

    service = Service(bus)
    await service.start()
    serving.say_ready(PROGRAM)
    await service.run()


if __name__ == "__main__":
    sys.exit(main())
