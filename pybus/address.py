"""Where the bus is: one rule for the daemon and its clients.

`$PYBUS_ADDRESS` (`unix:/path`), else `$XDG_RUNTIME_DIR/pybus/bus`, else `/run/user/UID/pybus/bus` if
that folder is ours.
"""

from __future__ import annotations

import os

from pybus.errors import AddressError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PATH = 107
"""Bytes in a Unix socket's path: the kernel's `sun_path` has 108, one of them for the final NUL."""


def bus_path(address: str | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """The path of the bus's socket.

    address: `unix:/path` as given by a person, or None to find it in the environment.
    Raises `AddressError` saying what to set.
    """
    if address is None:
        address = environ.get("PYBUS_ADDRESS")
        source = "$PYBUS_ADDRESS"
    else:
        source = "the address"
    if address is not None:
        return _check(_parse(address, source))
    runtime = environ.get("XDG_RUNTIME_DIR")
    if runtime:
        if not runtime.startswith("/"):
            raise AddressError(f"$XDG_RUNTIME_DIR is {runtime!r}, which is not an absolute path")
        return _check(f"{runtime}/pybus/bus")
    runtime = f"/run/user/{os.getuid()}"
    try:
        ours = os.stat(runtime).st_uid == os.getuid()
    except OSError:
        ours = False
    if ours:
        return _check(f"{runtime}/pybus/bus")
    raise AddressError(
        f"no address for the bus: $PYBUS_ADDRESS and $XDG_RUNTIME_DIR are not set and {runtime} is not yours;"
        " set PYBUS_ADDRESS=unix:/absolute/path"
    )


def _parse(address: str, source: str) -> str:
    kind, _, path = address.partition(":")
    if kind != "unix" or not path.startswith("/"):
        raise AddressError(f"{source} is {address!r}; it must be unix: and an absolute path, such as unix:/run/me/bus")
    return path


def _check(path: str) -> str:
    size = len(os.fsencode(path))
    if size > MAX_PATH:
        raise AddressError(f"the path {path} has {size} bytes; a socket's path has at most {MAX_PATH}")
    return path
