"""The route cache: plain signals from their topic's bytes to their receivers' outboxes.

Nearly all that a busy bus does is the loop in `forward`: one look-up for each run (neighbouring signals of one
topic, see `protocol.frames`), and one `offer` of the publisher's own bytes to each receiver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybus.broker.peer import Peer, Receiver
from pybus.errors import ProtocolError
from pybus.protocol.frames import RAW, SIGNAL, Run

if TYPE_CHECKING:
    from collections.abc import Callable

Receivers = tuple[Receiver, ...]


class Routes:
    """Who gets which topic, as far as it has been found out.

    known: topic bytes to receivers. left: what is left of a sender's turn, in deliveries.
    """

    __slots__ = ("_find", "known", "left")

    def __init__(self, find: Callable[[Peer, Run], Receivers]) -> None:
        """find: finds the receivers of a run whose topic is not known; it may make it known."""
        self.known: dict[bytes, Receivers] = {}
        self.left = 0
        self._find = find

    def forward(self, peer: Peer, runs: list[Run], at: int) -> int:
        """Hand on plain signals from `runs[at]` on. Returns the place of the first run that was not handed on.

        That is the end, or something else than a plain signal of this peer, or the turn is over. Raises
        `ProtocolError` if any run names another sender.
        """
        number = peer.number
        left = self.left
        known = self.known
        end = len(runs)
        while at < end:
            run = runs[at]
            kind, flags, sender, _, _, key, data, count = run
            if sender != number:
                raise ProtocolError(f"a frame from connection {number} names {sender} as its sender")
            if kind != SIGNAL or flags > RAW or left <= 0:
                break
            at += 1
            peer.sent += count
            receivers = known.get(key)
            if receivers is None:
                receivers = self._find(peer, run)
            for receiver in receivers:
                receiver.offer(data, count, key)
            left -= 1 + len(receivers)
        self.left = left
        return at
