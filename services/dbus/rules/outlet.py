"""The way out: what waits to be published.

A state that changes while it waits is told once, as it is then, so that a flood of changes costs what
the bus takes and no more. Events are told one by one, as many as there is room for.
"""

import asyncio
import itertools
import logging

import pybus

from ... import serving
from ...messages import Message

MOST_EVENTS = 10_000
"""Events that may wait for the bus: those of some seconds in which somebody sends what he can."""

_log = logging.getLogger("pybus.dbus")


class Outlet:
    """Publishes on a connected bus, in the order in which things were said."""

    def __init__(self, bus: pybus.aio.Bus) -> None:
        self._bus = bus
        self._waiting: dict[str | int, Message] = {}
        self._numbers = itertools.count()
        self._events = 0
        self._dropped = 0
        self._kept: set[str] = set()
        self._wake = asyncio.Event()
        self._done = asyncio.Event()
        self._done.set()

    def state(self, topic: str, value: object) -> None:
        """The value of a topic; None for none."""
        if value is None and topic not in self._kept:
            self._waiting.pop(topic, None)  # nobody has heard of it
        else:
            self._add(topic, Message(topic, value, retained=True))

    def event(self, topic: str, body: object) -> None:
        """Something happened. It is dropped, and counted, if too much waits already."""
        if self._events == MOST_EVENTS:
            self._dropped += 1
            return
        self._events += 1
        self._add(next(self._numbers), Message(topic, body))

    async def run(self) -> None:
        """Publish until cancelled. Raises `NotConnected` if the bus bans this program."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._publish_first()
            self._tell_drops()
            self._done.set()

    async def done(self) -> None:
        """Wait until nothing waits. Cancel-safe."""
        await self._done.wait()

    def _add(self, key: str | int, message: Message) -> None:
        self._waiting[key] = message
        self._done.clear()
        self._wake.set()

    async def _publish_first(self) -> None:
        message = self._waiting.pop(next(iter(self._waiting)))
        if not message.retained:
            self._events -= 1
        elif message.body is None:
            self._kept.discard(message.topic)
        else:
            self._kept.add(message.topic)
        await serving.publish(self._bus, message, on_change=True)

    def _tell_drops(self) -> None:
        if self._dropped:
            _log.warning("%d signals of D-Bus were not told: more came than the bus takes", self._dropped)
            self._dropped = 0
