"""What a program sends: signals, calls, and messages that are to be confirmed; and the answers that it awaits.

`news` is the hot path of publishing. A signal by `await bus.publish` costs its publisher 1.36 us of a core in plain
Python and 1.04 us compiled, the bus's calls to the kernel included; it was 1.85 us in both when `news` was not there.
What makes it fast, in nanoseconds for each signal:

- A topic's head is remembered, so that a frame is three pieces put together and no header is packed: 210 before.
- A short text is written without msgpack (see `protocol.codec`).
- Whether the process was forked is a number's comparison and no question to the kernel (`transport.Owner`): 150.
- Nothing is passed on by name, and no coroutine is made beside `publish` itself, which is 115.
- Frames are joined and written once a turn of the loop, or for each 256 KiB.
- Compiled, all of this is one call from Python; most of what remains is the coroutine and the program's own loop.
"""

from __future__ import annotations

from pybus.client.cause import cause, marked
from pybus.client.keys import REMEMBERED, Keys
from pybus.client.output import Output
from pybus.client.pending import Pending
from pybus.errors import CallError, DeadlinePassed, TooLarge, UsageError
from pybus.names import BUS_NAME
from pybus.protocol.codec import encode, pack
from pybus.protocol.frames import CALL, NO_REPLY, SIGNAL, frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
else:
    from _collections import deque  # all that collections has beside it takes time to load

MAX_TIMEOUT = 4_000_000
"""Seconds that a call may be allowed; the wire has 32 bits for the milliseconds."""


class Calls:
    """Frames out, numbered, and the answers that are awaited.

    output: what waits to be written. keys: those of frames that were sent before. refusals: errors for signals that the
    bus did not take and that nobody waits for. number: the connection's. most: the largest frame that the bus takes,
    bytes; 0 until it has told.
    """

    def __init__(self) -> None:
        self.output = Output()
        self.keys = Keys()
        self.refusals: deque[CallError] = deque()
        self.number = 0
        self.most = 0
        self._heads: dict[str, bytes] = {}
        self._serial = 0
        self._doubtful: int | None = None
        self._pending: dict[int, Pending] = {}

    def welcomed(self, number: int, most: int) -> None:
        """The bus has told this connection's number, and its limit."""
        self.number = number
        self.most = most
        self._heads.clear()

    def news(self, topic: str, body: object) -> None:
        """Publish a signal that is neither to be kept nor to be confirmed, as `Core.publish` does.

        All but the size and the body is the same as in the topic's last one, if that belonged to no chain either.
        """
        if self.refusals:
            raise self.refusals.popleft()
        if isinstance(body, (bytes, bytearray, memoryview)) or cause.get():
            flags, data = encode(body)
            flags, target = marked(flags, 0)
            head = self._head(topic, flags, target)
        else:
            data = pack(body)
            head = self._heads.get(topic) or self._remember(topic)
        size = 4 + len(head) + len(data)
        if size > self.most and self.most:
            raise TooLarge(f"a signal of {len(data)} bytes is over the bus's limit of {self.most}")
        self._doubtful = self._serial
        self.output.put(size.to_bytes(4, "little") + head + data)

    def _head(self, topic: str, flags: int, target: int) -> bytes:
        """What is between the size and the body of a signal."""
        key = self.keys.get(topic) or self.keys.topic(topic)
        return frame(SIGNAL, flags, self.number, target, 0, key)[4:]

    def _remember(self, topic: str) -> bytes:
        if len(self._heads) >= REMEMBERED:
            self._heads.clear()
        head = self._heads[topic] = self._head(topic, 0, 0)
        return head

    def call(
        self, name: str, method: str, args: tuple[object, ...], named: dict[str, object], timeout: float
    ) -> Pending:
        """Call a method. timeout: seconds. Raises `InvalidName`, `BodyError`, `TooLarge`, `UsageError`."""
        if not 0 < timeout <= MAX_TIMEOUT:
            raise UsageError(f"a timeout must be more than 0 and at most {MAX_TIMEOUT} seconds, not {timeout}")
        return self._call(name, method, args, named, round(timeout * 1000) or 1)

    def _call(
        self, name: str, method: str, args: tuple[object, ...], named: dict[str, object], milliseconds: int
    ) -> Pending:
        pending = Pending(self._next_serial())
        self.output.put(self._call_frame(name, method, args, named, 0, milliseconds, pending.serial))
        self._pending[pending.serial] = pending
        return pending

    def cast(self, name: str, method: str, args: tuple[object, ...], named: dict[str, object]) -> None:
        """Call a method and want no answer. Raises as `call` does."""
        self.output.put(self._call_frame(name, method, args, named, NO_REPLY, 0, 0))

    def abandon(self, pending: Pending) -> None:
        """Nobody waits for this answer any more."""
        self._pending.pop(pending.serial, None)

    def expire(self, now: float) -> float:
        """Fail what should have been answered by now; returns when to look again, infinity if nothing is awaited."""
        for one in [one for one in self._pending.values() if one.until <= now]:
            self.abandon(one)
            one.settle(None, DeadlinePassed("the bus itself does not answer"))
        return min((one.until for one in self._pending.values()), default=float("inf"))

    @property
    def awaits_one(self) -> bool:
        """Whether a single answer is awaited."""
        return len(self._pending) == 1

    def _call_frame(
        self,
        name: str,
        method: str,
        args: tuple[object, ...],
        named: dict[str, object],
        flags: int,
        milliseconds: int,
        serial: int,
    ) -> bytes:
        way = f"{name} {method}"
        key = self.keys.get(way) or self.keys.call(way, name, method)
        if name != BUS_NAME:
            flags, milliseconds = marked(flags, milliseconds)
        data = frame(CALL, flags, self.number, milliseconds, serial, key, pack([args, named]))
        if len(data) > self.most and self.most:
            raise TooLarge(f"a call of {len(data)} bytes is over the bus's limit of {self.most}")
        return data

    def call_bus(self, method: str, *args: object, **named: object) -> Pending:
        """Call the bus itself."""
        return self._call(BUS_NAME, method, args, named, 0)

    @property
    def in_doubt(self) -> bool:
        """Whether signals or messages were sent of which nothing tells yet that the bus has handled them."""
        return self._doubtful is not None

    def _await(self, serial: int) -> Pending:
        pending = self._pending[serial] = Pending(serial)
        return pending

    def await_publish(self, confirm: bool) -> Pending | None:
        """A message is about to be published. What to wait for, if it is to be confirmed."""
        if confirm:
            return self._await(self._next_serial())
        self._doubtful = self._serial
        return None

    def await_reply(self) -> Pending:
        """A message is about to be published that is to be answered by another one. What to wait for."""
        return self._await(self._next_serial())

    def _next_serial(self) -> int:
        self._serial = self._serial % 0xFFFFFFFF + 1
        return self._serial
