"""Many messages in a queue, and many queues and bindings: what they cost the bus.

- Queued: a fresh bus gets messages of 64 bytes that nobody takes: its memory then, all of it. The same with persistent
  ones in a durable queue, after which the bus is killed and started again: the time until it greets a client.
- Bound: queues with ten bindings each on `amq.topic`, which are declared by one client; how long that takes. Before and
  after, messages are published to a thousand keys of that exchange, of which one queue gets all; their speed.

The client is in the harness's own process, and so in the same form beside a plain bus and a compiled one.
"""

from time import perf_counter

import pybus
from pybus.client.blocking_queues import Queue
from tests.bench.buses import Pybus
from tests.bench.client import BODY
from tests.bench.crew import Failure
from tests.bench.idle import memory_of

BINDINGS = 10
"""Of each queue."""

_KEYS = [f"bench.{number}" for number in range(1000)]
_SPEEDS = 5


def measure_queued(bus: Pybus, count: int) -> dict[str, float]:
    """So many messages: megabytes, and the seconds of a restart with them."""
    with pybus.connect(bus.address) as alice:
        queue = alice.queue("bench.queued")
        for _ in range(count):
            queue.publish(BODY)
        alice.flush()
        memory = memory_of(bus.pid)
        queue.delete()
        queue = alice.queue("bench.kept", durable=True)
        with alice.confirming():
            for _ in range(count):
                queue.publish(BODY, persistent=True)
    started = perf_counter()
    bus.kill_and_restart()
    with pybus.connect(bus.address) as alice:
        restart = perf_counter() - started
        waiting = alice.call("org.pybus.Bus", "delete_queue", "bench.kept")
    if waiting != count:
        raise Failure(f"{waiting} of {count} messages are there after a restart")
    return {"queued_memory": memory / 1e6, "queued_restart": restart}


def measure_bound(bus: Pybus, queues: int) -> dict[str, float]:
    """So many queues: the seconds of declaring them, and messages a second before and after."""
    with pybus.connect(bus.address) as alice:
        everything = alice.queue("bench.everything")
        everything.bind("amq.topic", "bench.*")
        before = _routing_speed(alice, everything)
        started = perf_counter()
        for number in range(queues):
            queue = alice.queue(f"bench.queue.{number}", exclusive=True)
            for key in range(BINDINGS):
                queue.bind("amq.topic", f"sensor.{number}.{key}.#")
        declared = perf_counter() - started
        after = _routing_speed(alice, everything)
        everything.delete()
    return {
        "bound_declare": declared,
        "bound_before": before,
        "bound_after": after,
        "bound_slower": before / after,
    }


def _routing_speed(alice: pybus.Bus, everything: Queue) -> float:
    """Messages a second; the best of several runs, as another process may take the core."""
    speeds = []
    for _ in range(_SPEEDS):
        started = perf_counter()
        with alice.confirming():
            for key in _KEYS * 5:
                alice.publish_to("amq.topic", key, BODY)
        speeds.append(5 * len(_KEYS) / (perf_counter() - started))
        everything.purge()
    return max(speeds)
