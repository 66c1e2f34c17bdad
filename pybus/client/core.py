"""The client without its socket: what a program holds on the bus, and the protocol around it.

Bytes from the bus go in by `receive`; bytes for it come out by `output`. What the program has to do
(run a handler, carry out a call, hear of a loss) waits in `work`, for the face to fetch when it may
run the program's code. An operation that takes several answers is a generator: it yields each
`Pending` that has to be waited for, and the face drives it, by blocking or by awaiting.

A connection that ends is replaced in place: `disconnected` fails what was in flight, `connected`
asks the new connection for all that the program held.
"""

from __future__ import annotations

from pybus.client.calls import Calls
from pybus.client.cause import marked
from pybus.client.inbox import Inbox, Inboxes
from pybus.client.kept import Kept
from pybus.client.pending import Gap, Lost, Pending, Restored
from pybus.errors import (
    AccessDenied,
    CallError,
    ConnectionLost,
    ConnectionRefused,
    ProtocolError,
    TooLarge,
    UsageError,
    Violation,
    error_answer,
)
from pybus.names import BUS_NAME, check_topic, unique_name
from pybus.protocol.codec import decode, encode, pack, unpack
from pybus.protocol.frames import (
    ANSWER,
    BUS,
    BYE,
    CALL,
    CLEAR,
    CONFIRM,
    EPHEMERAL,
    ERROR,
    HEADER_SIZE,
    MISSED,
    ON_CHANGE,
    PEER,
    PREAMBLE,
    PUBLISH,
    RETAIN,
    SIGNAL,
    FrameReader,
    Run,
    body_of,
    frame,
    with_sender,
)
from pybus.protocol.handshake import Welcome, greeting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Generator
    from typing import Any, TypeAlias, TypeVar

    from pybus.client.queues import Queues
    from pybus.client.service import IncomingCall, Services

    T = TypeVar("T")
    Steps: TypeAlias = Generator["Pending", Any, T]
else:
    from _collections import deque  # all that collections has beside it takes time to load

_MAX_FRAME = 2**31
"""The bus is trusted to send frames within its own limit, which the client learns only in its welcome."""


