"""A pair that exchanges small signals, alone and beside a flooder: how long a signal takes then.

Alice and bob each publish one signal every 10 ms, bob half way between alice's, and note when the
other's come: from just before the write until just after the read, by the clock that all processes
share. Each publishes when it is time to, whether or not the other's signals come; so a bus that stops
for a while shows in every signal that waited. Both ways count, so 1000 exchanges are 2000 values.

That is measured with nobody else on the bus, then beside one who publishes small signals as fast as the
bus takes them to one subscriber, and then to eight (see `flood`). The processes of a flood share the cores
with the bus and the pair, on every bus in the same way; a bus that lets the flooder send more takes
more of them. How many signals a second the flooder got through is shown, too.

What is compared is the growth: the 99th percentile beside the flood, over the least of all rounds alone. A busy
moment of the machine while the pair is alone would otherwise make the growth look small.
"""

from select import select
from time import monotonic

from tests.bench.buses import Bus
from tests.bench.crew import Crew, Failure, Pipe, hear
from tests.bench.figures import Figures, percentile
from tests.bench.flood import Flood
from tests.bench.signals import READ_SIZE
from tests.bench.wire import PATIENCE, RawClient, raw_client

PERIOD = 0.01
"""Seconds between two signals of one side."""

FLOODS = {1: "f", 8: "g"}
"""The topic of each flood, by how many subscribers it has."""

_SECONDS = 8
"""The pair is measured for so many times a usual round, as it mostly waits."""


class Storm:
    """A pair and some flooders on a bus, ready for rounds."""

    def __init__(self, crew: Crew, bus: Bus) -> None:
        self._pair = [crew.start(exchange, bus.protocol, bus.endpoint, *topics) for topics in ("xy", "yx")]
        hear(*self._pair)
        for pipe in self._pair:
            pipe.send("publish one")
        hear(*self._pair)
        self._floods = {count: Flood(crew, bus, topic, count) for count, topic in FLOODS.items()}
        self._times = 20

    def warm_up(self, seconds: float) -> None:
        self.round()
        self._times = max(20, round(_SECONDS * seconds / PERIOD))

    def round(self) -> dict[str, float]:
        """The pair alone, then beside each flood: microseconds, and signals a second of the flooder."""
        found = _percentiles("storm_alone", self._exchange())
        for count, flood in self._floods.items():
            flood.start()
            found |= _percentiles(f"storm_{count}", self._exchange())
            found[f"storm_{count}_flood"] = flood.stop()
        return found

    def _exchange(self) -> list[float]:
        """What each signal took, in seconds."""
        begin = monotonic() + PERIOD
        for number, pipe in enumerate(self._pair):
            pipe.send((self._times, begin + number * PERIOD / 2))
        alice, bob = hear(*self._pair)
        return [
            arrived - sent
            for (sent_times, _), (_, arrival_times) in ((alice, bob), (bob, alice))
            for sent, arrived in zip(sent_times, arrival_times, strict=True)
        ]


def add_growth(figures: Figures) -> None:
    """Note how many times longer the 99th percentile is beside each flood, when all rounds are over."""
    for bus, alone in figures.values.get("storm_alone_p99", {}).items():
        for count in FLOODS:
            for beside in figures.values[f"storm_{count}_p99"][bus]:
                figures.add(bus, {f"storm_{count}_growth": beside / min(alone)})


def exchange(pipe: Pipe, protocol: str, endpoint: str, own: str, other: str) -> None:
    """Role: publish `own` every 10 ms and get `other`; the times of both, as often as the harness says."""
    client = raw_client(protocol, endpoint)
    client.subscribe([other])
    pipe.send("subscribed")
    pipe.recv()
    signal = client.signal(own)
    client.out.sendall(signal)
    size = len(client.read_message())
    pipe.send("ready")
    while True:
        pipe.send(_exchange(client, signal, size, *pipe.recv()))


def _exchange(client: RawClient, signal: bytes, size: int, times: int, begin: float) -> tuple[list[float], list[float]]:
    sent: list[float] = []
    arrived: list[float] = []
    while len(arrived) < times or len(sent) < times:
        now = monotonic()
        due = begin + len(sent) * PERIOD if len(sent) < times else now + PATIENCE
        if now >= due:
            sent.append(now)
            client.out.sendall(signal)
        elif select([client.sock], [], [], due - now)[0]:
            data = client.sock.recv(READ_SIZE)
            arrived += [monotonic()] * _signals(data, size)
        elif len(sent) == times:
            raise Failure(f"{times - len(arrived)} of {times} signals did not arrive")
    return sent, arrived


def _signals(data: bytes, size: int) -> int:
    if not data or len(data) % size:
        raise Failure(f"{len(data)} bytes came in place of signals of {size}")
    return len(data) // size


def _percentiles(measure: str, seconds: list[float]) -> dict[str, float]:
    return {f"{measure}_p50": percentile(seconds, 0.50) * 1e6, f"{measure}_p99": percentile(seconds, 0.99) * 1e6}
