"""Which message caused what is sent now, so that the bus can cut a loop of programs that trigger each other."""

from __future__ import annotations

import os
from _contextvars import ContextVar  # contextvars.py has nothing more, and takes time to find

from pybus.protocol.frames import CAUSED, caused_target


def _inherited() -> int:
    """The depth that `pybus-listen --exec` gives to the commands that it runs."""
    depth = os.environ.get("PYBUS_CAUSE", "")
    return int(depth) if depth.isascii() and depth.isdigit() and len(depth) < 6 else 0


OUTSIDE = _inherited()
"""How deep a message is that is sent outside of handlers and methods: mostly 0, where a chain begins."""

cause: ContextVar[int] = ContextVar("pybus cause", default=OUTSIDE)
"""How deep in a chain a message is that is sent now."""


def marked(flags: int, target: int) -> tuple[int, int]:
    """The flags and target of a signal or call that is sent now, made from those that it has outside of a chain."""
    depth = cause.get()
    return (flags | CAUSED, caused_target(depth, target)) if depth else (flags, target)
