"""The rules of one bus of D-Bus, at work. That bus may never be there, and may go and come back."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Mapping, Sequence

from ..bus import Bus, DBusError
from .board import Board, Giver
from .event import Event
from .outlet import Outlet
from .owners import Owners
from .rule import Rule
from .state import State

SHORTEST, LONGEST = 0.25, 60.0
"""Seconds from the end of a connection to the next attempt to make one; they double with each that fails."""

_log = logging.getLogger("pybus.dbus")


class Watching:
    """A connection to a bus that comes back by itself. It is not the one for calls, which no flood of signals holds up.

    looked: set when all states that are there have been asked for, or the bus can't be reached.
    """

    def __init__(self, which: str, rules: Mapping[int, Rule], board: Board, outlet: Outlet) -> None:
        """which: "session" or "system". rules: by their places among all."""
        self.looked = asyncio.Event()
        self._which = which
        self._rules = rules
        self._board = board
        self._outlet = outlet
        self._states: dict[Giver, State] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        pause, missing = SHORTEST, False
        while True:
            try:
                with contextlib.closing(await Bus.connect(self._which)) as bus:
                    if missing:
                        _log.info("the %s bus of D-Bus is there now", self._which)
                    pause, missing = SHORTEST, False
                    await self._observe(bus)
            except (OSError, DBusError) as error:
                if not missing:
                    _log.warning("no %s bus of D-Bus, which is tried again: %s", self._which, error)
                missing = True
            self.looked.set()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST)

    async def _observe(self, bus: Bus) -> None:
        """Tell what is so on one connection, until that ends. Raises `DBusError`, `OSError`."""
        ended = asyncio.Event()
        bus.on_close(lambda _reason: ended.set())
        try:
            await self._open(bus)
            for state in [*self._states.values()]:
                await state.asked.wait()
            self.looked.set()
            await ended.wait()
        finally:
            for giver in [*self._states]:
                self._end_state(giver)
                self._board.say(giver, self._topic(giver), None)
        raise ConnectionError("it has ended the connection")

    async def _open(self, bus: Bus) -> None:
        owners: dict[str, Owners] = {}
        for rule in self._rules.values():
            if (rule.is_state() or rule.family()) and rule.sender not in owners:
                owners[rule.sender] = Owners(bus, rule.sender, rule.family())
        for rule in self._rules.values():
            if not rule.is_state():
                names = owners[rule.sender].names if rule.sender in owners else {}
                await Event(rule, names, self._outlet.event).open(bus)
        for sender, them in owners.items():
            numbers = [number for number, rule in self._rules.items() if rule.sender == sender and rule.is_state()]
            await them.open(functools.partial(self._note_owner, bus, numbers))

    def _note_owner(self, bus: Bus, numbers: Sequence[int], name: str, owner: str) -> None:
        """A name has another owner, "" for none. A value stays until the new owner has said his."""
        for giver in [(number, name) for number in numbers]:
            self._end_state(giver)
            if owner:
                self._states[giver] = self._state(bus, giver, owner)
            else:
                self._board.say(giver, self._topic(giver), None)

    def _state(self, bus: Bus, giver: Giver, owner: str) -> State:
        topic = self._topic(giver)
        return State(self._rules[giver[0]], bus, owner, lambda value: self._board.say(giver, topic, value))

    def _end_state(self, giver: Giver) -> None:
        state = self._states.pop(giver, None)
        if state is not None:
            state.close()

    def _topic(self, giver: Giver) -> str:
        rule = self._rules[giver[0]]
        return rule.topic_for(giver[1], rule.path)
