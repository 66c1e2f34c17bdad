"""A connection to a D-Bus bus. The only module that knows dbus-next.

dbus-next 0.2.3 turns messages into bytes and back. Its connection is not used, for these faults of it:
it spins for ever if the bus goes away during authentication; it waits for ever on a bus that says
nothing, and for a call after the end; it takes a full socket for the end; it never closes its socket,
nor the descriptors that others pass; it reads for as long as there is something, and no other task
runs; and of several addresses it tries one. The tests have each of them.

The bus sends this program calls of methods, too. There are none, and who calls is told so.
"""

import asyncio
import io
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from dbus_next._private.unmarshaller import Unmarshaller
from dbus_next.constants import MessageFlag, MessageType
from dbus_next.message import Message
from dbus_next.signature import SignatureTree, Variant

from .address import sockets
from .names import Rule, check_bus_name, check_interface, check_member, check_path
from .stream import Stream
from .values import Encoder, Type, check_types, plain

PATIENCE = 10.0
"""Seconds that a bus has to take a new connection in."""

LARGEST_SENT = 2**26
"""Bytes of a message from here: what the specification grants to an array is enough for all of it."""

_DBUS = "org.freedesktop.DBus"
_DBUS_PATH = "/org/freedesktop/DBus"
_OWNER_NEWS = (_DBUS, _DBUS_PATH, _DBUS, "NameOwnerChanged", "sss")

_log = logging.getLogger("pybus.dbus")

T = TypeVar("T")


class Signal(NamedTuple):
    """A signal that came. sender: a unique name. body: plain values, as `Bus.call` returns them."""

    sender: str
    path: str
    interface: str
    member: str
    signature: str
    body: list[Any]


