"""The service: takes events from a monitor to a bus, until it is cancelled.

It waits for the monitor and for the bus in turn, never for both: while the bus takes nothing, or is
away, events wait in the kernel's queue, and if that overflows the service says so (`hal.lost`) and
reads everything afresh. So a pause of the bus costs no memory here.

All values are ephemeral: the bus forgets them when this connection ends, whatever way, and the client
publishes them anew on the next one.
"""

import asyncio
import contextlib
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pybus

from .. import serving
from ..messages import Message
from .catalogue import Catalogue
from .device import Device, State
from .events import every_event, lost_events, newest
from .methods import Hal
from .present import Present
from .source import Source
from .told import Told
from .udev import Batch, Monitor

NAME = "org.pybus.Hal"
"""The well-known name. Owning it keeps a second instance from publishing every event twice."""

BATCH = 256
"""Events in one go, some ms; then the loop's other work (signals, the connection) gets its turn."""

OWN_TOPICS = 256
"""Topics that the user's rules may retain; a connection has 4096 for everything."""

_log = logging.getLogger("pybus.hal")


class Service:
    """One run of the service, on a connected bus."""

    def __init__(self, bus: pybus.aio.Bus, monitor: Monitor, catalogue: Catalogue) -> None:
        self._bus = bus
        self._monitor = monitor
        self._catalogue = catalogue
        self._attributes = catalogue.attributes
        self._stated = catalogue.stated
        self._present = Present(catalogue.kinds)
        self._told = Told()
        self._sources: list[Source] = []
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        self._watched = False
        self._listened = True
        self._unsure = False
        self._pauses: dict[State, float] = {}
        self._lost = False
        self._overflows = 0
        self._own_topics: set[str] = set()
        self._is_full = False

    async def start(self) -> None:
        """Publish the states as they are, then take the name. Raises `NameTaken`, `NotConnected`.

        The monitor listens already, so what changes from here on is in its queue. The name comes last,
        as whoever waits for a value is answered then. What others have said of the states is cleared.
        """
        # Before it tells anything, as its values would take the place of the first one's.
        async with serving.alone(self._bus, NAME):
            await self._tell_first()
            await self._watch_listeners()
            methods = Hal(self._monitor, self._present, self._attributes, lambda: self._told.values, self._pretend)
            await self._bus.register(NAME, methods)

    async def run(self) -> None:
        """Publish what comes. Raises `OSError` if the monitor fails, `NotConnected` if the bus bans this program."""
        self._wake.set()  # what came while the devices were looked at is told now
        try:
            while True:
                self._watch(True)
                await self._something_to_do()
                if self._unsure:
                    await self._ask_listeners()
                await self._take_batch()
                await self._look_without_events()
        finally:
            self._watch(False)

    def close(self) -> None:
        """Let go of the sources. The values go with the connection."""
        for source in self._sources:
            source.close()

    # --- beginning ----------------------------------------------------------------------------------

    async def _tell_first(self) -> None:
        """Publish the states, and clear what others have said of them."""
        self._present.begin(self._monitor.complete_devices)
        for source in self._catalogue.sources:
            await self._open(source)
        await self._tell_everything()
        for pattern in self._catalogue.patterns:
            for kept in await self._bus.call("org.pybus.Bus", "topics", pattern):
                if kept["topic"] not in self._told.values:
                    await self._bus.clear(kept["topic"])

    async def _open(self, source: Source) -> None:
        try:
            await source.open(lambda: self._note_change(source))
        except OSError as error:
            source.close()
            _log.warning("no %s: %s", source.pattern, error.strerror or error)
            return
        self._sources.append(source)

    async def _watch_listeners(self) -> None:
        """Know whether somebody listens, as looking without events is for them alone.

        A bus that does not know this service has it started by hand: then somebody wants it.
        """
        self._bus.on(f"bus.listeners.{NAME}", lambda signal: self._note_listeners(signal.body))
        self._bus.on_reconnect(self._note_reconnect)
        service = await self._ask_listeners()
        if service and service["starts"] > 1 and service["last"] and not service["last"]["expected"]:
            await self._publish(lost_events("restart", 0))

    async def _ask_listeners(self) -> dict[str, Any]:
        """What the bus knows of this service, its listeners among that; nothing if it has no file."""
        self._unsure = False
        service: dict[str, Any] = {}
        with contextlib.suppress(pybus.NoSuchService, pybus.NotConnected):
            service = await self._bus.call("org.pybus.Bus", "service", NAME)
        self._note_listeners(service)
        return service

    def _note_reconnect(self) -> None:
        self._unsure = True
        self._wake.set()

    def _note_listeners(self, said: object) -> None:
        self._listened = not isinstance(said, Mapping) or bool(said.get("listeners", True))
        self._wake.set()

    def _note_change(self, source: Source) -> None:
        self._changed.add(source.pattern)
        self._wake.set()

    # --- events -------------------------------------------------------------------------------------

    async def _something_to_do(self) -> None:
        """Wait for events, a change, or the time to look."""
        due = self._next_look()
        if due is None:
            await self._wake.wait()
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._wake.wait()
        self._wake.clear()

    def _note_events(self) -> None:
        """The monitor can be read. If that is known already, it is not watched until it has been read."""
        if self._wake.is_set():
            self._watch(False)
        self._wake.set()

    def _watch(self, wanted: bool) -> None:
        """Watch the monitor or don't. It stays watched as a rule, as each change of that costs two system calls."""
        if wanted != self._watched:
            loop = asyncio.get_running_loop()
            if wanted:
                loop.add_reader(self._monitor.fileno(), self._note_events)
            else:
                loop.remove_reader(self._monitor.fileno())
            self._watched = wanted

    async def _take_batch(self) -> None:
        batch = self._monitor.read(BATCH, lambda subsystem: self._attributes.get(subsystem, ()))
        self._lost |= batch.overflowed
        self._overflows += batch.overflowed
        for device in newest(batch.events):
            await self._publish_all(self._messages(device))
        if self._lost and batch.drained:
            self._lost = False
            await self._publish(lost_events("overflow", self._overflows))
            await self._publish_all(self._present.compare(self._monitor.complete_devices))
            await self._tell_everything()
        else:
            await self._tell_touched(batch)
        if batch.drained:
            self._present.settle()
        else:
            # What is left may be nothing, which would wake nobody, and a gap is told at the queue's end.
            self._wake.set()
            await asyncio.sleep(0)

    def _messages(self, device: Device) -> list[Message]:
        """All that one event says: what the catalogue makes of it, or the event as it is, and the user's own rules."""
        messages = self._present.take(device)
        if messages is None:
            messages = [message for translate in self._catalogue.events for message in translate(device)]
            if not messages and not self._is_told_otherwise(device):
                messages = [every_event(device)]
        return messages + [self._within_limit(message) for message in self._catalogue.own(device)]

    def _within_limit(self, message: Message) -> Message:
        """What a rule of the user's says; not retained past the limit, as fields can make any number of topics."""
        if not message.retained or message.topic in self._own_topics:
            return message
        if len(self._own_topics) < OWN_TOPICS:
            self._own_topics.add(message.topic)
            return message
        if not self._is_full:
            _log.warning("%s is not retained: your rules have retained %d topics, the limit", message.topic, OWN_TOPICS)
        self._is_full = True
        return message._replace(retained=False)

    def _is_told_otherwise(self, device: Device) -> bool:
        """Whether states say what there is to say."""
        return device.subsystem in self._stated and device.action in ("add", "remove", "change")

    # --- states -------------------------------------------------------------------------------------

    async def _tell_everything(self) -> None:
        await self._tell_states(self._catalogue.states, {})
        await self._tell_sources(self._sources)

    async def _tell_touched(self, batch: Batch) -> None:
        """Look again at whatever the events were about, and take what the other sources have."""
        latest = {device.path: device for device in batch.events}
        touched = {device.subsystem for device in batch.events}
        edges = {device.subsystem for device in batch.events if device.action in ("add", "remove")}
        await self._tell_states([state for state in self._catalogue.states if state.subsystem in touched], latest)
        for source in self._sources:
            if source.subsystem in edges:
                source.refresh()
        changed, self._changed = self._changed, set()
        await self._tell_sources(source for source in self._sources if source.pattern in changed)

    async def _tell_states(self, states: Iterable[State], latest: Mapping[str, Device]) -> None:
        """Tell what differs. latest: the devices that events were about, by path."""
        for state in states:
            found = await self._monitor.look(state.subsystem, state.attributes)
            devices = [event for device in found if (event := _with_event(device, latest)).action != "remove"]
            try:
                values = state.values(devices)
            except Exception:
                _log.exception("%s can't be derived; please report this with the devices: %s", state.pattern, devices)
                self._pauses.pop(state, None)
                continue
            await self._publish_all(self._told.update(state.pattern, values))
            self._plan(state, devices)

    async def _tell_sources(self, sources: Iterable[Source]) -> None:
        for source in sources:
            await self._publish_all(self._told.update(source.pattern, source.values()))

    # --- looking without events -----------------------------------------------------------------------

    def _plan(self, state: State, devices: Sequence[Device]) -> None:
        pause = state.pause(devices)
        self._pauses.pop(state, None)
        if pause:
            self._pauses[state] = asyncio.get_running_loop().time() + pause

    def _next_look(self) -> float | None:
        """When to look without an event, on the loop's clock; None if never, as while nobody listens."""
        return min(self._pauses.values(), default=None) if self._listened else None

    async def _look_without_events(self) -> None:
        if self._listened:
            now = asyncio.get_running_loop().time()
            await self._tell_states([state for state, due in self._pauses.items() if due <= now], {})

    # --- the bus --------------------------------------------------------------------------------------

    async def _pretend(self, message: Message) -> None:
        """Tell it as if a look or an event had said it. Raises `CallError` if the bus refuses it."""
        giver = self._catalogue.giver(message.topic)
        if giver is not None and message.body is None:
            await self._bus.clear(message.topic, confirm=True)
        else:
            await self._bus.publish(message.topic, message.body, ephemeral=giver is not None, confirm=True)
        if giver is not None:
            self._told.pretend(giver, message.topic, message.body)

    async def _publish_all(self, messages: Collection[Message]) -> None:
        for message in messages:
            await self._publish(message)

    async def _publish(self, message: Message) -> None:
        await serving.publish(self._bus, message)


def _with_event(device: Device, latest: Mapping[str, Device]) -> Device:
    event = latest.get(device.path)
    return device if event is None else device._replace(action=event.action, properties=event.properties)
