"""One connection's socket: bytes in to the broker, bytes out from the peer's outbox.

A session is greeting, then open, then parted: off the bus, and only writing what still waits. It
reads once a turn, hands the frames to the broker, and lets the server flush every peer that got
something. It writes at once; only if the socket is full does it watch for room.

A session is not read while its peer owes (see `Peer.owe`), and while it rests because it sent more
than its budget. What it sent beyond its turn is held and handled when all others had theirs.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from pybus.broker.peer import Credentials, Peer
from pybus.errors import BusError, LimitExceeded, ProtocolError, Violation
from pybus.protocol.codec import pack
from pybus.protocol.frames import BUS, BYE, PREAMBLE, FrameReader, Run, frame
from pybus.protocol.handshake import Greeter
from pybus.server.credentials import with_own_name
from pybus.server.ending import has_ended, peer_pidfd
from pybus.server.loop import READ, WRITE, Timer, ended

if TYPE_CHECKING:
    from pybus.broker.queues.channel import Channel
    from pybus.server.server import Server

_READ_SIZE = 64 * 1024
_SMALL_READ = 1000
"""Bytes of a read while little comes: so small a buffer comes and goes at no cost, a large one stirs up the heap."""
_WRITE_SIZE = 256 * 1024
_WRITES_PER_TURN = 4
_MOST_STEPS = 4
"""Of the usual bytes of a read, how many at once for one large frame."""
_SMALL_STEP = 16 * 1024
"""Bytes of one read from a peer that sends too much. The budget is looked at after each read's worth of
bytes, so a peer that says little never pays for it, and a storm comes in small pieces."""
_now = time.monotonic
_SHORTEST_REST = 0.002
"""Seconds. A storm is slowed in steps that cost next to nothing."""


class Gone(NamedTuple):
    """Who has left. who: for the log. names: the well-known ones it had."""

    peer: Peer
    who: str
    names: list[str]


class Session:
    """The shell around one `Peer`."""

    __slots__ = (
        "_broker",
        "_credentials",
        "_events",
        "_greeter",
        "_held",
        "_large",
        "_last_key",
        "_parted",
        "_pidfd",
        "_reader",
        "_reckoned",
        "_reckoned_sent",
        "_resting",
        "_room",
        "_routes",
        "_server",
        "_sock",
        "_step",
        "_timer",
        "_turn_over",
        "_unsent",
        "peer",
    )

    def __init__(self, server: Server, sock: socket.socket, credentials: Credentials) -> None:
        """Takes over a connected, non-blocking socket whose owner has been admitted."""
        self._server = server
        self._sock = sock
        self._broker = server.broker
        self._routes = server.broker.signals.routes
        self._credentials = credentials
        self._greeter: Greeter | None = Greeter()
        self._reader: FrameReader | None = None
        self._unsent: bytes | memoryview | None = None
        self._events = READ
        self._parted = False
        self._held: list[Run] | None = None
        self._turn_over = False
        self._resting: Timer | None = None
        self._reckoned = self._reckoned_sent = 0
        self._step = _READ_SIZE
        self._room = _SMALL_READ
        self._large = 0
        self._last_key = b""
        self._pidfd = peer_pidfd(sock)
        self.peer: Peer | None = None
        self._timer: Timer | None = server.loop.after(server.broker.limits.handshake, self._too_slow)
        server.loop.watch(sock.fileno(), READ, self._ready)

    def __str__(self) -> str:
        return str(self.peer) if self.peer is not None else self._credentials.text

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
            if self._routes.stirred or self.peer is None:
                self._server.flush()
            else:
                self._server.flush_peers()
        except Exception as error:  # a bug of ours costs this connection, never the bus
            self._fail(error)

    def feed(self, channel: Channel) -> None:
        """The peer has room for more of what waits in queues for one of its channels."""
        try:
            self._server.broker.queueing.consuming.feed(channel)
        except Exception as error:  # as above
            self._fail(error)

    def _take_turn(self) -> None:
        try:
            if self._turn_over:
                self.resume()
            self._server.flush()
        except Exception as error:  # as above
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._server.log.bug(f"bug while serving {self}; the connection is closed", error)
        self._part("bug in the bus")
        self._close()
        self._server.flush()

    def _hang_up(self, was_reading: int) -> None:
        """The other side has closed. If its frames were not being read, they are now."""
        if self._parted or was_reading:
            self._lose()
            return
        self._stop_resting()  # what is left is little, as nothing more can come
        self.flush()
        self._adjust()

    def _read(self) -> None:
        if self._turn_over:
            return
        try:
            data = self._sock.recv(self._room)
        except BlockingIOError:
            return
        except OSError:
            self._lose()
            return
        size = len(data)
        if not size:
            self._lose()
            return
        try:
            if self._reader is None:
                self._greet(data)
            else:
                runs = self._reader.feed(data)
                if size > _SMALL_READ or size == self._room:
                    self._make_room(runs)
                else:
                    self._room = _SMALL_READ
                    self._large = 0
                self._handle(runs)
                assert self.peer is not None
                self.peer.bytes_sent += size
                if self.peer.bytes_sent - self._reckoned >= self._step:
                    self._reckon(runs)
        except ProtocolError as error:
            self.throw_out(Violation(str(error)))
        except LimitExceeded as error:
            self.throw_out(error)

    def _make_room(self, runs: list[Run]) -> None:
        """Choose how much to read next, after much has come: what a large frame lacks, or one of the same length.

        So large frames end where a read ends, and pass on as they are, without being joined and cut.
        """
        reader = self._reader
        assert reader is not None
        missing = reader.missing
        if missing:
            self._large = missing + reader.partial
        if runs:
            self._last_key = runs[-1][5]
        self._room = min(missing or max(self._large, self._step), _MOST_STEPS * self._step)

    def resume(self) -> None:
        """The peer has taken its answers, or its turn has come again: handle what it sent meanwhile."""
        held, self._held = self._held, None
        self._turn_over = False
        if held is None or self._parted:
            return
        try:
            self._handle(held)
        except ProtocolError as error:
            self.throw_out(Violation(str(error)))
        except Exception as error:  # as in `_ready`; and not that of whose flush has resumed this one
            self._fail(error)
        if not self._parted:
            self._adjust()

    def _handle(self, runs: list[Run]) -> None:
        """Hand frames to the broker. What it leaves for later is held until `resume`."""
        reader, peer = self._reader, self.peer
        assert reader is not None
        assert peer is not None
        if runs:
            held = self._broker.receive(peer, runs, _now())
            if peer.must_wait:
                self._held = held
                self._adjust()
                return
            if held:
                self._held = held
                self._turn_over = True
                self._server.loop.soon(self._take_turn)
                return
        if reader.failure is not None:
            raise reader.failure
        if peer.leaving:
            self._part("goodbye")
            self._finish()

    def _reckon(self, runs: list[Run]) -> None:
        """Count what came against the budget; over it, read nothing for a while."""
        peer = self.peer
        assert peer is not None
        messages = peer.sent - self._reckoned_sent
        over = self._server.broker.reckon(peer, messages, peer.bytes_sent - self._reckoned)
        self._step = _SMALL_STEP if over else _READ_SIZE
        if over:
            self._room = min(self._room, self._step)
        self._reckoned, self._reckoned_sent = peer.bytes_sent, peer.sent
        if runs:
            self._last_key = runs[-1][5]
        if over and not self._parted:
            self._routes.stirred = True  # there may be news of a storm
            over = max(over, _SHORTEST_REST)
            self._server.broker.storms.slow_down(peer, over, self._last_key)
            self._resting = self._server.loop.after(over, self._rested)
            self._adjust()

    def _rested(self) -> None:
        self._resting = None
        if not self._parted:
            self._adjust()

    def _greet(self, data: bytes) -> None:
        assert self._greeter is not None
        program = self._greeter.feed(data)
        if program is None:
            return
        server = self._server
        self._credentials = with_own_name(self._credentials, program)
        self.peer = server.broker.join(self._credentials, time.monotonic())
        self._greeter = None
        self._reader = FrameReader(server.broker.limits.frame, server.broker.signals.routes.ways)
        self._stop_timer()
        server.joined(self)

    def _too_slow(self) -> None:
        self._timer = None
        self.throw_out(Violation(f"no complete greeting came in {self._server.broker.limits.handshake:g} s"))

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
                    data = self._unsent = peer.next_bytes(_WRITE_SIZE)
                sent = self._sock.send(data)
                self._unsent = None if sent == len(data) else memoryview(data)[sent:]
                peer.taken(sent)
                if peer.samples is not None:
                    peer.arrived(time.monotonic())
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = None
            peer.outbox.clear()
            peer.missed = None
            peer.taken(peer.queued)
        if self._parted and not peer.queued:
            self._close()
        elif self._held is not None and not self._turn_over and not peer.must_wait:
            self._server.resume_soon(self)
        elif peer.queued or self._events != READ:
            self._adjust()

    def _adjust(self) -> None:
        """Watch for just what this session waits for."""
        peer = self.peer
        assert peer is not None
        events = WRITE if self._unsent is not None or peer.outbox else 0
        if not self._parted and self._resting is None and (self._held is None or self._turn_over):
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
        self._part("thrown out")
        self._finish()

    def stop(self, reason: BusError) -> None:
        """Say goodbye because the bus stops, and close once what waits is written."""
        if self.peer is not None:
            if not self._parted:
                self._server.broker.dismiss(self.peer, reason)
                self._part("goodbye")
            self._finish()
        else:
            refuse(self._sock, reason)
            self._close()

    def _lose(self) -> None:
        """The connection ended without a goodbye."""
        self._part("")
        self._close()

    def _part(self, how: str) -> None:
        """Take the peer off the bus. how: as in `bus.peer.gone`, "" to find out what became of its process."""
        peer, server = self.peer, self._server
        if peer is None or self._parted:
            return
        self._parted = True
        names = [name for name in peer.names if server.broker.registry.owner(name) is peer]
        server.broker.leave(peer, time.monotonic(), goodbye=how == "goodbye")
        pidfd, self._pidfd = self._pidfd, None
        server.tell_gone(Gone(peer, str(self), names), how, pidfd)

    @property
    def is_dying(self) -> bool:
        """Whether the process at the other end has ended, though not all that it sent has been read."""
        return self._pidfd is not None and has_ended(self._pidfd)

    def _finish(self) -> None:
        """Close once what waits is written, or the other side has had its time to read it."""
        self._timer = self._server.loop.after(self._server.broker.limits.farewell, self._close)
        self.flush()

    def _close(self) -> None:
        if self._sock.fileno() < 0:
            return
        self._stop_timer()
        self._stop_resting()
        self._server.loop.forget(self._sock.fileno())
        self._sock.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
        self._server.left(self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_resting(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None


def refuse(sock: socket.socket, reason: BusError) -> None:
    """Write a goodbye with its reason to a connection that never became a peer."""
    body = pack([reason.name, reason.message])
    try:
        sock.send(PREAMBLE + frame(BYE, 0, BUS, 0, 0, b"", body))
    except OSError:
        pass  # it has gone, or never reads: there is nobody to tell