class DBusError(Exception):
    """An error in place of an answer. name: its name, dotted. message: for a person, may be empty."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{message} ({name})" if message else name)
        self.name = name
        self.message = message


class Watch:
    """A wish for signals, as `Bus.watch` returns it."""

    def __init__(self, rule: Rule, callback: Callable[[Signal], None]) -> None:
        self.rule = rule
        self.callback = callback

    @property
    def follows_owner(self) -> bool:
        """Whether the sender is a well-known name: signals come from whoever owns it."""
        return self.rule.sender not in ("", _DBUS) and not self.rule.sender.startswith(":")


def types_of(signature: str) -> Sequence[Type]:
    """The types in a signature. Raises `ValueError`."""
    types: list[Type] = SignatureTree(signature).types
    check_types(types)
    return types


_encoder = Encoder(types_of, Variant)


class Bus:
    """A connection, for the event loop that made it. It ends once and does not come back: make another.

    name: the unique name of this connection.
    """

    def __init__(self) -> None:
        """For `connect` only."""
        self.name = ""
        self._stream = Stream(self._take, self._end)
        self._serial = 0
        self._pending: dict[int, asyncio.Future[Message]] = {}
        self._watches: list[Watch] = []
        self._owners: dict[str, str] = {}
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
        """Call a method; returns its answer's values, plain (`values.plain`).

        interface: "" leaves it to the object. body: plain values, one for each type in the signature; for a
        variant see `values.variant_signature`. timeout: seconds, None for no end. autostart: whether the bus
        may start the destination. Cancelled, it drops the answer; the method may have run.
        Raises `DBusError`, `ValueError` (a malformed name or signature, a value that does not fit), and after
        which the method may have run or not: `TimeoutError`, `ConnectionError`.
        """
        if self._stream.ended:
            raise ConnectionError("the connection to the bus has ended")
        message = Message(
            destination=check_bus_name(destination),
            path=check_path(path),
            interface=check_interface(interface) if interface else None,  # type: ignore[arg-type]
            member=check_member(member),
            signature=signature,
            body=_encoder.arguments(signature, body),
            flags=MessageFlag.NONE if autostart else MessageFlag.NO_AUTOSTART,
            serial=self._next_serial(),
        )
        data = _to_bytes(message)
        answer = self._pending[message.serial] = asyncio.get_running_loop().create_future()
        try:
            self._stream.send(data)
            async with asyncio.timeout(timeout):
                reply = await answer
        except TimeoutError:
            raise TimeoutError(f"no answer from {destination} in {timeout} s") from None
        finally:
            self._pending.pop(message.serial, None)
        values = plain(reply.signature_tree.types, reply.body)
        if reply.message_type is MessageType.ERROR:
            raise DBusError(reply.error_name, values[0] if values and isinstance(values[0], str) else "")
        return values

    async def _call_bus(self, member: str, signature: str = "", *body: object) -> list[Any]:
        return await self.call(_DBUS, _DBUS_PATH, _DBUS, member, signature, body)

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
    ) -> Watch:
        """Call `callback` for each signal of that sender, path, ..., until `unwatch`; "" takes any.

        sender: a unique name, or a well-known one: then of whoever owns it at the time. arg0: the signal's first
        value, a text. A signal may come before this returns; all that are sent afterwards come. An error that
        the callback raises goes to the log. Raises as `call` does; cancelled or failed, no signal comes.
        """
        watch = Watch(Rule(sender, path, interface, member, arg0).check(), callback)
        self._watches.append(watch)
        try:
            if watch.follows_owner:
                await self._call_bus("AddMatch", "s", _owner_rule(sender).text())
                # News of the owner that came meanwhile are not older than this answer.
                self._owners.setdefault(sender, await self._owner(sender))
            await self._call_bus("AddMatch", "s", watch.rule.text())
        except BaseException:
            self._forget(watch)
            raise
        return watch

    async def unwatch(self, watch: Watch) -> None:
        """No more signals for this watch, from now on. Once more, or after the end, does nothing."""
        if watch not in self._watches:
            return
        self._forget(watch)
        await self._call_bus("RemoveMatch", "s", watch.rule.text())
        if watch.follows_owner:
            await self._call_bus("RemoveMatch", "s", _owner_rule(watch.rule.sender).text())

    def _forget(self, watch: Watch) -> None:
        if watch in self._watches:
            self._watches.remove(watch)
        if all(other.rule.sender != watch.rule.sender for other in self._watches):
            self._owners.pop(watch.rule.sender, None)

    async def _owner(self, name: str) -> str:
        try:
            [owner] = await self._call_bus("GetNameOwner", "s", name)
        except DBusError:
            return ""  # it has none
        return str(owner)

    def _deliver(self, message: Message) -> None:
        first = message.body[0] if message.signature.startswith("s") else ""
        found = (message.path, message.interface, message.member)
        if (message.sender, *found, message.signature) == _OWNER_NEWS:
            self._note_owner(first, message.body[2])
        wanting = [watch for watch in self._watches if self._wants(watch, message.sender, *found, first)]
        if wanting:
            body = plain(message.signature_tree.types, message.body)
            signal = Signal(message.sender, *found, message.signature, body)
        for watch in wanting:
            if watch in self._watches:  # a callback may have ended it
                _run(watch.callback, signal)

    def _wants(self, watch: Watch, sender: str, path: str, interface: str, member: str, arg0: str) -> bool:
        if watch.follows_owner and sender == self._owners.get(watch.rule.sender):
            sender = watch.rule.sender
        return watch.rule.matches(sender, path, interface, member, arg0)

    def _note_owner(self, name: str, owner: str) -> None:
        if any(watch.rule.sender == name for watch in self._watches):
            self._owners[name] = owner

    # --- messages ---------------------------------------------------------------------------------

    def _next_serial(self) -> int:
        self._serial = self._serial % (2**32 - 1) + 1
        return self._serial

    def _take(self, data: bytes) -> None:
        try:
            message = _from_bytes(data)
        except Exception as error:  # whatever dbus-next raises; the bus only passes on what somebody wrote
            _log.warning("a message of %s bytes can't be read: %s: %s", len(data), type(error).__name__, error)
            return
        if message.message_type is MessageType.SIGNAL:
            self._deliver(message)
        elif message.message_type is MessageType.METHOD_CALL:
            if not message.flags & MessageFlag.NO_REPLY_EXPECTED:
                self._refuse(message)
        elif (answer := self._pending.get(message.reply_serial)) is not None and not answer.done():
            answer.set_result(message)

    def _refuse(self, message: Message) -> None:
        error = Message.new_error(message, f"{_DBUS}.Error.UnknownMethod", f"no method {message.member!r} here")
        error.serial = self._next_serial()
        self._stream.send(_to_bytes(error))

    # --- the end ----------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        return self._stream.ended

    def on_close(self, callback: Callable[[Exception | None], None]) -> None:
        """Call `callback` when the connection ends, at once if it has: with None after `close`, else the reason.

        An error that it raises goes to the log.
        """
        if self._stream.ended:
            _run(callback, self._reason)
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
            _run(callback, reason)


def _run(callback: Callable[[T], None], news: T) -> None:
    """Call somebody's callback. What goes wrong there must not stop what comes after it."""
    try:
        callback(news)
    except Exception:
        _log.exception("a callback failed")


def _owner_rule(name: str) -> Rule:
    return Rule(_DBUS, _DBUS_PATH, _DBUS, "NameOwnerChanged", name)


def _from_bytes(data: bytes) -> Message:
    message: Message | None = Unmarshaller(io.BytesIO(data)).unmarshall()  # type: ignore[no-untyped-call]
    if message is None:
        raise ValueError("its parts are longer than the whole")
    return message


def _to_bytes(message: Message) -> bytes:
    data = bytes(message._marshall())  # type: ignore[no-untyped-call]
    if len(data) > LARGEST_SENT:
        raise ValueError(f"a message of {len(data)} bytes is too large for D-Bus: {LARGEST_SENT} are allowed")
    return data
