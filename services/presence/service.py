"""The service: takes what is wanted from callers and topics to the chat server, and what that knows to the bus."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pybus

from .. import serving
from ..messages import Message
from . import account, remembered
from .backend import Connect
from .line import Line
from .methods import Chat
from .presence import Presence, check_presence
from .wanted import Wanted

NAME = "org.pybus.Presence"

STATUS, MESSAGE, ERROR = "chat.status", "chat.message", "chat.error"

LOCK = "session.lock"

NOT_TOLD = f"{NAME}.Error.NotTold"
"""The error's name if the server can't be told now. What was asked for stays wanted, until something else is set."""

PATIENCE = 20.0
"""Seconds that a caller of `set` waits at most: less than a call has."""

_log = logging.getLogger("pybus.presence")


class Service:
    """One run of the service, on a connected bus.

    Its topics say what the server knows. What others publish to `chat.status` is a request: the truth takes
    its place, at once if that is another, and when the server has been told. All that is published in
    answer to somebody's signal says so, so that the bus can cut a loop of two who disagree.
    """

    def __init__(self, bus: pybus.aio.Bus, connect: Connect, environ: Mapping[str, str]) -> None:
        self._bus = bus
        self._environ = environ
        self._wanted = Wanted(remembered.load(environ))
        self._line = Line(connect, lambda: account.load(environ), self._note_change)
        self._told: dict[str, str | None] = {}
        self._telling = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._follows_lock = False
        self._takes_kept = True

    async def start(self) -> None:
        """Publish what is known, which is that there is no session yet, and take the name. Raises `NameTaken`."""
        async with serving.alone(self._bus, NAME):
            self._bus.on_reconnect(lambda: self._do(self._tell))
            # Whoever has left a value here while nobody served has asked for it, too. What is kept later, when the
            # connection is a new one, may be this service's own from the old one, whose end the bus has not seen.
            await self._bus.on("chat.*", self._note_signal)
            self._takes_kept = False
            await self._tell()
            await self._bus.register(NAME, Chat(self._ask_and_wait, self._state))

    async def run(self) -> None:
        """Keep the server told until cancelled, and then go offline."""
        self._want()
        await self._line.run()

    # --- requests -----------------------------------------------------------------------------------

    async def _ask_and_wait(self, presence: Presence) -> None:
        """Let the server know this; returns when it does. Raises `ServiceError` if it can't be told now."""
        asked = self._ask(presence)
        error = ""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._line.settled(asked)
            error = self._line.error
        except TimeoutError:
            pass
        if presence != self._wanted.asked:
            raise pybus.ServiceError(NOT_TOLD, f"{presence.status} was wanted, but something else was set meanwhile")
        if not self._line.is_told:
            raise pybus.ServiceError(NOT_TOLD, f"{presence.status} is wanted, but {error or 'it is not told yet'}")

    def _state(self) -> dict[str, Any]:
        """What `get` answers."""
        line = self._line
        return {
            "status": line.told.status,
            "message": line.told.message,
            "account": line.account.jid if line.account else "",
            "connected": line.connected,
            "wanted": self._wanted.asked.status,
            "error": line.error,
        }

    def _ask(self, presence: Presence) -> int:
        if presence != self._wanted.asked:
            remembered.save(presence, self._environ)
        self._wanted.ask(presence)
        return self._want()

    def _want(self) -> int:
        return self._line.want(self._now_wanted())

    def _now_wanted(self) -> Presence:
        found = self._line.account
        return self._wanted.told(away_when_locked=found is not None and found.away_when_locked)

    # --- what comes over the bus --------------------------------------------------------------------

    def _note_signal(self, signal: pybus.Signal) -> None:
        """Somebody has published to one of the service's topics, maybe the service itself.

        This is no coroutine, so that it runs while the connection still has the name that published.
        """
        if signal.sender == self._bus.name or signal.topic not in (STATUS, MESSAGE, ERROR):
            return
        if signal.topic == STATUS and not signal.cleared and (self._takes_kept or not signal.retained):
            self._take_request(signal)
        self._told.pop(signal.topic, None)
        self._do(self._tell)

    def _take_request(self, signal: pybus.Signal) -> None:
        try:
            self._ask(check_presence(signal.body))
        except ValueError as error:
            _log.warning("%s by %s: %s", STATUS, signal.sender, error)

    def _note_lock(self, signal: pybus.Signal) -> None:
        """The screen was locked or unlocked. If nobody knows any more, what was last known counts."""
        if signal.body in ("locked", "unlocked"):
            self._wanted.lock(signal.body == "locked")
            self._adjust()

    def _note_change(self) -> None:
        """The line knows something new: the server's state, an error, the account."""
        found = self._line.account
        if found is not None and found.away_when_locked and not self._follows_lock:
            self._follows_lock = True
            self._bus.on(LOCK, self._note_lock)
        self._adjust()
        self._do(self._tell)

    def _adjust(self) -> None:
        """Want what the lock makes of it, unless that is wanted already: to want anything is to try anew."""
        if self._now_wanted() != self._line.wanted:
            self._want()

    # --- what goes out ------------------------------------------------------------------------------

    def _do(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.ensure_future(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        """Publish what differs from what was published last. No error is no value, and no message an empty one."""
        async with self._telling:
            line = self._line
            values = {STATUS: line.told.status, MESSAGE: line.told.message, ERROR: line.error or None}
            for topic, value in values.items():
                if topic not in self._told or self._told[topic] != value:
                    self._told[topic] = value
                    await serving.publish(self._bus, Message(topic, value, retained=True))
