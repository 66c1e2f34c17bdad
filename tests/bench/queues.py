"""Messages through queues, each bus by its blocking Python client (see `queue_clients`).

- Transient: one process publishes as fast as it can, another consumes and acks each. The time runs from the first
  publish until the last was taken.
- Persistent: to a durable queue with confirms, many under way at once; until the last confirm.
- One by one: such a message, the next only after its confirm. Beside it stands what the disk takes for the least that a
  confirm needs: 4 KiB written over old ones and an fdatasync, on the file system on which the buses keep their state,
  in the same round.
- There and back: one process publishes a transient message and takes it out of the queue, one after the other.
"""

import importlib.util
import os
import tempfile
from pathlib import Path
from time import monotonic, perf_counter

from tests.bench.buses import Bus, NotAvailable
from tests.bench.crew import Crew, Pipe, hear
from tests.bench.figures import percentile
from tests.bench.queue_clients import queue_client

_FIRST = 200
"""Messages of the first round, from which the number for the others is found."""

_PAGE = bytes(4096)


class Transient:
    """A publisher and a consumer, ready for rounds."""

    def __init__(self, crew: Crew, bus: Bus) -> None:
        need_client(bus)
        self._consumer = crew.start(consume, bus.protocol, bus.address)
        hear(self._consumer)
        self._publisher = crew.start(publish, bus.protocol, bus.address)
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

    def __init__(self, crew: Crew, bus: Bus) -> None:
        need_client(bus)
        self._publisher = crew.start(publish_confirmed, bus.protocol, bus.address)
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

    def __init__(self, crew: Crew, bus: Bus, measure: str) -> None:
        need_client(bus)
        role = confirm_each if measure == "queue_confirmed" else go_and_return
        self._disk = bus.folder if measure == "queue_confirmed" and bus.protocol == "pybus" else None
        self._measure = measure
        self._client = crew.start(role, bus.protocol, bus.address)
        hear(self._client)
        self._times = 10

    def warm_up(self, seconds: float) -> None:
        median = self.round()[f"{self._measure}_p50"] / 1e6
        self._times = max(10, round(seconds / median))

    def round(self) -> dict[str, float]:
        """One after the other; microseconds."""
        found = {}
        if self._disk is not None:
            found["queue_fdatasync_p50"] = percentile(sync_times(self._disk, self._times), 0.50) * 1e6
        self._client.send(self._times)
        (seconds,) = hear(self._client)
        for part in (0.50, 0.99):
            found[f"{self._measure}_p{part * 100:.0f}"] = percentile(seconds, part) * 1e6
        return found


def need_client(bus: Bus) -> None:
    """Raises `NotAvailable` if there is no client to compare with."""
    if bus.protocol == "amqp" and importlib.util.find_spec("pika") is None:
        raise NotAvailable("pika is not installed")


def sync_times(folder: Path, times: int) -> list[float]:
    """What so many small writes that have reached the disk take, in seconds."""
    seconds = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(_PAGE)
        os.fsync(file.fileno())
        for _ in range(times):
            started = perf_counter()
            os.pwrite(file.fileno(), _PAGE, 0)
            os.fdatasync(file.fileno())
            seconds.append(perf_counter() - started)
    return seconds


def publish(pipe: Pipe, protocol: str, address: str) -> None:
    """Role: publish transient messages, as many as the harness says; when it began."""
    client = queue_client(protocol, address)
    pipe.send("ready")
    while True:
        times = pipe.recv()
        started = monotonic()
        client.publish("bench.transient", times)
        pipe.send(started)


def consume(pipe: Pipe, protocol: str, address: str) -> None:
    """Role: take as many as the harness says; when the last had come."""
    client = queue_client(protocol, address)
    client.declare("bench.transient", durable=False)
    pipe.send("ready")
    while True:
        client.consume("bench.transient", pipe.recv())
        pipe.send(monotonic())


def publish_confirmed(pipe: Pipe, protocol: str, address: str) -> None:
    """Role: publish persistent messages, as many as the harness says; the seconds until all were confirmed."""
    client = queue_client(protocol, address)
    client.declare("bench.persistent", durable=True)
    pipe.send("ready")
    while True:
        times = pipe.recv()
        started = monotonic()
        client.publish_confirmed("bench.persistent", times)
        pipe.send(monotonic() - started)
        client.purge("bench.persistent")


def confirm_each(pipe: Pipe, protocol: str, address: str) -> None:
    """Role: publish persistent messages, the next after the confirm; the seconds of each."""
    client = queue_client(protocol, address)
    client.declare("bench.confirmed", durable=True)
    pipe.send("ready")
    while True:
        seconds = []
        for _ in range(pipe.recv()):
            started = perf_counter()
            client.publish_one("bench.confirmed")
            seconds.append(perf_counter() - started)
        pipe.send(seconds)
        client.purge("bench.confirmed")


def go_and_return(pipe: Pipe, protocol: str, address: str) -> None:
    """Role: publish a message and take it, one after the other; the seconds of each."""
    client = queue_client(protocol, address)
    client.declare("bench.latency", durable=False)
    pipe.send("ready")
    while True:
        seconds = []
        for _ in range(pipe.recv()):
            started = perf_counter()
            client.there_and_back("bench.latency")
            seconds.append(perf_counter() - started)
        pipe.send(seconds)
