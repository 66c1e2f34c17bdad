"""Messages a second from a Python publisher to a Python subscriber with a callback.

Each system by its Python clients (see `client`): one process publishes 64 bytes as fast as it can, the other has a
plain function called for each, which looks whether they are the right ones. The time runs from the first publish
until the callback has been called for the last. A round is short enough to fit into the queues of bus and client, so
nothing may be lost.
"""

import asyncio
from time import monotonic

from tests.bench.buses import Bus
from tests.bench.client import Client, Countdown
from tests.bench.crew import Crew, Pipe, hear

MOST = 150_000
"""Messages in a round: 16 MiB may wait in a pybus daemon for a subscriber, 64 MiB in its client."""

_FIRST = 500


class PythonToPython:
    """A publisher and a subscriber on a bus, ready for rounds."""

    def __init__(self, crew: Crew, bus: Bus, client: Client) -> None:
        self._subscriber = crew.start(subscribe, client, bus.address)
        hear(self._subscriber)
        self._publisher = crew.start(publish, client, bus.address)
        hear(self._publisher)
        self._times = _FIRST

    def warm_up(self, seconds: float) -> None:
        """Find how many messages a round of that many seconds has."""
        speed = self.round()["python_to_python"]
        self._times = min(MOST, max(10, round(speed * seconds)))

    def round(self) -> dict[str, float]:
        """Publish the messages; how many a second arrived."""
        self._subscriber.send(self._times)
        hear(self._subscriber)
        self._publisher.send(self._times)
        started, ended = hear(self._publisher, self._subscriber)
        return {"python_to_python": self._times / (ended - started)}


def publish(pipe: Pipe, client: Client, address: str) -> None:
    """Role: the publisher."""
    asyncio.run(_publish(pipe, client, address))


async def _publish(pipe: Pipe, client: Client, address: str) -> None:
    signals = client.signals()
    await signals.open(address)
    pipe.send("ready")
    while True:
        times: int = pipe.recv()
        started = monotonic()
        await signals.publish(times)
        pipe.send(started)


def subscribe(pipe: Pipe, client: Client, address: str) -> None:
    """Role: the subscriber."""
    asyncio.run(_subscribe(pipe, client, address))


async def _subscribe(pipe: Pipe, client: Client, address: str) -> None:
    signals, countdown = client.signals(), Countdown()
    await signals.open(address)
    await signals.subscribe(countdown)
    pipe.send("ready")
    while True:
        countdown.expect(pipe.recv())
        pipe.send("counting")
        await signals.receive()
        pipe.send(countdown.at)
