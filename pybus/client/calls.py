"""What a program sends that is to be answered: calls, and messages that are to be confirmed."""

from __future__ import annotations

from pybus.client.cause import marked
from pybus.client.keys import Keys
from pybus.client.output import Output
from pybus.client.pending import Pending
from pybus.errors import TooLarge, UsageError
from pybus.names import BUS_NAME
from pybus.protocol.codec import pack
from pybus.protocol.frames import CALL, NO_REPLY, frame

MAX_TIMEOUT = 4_000_000
"""Seconds that a call may be allowed; the wire has 32 bits for the milliseconds."""


class Calls:
    """Frames out, numbered, and the answers that are awaited.

    output: what waits to be written. keys: those of frames that were sent before. number: the connection's. most: the
    largest frame that the bus takes, bytes; 0 until it has told.
    """

    def __init__(self) -> None:
        self.output = Output()
        self.keys = Keys()
        self.number = 0
        self.most = 0
        self._serial = 0
        self._doubtful: int | None = None
        self._pending: dict[int, Pending] = {}

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
