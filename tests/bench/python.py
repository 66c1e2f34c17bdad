"""Messages a second from a Python publisher to a Python subscriber with a callback.

Both use their library's asyncio client, as programs do: one publishes a text as fast as it can, the
other has a plain function called for each. The time runs from the first publish until the callback has been
called for the last. A round is short enough to fit into the queues of bus and client, so nothing may be lost.
"""

import asyncio
from time import monotonic

import pybus
from tests.bench.buses import Bus
from tests.bench.calls import need_dbus_next
from tests.bench.crew import Crew, Failure, Pipe, hear

MOST = 150_000
"""Messages in a round: 16 MiB may wait in a pybus daemon for a subscriber, 64 MiB in its client."""

_FIRST = 500


class PythonToPython:
    """A publisher and a subscriber on a bus, ready for rounds."""

    def __init__(self, crew: Crew, bus: Bus) -> None:
        publisher, subscriber = publish, subscribe
        if bus.protocol == "dbus":
            need_dbus_next()
            from tests.bench import dbus_next_roles

            publisher, subscriber = dbus_next_roles.publish, dbus_next_roles.subscribe
        self._subscriber = crew.start(subscriber, bus.address)
        hear(self._subscriber)
        self._publisher = crew.start(publisher, bus.address)
        hear(self._publisher)
        self._times = _FIRST

    def warm_up(self, seconds: float) -> None:
        """Find how many messages a round of that many seconds has."""
        speed = self.round()["python"]
        self._times = min(MOST, max(10, round(speed * seconds)))

    def round(self) -> dict[str, float]:
        """Publish the messages; how many a second arrived."""
        self._subscriber.send(self._times)
        hear(self._subscriber)
        self._publisher.send(self._times)
        started, ended = hear(self._publisher, self._subscriber)
        return {"python": self._times / (ended - started)}


class Countdown:
    """The callback's part that is the same for each library: it ends when so many messages have come."""

    def __init__(self) -> None:
        self._left = 0
        self._ended: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def rounds(self, pipe: Pipe) -> None:
        """For each number that the harness says: wait for as many messages, tell when the last came."""
        while True:
            self._left = pipe.recv()
            self._ended = asyncio.get_running_loop().create_future()
            pipe.send("counting")
            pipe.send(await self._ended)

    def count(self) -> None:
        """One more has come."""
        self._left -= 1
        if not self._left:
            self._ended.set_result(monotonic())
        elif self._left < 0:
            raise Failure("more messages came than were published")


def publish(pipe: Pipe, address: str) -> None:
    """Role: the publisher."""
    asyncio.run(_publish(pipe, address))


async def _publish(pipe: Pipe, address: str) -> None:
    async with pybus.aio.connect(address) as bus:
        pipe.send("ready")
        while True:
            times: int = pipe.recv()
            started = monotonic()
            for _ in range(times):
                await bus.publish("bench.python", "unplugged")
            await bus.flush()
            pipe.send(started)


def subscribe(pipe: Pipe, address: str) -> None:
    """Role: the subscriber."""
    asyncio.run(_subscribe(pipe, address))


async def _subscribe(pipe: Pipe, address: str) -> None:
    async with pybus.aio.connect(address) as bus:
        countdown = Countdown()
        await bus.on("bench.python", lambda signal: countdown.count())
        pipe.send("ready")
        await countdown.rounds(pipe)
