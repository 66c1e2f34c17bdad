"""What the blocking and the asyncio face have in common: all that needs no waiting."""

from __future__ import annotations

from pybus.client.cause import cause
from pybus.client.core import Core
from pybus.client.pending import Gap, Lost, Restored
from pybus.client.transport import Owner
from pybus.errors import ConnectionLost, DeadlinePassed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pybus.client.inbox import Inbox

TIMEOUT = 25.0
"""Seconds that a call may take unless the program says otherwise; D-Bus' value."""


def no_reply(exchange: str, key: str, seconds: float) -> DeadlinePassed:
    """The error for a message to which no reply came in time."""
    where = f"exchange {exchange!r} with the key {key!r}" if exchange else f"queue {key!r}"
    return DeadlinePassed(f"no reply to the message to {where} came in {seconds:g} s")


class Proxy:
    """A service as an object: its methods are attributes, which return what `call` returns."""

    __slots__ = ("_call", "_name", "_timeout")

    def __init__(self, call: Callable[..., Any], name: str, timeout: float) -> None:
        self._call = call
        self._name = name
        self._timeout = timeout

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)
        return lambda *args, **named: self._call(self._name, method, args, named, self._timeout)


class Face:
    """The base of both faces. For the thread and the process that made it."""

    def __init__(self, path: str, program: str | None, reconnect: bool) -> None:
        self._path = path
        self._reconnect = reconnect
        self._core = Core(program or "")
        self._owner = Owner()
        self._on_missed: Callable[[dict[str, int]], object] | None = None
        self._on_disconnect: Callable[[Exception], object] | None = None
        self._on_reconnect: Callable[[], object] | None = None

    @property
    def name(self) -> str:
        """This connection's unique name; another one after a reconnect."""
        return self._core.name

    def on_missed(self, handler: Callable[[dict[str, int]], object]) -> None:
        """Call `handler({topic: count})` when signals were lost because they were not read in time."""
        self._on_missed = handler

    def on_disconnect(self, handler: Callable[[Exception], object]) -> None:
        """Call `handler(reason)` when the connection is lost."""
        self._on_disconnect = handler

    def on_reconnect(self, handler: Callable[[], object]) -> None:
        """Call `handler()` when the connection is back, with names, subscriptions and will."""
        self._on_reconnect = handler

    def proxy(self, name: str, *, timeout: float = TIMEOUT) -> Proxy:
        """An object whose attributes are the service's methods. timeout: seconds for each call."""
        return Proxy(self._call, name, timeout)

    def _call(self, name: str, method: str, args: tuple[object, ...], named: dict[str, object], timeout: float) -> Any:
        raise NotImplementedError

    def _tell(self, work: Lost | Restored | Gap) -> None:
        """Let the program know what became of its connection."""
        if isinstance(work, Lost):
            if self._on_disconnect is not None:
                self._on_disconnect(work.reason)
        elif isinstance(work, Restored):
            if self._on_reconnect is not None:
                self._on_reconnect()
        elif self._on_missed is not None:
            self._on_missed(work.topics)
        else:
            work.log()

    def _handle(self, inbox: Inbox) -> None:
        """Run an inbox's handler for all that is in it; what it raises passes out, the rest waits."""
        chain = cause.get()
        try:
            while inbox.handle() is not None:
                pass
        finally:
            cause.set(chain)
            if len(inbox) and not inbox.closed:
                self._core.work.appendleft(inbox)

    def _raise_refusal(self) -> None:
        if self._core.refusals:
            raise self._core.refusals.popleft()

    @property
    def _comes_back(self) -> bool:
        return self._reconnect and not self._core.banned and not self._owner.closed

    def _lost(self) -> ConnectionLost:
        """The error for a connection that is lost for good, with the bus's reason if it gave one."""
        reason = f": {self._core.goodbye.message}" if self._core.goodbye is not None else ""
        return ConnectionLost(f"the connection to the bus is lost{reason}")
