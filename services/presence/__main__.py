"""`python -m pybus_services.presence`: the service in its shell."""

import logging
import os
import sys

import pybus

from .. import serving
from .backend import Connect
from .service import Service

PROGRAM = "pybus-presence"

_MORE = "The account is read from $XDG_CONFIG_HOME/pybus/chat.toml, see docs/desktop.md."


def main(arguments: list[str] | None = None) -> int:
    """Run the service until a signal ends it; returns the exit code. arguments: sys.argv's, if None."""
    description = "Tell your chat contacts whether you are there, and the bus what the chat server knows."
    options = serving.parser(__package__ or "", description, "slixmpp", _MORE).parse_args(arguments)
    logging.basicConfig(format=f"{PROGRAM}: %(message)s", level=logging.INFO)
    return serving.run(PROGRAM, _backend, _serve, debug=options.debug)


def _backend() -> Connect:
    """What connects to a chat server. Raises `ModuleNotFoundError` saying what to install."""
    try:
        from .xmpp import connect
    except ModuleNotFoundError as error:
        if error.name != "slixmpp":
            raise
        raise ModuleNotFoundError("slixmpp is not installed; install it with: pip install 'pybus[chat]'") from error
    return connect


async def _serve(bus: pybus.aio.Bus, connect: Connect) -> None:
    """Serve until cancelled, and log off. Raises `NameTaken`."""
    service = Service(bus, connect, os.environ)
    await service.start()
    serving.say_ready(PROGRAM)
    await service.run()


if __name__ == "__main__":
    sys.exit(main())
