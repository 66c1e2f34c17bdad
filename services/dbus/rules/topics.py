"""All rules at work: from both buses of D-Bus to the topics of this one."""

import asyncio
import contextlib
from collections.abc import Sequence

import pybus

from ... import serving
from .board import Board
from .outlet import Outlet
from .rule import Rule
from .watching import Watching

FIRST_LOOK = 2.0
"""Seconds that D-Bus gets to say the states before the service claims its name: who asks for one waits so long."""


class Topics:
    """What the rules tell, on a connected bus. A bus of D-Bus that no rule is about is let alone."""

    def __init__(self, bus: pybus.aio.Bus, rules: Sequence[Rule]) -> None:
        self._begun = asyncio.Event()
        self._outlet = Outlet(bus)
        board = Board(self._outlet.state)
        self._watchings = []
        for which in dict.fromkeys(rule.bus for rule in rules):
            numbered = {number: rule for number, rule in enumerate(rules) if rule.bus == which}
            self._watchings.append(Watching(which, numbered, board, self._outlet))

    async def first_look(self) -> None:
        """Let `run` begin, and wait until the states are published, as far as somebody says them in time."""
        self._begun.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LOOK):
                for watching in self._watchings:
                    await watching.looked.wait()
        await self._outlet.done()

    async def run(self) -> None:
        """Tell what is so and what happens, from `first_look` on until cancelled. Raises `NotConnected`."""
        await self._begun.wait()
        await serving.first(self._outlet.run(), *(watching.run() for watching in self._watchings))