class Core(Calls):
    """One program's side of the bus.

    welcome: what the bus told at the last connecting, None while there is no connection.
    work: what the program has to do, see the module's text. goodbye: why the bus ended the
    connection. inboxes: the subscriptions. parted: whether it answered our own goodbye.
    """

    def __init__(self, program: str) -> None:
        super().__init__()
        self.welcome: Welcome | None = None
        self.work: deque[Inbox | IncomingCall | Lost | Restored | Gap] = deque()
        self.goodbye: CallError | None = None
        self.parted = False
        self._program = program
        self._opening: bytes | None = b""
        self._reader = FrameReader(_MAX_FRAME)
        self.inboxes = Inboxes()
        self._services: Services | None = None
        self._queues: Queues | None = None
        self._will: tuple[str, bytes, bool, bool, bool] | None = None
        self._kept = Kept()
        self._bus = ""

    # --- the connection ---------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The connection's unique name."""
        return unique_name(self.number)

    def open(self) -> bytes:
        """A new connection begins: the bytes to write first. `receive` then takes what comes."""
        self._opening = b""
        self._reader = FrameReader(_MAX_FRAME)
        self.goodbye = None
        return greeting(self._program)

    def receive(self, data: bytes) -> None:
        """Take bytes from the bus. Raises `ConnectionRefused`, or `ProtocolError` if they make no sense."""
        if self._opening is not None:
            self._opening += data
            if len(self._opening) < len(PREAMBLE):
                return
            if not self._opening.startswith(PREAMBLE):
                raise ProtocolError("what listens there is not a pybus of a version that this client speaks")
            data, self._opening = self._opening[len(PREAMBLE) :], None
        runs = self._reader.feed(data)
        for run in runs:
            kind = run[0]
            if kind == SIGNAL:
                self.inboxes.deliver(run)
            elif kind in (ANSWER, ERROR):
                self._answer(run)
            elif kind == CALL:
                self.services.incoming(run)
            elif kind >= PUBLISH:
                self.queues.receive(run)
            else:
                self._control(run)
        if self.inboxes.overflowed:
            self.work.append(Gap(self.inboxes.overflowed))
            self.inboxes.overflowed = {}
        if self._reader.failure is not None:
            raise self._reader.failure

    def say_goodbye(self) -> None:
        """End the connection as planned: the bus will answer when it has handled all before."""
        if self._queues is None:
            self._part()
        else:
            self._queues.end_consumers(self._part)

    def _part(self) -> None:
        if self.welcome is not None:
            self.output.put(frame(BYE, 0, self.number, 0, 0, b"", pack(None)))

    def disconnected(self, reason: Exception) -> None:
        """The connection has ended. Calls in flight fail; signals not yet written wait for the next one."""
        self.welcome = None
        self.output.keep_signals()
        if self._services is not None:
            self._services.disconnected()
        if self._queues is not None:
            self._queues.disconnected()
        self.work.append(Lost(reason))
        self.fail_pending(ConnectionLost(f"the connection to the bus ended before the answer came: {reason}"))

    def fail_pending(self, error: Exception) -> None:
        """No answer will come any more."""
        pending, self._pending = self._pending, {}
        for one in pending.values():
            self.inboxes.expect_no_more(one.serial)
            one.settle(None, error)

    def _connected(self, run: Run) -> None:
        """WELCOME has come: ask for everything that the program held before, then send what waits."""
        again = bool(self._bus)
        self.welcome = Welcome(run)
        self.welcomed(self.welcome.number, self.welcome.frame)
        waiting = [with_sender(one, self.number) for one in self.output.take_all()]
        if self._will is not None:
            self.call_bus("set_will", *self._will)
        for inbox in self.inboxes:
            if inbox.serial not in self._pending:  # else it was made meanwhile, and its call waits to be sent
                self._ask_for(inbox)
        same_bus = self._bus == self.welcome.bus
        before, after = self._kept.again(waiting, self.number, self._next_serial, same_bus=same_bus)
        self._bus = self.welcome.bus
        if self._queues is not None:  # first, as what waits may be meant for what is declared again
            self._queues.connected()
        for one in (*before, *waiting, *after):
            self.output.put(one)
        if self._services is not None:
            self._services.connected()
        if again:
            self.work.append(Restored())

    def _control(self, run: Run) -> None:
        kind = run[0]
        if kind == BYE:
            self._said_goodbye(run)
        elif self.welcome is None:
            self._connected(run)
        elif kind == PEER:
            self.services.introduce(run)
        elif kind == MISSED:
            topics = unpack(body_of(run))
            assert isinstance(topics, dict)
            self.inboxes.miss(topics)
            self.work.append(Gap(topics))

    def _said_goodbye(self, run: Run) -> None:
        match unpack(body_of(run)):
            case [str(name), str(message)]:
                self.goodbye = error_answer(name, message)
            case _:
                self.parted = True
        if self.welcome is None:
            raise ConnectionRefused(f"the bus refused this program: {self.goodbye.message if self.goodbye else ''}")

    @property
    def banned(self) -> bool:
        """Whether the bus threw this program out for what it did, so that coming back would be the same again."""
        return isinstance(self.goodbye, (AccessDenied, Violation))

    # --- signals out ------------------------------------------------------------------------------

    def publish(
        self, topic: str, body: object, *, retain: bool, ephemeral: bool, confirm: bool, on_change: bool
    ) -> Pending | None:
        """Publish. Returns the number of receivers to wait for if it is to be confirmed.

        Raises `InvalidName`, `BodyError`, `TooLarge`; and the refusal of an earlier signal.
        """
        if not (retain or ephemeral or confirm or on_change):
            self.news(topic, body)
            return None
        if self.refusals:
            raise self.refusals.popleft()
        key = self.keys.get(topic) or self.keys.topic(topic)
        flags, data = encode(body)
        if HEADER_SIZE + len(key) + len(data) > self.most and self.most:
            raise TooLarge(f"a signal of {len(data)} bytes is over the bus's limit of {self.most}")
        target = EPHEMERAL if ephemeral else 0
        if retain or ephemeral:
            flags |= RETAIN | ON_CHANGE if on_change else RETAIN
            serial = self._next_serial()
            self._kept.put(key, serial, flags, target, data)
            return self._send_signal(flags, target, key, data, confirm, serial)
        if on_change:
            raise UsageError("on_change compares with the value that the bus keeps, so it needs retain=True")
        return self._send_signal(flags, target, key, data, confirm)

    def clear(self, topic: str, *, confirm: bool) -> Pending | None:
        """Forget the topic's retained value. Raises `InvalidName`."""
        key = self.keys.get(topic) or self.keys.topic(topic)
        self._kept.clear(key)
        return self._send_signal(CLEAR, 0, key, pack(None), confirm)

    def _send_signal(
        self, flags: int, target: int, key: bytes, data: bytes, confirm: bool, serial: int = 0
    ) -> Pending | None:
        flags, target = marked(flags, target)
        if not confirm:
            self._doubtful = self._serial
            self.output.put(frame(SIGNAL, flags, self.number, target, serial, key, data))
            return None
        pending = self._await(serial or self._next_serial())
        self.output.put(frame(SIGNAL, flags | CONFIRM, self.number, target, pending.serial, key, data))
        return pending

    def set_will(self, topic: str, body: object, retain: bool, clear: bool) -> Pending:
        """Leave a will. Raises `InvalidName`, `BodyError`."""
        flags, data = encode(body)
        self._will = check_topic(topic), data, bool(flags), retain, clear
        return self.call_bus("set_will", *self._will)

    def clear_will(self) -> Pending:
        """Take the will back."""
        self._will = None
        return self.call_bus("clear_will")

    # --- signals in -------------------------------------------------------------------------------

    def subscribe(self, inbox: Inbox) -> Pending:
        """Let an inbox get what matches its patterns. Raises `InvalidName`."""
        self.inboxes.add(inbox)
        if inbox.handler is not None:
            inbox.wake = lambda: self.work.append(inbox)
        return self._ask_for(inbox)

    def unsubscribe(self, inbox: Inbox) -> Pending | None:
        """Let an inbox get no more; patterns that no other inbox wants are given back to the bus."""
        unwanted = self.inboxes.remove(inbox)
        return self.call_bus("unsubscribe", unwanted) if unwanted and self.welcome is not None else None

    def _ask_for(self, inbox: Inbox) -> Pending:
        pending = self.call_bus("subscribe", list(inbox.patterns), inbox.retained)
        inbox.serial = pending.serial
        self.inboxes.expect(pending.serial, inbox)
        return pending

    # --- answers ---------------------------------------------------------------------------------

    def _answer(self, run: Run) -> None:
        kind, flags, sender, _, serial, key, _, _ = run
        pending = self._pending.pop(serial, None)
        if self._doubtful is not None and sender == BUS and serial > self._doubtful:
            self._doubtful = None
        self.inboxes.expect_no_more(serial)
        error: CallError | None = None
        value: object = None
        try:
            value = decode(flags, body_of(run))
        except ValueError as problem:
            error = error_answer("org.pybus.Error.Failed", f"the answer can't be read: {problem}")
        if kind == ERROR:
            match value:
                case [str(name), str(message)]:
                    error = error_answer(name, message)
                case _:
                    error = error_answer("org.pybus.Error.Failed", f"the error can't be read: {value!r}")
        if self._queues is not None:
            self._queues.answered(serial, value, error)
        if pending is not None:
            pending.settle(value, error)
        if error is not None and key:
            self._kept.refused(key, serial)
            if pending is None:
                self.refusals.append(error)

    def release(self, name: str) -> None:
        """Give up a name without waiting for the answer, if there is a bus."""
        if self.welcome is not None:
            self.cast(BUS_NAME, "release_name", (name,), {})

    def get(self, topic: str) -> Steps[object]:
        """The retained value of a topic. Raises `NoSuchValue`, `StartFailed`, `DeadlinePassed`."""
        found: dict[str, Any] = yield self.call_bus("get", topic)
        return decode(int(found["raw"]), found["body"])

    def flush(self) -> Pending:
        """An answer that comes when the bus has handled all that was sent before."""
        return self.call_bus("ping")

    @property
    def services(self) -> Services:
        """What this program offers; made when first used, as most programs offer nothing."""
        if self._services is None:
            from pybus.client.service import Services

            self._services = Services(self)
        return self._services

    @property
    def queues(self) -> Queues:
        """What this program has to do with queues; made when first used, too."""
        if self._queues is None:
            from pybus.client.queues import Queues

            self._queues = Queues(self)
        return self._queues

    def finish(self, failure: Exception | None) -> None:
        """Nothing will come any more. failure: why, if that was not planned."""
        self.fail_pending(failure or ConnectionLost("this connection to the bus was closed"))
        if self._queues is not None:
            self._queues.finish(failure)
