"""Service files: what the bus may start, each in a file NAME.toml.

    name = "org.example.Player"
    exec = "player --bus"                   # or a list of words; no shell is involved
    description = "Plays films."
    topics = ["media.player.#"]             # subscribing to one of these starts it
    calls = true                            # false: never claims its name, for scripts that only publish
    autostart = false                       # true: it starts with the bus
    restart = "on-failure"                  # "no" or "always"
    start_timeout = 10                      # seconds that it may take to claim its name
    stop_timeout = 5                        # seconds that it may take to end after SIGTERM
    idle = 0                                # end it when nobody has needed it for so many seconds; 0: never

Only `name` and `exec` have to be there. The first word of exec is an absolute path, a command that is
found in $PATH when the service starts, or `{python}`, the Python that the bus itself runs on. `~/` at
the start of a word is the user's home.

Files are looked for in the folders that the configuration names, in `pybus/services` in the user's and
the system's data folders (XDG), and in the installed package `pybus_services`. The first that is found
of a name is the one that counts. If it is wrong, no other is taken in its place: its owner meant to
have another than that.

A file that overrides another may leave out `exec`, too. Then all keys that it leaves out are those of
the file that it overrides, the next of its name in the order of the folders. So a user changes one key
of an installed service, and what its later versions change in the others still reaches him. A file
with `exec` stands for itself.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from pybus.broker.life import Service
from pybus.checks import flag, one_of, seconds, text, texts
from pybus.errors import InvalidName
from pybus.names import BUS_NAME, check_name, check_pattern
from pybus.tables import Check, Contents, Wrong, read_tables, shown
from pybus.xdg import data_folders, expand_home

SHIPPED = "pybus_services"
"""The package that holds the services that come with the bus."""

PYTHON = "{python}"
_SUFFIX = ".toml"
_LONGEST_START = 3600
_LONGEST_IDLE = 30 * 86400


def service_folders(config_folders: Sequence[str], environ: Mapping[str, str] = os.environ) -> list[str]:
    """Where service files are looked for, the most important first. config_folders: those of the configuration."""
    usual = [f"{folder}/pybus/services" for folder in data_folders(environ)]
    return list(dict.fromkeys([*config_folders, *usual, *_shipped_folders()]))


def load_services(
    folders: Sequence[str], environ: Mapping[str, str] = os.environ, python: str = sys.executable
) -> tuple[dict[str, Service], list[str]]:
    """Read all service files in these folders; the first of a name counts.

    environ: has the home for `~`. python: what `{python}` stands for.
    Returns the services by name, and one line for each mistake; a wrong file is left out.
    """
    problems: list[str] = []
    files: dict[str, list[str]] = {}
    for folder in folders:
        for path in _files(folder, problems):
            files.setdefault(_stem(path), []).append(path)
    services = {}
    for name, paths in files.items():
        service = _load(name, paths, environ, python, problems)
        if service is not None:
            services[name] = service
    return services, problems


def _shipped_folders() -> list[str]:
    """The folders of the services that come with the bus, found without importing any."""
    try:
        spec = find_spec(SHIPPED)
    except (ImportError, ValueError):
        spec = None
    found = []
    for place in (spec.submodule_search_locations if spec else None) or ():
        try:
            found += [f"{place}/{name}" for name in sorted(os.listdir(place)) if name[0] not in "._"]
        except OSError:
            continue  # it is in an archive, or gone
    return [folder for folder in found if os.path.isdir(folder)]


def _files(folder: str, problems: list[str]) -> list[str]:
    """The service files in a folder, if it is there; hidden files are an editor's."""
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(f"{folder}: can't be searched for service files: {error.strerror}")
        return []
    return [f"{folder}/{name}" for name in names if name.endswith(_SUFFIX) and not name.startswith(".")]


def _stem(path: str) -> str:
    return os.path.basename(path).removesuffix(_SUFFIX)


def _load(
    name: str, paths: Sequence[str], environ: Mapping[str, str], python: str, problems: list[str]
) -> Service | None:
    """The service of a name, or None after adding what is wrong with its files to the problems.

    paths: all files of the name, the most important first. Those after one with `exec` are not read.
    """
    allowed = _allowed(name, environ, python)
    required = {"name": f'write name = "{name}"'}
    values: dict[str, Any] = {}
    others = list(paths)
    while "exec" not in values:
        path = others.pop(0)
        if not others:
            required["exec"] = "write the command that serves this name (no further file has it to take it from)"
        found = _read(path, allowed, required)
        if found.problems:
            problems += found.problems
            problems += [
                f"{part}: takes its command from {path}; until that is mended there is no {name}"
                for part in paths[: paths.index(path)]
            ]
            problems += [
                f"{path}: until it is mended there is no {name}; {other} is not used in its place" for other in others
            ]
            return None
        values = found.values | values
    return Service(**values, file=paths[0], base="" if path == paths[0] else path)


def _read(path: str, allowed: Mapping[str, Check], required: Mapping[str, str]) -> Contents:
    try:
        return read_tables(path, allowed, required)
    except FileNotFoundError:
        return Contents({}, {}, [f"{path}: was removed while the files were read"])


# --- the keys -----------------------------------------------------------------------------------------


def _allowed(stem: str, environ: Mapping[str, str], python: str) -> dict[str, Check]:
    """Every key that a service file of this name may have."""
    return {
        "name": lambda value: _name(value, stem),
        "exec": lambda value: _command(value, environ, python),
        "description": text,
        "topics": texts(_topic),
        "calls": flag,
        "autostart": flag,
        "restart": one_of("no", "on-failure", "always"),
        "start_timeout": seconds(0.01, _LONGEST_START),
        "stop_timeout": seconds(0, _LONGEST_START),
        "idle": seconds(1, _LONGEST_IDLE, or_zero=True),
    }


def _name(value: object, stem: str) -> str:
    try:
        name = check_name(text(value))
    except InvalidName as error:
        raise Wrong(str(error)) from None
    if name == BUS_NAME:
        raise Wrong(f"{BUS_NAME} is the bus itself")
    if name != stem:
        raise Wrong(f"must be as the file is named, {shown(stem)}, not {shown(name)}")
    return name


def _topic(value: object) -> str:
    pattern = check_pattern(text(value))
    if pattern.split(".")[0] == "bus":
        raise Wrong(f"{shown(pattern)}: what begins with bus is published by the bus alone")
    return pattern


def _command(value: object, environ: Mapping[str, str], python: str) -> tuple[str, ...]:
    """The words of a command, the first of them a path or a command's name."""
    words = [expand_home(word, environ) for word in _words(value)]
    if not words or not words[0]:
        raise Wrong('is empty; it must be a command, such as "player --bus"')
    if words[0] == PYTHON:
        words[0] = python
    if "/" in words[0] and not os.path.isabs(words[0]):
        raise Wrong(f"{shown(words[0])} must be an absolute path, a command's name without a slash, or begin with ~/")
    return tuple(words)


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return _WORD_LIST(value)
    if not isinstance(value, str):
        raise Wrong(f"must be text or a list of texts, not {shown(value)}")
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise Wrong(f"can't be split into words as a shell does: {error}") from None
    return tuple(_word(word) for word in words)


def _word(value: object) -> str:
    """Any text; but the kernel takes a NUL for its end."""
    if not isinstance(value, str):
        raise Wrong(f"must be text, not {shown(value)}")
    if "\0" in value:
        raise Wrong(f"{shown(value)} holds a NUL, which no command can be given")
    return value


_WORD_LIST = texts(_word)
