"""What waits for one D-Bus peer, and how fast it goes out.

A bus of D-Bus takes whatever it is sent and keeps it for a receiver that does not read, until that is too
much: then it ends the connection of the sender (dbus-broker 33, at 270 MB), or serves it no more
(dbus-daemon 1.14, at 1 GB). So not more than `WINDOW` bytes are on the way to a peer: it is asked by a Ping,
which it answers after all that was sent before (the specification's org.freedesktop.DBus.Peer; the libraries
of D-Bus answer it by themselves). What comes meanwhile waits here, up to `MOST_WAITING`; the rest is counted,
and the peer is told.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

WINDOW = 2**18
"""Bytes that may be on the way to a peer, when one more message is sent."""

PING_EVERY = 2**16
"""Bytes after which a peer is asked whether it has read them."""

MOST_WAITING = 2**23
"""Bytes that may wait for a peer here, some ten thousand small signals. Past it signals to it are dropped, until
half of it is free again."""

MOST_MISSED_TOPICS = 128
"""Topics that are counted one by one for a subscription that misses signals; further ones count under `#`."""

TURN, LEAST = 2**14, 2**10
"""Bytes that are sent in one turn of the event loop, and what a message counts at least: some milliseconds. The last
message of a turn may be larger, up to 50 000 values, which take a twentieth of a second."""

ROUNDS = 4
"""Rounds of the event loop between two turns: what a small call takes from its bytes to those of its answer."""

OVERHEAD = 512
"""About what a signal costs in memory beside its body."""


class Outgoing(Generic[T]):
    """The messages for one peer. full: whether there is no room for more."""

    def __init__(
        self,
        send: Callable[[T], int],
        ping: Callable[[], Awaitable[bool]],
        ready: Callable[["Outgoing[T]"], None],
        room: Callable[[], None],
    ) -> None:
        """send: write a message; how many bytes it had. ping: ask the peer; whether it has answered.
        ready: called when `send_some` can do something. room: called when there is room again.
        """
        self.full = False
        self._send = send
        self._ping = ping
        self._ready = ready
        self._room = room
        self._waiting: deque[tuple[int, T]] = deque()
        self._bytes = 0
        self._sent = self._asked = self._read = 0
        self._closed = False
        self._asking: asyncio.Task[None] | None = None

    def put(self, size: int, message: T) -> None:
        """Let a message wait for its turn; one for a peer that has gone is dropped. size: bytes, about."""
        if self._closed:
            return
        size += OVERHEAD
        self._waiting.append((size, message))
        self._bytes += size
        self.full = self.full or self._bytes > MOST_WAITING
        if len(self._waiting) == 1 and self._open:
            self._ready(self)

    def send_some(self, most: int) -> int:
        """Send what the peer has room for, until that is `most` bytes; returns how many, of each message `LEAST`."""
        count = 0
        while self._waiting and self._open and count < most:
            size, message = self._waiting.popleft()
            self._bytes -= size
            sent = self._send(message)
            self._sent += sent
            count += max(sent, LEAST)
            if self._sent - self._asked >= PING_EVERY and self._asking is None:
                self._asking = asyncio.ensure_future(self._ask())
        if self.full and self._bytes <= MOST_WAITING // 2:
            self.full = False
            self._room()
        return count

    @property
    def can_send(self) -> bool:
        return bool(self._waiting) and self._open

    def close(self) -> None:
        """The peer has gone."""
        self._closed = True
        self._waiting.clear()
        self._bytes = 0
        if self._asking is not None:
            self._asking.cancel()

    @property
    def _open(self) -> bool:
        return self._sent - self._read < WINDOW

    async def _ask(self) -> None:
        """Ask whether the peer has read what it was sent, until that is nearly all."""
        while self._sent - self._asked >= PING_EVERY:
            self._asked = self._sent
            if not await self._ping():
                return  # it has gone, and this ends with it
            was_open, self._read = self._open, self._asked
            if self._waiting and not was_open:
                self._ready(self)
        self._asking = None


class Pump:
    """Sends what waits for all peers, in turns, and lets everything else have its own between them."""

    def __init__(self) -> None:
        self._ready: deque[Outgoing[Any]] = deque()
        self._running: asyncio.Task[None] | None = None

    def ready(self, outgoing: Outgoing[Any]) -> None:
        """There is something that can be sent."""
        if outgoing not in self._ready:
            self._ready.append(outgoing)
        if self._running is None:
            self._running = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        try:
            while self._ready:
                left = TURN
                while left > 0 and self._ready:
                    outgoing = self._ready.popleft()
                    left -= max(outgoing.send_some(left), LEAST)
                    if outgoing.can_send:
                        self._ready.append(outgoing)
                for _ in range(ROUNDS):
                    await asyncio.sleep(0)
        finally:
            self._running = None

    def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
