"""Messages of 64 bytes through queues, each system by its Python clients (see `client`).

- Transient: one process publishes as fast as it can, another consumes and acks each. The time runs from the first
  publish until the last was taken.
- Persistent: to a durable queue with confirms, many under way at once; until the last confirm.
- One by one: such a message, the next only after its confirm. In turn with it the same process lets the disk do the
  least that a confirm needs, so that both meet the same disk: 4 KiB and an fdatasync, on the file system on which the
  buses keep their state; once written over old ones, and once at the end of a file, which a log does as it grows.
- There and back: one process publishes a transient message and takes it out of the queue, one after the other.

A confirm is not worth the same everywhere: pybus and RabbitMQ have had the disk write the message before they
confirm it, and so has Redis as `redis-always`; `redis-everysec` writes it within a second after that, and JetStream of
NATS 2.9 within two minutes (it has no other way; its later versions can sync always).
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic, perf_counter

from tests.bench.buses import Bus
from tests.bench.client import Client
from tests.bench.crew import Crew, Pipe, Role, hear
from tests.bench.figures import percentile

_FIRST = 200
"""Messages of the first round, from which the number for the others is found."""

_PAGE = bytes(4096)


class Transient:
    """A publisher and a consumer, ready for rounds."""

    def __init__(self, crew: Crew, bus: Bus, client: Client) -> None:
        self._consumer = crew.start(consume, client, bus.address)
        hear(self._consumer)
        self._publisher = crew.start(publish, client, bus.address)
        hear(self._publisher)
        self._times = _FIRST

    def warm_up(self, seconds: float) -> None:
        self._times = max(10, round(self.round()["queue_transient"] * seconds))

    def round(self) -> dict[str, float]:
        """Publish and consume the messages; how many a second."""
        self._consumer.send(self._times)
        self._publisher.send(self._times)
        started, ended = hear(self._publisher, self._consumer)
        return {"queue_transient": self._times / (ended - started)}


class Persistent:
    """A publisher that gets confirms, ready for rounds."""

    def __init__(self, crew: Crew, bus: Bus, client: Client) -> None:
        self._publisher = crew.start(publish_confirmed, client, bus.address)
        hear(self._publisher)
        self._times = _FIRST

    def warm_up(self, seconds: float) -> None:
        self._times = max(10, round(self.round()["queue_persistent"] * seconds))

    def round(self) -> dict[str, float]:
        """Publish the messages; how many a second were confirmed."""
        self._publisher.send(self._times)
        (seconds,) = hear(self._publisher)
        return {"queue_persistent": self._times / seconds}


class OneByOne:
    """A client that waits for each message, ready for rounds. role: `confirm_each` or `go_and_return`."""

    def __init__(self, crew: Crew, bus: Bus, client: Client, measure: str, role: Role) -> None:
        self._measure = measure
        self._client = crew.start(role, client, bus.address, bus.folder)
        hear(self._client)
        self._times = 10

    def warm_up(self, seconds: float) -> None:
        steps = [value for name, value in self.round().items() if not name.endswith("_p99")]
        self._times = max(10, round(seconds * 1e6 / sum(steps)))

    def round(self) -> dict[str, float]:
        """One after the other; microseconds."""
        self._client.send(self._times)
        (times,) = hear(self._client)
        return {f"{self._measure}_{name}": percentile(*what) * 1e6 for name, what in times.items()}


def publish(pipe: Pipe, client: Client, address: str) -> None:
    """Role: publish transient messages, as many as the harness says; when it began."""
    asyncio.run(_publish(pipe, client, address))


async def _publish(pipe: Pipe, client: Client, address: str) -> None:
    queues, queue = client.queues(), f"transient-{client.name}"
    await queues.open(address)
    pipe.send("ready")
    while True:
        times = pipe.recv()
        started = monotonic()
        await queues.publish(queue, times)
        pipe.send(started)


def consume(pipe: Pipe, client: Client, address: str) -> None:
    """Role: take as many as the harness says; when the last had come."""
    asyncio.run(_consume(pipe, client, address))


async def _consume(pipe: Pipe, client: Client, address: str) -> None:
    queues, queue = client.queues(), f"transient-{client.name}"
    await queues.open(address)
    await queues.declare(queue, durable=False)
    pipe.send("ready")
    while True:
        await queues.consume(queue, pipe.recv())
        pipe.send(monotonic())


def publish_confirmed(pipe: Pipe, client: Client, address: str) -> None:
    """Role: publish persistent messages, as many as the harness says; the seconds until all were confirmed."""
    asyncio.run(_publish_confirmed(pipe, client, address))


async def _publish_confirmed(pipe: Pipe, client: Client, address: str) -> None:
    queues, queue = client.queues(), f"persistent-{client.name}"
    await queues.open(address)
    await queues.declare(queue, durable=True)
    pipe.send("ready")
    while True:
        times = pipe.recv()
        started = monotonic()
        await queues.publish_confirmed(queue, times)
        pipe.send(monotonic() - started)
        await queues.purge(queue)


def confirm_each(pipe: Pipe, client: Client, address: str, folder: Path) -> None:
    """Role: publish persistent messages, the next after the confirm; what each took, and the disk alone."""
    asyncio.run(_confirm_each(pipe, client, address, folder))


async def _confirm_each(pipe: Pipe, client: Client, address: str, folder: Path) -> None:
    queues, queue = client.queues(), f"confirmed-{client.name}"
    await queues.open(address)
    await queues.declare(queue, durable=True)
    with TemporaryFile(dir=folder, buffering=0) as old, TemporaryFile(dir=folder, buffering=0) as growing:

        async def write_over() -> None:
            os.pwrite(old.fileno(), _PAGE, 0)
            os.fdatasync(old.fileno())

        async def write_after() -> None:
            growing.write(_PAGE)
            os.fdatasync(growing.fileno())

        steps = {"over": write_over, "after": write_after, "confirm": lambda: queues.publish_one(queue)}
        await write_over()
        pipe.send("ready")
        while True:
            times = await _in_turn(steps, pipe.recv())
            pipe.send({**_parts(times["confirm"]), "over": (times["over"], 0.5), "after": (times["after"], 0.5)})
            await queues.purge(queue)


async def _in_turn(steps: Mapping[str, Callable[[], Awaitable[None]]], count: int) -> dict[str, list[float]]:
    """Do all steps so often, each as often first, as what others wrote burdens the first; the seconds of each."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    for _ in range(count):
        for name in names:
            started = perf_counter()
            await steps[name]()
            times[name].append(perf_counter() - started)
        names.append(names.pop(0))
    return times


def go_and_return(pipe: Pipe, client: Client, address: str, folder: Path) -> None:
    """Role: publish a message and take it, one after the other; what each took."""
    asyncio.run(_go_and_return(pipe, client, address))


async def _go_and_return(pipe: Pipe, client: Client, address: str) -> None:
    queues, queue = client.queues(), f"latency-{client.name}"
    await queues.open(address)
    await queues.declare(queue, durable=False)
    pipe.send("ready")
    while True:
        seconds = []
        for _ in range(pipe.recv()):
            started = perf_counter()
            await queues.there_and_back(queue)
            seconds.append(perf_counter() - started)
        pipe.send(_parts(seconds))


def _parts(seconds: list[float]) -> dict[str, tuple[list[float], float]]:
    """What is shown of some times: by name the times and which part of them is below."""
    return {"p50": (seconds, 0.50), "p99": (seconds, 0.99)}
