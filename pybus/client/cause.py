"""Which message caused what is sent now, so that the bus can cut a loop of programs that trigger each other."""

from __future__ import annotations

from _contextvars import ContextVar  # contextvars.py has nothing more, and takes time to find

from pybus.protocol.frames import CAUSED, caused_target

cause: ContextVar[int] = ContextVar("pybus cause", default=0)
"""How deep in a chain a message is that is sent now; 0 outside of handlers and methods, where a chain begins."""


def marked(flags: int, milliseconds: int = 0) -> tuple[int, int]:
    """The flags and target of a signal or call that is sent now. milliseconds: that a call is allowed."""
    depth = cause.get()
    return (flags | CAUSED, caused_target(depth, milliseconds)) if depth else (flags, milliseconds)
