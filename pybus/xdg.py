"""Where a user's files are: the XDG Base Directory Specification, from an environment.

As it demands, paths that are not absolute are ignored. Public, so that services find their files as the bus does.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping


def home_folder(environ: Mapping[str, str]) -> str:
    """The user's home: $HOME, else what the system knows, else `/`, where nobody else can put anything."""
    home = environ.get("HOME", "")
    if os.path.isabs(home):
        return home
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"


def expand_home(path: str, environ: Mapping[str, str]) -> str:
    """The path with the home in place of a `~` at its start."""
    if path == "~" or path.startswith("~/"):
        return home_folder(environ).rstrip("/") + path[1:] or "/"
    return path


def config_home(environ: Mapping[str, str]) -> str:
    """The folder of the user's configuration."""
    return _absolute(environ.get("XDG_CONFIG_HOME", ""), expand_home("~/.config", environ))


def state_home(environ: Mapping[str, str]) -> str:
    """The folder of what programs keep from one run to the next."""
    return _absolute(environ.get("XDG_STATE_HOME", ""), expand_home("~/.local/state", environ))


def data_folders(environ: Mapping[str, str]) -> list[str]:
    """The user's data folder, and those of the system after it; the first is the most important."""
    own = _absolute(environ.get("XDG_DATA_HOME", ""), expand_home("~/.local/share", environ))
    system = environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    return [own, *(folder for folder in system.split(":") if os.path.isabs(folder))]


def _absolute(path: str, default: str) -> str:
    return path if os.path.isabs(path) else default
