"""`python -m pybus_services.dbus`: the service in its shell."""

import asyncio
import importlib.util
import sys

import pybus

from .. import serving

PROGRAM = "pybus-dbus"

_MORE = """The buses of D-Bus are looked for at the first call: $DBUS_SESSION_BUS_ADDRESS, else
$XDG_RUNTIME_DIR/bus, and $DBUS_SYSTEM_BUS_ADDRESS, else the usual place."""


def main(arguments: list[str] | None = None) -> int:
    """Run the service until a signal ends it; returns the exit code. arguments: sys.argv's, if None."""
    description = "Call methods on the session and the system bus of D-Bus for programs on the bus."
    options = serving.parser(__package__ or "", description, "dbus-next", _MORE).parse_args(arguments)
    return serving.run(PROGRAM, _need_dbus_next, _serve, debug=options.debug)


def _need_dbus_next() -> None:
    """Raises `ModuleNotFoundError` saying what to install."""
    if importlib.util.find_spec("dbus_next") is None:
        raise ModuleNotFoundError("dbus-next is not installed; install it with: pip install 'pybus[services]'")


async def _serve(bus: pybus.aio.Bus, _prepared: None) -> None:
    """Serve until cancelled. Raises `NameTaken`."""
    from .link import Link
    from .service import NAME, Service

    links = {which: Link(which) for which in ("session", "system")}
    try:
        await bus.register(NAME, Service(links))
        serving.say_ready(PROGRAM)
        await asyncio.Event().wait()
    finally:
        for link in links.values():
            link.close()


if __name__ == "__main__":
    sys.exit(main())
