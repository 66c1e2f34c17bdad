"""The server: a listener, its sessions, and the broker they share."""

import errno
import os
import resource
import socket
import time
from collections.abc import Callable

from pybus.broker.broker import Broker
from pybus.broker.life import Ending
from pybus.broker.peer import Peer
from pybus.errors import AccessDenied, LimitExceeded, PybusError, Shutdown
from pybus.server.committer import Committer
from pybus.server.credentials import look_up, socket_owner
from pybus.server.ending import Endings
from pybus.server.listener import Listener
from pybus.server.log import Log
from pybus.server.loop import READ, Loop, Timer
from pybus.server.session import Gone, Session, refuse
from pybus.server.supervisor import Supervisor
from pybus.storage import Store

_ACCEPTS_PER_TURN = 64
_ACCEPT_AGAIN = 1.0
_ASKED_TO = ("SIGTERM", "SIGINT", "SIGHUP")
"""Signals by which a process is asked to end, which is no crash."""
_LEFT = {"closed": "connection closed without a goodbye", "unknown": "connection lost"}
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Server:
    """Admits connections, flushes outboxes, watches deadlines, and stops in order.

    uids: who is admitted, as SO_PEERCRED has it. stopping: whether `stop` has been called.
    """

    def __init__(
        self,
        loop: Loop,
        log: Log,
        listener: Listener,
        broker: Broker,
        supervisor: Supervisor,
        store: Store,
        uids: frozenset[int],
    ) -> None:
        self.loop = loop
        self.log = log
        self.broker = broker
        self.supervisor = supervisor
        supervisor.changed = self._service_ended
        supervisor.is_dying = self._is_dying
        self.endings = Endings(loop)
        self.committer = Committer(loop, log, broker.queueing.disk, store, self._flush_alone)
        self._listener = listener
        self._uids = uids
        self._sessions: dict[int, Session] = {}
        self._greeting: set[Session] = set()
        self._resuming: list[Session] = []
        self._deadline: Timer | None = None
        self._feeding = self._working = False
        self._accepting = True
        self.stopping = False
        loop.watch(listener.sock.fileno(), READ, self._accept)

    # --- connections ------------------------------------------------------------------------------

    def _accept(self, _events: int) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                sock, _ = self._listener.sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_DESCRIPTORS:
                    self._pause_accepting(error)
                    return
                continue  # the peer gave up while it waited (accept(2))
            sock.setblocking(False)
            try:
                self._admit(sock)
            except Exception as error:  # a bug of ours costs this connection, never the bus
                self.log.bug("bug while admitting a connection; it is closed", error)
                sock.close()

    def _admit(self, sock: socket.socket) -> None:
        """Open a session for an owner who may be here; refuse anybody else before reading a byte."""
        pid, uid = socket_owner(sock)
        if uid not in self._uids:
            self.log.warning(f"refused: uid {uid}", f"refused: pid {pid} of uid {uid}: this is the bus of another user")
            refuse(sock, AccessDenied(f"this is the bus of another user; uid {uid} is not admitted"))
            sock.close()
        elif len(self._greeting) >= self.broker.limits.connections:
            refuse(sock, LimitExceeded("too many connections have not greeted yet"))
            sock.close()
        else:
            self._greeting.add(Session(self, sock, look_up(pid, uid)))

    def _pause_accepting(self, error: OSError) -> None:
        """Leave new connections in the kernel's queue until a descriptor may be free."""
        self.log.warning("not accepting connections", f"not accepting connections for now: {error.strerror}")
        self._accepting = False
        self.loop.forget(self._listener.sock.fileno())
        self.loop.after(_ACCEPT_AGAIN, self._resume_accepting)

    def _resume_accepting(self) -> None:
        if not self._accepting and not self.stopping:
            self._accepting = True
            self.loop.watch(self._listener.sock.fileno(), READ, self._accept)

    def joined(self, session: Session) -> None:
        """A session has become a peer."""
        assert session.peer is not None
        self._greeting.discard(session)
        self._sessions[session.peer.number] = session
        self.log.debug(f"joined: {session}")

    def left(self, session: Session) -> None:
        """A session has closed; its descriptor is free."""
        self._greeting.discard(session)
        if session.peer is not None:
            del self._sessions[session.peer.number]
        self._resume_accepting()
        self.stop_when_done()

    def tell_gone(self, gone: Gone, how: str, pidfd: int | None) -> None:
        """Tell of a peer's end, as soon as it is known what became of its process if `how` is ""."""
        self.supervisor.peer_left(gone.peer.number)
        if how or pidfd is None:
            if pidfd is not None:
                os.close(pidfd)
            self._gone(gone, how or "unknown", None)
        else:
            self.endings.tell(pidfd, lambda ending, alive: self._process_ended(gone, ending, alive))

    def _process_ended(self, gone: Gone, ending: Ending | None, alive: bool) -> None:
        if ending is None:
            self._gone(gone, "closed" if alive else "unknown", None)
        else:
            self._gone(gone, "killed" if ending.signal is not None else "exited", ending)
        self.flush()

    def _gone(self, gone: Gone, how: str, ending: Ending | None) -> None:
        peer, who, names = gone
        if ending is None:
            write = self.log.debug if how == "goodbye" else self.log.info
            write(f"left: {who}: {_LEFT.get(how, how)}")
        elif ending.status == 0 or ending.signal in _ASKED_TO:
            self.log.info(f"left: {who}: connection lost: it {ending.text()}")
        else:
            self.log.warning(f"left: {peer.credentials.program}", f"left: {who}: connection lost: it {ending.text()}")
        status, signal = (ending.status, ending.signal) if ending is not None else (None, None)
        self.broker.tell_gone(peer, names, how, status, signal)

    def _is_dying(self, peer: Peer) -> bool:
        session = self._sessions.get(peer.number)
        return session is not None and session.is_dying

    def _service_ended(self) -> None:
        self.flush()
        self.stop_when_done()

    def resume_soon(self, session: Session) -> None:
        """A session's peer has taken its answers: let it go on at the end of this `flush`."""
        if session not in self._resuming:
            self._resuming.append(session)

    # --- after each event -------------------------------------------------------------------------

    def flush_peers(self) -> None:
        """Write to every peer that got something, where nothing has stirred the bus (see `Routes.stirred`).

        This is all of a busy bus's work, and all that a person waits for; so it looks at nothing else.
        """
        ready = self.broker.ready
        while ready:
            session = self._sessions.get(ready.pop().number)
            if session is not None:
                session.flush()
        if self._resuming or self.broker.queueing.hungry:
            self.flush()

    def flush(self) -> None:
        """Write to every peer that got something; then see when the next thing is due."""
        self.broker.signals.routes.stirred = False
        ready, todo, queueing = self.broker.ready, self.broker.todo, self.broker.queueing
        while ready or self._resuming or todo or queueing.unfinished:
            if todo:
                self.supervisor.act(self.broker.settle())
                continue
            if queueing.unfinished:
                queueing.finish()
                continue
            if not ready:
                self._resuming.pop().resume()
                continue
            session = self._sessions.get(ready.pop().number)
            if session is not None:
                session.flush()
        if queueing.faults:
            self._log_faults()
        if queueing.journal.has_news and not self.committer.busy:
            self.committer.look()
            if ready or queueing.unfinished:  # a batch came to nothing, so nobody will tell of it later
                self.flush()
                return
        if queueing.hungry and not self._feeding:
            self._feeding = True
            self.loop.soon(self._feed)
        if queueing.works.ready and not self._working:
            self._working = True
            self.loop.soon(self._work)
        if self._deadline is not None or self.broker.waits_for_time:
            self._set_deadline()

    def _work(self) -> None:
        """Do a slice of what is too long for one turn, now that all others had theirs."""
        self._working = False
        self._alone(self.broker.queueing.works.go_on)
        self._flush_alone()

    def _feed(self) -> None:
        """Give those who have room more of what waits in queues, now that all others had their turn."""
        self._feeding = False
        hungry, self.broker.queueing.hungry[:] = list(self.broker.queueing.hungry), []
        for channel in hungry:
            session = self._sessions.get(channel.peer.number)
            if session is not None:
                session.feed(channel)
        self._flush_alone()

    def _set_deadline(self) -> None:
        """Keep one timer, no later than the next deadline. An early one costs less than moving it each call."""
        when = self.broker.next_deadline()
        if self._deadline is not None:
            if when is not None and self.broker.expires <= when:
                return
            self._forget_deadline()
        if when is not None:
            self.broker.expires = when
            self._deadline = self.loop.at(when, self._expire)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.broker.expires = float("inf")

    def _expire(self) -> None:
        self._forget_deadline()
        self._alone(lambda: self.broker.expire(time.monotonic()))
        self._flush_alone()

    def _flush_alone(self) -> None:
        self._alone(self.flush)

    def _alone(self, action: Callable[[], None]) -> None:
        """Do what no connection asked for. A bug of ours in it is logged, and never ends the bus."""
        try:
            action()
        except Exception as error:
            self.log.bug("bug in what the bus does by itself", error)

    def _log_faults(self) -> None:
        faults, self.broker.queueing.faults[:] = list(self.broker.queueing.faults), []
        for meaning, error in faults:
            if isinstance(error, PybusError):
                self.log.warning(meaning, f"{meaning}: {error}")
            else:
                self.log.bug(meaning, error)

    # --- the end ----------------------------------------------------------------------------------

    def stop(self, reason: str) -> None:
        """Stop accepting, tell every peer, and end the loop once all have taken their bytes, or in time."""
        if self.stopping:
            return
        self.stopping = True
        self.log.info(f"stopping: {reason}")
        if self._accepting:
            self.loop.forget(self._listener.sock.fileno())
        self._listener.close()
        self.save_queues()
        self.flush()
        for session in [*self._greeting, *self._sessions.values()]:
            session.stop(Shutdown("the bus is stopping"))
        self.supervisor.stop()
        self.flush()
        self.stop_when_done()
        self.loop.after(max(self.broker.limits.farewell, self.supervisor.patience()), self.loop.stop)

    def save_queues(self) -> None:
        """See that what has gathered is on disk before anybody is told that the bus stops, or it does."""
        if not self.committer.finish(self.broker.limits.farewell):
            self.log.warning("queues not saved", "the last changes of the queues could not be written to disk in time")

    def stop_when_done(self) -> None:
        """End the loop if the bus is stopping and everybody has gone."""
        if self.stopping and not self._sessions and not self.supervisor.busy:
            self.loop.stop()


def raise_descriptor_limit() -> tuple[int, int]:
    """Raise the soft limit of open files to the hard one. Returns the former soft limit and the present one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft, hard
