"""A connection to a D-Bus bus: calls out and in, signals out and in.

dbus-next's own connection is not used, for these faults of it: it spins for ever if the bus goes away
during authentication; it waits for ever on a bus that says nothing, and for a call after the end; it
takes a full socket for the end; it never closes its socket, nor the descriptors that others pass; it
reads for as long as there is something, and no other task runs; and of several addresses it tries one.
The tests have each of them.

The bus sends this program calls of methods, too. Whoever `serve`s gets them; else there are none, and
who calls is told so.
"""

import asyncio
import functools
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

from .address import sockets
from .names import Rule, check_bus_name, check_interface, check_member, check_path, refuse_reserved
from .reading import CALL, ERROR, RETURN, SIGNAL, Incoming, Unreadable, read
from .stream import Stream
from .watches import DBUS, DBUS_PATH, Watch, Watches, run
from .watches import Signal as Signal
from .writing import NO_AUTOSTART, NO_REPLY, encode, types_of, write

PATIENCE = 10.0
"""Seconds that a bus has to take a new connection in, and to grant a watch."""

PAUSES = (0.25, 1.0, 4.0, 16.0, 60.0)
"""Seconds until somebody who did not answer is asked again: some own their name before they have their objects."""

MOST_WAITING = 2**24
"""Bytes that may wait for a bus that does not read, when one more call is made."""

UNREADABLE = "org.pybus.DBus.Error.Unreadable"
"""The error's name if the answer can't be read: the method has run."""

INVALID_ARGS = f"{DBUS}.Error.InvalidArgs"

_log = logging.getLogger("pybus.dbus")


