"""The service: takes events from a monitor to a bus, until it is cancelled.

It waits for the monitor and for the bus in turn, never for both: while the bus takes nothing, or is
away, events wait in the kernel's queue, and if that overflows the service says so (`hal.lost`) and
reads all states afresh. So a pause of the bus costs no memory here.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pybus

from . import catalogue
from .events import Message, lost_events
from .power import AC_TOPIC
from .states import State, Told

if TYPE_CHECKING:
    from .udev import Monitor

NAME = "org.pybus.Hal"
"""The well-known name. Owning it keeps a second instance from publishing every event twice."""

BATCH = 64
"""Events in one go; then the loop's other work (signals, the connection) gets its turn."""


_log = logging.getLogger("pybus.hal")


class Service:
    """One run of the service, on a connected bus."""

    def __init__(self, bus: pybus.aio.Bus, monitor: "Monitor") -> None:
        self._bus = bus
        self._monitor = monitor
        self._told = Told()
        self._wake = asyncio.Event()
        self._connected = True
        self._returned = False
        self._lost = False
        self._overflows = 0
        bus.on_disconnect(self._note_disconnect)
        bus.on_reconnect(self._note_reconnect)

    async def start(self) -> None:
        """Take the name and publish the states as they are. Raises `NameTaken`, `NotConnected`.

        The monitor listens already, so what changes from here on is in its queue. Values of a former
        run that ended without clearing them are replaced or cleared.
        """
        await self._bus.register(NAME, {})
        await self._tell_states(catalogue.STATES)
        for state in catalogue.STATES:
            for kept in await self._bus.call("org.pybus.Bus", "topics", state.pattern):
                if kept["topic"] not in self._told.values:
                    await self._publish(Message(kept["topic"], None, retained=True))

    async def run(self) -> None:
        """Publish what comes. Raises `OSError` if the monitor fails, `NotConnected` if the bus bans this program."""
        while True:
            await self._something_to_do()
            if self._returned:
                await self._renew()
            await self._take_batch()

    async def withdraw(self) -> None:
        """Clear the retained values, for their source is about to go. A bus that is away has none of ours as truth."""
        if self._connected:
            for topic in self._told.values:
                await self._bus.clear(topic)

    async def _something_to_do(self) -> None:
        """Wait for events, or for the bus to be back. The monitor is watched only while it can be read."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._monitor.fileno(), self._wake.set)
        try:
            await self._wake.wait()
        finally:
            loop.remove_reader(self._monitor.fileno())
        self._wake.clear()

    async def _take_batch(self) -> None:
        batch = self._monitor.read(BATCH)
        self._lost |= batch.overflowed
        self._overflows += batch.overflowed
        for properties in batch.events:
            for message in catalogue.messages(properties):
                await self._publish(message)
        if self._lost and batch.drained:
            self._lost = False
            await self._publish(lost_events(self._overflows))
            await self._tell_states(catalogue.STATES)
        else:
            touched = {properties.get("SUBSYSTEM") for properties in batch.events}
            await self._tell_states(state for state in catalogue.STATES if state.subsystem in touched)
        if not batch.drained:
            # What is left may be nothing, which would wake nobody, and a gap is told at the queue's end.
            self._wake.set()
            await asyncio.sleep(0)

    async def _tell_states(self, states: Iterable[State]) -> None:
        had_value = AC_TOPIC in self._told.values
        for state in states:
            for message in self._told.update(state, self._monitor.devices(state.subsystem, state.attributes)):
                await self._publish(message)
        if had_value != (AC_TOPIC in self._told.values):
            await self._settle_will()

    async def _publish(self, message: Message) -> None:
        """Publish, as soon as there is a bus."""
        while True:
            try:
                if message.retained and message.body is None:
                    await self._bus.clear(message.topic)
                else:
                    await self._bus.publish(message.topic, message.body, retain=message.retained)
            except pybus.NoBus:
                continue  # it is away for longer than the client waits by itself
            except pybus.CallError as refusal:
                _log.warning("the bus refused an earlier signal: %s", refusal)
                continue  # this one has not been sent
            return

    # --- when the connection ends -----------------------------------------------------------------

    async def _settle_will(self) -> None:
        """Leave the will if there is a value that a crash would leave behind, else take it back.

        A bus that is away gets it on its return.
        """
        with contextlib.suppress(pybus.NotConnected):
            if AC_TOPIC in self._told.values:
                await self._bus.set_will(AC_TOPIC, clear=True)
            else:
                await self._bus.clear_will()

    async def _renew(self) -> None:
        """The bus is back. A new one got our values from the client; the same one has carried out our will."""
        self._returned = False
        with contextlib.suppress(pybus.NotConnected):  # gone again: its next return brings us here
            await self._settle_will()
            for topic, value in self._told.values.items():
                if await self._kept(topic) != value:
                    await self._publish(Message(topic, value, retained=True))

    async def _kept(self, topic: str) -> object:
        try:
            return await self._bus.get(topic)
        except pybus.NoSuchValue:
            return None

    def _note_disconnect(self, reason: Exception) -> None:
        self._connected = False

    def _note_reconnect(self) -> None:
        self._connected = True
        self._returned = True
        self._wake.set()
