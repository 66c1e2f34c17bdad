"""Serving calls: who calls, what was called, and what became of it."""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

from pybus.client.cause import cause
from pybus.client.keys import REMEMBERED
from pybus.errors import BodyError, CallError, Failed, NameTaken, NotConnected, TooLarge, UsageError
from pybus.interface import INTROSPECT, Interface, arguments
from pybus.names import check_name, unique_name
from pybus.protocol.codec import encode, pack, unpack
from pybus.protocol.frames import ANSWER, CAUSED, ERROR, NO_REPLY, Run, body_of, depth_of, frame

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from pybus.client.core import Core, Steps
    from pybus.interface import Arguments, Method


_MAX_MESSAGE = 4000
"""Characters of an error's message that are sent; a picture in a traceback is no message."""


class Caller(NamedTuple):
    """Who made a call, as the bus learned it from the kernel.

    name: unique name. program: short name, for people. executable: path, "" if not known.
    """

    name: str
    pid: int
    uid: int
    program: str
    executable: str


_current: ContextVar[Caller] = ContextVar("pybus caller")


def caller() -> Caller:
    """The caller of the method that runs now. Raises `UsageError` outside of one."""
    try:
        return _current.get()
    except LookupError:
        raise UsageError("pybus.caller() is for use inside a method that a bus call runs") from None


class IncomingCall:
    """A call that has been checked and waits to be carried out. connection: over which it came."""

    __slots__ = ("_depth", "arguments", "caller", "connection", "method", "reply_to", "serial", "wants_reply")

    def __init__(self, method: Method, bound: Arguments, caller: Caller, run: Run) -> None:
        self.method = method
        self.arguments = bound
        self.caller = caller
        self.connection: object = None
        self.reply_to = run[2]
        self.serial = run[4]
        self.wants_reply = not run[1] & NO_REPLY
        self._depth = depth_of(run[3]) if run[1] & CAUSED else 0

    def start(self) -> object:
        """Run the method; for an async one this is its coroutine. Raises what it raises."""
        token = _current.set(self.caller)
        chain = cause.set(self._depth + 1)
        try:
            return self.method.function(*self.arguments.args, **self.arguments.kwargs)
        finally:
            _current.reset(token)
            cause.reset(chain)

    def enter(self) -> None:
        """Make this call's caller the present one, in a task that belongs to the call."""
        _current.set(self.caller)
        cause.set(self._depth + 1)


