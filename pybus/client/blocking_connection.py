"""The blocking face's connection: one socket, and waiting on it.

Whatever waits (a full socket, an answer, the next signal) waits in `_exchange`, which writes what is
to be written, takes in what comes, and connects again when the connection is lost.
"""

from __future__ import annotations

import select
from time import monotonic, sleep

from pybus.client.face import TIMEOUT, Face
from pybus.client.inbox import Inbox, Signal
from pybus.client.pending import Gap, Lost, Pending, Restored
from pybus.client.transport import BULK_SIZE, FIRST_PAUSE, GRACE, LONGEST_PAUSE, READ_SIZE, open_socket
from pybus.errors import ConnectionLost, DeadlinePassed, NoBus, NotConnected, ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from typing import Any, TypeVar

    from pybus.client.blocking_queues import Confirming
    from pybus.client.core import Steps
    from pybus.client.service import IncomingCall

    T = TypeVar("T")


class Connection(Face):
    """What waits and moves bytes for the blocking `Bus`."""

    def __init__(self, path: str, program: str | None, reconnect: bool) -> None:
        super().__init__(path, program, reconnect)
        self._sock: socket | None = None
        self._read_size = READ_SIZE
        self._poll = select.poll()
        self._block: Confirming | None = None
        self._connect()

    # --- how it waits -----------------------------------------------------------------------------

    def _call(self, name: str, method: str, args: tuple[object, ...], named: dict[str, object], timeout: float) -> Any:
        self._ready(timeout)
        return self._wait(self._core.call(name, method, args, named, timeout), timeout)

    def _send_frame(self, pending: Pending | None) -> Any:
        """Write a signal or message; wait for what is to confirm it, and return that."""
        if pending is None:
            try:
                self._send()
            except NotConnected:
                self._core.output.take_back()  # what raises has not been published
                raise
            return None
        return self._wait(pending)

    def _drive(self, steps: Steps[T]) -> T:
        self._ready()
        pending = next(steps)
        try:
            while True:
                try:
                    answer = self._wait(pending)
                except Exception as error:
                    pending = steps.throw(error)
                else:
                    pending = steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            steps.close()

    def _wait(self, pending: Pending, timeout: float = TIMEOUT) -> object:
        """The answer. The bus keeps the deadline; only a bus that hangs makes the client give up."""
        until = monotonic() + timeout + GRACE
        try:
            while not pending.done:
                if monotonic() > until or not self._exchange(until):
                    raise DeadlinePassed("the bus itself does not answer")
        finally:
            self._core.abandon(pending)
        return pending.result()

    def _subscribe(self, inbox: Inbox) -> None:
        self._ready()
        pending = self._core.subscribe(inbox)
        try:
            self._wait(pending)
        except Exception:
            self._core.unsubscribe(inbox)
            raise

    def _unsubscribe(self, inbox: Inbox) -> None:
        if self._owner.closed:
            inbox.close()
            return
        self._owner.check()
        pending = self._core.unsubscribe(inbox)
        if pending is not None:
            self._wait(pending)

    def _next(self, inbox: Inbox, timeout: float | None) -> Signal | None:
        self._owner.check()
        until = None if timeout is None else monotonic() + timeout
        if self._core.work:
            self._serve(until)
        while not len(inbox):
            if inbox.closed or not self._serve(until):
                return None
            if not len(inbox) and until is not None and monotonic() > until:
                return None
        return inbox.take()

    def _serve(self, until: float | None) -> bool:
        """Do the work that is here, or wait for some; False when the time is over."""
        if not self._core.work:
            return self._exchange(until)
        work = self._core.work.popleft()
        if isinstance(work, Inbox):
            self._handle(work)
        elif isinstance(work, (Lost, Restored, Gap)):
            self._tell(work)
        elif self._core.services.is_current(work):
            self._carry_out(work)
        return True

    def _carry_out(self, call: IncomingCall) -> None:
        try:
            answer = call.start()
        except Exception as error:
            self._core.services.refuse(call, error)
        else:
            self._core.services.answer(call, answer)
        self._send()

    # --- the socket -------------------------------------------------------------------------------

    def _ready(self, patience: float = TIMEOUT) -> None:
        """See that there is a connection, waiting `patience` seconds for the bus to come back."""
        self._owner.check()
        if self._core.welcome is None and not self._come_back(monotonic() + patience):
            raise NoBus(f"the bus at unix:{self._path} has gone and did not come back in {patience:g} s")

    def _come_back(self, until: float | None) -> bool:
        """Connect again, with growing pauses; False when the time is over first."""
        if not self._comes_back:
            raise self._lost()
        pause = FIRST_PAUSE
        while self._core.welcome is None:
            try:
                self._connect()
            except (NotConnected, ProtocolError):
                if self._core.banned:
                    raise
                left = pause if until is None else until - monotonic()
                if left <= 0:
                    return False
                sleep(min(pause, left))
                pause = min(2 * pause, LONGEST_PAUSE)
        return True

    def _connect(self) -> None:
        self._sock = open_socket(self._path)
        self._poll.register(self._sock.fileno(), select.POLLIN)
        try:
            try:
                self._sock.sendall(self._core.open())
            except (BrokenPipeError, ConnectionResetError):
                pass  # a bus that refuses us at once has closed; its reason is there to be read
            until = monotonic() + GRACE
            while self._core.welcome is None:
                if not self._read_when_ready(until):
                    raise NoBus(f"what listens at unix:{self._path} does not answer")
        except OSError as error:
            self._drop_socket()
            raise NoBus(f"the bus at unix:{self._path} went away: {error.strerror}") from None
        except BaseException:
            self._drop_socket()
            raise
        self._sock.setblocking(False)

    def _send(self) -> None:
        """Write all that waits, reading meanwhile if the bus does not take it at once."""
        while self._core.output.waiting:
            if self._core.welcome is None:
                self._ready()
            elif not self._write():
                self._exchange(None)

    def _exchange(self, until: float | None) -> bool:
        """Write what waits, or wait for bytes and take them in. False when the time is over first.

        A lost connection is noted in the core, which fails the calls in flight. It is an error here
        only if it won't come back.
        """
        if self._sock is None:
            return self._come_back(until)
        try:
            return self._write() or self._read_when_ready(until)
        except (OSError, ConnectionLost, ProtocolError) as error:
            self._drop_socket()
            self._core.disconnected(error)
            if not self._comes_back:
                raise self._lost() from None
            return True

    def _write(self) -> bool:
        """Write as much as the socket takes of what waits; whether that was something."""
        output = self._core.output
        if not output.waiting or self._sock is None:
            return False
        try:
            sent = self._sock.send(output.unwritten())
        except BlockingIOError:
            return False
        except OSError:
            return False  # the bus has closed; reading finds its last words, and then the end
        output.wrote(sent)
        return True

    def _read_when_ready(self, until: float | None) -> bool:
        """Wait for bytes, or for room if some wait to be written; False when the time is over first."""
        assert self._sock is not None
        self._poll.modify(self._sock.fileno(), select.POLLIN | (select.POLLOUT if self._core.output.waiting else 0))
        forever = until is None or until == float("inf")
        ready = self._poll.poll(None if forever or until is None else max(0.0, until - monotonic()) * 1000)
        if ready and ready[0][1] & ~select.POLLOUT:
            data = self._sock.recv(self._read_size)
            self._read_size = BULK_SIZE if len(data) >= READ_SIZE else READ_SIZE
            if not data:
                raise ConnectionLost("the bus closed the connection")
            self._core.receive(data)
            self._write()
        return bool(ready)

    def _drop_socket(self) -> None:
        if self._sock is not None:
            self._poll.unregister(self._sock.fileno())
            self._sock.close()
            self._sock = None
