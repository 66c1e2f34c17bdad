"""What the person asked for last: `$XDG_STATE_HOME/pybus/presence.json`.

So somebody who is online is so again after a crash of the service or of the bus, and at the next login.
"""

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping

import pybus

from .presence import OFFLINE, Presence, check_presence

_log = logging.getLogger("pybus.presence")


def load(environ: Mapping[str, str] = os.environ) -> Presence:
    """What was saved last; offline if nothing was, or if it can't be read."""
    path = _path(environ)
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        return check_presence(found["status"], found["message"])
    except FileNotFoundError:
        pass
    except (OSError, ValueError, LookupError, TypeError) as error:
        _log.warning("%s can't be read, so the status is offline until one is set: %s", path, error)
    return Presence(OFFLINE)


def save(presence: Presence, environ: Mapping[str, str] = os.environ) -> None:
    """Take the place of what was saved before, as a whole or not at all; the log tells if that fails."""
    path = _path(environ)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        _write(path, json.dumps(presence._asdict()))
    except OSError as error:
        _log.warning("%s can't be written, so a restart won't know the status: %s", path, error)


def _write(path: str, text: str) -> None:
    """Raises `OSError`."""
    handle, fresh = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".presence-")  # its mode is 0600
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(fresh, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(fresh)
        raise


def _path(environ: Mapping[str, str]) -> str:
    return f"{pybus.xdg.state_home(environ)}/pybus/presence.json"
