"""Whether a write-ahead log lost what had been committed (sqlite.org/fileformat.html, section 4).

SQLite reads a log up to the first frame that is not right, and takes that for its end: so it looks after a crash in
the middle of a commit. If it was the disk that damaged the frame, commits that had been safe lie behind it, and would
be gone without a word. A commit begins only when the one before is on the disk; so no more than one can be cut off.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress

_HEADER = 32
_FRAME = 24
_STEP = 1024 * 1024
LONG = 4 * 1024 * 1024
"""Bytes of a log from which it is long enough: about as long it gets before it is written back and begins anew."""
_ORDERS = {0x377F0682: "<", 0x377F0683: ">"}
"""The magic numbers of a log, and which end of a word comes first where sums are made."""


def lost_commits(path: str, frames: int) -> int:
    """How many commits lie in a log behind the part that SQLite takes; 0 if that is as after a crash.

    frames: how many it takes. Raises OSError.
    """
    with open(path, "rb") as file:
        header = file.read(_HEADER)
        step = _FRAME + _page_size(header)
        salts = header[16:24]
        if not _is_right(header):
            salts = os.pread(file.fileno(), _FRAME, _HEADER)[8:16]
        size = os.fstat(file.fileno()).st_size
        found = 0
        for place in range(_HEADER + frames * step, size - step + 1, step):
            frame = os.pread(file.fileno(), _FRAME, place)
            found += frame[8:16] == salts and frame[4:8] != bytes(4)
    return found if found > 1 else 0


def lengthen(path: str, size: int) -> int:
    """Let a log's file reach further than what is written in it, as long as SQLite has added to its end.

    To write within a file takes the disk half the time that it takes to write at its end, where the file's own size
    has to be written as well. SQLite takes zeros for the log's end, as it does what is left of an older log.

    size: what this returned last, 0 at first. Returns how large the file is now. Raises OSError.
    """
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        found = os.fstat(file).st_size
        if size < found < LONG:
            found += os.pwrite(file, bytes(_STEP), found)
            os.fdatasync(file)
        return found
    finally:
        os.close(file)


def copy_of(path: str) -> str:
    """Copy a log before SQLite writes over it. Returns the name of the copy. Raises OSError."""
    number = 1
    while os.path.exists(f"{path}.damaged-{number}"):
        number += 1
    name = f"{path}.damaged-{number}"
    made = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(path, "rb") as file, open(made, "wb") as copy:
            while part := file.read(1024 * 1024):
                copy.write(part)
    except OSError:
        with suppress(OSError):
            os.unlink(name)
        raise
    return name


def _page_size(header: bytes) -> int:
    size = int.from_bytes(header[8:12], "big")
    return size if 512 <= size <= 32768 and not size & (size - 1) else 4096


def _is_right(header: bytes) -> bool:
    """Whether a log's header is what its own sum says."""
    order = _ORDERS.get(int.from_bytes(header[:4], "big"))
    if order is None:
        return False
    words = struct.unpack(order + "6I", header[:24])
    first = second = 0
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) % 2**32
        second = (second + odd + first) % 2**32
    return header[24:] == struct.pack(">2I", first, second)
