"""The configuration: `$XDG_CONFIG_HOME/pybus/pybus.toml`.

    [limits]                # any of pybus.limits; sizes may have units, times are in seconds
    outbox = "32 MiB"
    messages_per_second = 20_000

    [log]
    level = "notice"        # debug, info, notice, warning or error: what is less than that is not logged

    [services]
    folders = ["~/bus"]     # searched for service files before the usual folders
    disabled = ["org.x.Y"]  # never started by the bus, whatever file describes them

Nothing has to be there, and without a file everything is as usual. A file with a mistake is not used
at all, so that a bus runs with what its owner wrote or says why not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from pybus.checks import count, one_of, seconds, size, text, texts
from pybus.errors import InvalidName
from pybus.limits import KIB, MIB, Limits
from pybus.names import check_name
from pybus.tables import Check, ConfigError, Wrong, read_tables, shown
from pybus.xdg import config_home, expand_home

DEFAULT = "default"
"""The origin of what no file says."""

LOG_LEVELS = ("debug", "info", "notice", "warning", "error")

_SIZES = frozenset({"frame", "outbox", "owed", "retained_value", "queue_memory", "unsafe", "uncommitted", "delivering"})
"""The limits that are numbers of bytes and don't have `bytes` in their name."""

_LEAST: dict[str, float] = {
    "frame": 4 * KIB,
    "connections": 8,
    "handshake": 0.5,
    "outbox": 64 * KIB,
    "owed": 4 * KIB,
    "names": 4,
    "patterns": 16,
    "pending": 8,
    "serving": 8,
    "retained_value": 256,
    "retained_bytes": 4 * KIB,
    "messages_per_second": 100,
    "bytes_per_second": 64 * KIB,
    "alone": 1,
    "turn": 16,
    "exchanges": 16,
    "queue_memory": 4 * KIB,
    "queued_bytes": 1 * MIB,
    "unsafe": 4 * KIB,
    "uncommitted": 4 * KIB,
    "delivering": 4 * KIB,
    "depth": 4,
    "farewell": 0,
}
"""What nobody may go below, or the bus's own commands could not talk to it any more; 1, or 0.1 s, for the others."""

_MOST: dict[str, float] = {"frame": 1024 * MIB, "burst": 60, "depth": 62, "farewell": 60}
"""What can't be more: on the wire a frame's length has 32 bits and a depth 6; no end may be waited for longer."""

_MOST_OF_ALL = 2**40
_MOST_SECONDS = 86400


class Config(NamedTuple):
    """What is in force.

    log_level: one of `LOG_LEVELS`. folders: absolute paths. disabled: names of services. origins: for each
    key, with dots, "default" or FILE:LINE.
    """

    limits: Limits
    log_level: str
    folders: tuple[str, ...]
    disabled: tuple[str, ...]
    origins: dict[str, str]


def config_path(environ: Mapping[str, str] = os.environ) -> str:
    """Where the configuration is, if there is one."""
    return f"{config_home(environ)}/pybus/pybus.toml"


def load_config(environ: Mapping[str, str] = os.environ, path: str | None = None) -> Config:
    """Read the configuration. Raises `ConfigError` with all its mistakes.

    path: a file that has to be there, in place of the usual one, which need not.
    """
    allowed = _allowed(environ)
    origins = dict.fromkeys(allowed, DEFAULT)
    try:
        found = read_tables(path if path is not None else config_path(environ), allowed)
    except FileNotFoundError:
        if path is not None:
            raise ConfigError([f"{path}: there is no such file"]) from None
        return Config(Limits(), "info", (), (), origins)
    if found.problems:
        raise ConfigError(found.problems)
    values = found.values
    limits = {field: values[key] for field in Limits._fields if (key := f"limits.{field}") in values}
    return Config(
        Limits()._replace(**limits),
        values.get("log.level", "info"),
        values.get("services.folders", ()),
        values.get("services.disabled", ()),
        origins | found.places,
    )


def is_size(limit: str) -> bool:
    """Whether this limit is a number of bytes."""
    return limit in _SIZES or "bytes" in limit


def _allowed(environ: Mapping[str, str]) -> dict[str, Check]:
    """Every key that the file may have."""

    def folder(written: object) -> str:
        path = expand_home(text(written), environ)
        if not os.path.isabs(path):
            raise Wrong(f"{shown(written)} must be an absolute path, or begin with ~/")
        return path

    def service_name(written: object) -> str:
        try:
            return check_name(text(written))
        except InvalidName as error:
            raise Wrong(str(error)) from None

    allowed = {f"limits.{field}": _limit(field) for field in Limits._fields}
    return allowed | {
        "log.level": one_of(*LOG_LEVELS),
        "services.folders": texts(folder),
        "services.disabled": texts(service_name),
    }


def _limit(field: str) -> Check:
    if isinstance(Limits._field_defaults[field], float):
        return seconds(_LEAST.get(field, 0.1), _MOST.get(field, _MOST_SECONDS))
    kind = size if is_size(field) else count
    return kind(int(_LEAST.get(field, 1)), int(_MOST.get(field, _MOST_OF_ALL)))
