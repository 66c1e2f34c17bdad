"""`python -m pybus_services.dbus`: the service in its shell."""

import asyncio
import logging
import sys

import pybus

from .. import serving
from .rules import settings

PROGRAM = "pybus-dbus"

_MORE = """The buses of D-Bus are $DBUS_SESSION_BUS_ADDRESS, else $XDG_RUNTIME_DIR/bus, and
$DBUS_SYSTEM_BUS_ADDRESS, else the usual place.
Your own rules are read from $XDG_CONFIG_HOME/pybus/dbus.toml, see docs/desktop.md. --debug also shows
what a rule does not tell, and why."""


def main(arguments: list[str] | None = None) -> int:
    """Run the service until a signal ends it; returns the exit code. arguments: sys.argv's, if None."""
    description = "Call methods on the session and the system bus of D-Bus, and turn its signals into topics."
    options = serving.parser(__package__ or "", description, "dbus-next", _MORE).parse_args(arguments)
    logging.basicConfig(format=f"{PROGRAM}: %(message)s", level=logging.DEBUG if options.debug else logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.INFO)  # --debug is about the rules
    return serving.run(PROGRAM, serving.need_dbus_next, _serve, debug=options.debug)


async def _serve(bus: pybus.aio.Bus, _prepared: None) -> None:
    """Serve until cancelled. Raises `NameTaken`, `NotConnected`."""
    from .link import Link
    from .rules.topics import Topics
    from .service import NAME, Service

    found = settings.load()
    for problem in found.problems:
        print(f"{PROGRAM}: {problem}", file=sys.stderr)
    links = {which: Link(which) for which in ("session", "system")}
    topics = Topics(bus, found.rules)

    async def offer() -> None:
        async with serving.alone(bus, NAME):
            await topics.first_look()
            await bus.register(NAME, Service(links))
        serving.say_ready(PROGRAM)
        await asyncio.Event().wait()

    try:
        await serving.first(offer(), topics.run())
    finally:
        for link in links.values():
            link.close()


if __name__ == "__main__":
    sys.exit(main())