class Services:
    """The services of one program by name, the callers that the bus introduced, and the answers."""

    __slots__ = ("_callers", "_core", "_interfaces", "_methods", "_options")

    def __init__(self, core: Core) -> None:
        self._core = core
        self._interfaces: dict[str, Interface] = {}
        self._options: dict[str, dict[str, bool]] = {}
        self._callers: dict[int, Caller] = {}
        self._methods: dict[bytes, Method] = {}

    # --- names ------------------------------------------------------------------------------------

    def register(self, name: str, service: object, *, is_async: bool, **options: bool) -> Steps[str]:
        """Offer a service: "owner", or "queued" if asked to wait. options: those of `request_name`.

        Raises `NameTaken` with the owner's program, `InvalidName`, `UsageError`.
        """
        interface = Interface.of(service)
        if not is_async:
            interface.refuse_async()
        if check_name(name) in self._interfaces:
            raise UsageError(f"this program offers {name} already; unregister it first")
        self._interfaces[name] = interface
        self._methods.clear()
        try:
            outcome: str = yield self._core.call_bus("request_name", name, **options)
            if outcome == "taken":
                peer: dict[str, object] = yield self._core.call_bus("peer", name)
                raise NameTaken(f"{name} is owned by {peer['program']} (pid {peer['pid']})")
        except BaseException as error:
            del self._interfaces[name]
            self._methods.clear()
            if not isinstance(error, CallError):  # cancelled or cut off: the claim may have been granted
                self._core.release(name)
            raise
        self._options[name] = options
        return outcome

    def unregister(self, name: str) -> Steps[None]:
        """Withdraw a service and give up its name."""
        self._options.pop(name, None)
        yield self._core.call_bus("release_name", name)
        self._interfaces.pop(name, None)
        self._methods.clear()

    def connected(self) -> None:
        """There is a new connection: claim all names again. The log tells if somebody else was faster."""
        for name, options in self._options.items():
            pending = self._core.call_bus("request_name", name, **options)
            pending.notify = partial(_report, name)

    def disconnected(self) -> None:
        """The connection has ended, and with it everybody's number."""
        self._callers.clear()

    # --- calls ------------------------------------------------------------------------------------

    def introduce(self, run: Run) -> None:
        """Remember a caller from a PEER frame, or forget one that has gone."""
        match unpack(body_of(run)):
            case {"number": int(n), "gone": True}:
                self._callers.pop(n, None)
            case {"number": int(n), "pid": int(pid), "uid": int(uid), "program": str(program), "executable": str(exe)}:
                self._callers[n] = Caller(unique_name(n), pid, uid, program, exe)

    def incoming(self, run: Run) -> None:
        """Take a CALL: refuse it, answer it if it is `introspect`, or make it the program's work."""
        try:
            accepted = self._accept(run)
        except CallError as error:
            self._reply_error(run[2], run[4], error, not run[1] & NO_REPLY)
            return
        if isinstance(accepted, dict):
            if not run[1] & NO_REPLY:
                self._core.output.put(frame(ANSWER, 0, self._core.number, run[2], run[4], b"", pack(accepted)))
        else:
            accepted.connection = self._core.welcome
            self._core.work.append(accepted)

    def is_current(self, call: IncomingCall) -> bool:
        """Whether a call came over the present connection; the caller of an older one has had its error."""
        return call.connection is self._core.welcome

    def answer(self, call: IncomingCall, value: object) -> None:
        """Answer a call. A value that can't be sent, or is too large, becomes an error."""
        if not call.wants_reply or not self.is_current(call):
            return
        core = self._core
        try:
            flags, body = encode(value)
        except BodyError as error:
            self.refuse(call, error)
            return
        data = frame(ANSWER, flags, core.number, call.reply_to, call.serial, b"", body)
        if len(data) > core.most:
            self.refuse(call, TooLarge(f"the answer has {len(data)} bytes; the bus's limit is {core.most}"))
        else:
            core.output.put(data)

    def refuse(self, call: IncomingCall, error: BaseException) -> None:
        """Answer a call with what its method raised."""
        answer = as_call_error(call.method.name, error)
        if self.is_current(call):
            self._reply_error(call.reply_to, call.serial, answer, call.wants_reply)

    def _reply_error(self, target: int, serial: int, error: CallError, wanted: bool) -> None:
        if wanted:
            body = pack([_sendable(error.name), _sendable(error.message)])
            self._core.output.put(frame(ERROR, 0, self._core.number, target, serial, b"", body))

    def _accept(self, run: Run) -> IncomingCall | dict[str, object]:
        """Check a CALL: a call to carry out, or the answer to `introspect`. Raises `CallError` to refuse it."""
        method = self._methods.get(run[5])
        if method is None:
            name, _, wanted = run[5].decode(errors="replace").partition(" ")
            interface = self._find(name, wanted)
            if wanted == INTROSPECT:
                return interface.describe()
            method = interface.method(wanted)
            if len(self._methods) >= REMEMBERED:
                self._methods.clear()
            self._methods[run[5]] = method
        try:
            args, named = arguments(unpack(body_of(run)))
        except BodyError as error:
            raise Failed(f"the call's arguments can't be read: {error}") from None
        caller = self._callers.get(run[2]) or Caller(unique_name(run[2]), 0, -1, "", "")
        return IncomingCall(method, method.bind(args, named), caller, run)

    def _find(self, name: str, method: str) -> Interface:
        """The interface called by its name, or by the connection's unique name with a method that only fits one."""
        if name in self._interfaces:
            return self._interfaces[name]
        fitting = [one for one in self._interfaces.values() if method in one.names or method == INTROSPECT]
        if fitting:
            return fitting[0]
        return Interface("", {})


def _sendable(text: str) -> str:
    """A text that fits into an answer, whatever a method put into its error."""
    return text.encode("utf-8", "backslashreplace").decode()[:_MAX_MESSAGE]


def _report(name: str, outcome: object, error: Exception | None) -> None:
    if error is not None or outcome == "taken":
        import logging

        logging.getLogger("pybus").warning("%s could not be claimed again: another program has it now", name)


def is_awaitable(value: object) -> TypeGuard[Awaitable[object]]:
    """As `isinstance` of Awaitable, which takes ten times as long to say no."""
    return hasattr(type(value), "__await__")


def as_call_error(method: str, error: BaseException) -> CallError:
    """The error that a caller gets for what a method raised; one that nobody planned goes to the log, whole."""
    if isinstance(error, CallError):
        return error
    if isinstance(error, NotConnected):
        return Failed(f"{method}() lost its own connection: {error}")
    import logging

    logging.getLogger("pybus.service").error("%s() failed", method, exc_info=error)
    return Failed(f"{method}() failed: {type(error).__name__}: {error}")
