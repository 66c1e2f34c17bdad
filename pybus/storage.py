"""What the bus keeps on disk, and how it says so: the interface between the broker and a store.

The broker collects what has to become durable in a `Batch`; whoever runs it gives the batch to a `Store`, and
tells the broker when it is safe. Points in time are those of the bus, monotonic seconds; a store, which outlives the
daemon, keeps them as times of day.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_POSITION = 2**40
"""Positions in a queue are below."""
MAX_QUEUE = 2**22
"""Numbers of queues are below."""


class StoredExchange(NamedTuple):
    """A durable exchange. arguments: msgpack, as everywhere here."""

    name: str
    type: str
    auto_delete: bool
    internal: bool
    arguments: bytes


class StoredQueue(NamedTuple):
    """A durable queue. number: never used for another one. marked: up to which position messages may be delivered."""

    number: int
    name: str
    auto_delete: bool
    arguments: bytes
    marked: int = 0


class StoredBinding(NamedTuple):
    """A binding whose ends are durable. to_exchange: whether the destination is one, else it is a queue."""

    source: str
    destination: str
    to_exchange: bool
    key: str
    arguments: bytes


class StoredMessage(NamedTuple):
    """A message in a queue. place: where, see `place_of`.

    returns: how often it came back, at least 1 if it may have been delivered. size: the bytes of its payload. due: None
    if it does not expire. volatile: it is here for want of memory only, and does not outlive the daemon. data: its
    frame, the same object in each message of a batch that came of the same one; b"" where only the rest was asked for.
    """

    place: int
    returns: int
    priority: int
    since: float
    due: float | None
    size: int
    volatile: bool
    data: bytes


Definition = StoredExchange | StoredQueue | StoredBinding


def place_of(queue: int, position: int) -> int:
    """A queue's number and a position in it as one number, in the order of positions within a queue."""
    return queue * MAX_POSITION + position


class Batch:
    """All that changed since the batch before. number: of the batch, growing.

    definitions: what was declared or bound (True) and what was deleted or unbound (False), in order. They are carried
    out first; then messages come in (put), come back (returned: how often by now) or may be delivered (marked: up to
    which position of a queue), by their places; then they go.
    """

    __slots__ = ("definitions", "gone", "marked", "number", "put", "returned")

    def __init__(self, number: int) -> None:
        self.number = number
        self.definitions: list[tuple[Definition, bool]] = []
        self.put: dict[int, StoredMessage] = {}
        self.returned: dict[int, int] = {}
        self.marked: dict[int, int] = {}
        self.gone: list[int] = []

    def without_puts(self) -> Batch:
        """All of it but the messages that come in: what needs hardly any room."""
        made = Batch(self.number)
        made.definitions, made.returned, made.marked, made.gone = (
            self.definitions,
            self.returned,
            self.marked,
            self.gone,
        )
        return made

    def __bool__(self) -> bool:
        return bool(self.definitions or self.put or self.returned or self.marked or self.gone)


class StoreError(Exception):
    """A store can't write or read; the text says why. What was safe before is still."""


class Store(Protocol):
    """A place for batches. `commit` and `tidy` are called from one thread, `read` from another one."""

    def commit(self, batch: Batch) -> None:
        """Write a batch, whole or not at all. When this returns it is on the disk. Raises `StoreError`."""

    def tidy(self) -> None:
        """Do what is left to do after a batch, now that nobody waits for it any more. Raises nothing."""

    def read(self, places: list[int]) -> dict[int, bytes]:
        """The frames of messages that were committed, by place. Raises `StoreError`."""


class Contents(NamedTuple):
    """What a store had when it was opened.

    messages: of a queue by its number, in order. Past so many bytes of frames they come without them.
    """

    exchanges: list[StoredExchange]
    queues: list[StoredQueue]
    bindings: list[StoredBinding]
    messages: Callable[[int, int], Iterator[StoredMessage]]
