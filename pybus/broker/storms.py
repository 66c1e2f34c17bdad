"""Against storms: chains of messages without end are cut, and who sends too much is told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybus.broker.chains import Chains, Link
from pybus.broker.life import News
from pybus.broker.peer import Peer
from pybus.errors import LoopCut
from pybus.protocol.frames import Run, depth_of

if TYPE_CHECKING:
    from pybus.broker.broker import Broker

_LOOP_EFFORT = 100
_SAME_STORM = 10.0
"""Seconds of quiet after which a further storm of the same peer is announced again."""


class Storms:
    """Watches what peers send. count: how often one began to be slowed."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.chains = Chains()
        self.count = 0

    def check_chain(self, peer: Peer, run: Run) -> None:
        """A message says that others caused it. Raises `LoopCut` if they are too many, and tells everybody."""
        broker = self._broker
        depth = depth_of(run[3])
        link = Link(peer.credentials.program, peer.credentials.pid, run[5].decode(errors="replace"))
        try:
            self.chains.check(depth, broker.limits.depth, link)
        except LoopCut:
            broker.effort = _LOOP_EFFORT
            if self.chains.is_new(link, broker.now):
                broker.todo.append(News("bus.loop", {"chain": self.chains.chain(depth), "depth": depth}))
            raise

    def slow_down(self, peer: Peer, seconds: float, key: bytes) -> None:
        """A peer sends more than it may, and is not read for some time. Everybody is told when that begins.

        key: of its last message.
        """
        broker = self._broker
        before, peer.slowed_at = peer.slowed_at, broker.now + seconds
        peer.slowed_seconds += seconds
        if before is not None and broker.now - before < _SAME_STORM:
            return
        self.count += 1
        limits = {
            "limit_messages": broker.limits.messages_per_second,
            "limit_bytes": broker.limits.bytes_per_second,
        }
        rate, size = peer.budget.rates(broker.now)
        value = {**who(peer), "topic": key.decode(errors="replace"), "rate": rate, "bytes": size, **limits}
        broker.todo.append(News("bus.storm", value))


def who(peer: Peer) -> dict[str, object]:
    """A peer in the bus's own signals."""
    return {"name": peer.name, "program": peer.credentials.program, "pid": peer.credentials.pid}
