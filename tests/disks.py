"""Disks that are really full."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def fill(disk: Path) -> None:
    """Take what room a disk has left, with a file `eaten`, as other programs may do at any moment."""
    with (disk / "eaten").open("ab", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            with suppress(OSError):
                while file.write(b"x" * size):
                    pass