class DBusError(Exception):
    """An error in place of an answer. name: its name, dotted. message: for a person, may be empty."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{message} ({name})" if message else name)
        self.name = name
        self.message = message


class NotSent(ConnectionError):
    """A call was not made: nothing has happened."""


class Bus:
    """A connection, for the event loop that made it. It ends once and does not come back: make another.

    name: the unique name of this connection.
    """

    def __init__(self) -> None:
        """For `connect` only."""
        self.name = ""
        self._stream = Stream(self._take, self._end, MOST_WAITING)
        self._serial = 0
        self._pending: dict[int, asyncio.Future[list[Any]]] = {}
        self._watches = Watches()
        self._handler: Callable[[Incoming], None] = self._refuse
        self._reason: Exception | None = None
        self._closings: list[Callable[[Exception | None], None]] = []

    @classmethod
    async def connect(cls, which: str, *, timeout: float = PATIENCE) -> "Bus":
        """Connect to "session", "system" or an address: "unix:path=...;unix:path=..." is tried in turn.

        timeout: seconds for each. Raises `ConnectionError`, or `TimeoutError` if somebody listened who did
        not answer in time. Cancelled, it leaves nothing open.
        """
        failures: list[str] = []
        late = False
        for path in sockets(which, os.environ):
            try:
                return await cls._open(path, timeout)
            except OSError as error:
                late |= isinstance(error, TimeoutError)
                failures.append(f"{path.replace(chr(0), '@', 1)}: {error.strerror or error}")
        raise (TimeoutError if late else ConnectionError)("; ".join(failures))

    @classmethod
    async def _open(cls, path: str, timeout: float) -> "Bus":
        bus = cls()
        try:
            async with asyncio.timeout(timeout):
                await bus._stream.connect(path)
                [bus.name] = await bus._call_bus("Hello")
        except BaseException as error:
            bus.close()
            if isinstance(error, TimeoutError):
                raise TimeoutError(f"no answer in {timeout:g} s") from None
            if isinstance(error, DBusError):
                raise ConnectionError(str(error)) from None
            raise
        return bus

    # --- calls ------------------------------------------------------------------------------------

    async def call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[object] = (),
        *,
        timeout: float | None = 25.0,
        autostart: bool = True,
    ) -> list[Any]:
        """Call a method; returns its answer's values: plain, structs as lists, None for a file descriptor.

        interface: "" leaves it to the object. body: plain values, one for each type in the signature; for a
        variant see `values.variant_signature`, and {"signature": ..., "value": ...} gives its type.
        timeout: seconds, None for no end. autostart: whether the bus may start the destination. Cancelled, it
        drops the answer; the method may have run.
        Raises `DBusError`, `ValueError` (a malformed name or signature, a value that does not fit), `NotSent`,
        and after which the method may have run or not: `TimeoutError`, `ConnectionError`.
        """
        refuse_reserved(check_path(path), interface)
        if self._stream.ended:
            raise NotSent("the connection to the bus has ended")
        if self._stream.waiting > MOST_WAITING:
            raise NotSent(f"the bus does not read: {self._stream.waiting} bytes wait for it")
        fields = {
            "destination": check_bus_name(destination),
            "path": path,
            "interface": check_interface(interface) if interface else "",
            "member": check_member(member),
        }
        encoded = encode(signature, body)
        serial = self._next_serial()
        data = write(CALL, serial, signature, encoded, 0 if autostart else NO_AUTOSTART, **fields)
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._pending[serial] = answer
        try:
            self._stream.send(serial, data)
            async with asyncio.timeout(timeout):
                return await answer
        except TimeoutError:
            raise TimeoutError(f"no answer from {destination} in {timeout} s") from None
        finally:
            self._pending.pop(serial, None)
            self._stream.withdraw(serial)

    async def _call_bus(
        self, member: str, signature: str = "", *body: object, timeout: float | None = 25.0
    ) -> list[Any]:
        return await self.call(DBUS, DBUS_PATH, DBUS, member, signature, body, timeout=timeout)

    # --- signals ----------------------------------------------------------------------------------

    async def watch(
        self,
        callback: Callable[[Signal], None],
        *,
        sender: str = "",
        path: str = "",
        interface: str = "",
        member: str = "",
        arg0: str = "",
        arg0namespace: str = "",
    ) -> Watch:
        """Call `callback` for each signal of that sender, path, ..., until `unwatch`; "" takes any.

        sender: a unique name, or a well-known one: then of whoever owns it at the time. arg0: the signal's first
        value, a text; arg0namespace: what that begins with, as a name does. A signal may come before this
        returns; all that are sent afterwards come. An error that the callback raises goes to the log. Raises as
        `call` does; cancelled or failed, no signal comes.
        """
        watch = Watch(Rule(sender, path, interface, member, arg0, arg0namespace).check(), callback)
        granted: list[str] = []
        self._watches.add(watch)
        try:
            for rule in watch.rules():
                await self._add_match(rule)
                granted.append(rule)
            if watch.follows_owner:
                self._watches.note_first_owner(sender, await self.owner(sender))
        except BaseException:
            self._watches.forget(watch)
            for rule in granted:
                self._remove_match(rule)
            raise
        return watch

    def unwatch(self, watch: Watch) -> None:
        """No more signals for this watch, from now on. Once more, or after the end, does nothing."""
        if self._watches.forget(watch):
            for rule in watch.rules():
                self._remove_match(rule)

    async def _add_match(self, rule: str) -> None:
        """Have the bus send what a rule matches. Cancelled or too late, it is taken back when the bus grants it."""
        adding = asyncio.ensure_future(self._call_bus("AddMatch", "s", rule, timeout=None))
        try:
            await asyncio.wait([adding], timeout=PATIENCE)
            if not adding.done():
                raise TimeoutError(f"no answer from {DBUS} in {PATIENCE:g} s")
        except (asyncio.CancelledError, TimeoutError):
            adding.add_done_callback(functools.partial(self._take_back, rule))
            raise
        adding.result()

    def _take_back(self, rule: str, adding: asyncio.Task[list[Any]]) -> None:
        if not adding.cancelled() and adding.exception() is None:
            self._remove_match(rule)

    def _remove_match(self, rule: str) -> None:
        """The opposite, which is not waited for: the bus takes away one such rule of those that it has from here."""
        fields = {"destination": DBUS, "path": DBUS_PATH, "interface": DBUS, "member": "RemoveMatch"}
        self._send(CALL, "s", [rule], NO_REPLY, **fields)

    async def owner(self, name: str) -> str:
        """The unique name of the one who owns a name, "" if nobody does. Raises as `call` does."""
        try:
            [owner] = await self._call_bus("GetNameOwner", "s", name)
        except DBusError:
            return ""  # it has none
        return str(owner)

    # --- serving ----------------------------------------------------------------------------------

    def serve(self, handler: Callable[[Incoming], None]) -> None:
        """Hand the calls that come from now on to `handler`, in their order; it sees that each gets its answer.

        An error that it raises goes to the log. While more than `MOST_WAITING` bytes of answers and signals
        wait for a bus that does not read, no more calls are read.
        """
        self._handler = handler

    def answer(self, call: Incoming, signature: str, values: Sequence[object]) -> None:
        """Answer a call. values: as they are, see `Encoder`'s exact. Raises `ValueError`; then it is to be refused."""
        body = encode(signature, values, exact=True, names=["the answer"] * len(values))
        if not call.flags & NO_REPLY:
            self._send(RETURN, signature, body, NO_REPLY, reply_to=call.serial, destination=call.sender)

    def refuse(self, call: Incoming, error: DBusError) -> None:
        """Answer a call with an error. Its name must be one, its message can be any text."""
        if not call.flags & NO_REPLY:
            fields = {"error": check_interface(error.name), "destination": call.sender}
            text = error.message.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
            self._send(ERROR, "s", [text], NO_REPLY, reply_to=call.serial, **fields)

    def emit(
        self, path: str, interface: str, member: str, signature: str, values: Sequence[object], destination: str = ""
    ) -> int:
        """Send a signal to whoever wants it, or to `destination` alone; returns its size, 0 after the end.

        values: as they are, see `Encoder`'s exact. Raises `ValueError`.
        """
        return self.emit_encoded(path, interface, member, signature, encode(signature, values, exact=True), destination)

    def emit_encoded(
        self, path: str, interface: str, member: str, signature: str, body: list[Any] | bytes, destination: str
    ) -> int:
        """The same with values as `write` takes them. Raises `ValueError` if they are too large."""
        fields = {"path": path, "interface": interface, "member": member, "destination": destination}
        return self._send(SIGNAL, signature, body, NO_REPLY, **fields)

    async def request_name(self, name: str) -> bool:
        """Claim a name; whether this connection owns it now. It does not wait in line. Raises as `call` does."""
        [outcome] = await self._call_bus("RequestName", "su", name, 4)  # DBUS_NAME_FLAG_DO_NOT_QUEUE
        return outcome in (1, 4)  # the primary owner, now or already

    async def release_name(self, name: str) -> None:
        """Give a name up. Calls of it that the bus took before have come when this returns."""
        await self._call_bus("ReleaseName", "s", name)

    # --- messages ---------------------------------------------------------------------------------

    def _next_serial(self) -> int:
        self._serial = self._serial % (2**32 - 1) + 1
        return self._serial

    def _send(self, kind: int, signature: str, body: list[Any] | bytes, flags: int, **fields: Any) -> int:
        """Write a message that wants no answer; returns its size, 0 after the end."""
        serial = self._next_serial()
        data = write(kind, serial, signature, body, flags, **fields)
        self._stream.send(serial, data)
        return 0 if self._stream.ended else len(data)

    def _take(self, data: bytes) -> None:
        try:
            message = read(data, types_of)
        except Unreadable as error:  # the bus only passes on what somebody wrote
            _log.warning("a message of %s bytes can't be read: %s", len(data), error)
            self._complain(error.message, str(error))
            return
        if message.kind == SIGNAL:
            values = (message.sender, message.path, message.interface, message.member, message.signature, message.body)
            self._watches.deliver(Signal(*values))
        elif message.kind == CALL:
            run(self._handler, message)
        elif message.kind == ERROR:
            text = message.body[0] if message.signature.startswith("s") else ""
            self._settle(message.reply_to, DBusError(message.error, text))
        else:
            self._settle(message.reply_to, message.body)

    def _complain(self, message: Incoming, reason: str) -> None:
        """Tell whoever waits that a message can't be read."""
        if message.kind == CALL and message.serial and message.sender:
            self.refuse(message, DBusError(INVALID_ARGS, f"the call can't be read: {reason}"))
        elif message.kind in (RETURN, ERROR):
            self._settle(message.reply_to, DBusError(UNREADABLE, f"the answer can't be read: {reason}"))

    def _settle(self, serial: int, values: list[Any] | DBusError) -> None:
        answer = self._pending.get(serial)
        if answer is None or answer.done():
            return  # whoever called has given up
        if isinstance(values, DBusError):
            answer.set_exception(values)
        else:
            answer.set_result(values)

    def _refuse(self, call: Incoming) -> None:
        self.refuse(call, DBusError(f"{DBUS}.Error.UnknownMethod", f"no method {call.member!r} here"))

    # --- the end ----------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        return self._stream.ended

    def on_close(self, callback: Callable[[Exception | None], None]) -> None:
        """Call `callback` when the connection ends, at once if it has: with None after `close`, else the reason.

        An error that it raises goes to the log.
        """
        if self._stream.ended:
            run(callback, self._reason)
        else:
            self._closings.append(callback)

    def close(self) -> None:
        """End the connection. Calls in flight get `ConnectionError`. Once more does nothing."""
        self._stream.close()

    def _end(self, reason: Exception | None) -> None:
        self._reason = reason
        self._watches.clear()
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(ConnectionError(f"the connection ended: {reason or 'closed by this program'}"))
        closings, self._closings = self._closings, []
        for callback in closings:
            run(callback, reason)
