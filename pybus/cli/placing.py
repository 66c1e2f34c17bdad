"""Files that `pybus setup` writes: each bears a mark, so that it never replaces or removes anybody else's."""

from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
from typing import NamedTuple

from pybus.errors import PybusError

MARK = "Written by `pybus setup`, which replaces and removes it."
"""Stands in a comment on the first or second line (in a completion for zsh the first has a meaning)."""

_MARK_WITHIN = 4096
_MODE = 0o644


class InTheWay(PybusError):
    """Something that we did not write has the path that we want."""


class Record(NamedTuple):
    """What `pybus setup` has made: the paths of files and folders."""

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def place(path: str, content: str) -> str:
    """Write the file as a whole or not at all; its folder is there. Returns "installed", "replaced" or "unchanged".

    content: has the mark. Raises `InTheWay`, or OSError with the path.
    """
    wanted = _encode(content)
    former = _ours(path)
    if former is None:
        _write(path, wanted)
        return "installed"
    if former == (wanted, _MODE):
        return "unchanged"
    _write(path, wanted)
    return "replaced"


def remove(path: str) -> bool:
    """Remove the file; False if there is none. Raises `InTheWay` if it is not ours, or OSError with the path."""
    if _ours(path) is None:
        return False
    os.unlink(path)
    return True


def make_folders(folder: str, mode: int) -> list[str]:
    """Make the folder and those above it; returns those that were not there, the outermost first."""
    missing = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    missing.reverse()
    for one in missing:
        os.mkdir(one, mode)
    return missing


def remove_empty(folders: list[str]) -> list[str]:
    """Remove those of the folders that are empty, or become so by that; returns them."""
    removed = []
    for folder in sorted(set(folders), key=len, reverse=True):
        try:
            os.rmdir(folder)
        except OSError:
            continue  # something is in it, or it has gone already
        removed.append(folder)
    return removed


def read_record(path: str) -> Record:
    """What was recorded there; nothing if there is no such file. Raises `InTheWay` if it is not ours."""
    try:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        return Record(tuple(map(str, record["files"])), tuple(map(str, record["folders"])))
    except FileNotFoundError:
        return Record()
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InTheWay(f"{path} is not what `pybus setup` writes there; move it away") from None


def write_record(path: str, record: Record) -> None:
    """Write what was made."""
    _write(path, _encode(json.dumps({"note": MARK, **record._asdict()}, indent=1) + "\n"))


def _ours(path: str) -> tuple[bytes, int] | None:
    """The content and mode of our file there, or None if there is nothing. Raises `InTheWay` if it is not ours."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InTheWay(f"{path} is a link, which `pybus setup` did not make; it stays as it is") from None
        if error.errno == errno.ENXIO:
            raise InTheWay(f"{path} is no file; it stays as it is") from None
        raise
    mode = os.fstat(file).st_mode
    if not stat.S_ISREG(mode):
        os.close(file)
        raise InTheWay(f"{path} is no file; it stays as it is")
    with open(file, "rb") as opened:
        start = opened.read(_MARK_WITHIN)
        if not any(MARK.encode() in line for line in start.splitlines()[:2]):
            raise InTheWay(f"{path} was not written by `pybus setup`; it stays as it is")
        return start + opened.read(), stat.S_IMODE(mode)


def _write(path: str, content: bytes) -> None:
    """Write beside it, then rename, so that nobody ever sees half of it."""
    file, temporary = tempfile.mkstemp(prefix=".pybus-setup-", dir=os.path.dirname(path))
    try:
        with open(file, "wb") as opened:
            opened.write(content)
            os.fchmod(file, _MODE)
        os.replace(temporary, path)
    except OSError as error:
        os.unlink(temporary)
        raise OSError(error.errno, error.strerror, path) from None


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")  # a path in it may be no UTF-8
