"""A chat network that the test plays: another backend, whose server says what the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pybus_services.presence.account import Account
from pybus_services.presence.presence import Presence
from tests.daemon import PATIENCE


class Session:
    """A login. told, closed: what the server was told, and with which message it was left; None while it is not."""

    def __init__(self, news: asyncio.Event) -> None:
        """news: set when it is told something."""
        self._news = news
        self.told: list[Presence] = []
        self.closed: str | None = None
        self._over: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._answers = asyncio.Event()
        self._answers.set()

    def hang(self) -> None:
        """Answer nothing more until `go_on`."""
        self._answers.clear()

    def go_on(self) -> None:
        self._answers.set()

    def end(self, why: Exception) -> None:
        self._over.set_result(why)

    async def tell(self, presence: Presence) -> None:
        self.told.append(presence)
        self._news.set()
        await self._answers.wait()
        if self._over.done():
            raise ConnectionError(str(self._over.result()))

    async def ended(self) -> Exception:
        return await asyncio.shield(self._over)

    async def close(self, message: str = "") -> None:
        self.closed = message


class Network:
    """attempts: the passwords of all logins that were tried. sessions: those that came to be."""

    def __init__(self) -> None:
        self.attempts: list[str] = []
        self.sessions: list[Session] = []
        self._refusal: Callable[[], Exception] | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._news = asyncio.Event()

    def refuse(self, refusal: Callable[[], Exception] | None) -> None:
        """Let logins fail from now on, or succeed."""
        self._refusal = refusal

    def hang(self) -> None:
        """Answer no login."""
        self._open.clear()

    async def connect(self, account: Account, password: str) -> Session:
        self.attempts.append(password)
        self._news.set()
        await self._open.wait()
        if self._refusal is not None:
            raise self._refusal()
        self.sessions.append(Session(self._news))
        self._news.set()
        return self.sessions[-1]

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so that comes with an attempt, a login, or what a session is told."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._news.clear()
                await self._news.wait()
