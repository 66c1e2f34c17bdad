"""The route cache: plain signals from their topic's bytes to their receivers' outboxes.

Nearly all that a busy bus does is the loop in `forward`: one look-up for each run (neighbouring signals that go the
same way, see `protocol.frames`), and one `offer` of the publisher's own bytes to each receiver.

What makes it fast, with its worth: nanoseconds of the daemon's time for a signal of 64 bytes, from the bytes read to
the bytes to be written, without the system calls (some 40 more where a read is full), to 1 and to 8 receivers.

| | plain | compiled |
|---|---|---|
| each signal is a run of its own: one look-up, one slice, one entry in each outbox | 850, 1940 | 320, 530 |
| neighbours whose topics have the same receivers are one run, and only the look-up is left | 380, 380 | 130, 140 |
| neighbours of one topic are one run: the header and the key are compared with the last one's | 320, 320 | 20, 20 |

Beside it: bytes are read as many as come, up to 64 KiB at once; each receiver is written to once a turn; after signals,
calls and answers to connections alone the shell looks for nothing else to do (`stirred`), which is a microsecond of
each round trip; and nothing is allocated for a signal but its slice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybus.broker.peer import Peer, Receiver
from pybus.errors import ProtocolError
from pybus.protocol.frames import RAW, SEVERAL, SIGNAL, Run, apart

if TYPE_CHECKING:
    from collections.abc import Callable

Receivers = tuple[Receiver, ...]


class Routes:
    """Who gets which topic, as far as it has been found out.

    known: topic bytes to receivers. ways: those of them that are connections only, for the readers to join
    signals by. left: what is left of a sender's turn, in deliveries. stirred: whether anything has happened beyond
    signals, calls and answers going to connections, so that the shell has to look for what else is to be done.
    """

    __slots__ = ("_find", "_has_changed", "known", "left", "stirred", "ways")

    def __init__(self, find: Callable[[Peer, Run], Receivers]) -> None:
        """find: finds the receivers of a run whose topic is not known; it may make it known."""
        self.known: dict[bytes, Receivers] = {}
        self.ways: dict[bytes, Receivers] = {}
        self.left = 0
        self.stirred = False
        self._has_changed = False
        self._find = find

    def add(self, key: bytes, receivers: Receivers) -> None:
        """Make the receivers of a topic known. Those of topics that go the same way must be one object."""
        self.known[key] = receivers
        if all(isinstance(receiver, Peer) for receiver in receivers):
            self.ways[key] = receivers

    def clear(self) -> None:
        """Forget all, as a pattern has come or gone."""
        self.known.clear()
        self.ways.clear()
        self._has_changed = True

    def begin(self, left: int) -> None:
        """A turn begins, with runs that have been cut by what is in `ways` now."""
        self.left = left
        self._has_changed = False

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
            if kind not in (SIGNAL, SEVERAL) or flags > RAW or left <= 0:
                break
            if kind == SEVERAL and not self._stays_together(key):
                runs[at : at + 1] = apart(run)
                end = len(runs)
                continue
            at += 1
            peer.sent += count
            receivers = known.get(key)
            if receivers is None:
                self.stirred = True
                receivers = self._find(peer, run)
            for receiver in receivers:
                receiver.offer(data, count, key)
                if not isinstance(receiver, Peer):
                    self.stirred = True
            left -= 1 + len(receivers)
        self.left = left
        return at

    def _stays_together(self, key: bytes) -> bool:
        """Whether a run of several topics still goes one way, and nobody there misses any of it."""
        if self._has_changed:
            return False
        return not any(receiver.full for receiver in self.ways[key] if isinstance(receiver, Peer))
