"""Work on many messages, which is done in slices, so that nobody has to wait for all of it.

A piece of work is a generator. It does a slice and yields the number of the batch that has to be on disk before it
goes on, 0 if it may go on in the next turn of the loop. What it returns is the answer to the call that asked for it,
if one did; a `BusError` that it raises is the refusal. It goes on when its caller has left, as the caller has seen to
it that it began. Pieces that are there at once take turns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pybus.errors import BusError, Failed, LimitExceeded
from pybus.protocol.codec import pack

if TYPE_CHECKING:
    from pybus.broker.broker import Broker
    from pybus.broker.peer import Peer
    from pybus.broker.queues.journal import Journal

SLICE = 256
"""How many messages are looked into in one slice; some milliseconds."""
LIGHT_SLICE = 4096
"""How many messages are thrown away in one slice."""
SLICE_BYTES = 1024 * 1024
"""Bytes of messages after which a slice ends early."""
_AHEAD = 16384
Work: TypeAlias = Generator[int, None, int]


class Pace:
    """How far work on a queue runs ahead of the disk: many small batches keep others waiting less than a large one."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._batch = self._count = 0

    def after(self, count: int) -> int:
        """What the work has to yield when it has done with so many messages more."""
        current = self._journal.current
        if current != self._batch:
            self._batch, self._count = current, 0
        self._count += count
        return current if self._count > _AHEAD and self._journal.has_news else 0


class Unfinished(Exception):
    """A call takes more turns than this one, and is answered later. batch: as the work has yielded it."""

    def __init__(self, work: Work, batch: int) -> None:
        super().__init__()
        self.work = work
        self.batch = batch


class _Piece(NamedTuple):
    """One piece of work. caller: who waits for its end, and the call's serial; None if nobody does."""

    work: Work
    caller: tuple[Peer, int] | None


class Works:
    """All the work that is not done yet."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._ready: deque[_Piece] = deque()
        self._waiting: list[tuple[int, _Piece]] = []

    @property
    def ready(self) -> bool:
        """Whether there is a slice to be done in the next turn."""
        return bool(self._ready)

    def begin(self, work: Work) -> int:
        """Do the first slice of what a call asks for; its result if that was all. Raises `Unfinished`, its refusal."""
        if len(self._ready) + len(self._waiting) >= self._broker.limits.pending:
            raise LimitExceeded("the bus moves and throws away as many queues at once as it can; try again later")
        try:
            batch = next(work)
        except StopIteration as end:
            return int(end.value)
        raise Unfinished(work, batch)

    def go_on_later(self, unfinished: Unfinished, caller: tuple[Peer, int] | None) -> None:
        """The rest of what a call asked for. caller: who is to be answered, and the call's serial."""
        self._add(_Piece(unfinished.work, caller), unfinished.batch)

    def start(self, work: Work) -> None:
        """Do what no call waits for, its first slice now."""
        for batch in work:
            self._add(_Piece(work, None), batch)
            return

    def go_on(self) -> None:
        """A turn: do one slice of the piece that is next."""
        piece = self._ready.popleft()
        try:
            batch = next(piece.work)
        except StopIteration as end:
            if piece.caller is not None:
                self._broker.dispatch.answer_bus_call(*piece.caller, pack(end.value))
        except BusError as error:
            self._refuse(piece, error)
        except Exception as error:  # a bug of ours
            self._broker.queueing.faults.append(("bug in work on many messages", error))
            self._refuse(piece, Failed("a bug in the bus; its log has more"))
        else:
            self._add(piece, batch)

    def on_disk(self, batch: int) -> None:
        """All batches up to this one are on disk."""
        self._ready += [piece for wanted, piece in self._waiting if wanted <= batch]
        self._waiting = [one for one in self._waiting if one[0] > batch]

    def _add(self, piece: _Piece, batch: int) -> None:
        if batch > self._broker.queueing.journal.safe:
            self._waiting.append((batch, piece))
        else:
            self._ready.append(piece)

    def _refuse(self, piece: _Piece, error: BusError) -> None:
        if piece.caller is not None:
            peer, serial = piece.caller
            if peer.number in self._broker.peers:
                self._broker.dispatch.refuse(peer, serial, error)
