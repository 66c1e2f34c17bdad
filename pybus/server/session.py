"""One connection's socket: bytes in to the broker, bytes out from the peer's outbox.

A session is greeting, then open, then parted: off the bus, and only writing what still waits. It
reads once a turn, hands the frames to the broker, and lets the server flush every peer that got
something. It writes at once; only if the socket is full does it watch for room. A peer that owes
(see `Peer.owe`) is not read until it has taken its answers.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from pybus.broker.peer import Credentials, Peer
from pybus.errors import BusError, LimitExceeded, ProtocolError, Violation
from pybus.protocol.codec import pack
from pybus.protocol.frames import BUS, BYE, PREAMBLE, FrameReader, Run, frame
from pybus.protocol.handshake import Greeter
from pybus.server.credentials import with_own_name
from pybus.server.loop import READ, WRITE, Timer, ended

if TYPE_CHECKING:
    from pybus.server.server import Server

_READ_SIZE = 64 * 1024
_WRITE_SIZE = 256 * 1024
_WRITES_PER_TURN = 4


class Session:
    """The shell around one `Peer`."""

    __slots__ = (
        "_credentials",
        "_events",
        "_greeter",
        "_held",
        "_parted",
        "_reader",
        "_server",
        "_sock",
        "_timer",
        "_unsent",
        "peer",
    )

    def __init__(self, server: Server, sock: socket.socket, credentials: Credentials) -> None:
        """Takes over a connected, non-blocking socket whose owner has been admitted."""
        self._server = server
        self._sock = sock
        self._credentials = credentials
        self._greeter: Greeter | None = Greeter()
        self._reader: FrameReader | None = None
        self._unsent: bytes | memoryview | None = None
        self._events = READ
        self._parted = False
        self._held: list[Run] | None = None
        self.peer: Peer | None = None
        self._timer: Timer | None = server.loop.after(server.limits.handshake, self._too_slow)
        server.loop.watch(sock.fileno(), READ, self._ready)

    def __str__(self) -> str:
        who = f"{self._credentials.program} (pid {self._credentials.pid})"
        return f"{self.peer.name} {who}" if self.peer is not None else who

    # --- in ---------------------------------------------------------------------------------------

    def _ready(self, events: int) -> None:
        try:
            was_reading = self._events & READ
            if events & WRITE:
                self.flush()
            if events & READ:
                self._read()
            elif ended(events):
                self._hang_up(was_reading)
            self._server.flush()
        except Exception as error:  # a bug of ours costs this connection, never the bus
            self._server.log.bug(f"bug while serving {self}; the connection is closed", error)
            self._part("bug in the bus")
            self._close()
            self._server.flush()

    def _hang_up(self, was_reading: int) -> None:
        """The other side has closed. If its frames were not being read, they are now."""
        if self._parted or was_reading:
            self._part("connection lost")
            self._close()
        else:
            self.flush()

    def _read(self) -> None:
        try:
            data = self._sock.recv(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            self._part(f"connection lost: {error.strerror}")
            self._close()
            return
        if not data:
            self._part("connection lost")
            self._close()
            return
        try:
            if self._reader is None:
                self._greet(data)
            else:
                self._handle(self._reader.feed(data))
        except ProtocolError as error:
            self.throw_out(Violation(str(error)))
        except LimitExceeded as error:
            self.throw_out(error)

    def resume(self) -> None:
        """The peer has taken its answers: handle what it sent meanwhile."""
        held, self._held = self._held, None
        if held is None or self._parted:
            return
        try:
            self._handle(held)
        except ProtocolError as error:
            self.throw_out(Violation(str(error)))
        if not self._parted:
            self._adjust()

    def _handle(self, runs: list[Run]) -> None:
        """Hand frames to the broker. What the peer owes too much for is held back until `resume`."""
        reader, peer = self._reader, self.peer
        assert reader is not None
        assert peer is not None
        if runs:
            held = self._server.broker.receive(peer, runs, time.monotonic())
            if peer.owed > self._server.limits.owed:
                self._held = held
                self._adjust()
                return
        if reader.failure is not None:
            raise reader.failure
        if peer.leaving:
            self._part("goodbye", goodbye=True)
            self._finish()

    def _greet(self, data: bytes) -> None:
        assert self._greeter is not None
        program = self._greeter.feed(data)
        if program is None:
            return
        server = self._server
        self._credentials = with_own_name(self._credentials, program)
        self.peer = server.broker.join(self._credentials, time.monotonic())
        self._greeter = None
        self._reader = FrameReader(server.limits.frame)
        self._stop_timer()
        server.joined(self)

    def _too_slow(self) -> None:
        self._timer = None
        self.throw_out(Violation(f"no complete greeting came in {self._server.limits.handshake:g} s"))

    # --- out --------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what waits, as much as the socket takes; watch for room if some is left.

        If the other side has closed, what waits is dropped, but its last words are still read.
        """
        peer = self.peer
        if peer is None:
            return
        try:
            for _ in range(_WRITES_PER_TURN):
                data = self._unsent
                if data is None:
                    if not peer.outbox:
                        break
                    data = self._unsent = _gather(peer)
                sent = self._sock.send(data)
                self._unsent = None if sent == len(data) else memoryview(data)[sent:]
                peer.taken(sent)
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = None
            peer.outbox.clear()
            peer.missed = None
            peer.taken(peer.queued)
        if self._parted and not peer.queued:
            self._close()
        elif self._held is not None and peer.owed <= self._server.limits.owed:
            self._server.resume_soon(self)
        elif peer.queued or self._events != READ:
            self._adjust()

    def _adjust(self) -> None:
        """Watch for just what this session waits for."""
        peer = self.peer
        assert peer is not None
        events = WRITE if self._unsent is not None or peer.outbox else 0
        if self._held is None and not self._parted:
            events |= READ
        if events != self._events:
            self._events = events
            self._server.loop.change(self._sock.fileno(), events)

    # --- the end ----------------------------------------------------------------------------------

    def throw_out(self, reason: BusError) -> None:
        """Tell the other side why, and close."""
        self._server.log.warning(f"thrown out: {self._credentials.program}", f"thrown out: {self}: {reason.message}")
        if self.peer is None:
            refuse(self._sock, reason)
            self._close()
            return
        self._server.broker.dismiss(self.peer, reason)
        self._part(None)
        self._finish()

    def stop(self, reason: BusError) -> None:
        """Say goodbye because the bus stops, and close once what waits is written."""
        if self.peer is not None:
            if not self._parted:
                self._server.broker.dismiss(self.peer, reason)
                self._part(None, goodbye=True)
            self._finish()
        else:
            refuse(self._sock, reason)
            self._close()

    def _part(self, why: str | None, *, goodbye: bool = False) -> None:
        """Take the peer off the bus. why: for the log, None if it has been told already."""
        if self.peer is None or self._parted:
            return
        self._parted = True
        if why is not None:
            self._server.log.info(f"left: {self}: {why}")
        self._server.broker.leave(self.peer, time.monotonic(), goodbye=goodbye)

    def _finish(self) -> None:
        """Close once what waits is written, or the other side has had its time to read it."""
        self._timer = self._server.loop.after(self._server.limits.farewell, self._close)
        self.flush()

    def _close(self) -> None:
        if self._sock.fileno() < 0:
            return
        self._stop_timer()
        self._server.loop.forget(self._sock.fileno())
        self._sock.close()
        self._server.left(self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _gather(peer: Peer) -> bytes:
    """Take the next bytes from an outbox that holds some: all of it, or about as much as one write takes."""
    outbox = peer.outbox
    if len(outbox) == 1:
        return outbox.popleft()
    if peer.queued <= _WRITE_SIZE:
        data = b"".join(outbox)
        outbox.clear()
        return data
    parts = []
    size = 0
    while outbox and size < _WRITE_SIZE:
        part = outbox.popleft()
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def refuse(sock: socket.socket, reason: BusError) -> None:
    """Write a goodbye with its reason to a connection that never became a peer."""
    body = pack([reason.name, reason.message])
    try:
        sock.send(PREAMBLE + frame(BYE, 0, BUS, 0, 0, b"", body))
    except OSError:
        pass  # it has gone, or never reads: there is nobody to tell
