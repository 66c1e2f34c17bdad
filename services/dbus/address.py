"""Where a D-Bus bus listens: the addresses of the D-Bus specification, "Server Addresses"."""

import os
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

SYSTEM = "unix:path=/var/run/dbus/system_bus_socket"
"""Where the specification puts the system bus."""


def sockets(which: str, environment: Mapping[str, str]) -> list[str]:
    """The Unix sockets to try, in this order; an abstract one begins with a NUL.

    which: "session", "system", or an address: several are separated by semicolons, and those of other
    transports are passed over. environment: of the program, such as os.environ. Raises `ConnectionError`
    if there is none.
    """
    if which == "system":
        which = environment.get("DBUS_SYSTEM_BUS_ADDRESS") or SYSTEM
    elif which == "session":
        address = environment.get("DBUS_SESSION_BUS_ADDRESS")
        folder = environment.get("XDG_RUNTIME_DIR")
        if not address and folder:
            return [f"{folder}/bus"]  # where libdbus looks, too
        if not address:
            raise ConnectionError("neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set")
        which = address
    found = [socket for one in which.split(";") if (socket := _unix_socket(one))]
    if not found:
        raise ConnectionError(f"the address {which!r} has no part that begins with unix:path= or unix:abstract=")
    return found


def _unix_socket(address: str) -> str:
    """The socket of one address, "" if it has none."""
    transport, _, text = address.partition(":")
    if transport != "unix":
        return ""
    pairs = [option.partition("=") for option in text.split(",")]
    options = {key: os.fsdecode(unquote_to_bytes(value)) for key, _, value in pairs}
    if "abstract" in options:
        return "\0" + options["abstract"]
    return options.get("path", "")
