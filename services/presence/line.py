"""The line to the chat server: logs in while the person wants to be online, and comes back after a loss."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from .account import Account, NoAccount
from .backend import Connect, Refused, Session
from .password import find_password
from .pauses import SPACE, Pauses, Refusals
from .presence import OFFLINE, Presence

TELLING_SPACE = 0.5
"""Seconds between two changes of the presence: each goes to all contacts. The last one asked for counts."""

_log = logging.getLogger("pybus.presence")


class Line:
    """One login at a time, made anew by growing pauses.

    told: what the server knows now. error: why that is not what is wanted, for a person; empty if it is.
    account: as it was read last, None if it can't be used.
    """

    def __init__(
        self, connect: Connect, load: Callable[[], Account], changed: Callable[[], None], pauses: Pauses | None = None
    ) -> None:
        """load: reads the account, as `account.load` does; it is read for each login. changed: called after changes."""
        self.told = Presence(OFFLINE)
        self.error = ""
        self.account: Account | None = None
        self.wanted = Presence(OFFLINE)
        self._connect = connect
        self._load = load
        self._changed = changed
        self._pauses = pauses or Pauses()
        self._refusals = Refusals()
        self._asked = self._seen = self._answered = 0  # how often `want` was called, what of it is seen to, and done
        self._stirred = asyncio.Event()
        self._unwanted = asyncio.Event()
        self._unwanted.set()
        self._news = asyncio.Event()
        self._free = 0.0
        self._note_error(self._read_account())

    @property
    def connected(self) -> bool:
        return self.told.status != OFFLINE

    @property
    def is_told(self) -> bool:
        """Whether the server knows what is wanted. What somebody offline says is for his goodbye alone."""
        return self.told == self.wanted or (self._unwanted.is_set() and not self.connected)

    def want(self, presence: Presence) -> int:
        """Let this be told to the server, as soon as may be; if it can't be reached, that is tried now.

        Returns what `settled` takes.
        """
        self.wanted = presence
        if presence.status == OFFLINE:
            self._unwanted.set()
        else:
            self._unwanted.clear()
        self._asked += 1
        self._stirred.set()
        return self._asked

    async def settled(self, asked: int) -> None:
        """Wait until what was asked for is told, or can't be, which is in `error` then. Cancel-safe."""
        while self._answered < asked:
            await self._news.wait()

    async def run(self) -> None:
        """Go on until cancelled, and then say goodbye to the server, within the seconds that takes."""
        loop = asyncio.get_running_loop()
        while True:
            self._look()
            due = None
            if self._unwanted.is_set():
                self._settle(self._read_account())
            else:
                began = loop.time()
                try:
                    await self._be_online()
                    continue
                except Refused as error:
                    self._settle(str(error))
                except ConnectionError as error:
                    due = self._pauses.failed(loop.time(), loop.time() - began)
                    self._settle(f"{error}; it is tried again")
                self._free = loop.time() + SPACE
            await self._wait(due)

    # --- a session ----------------------------------------------------------------------------------

    async def _be_online(self) -> None:
        """Log in, and keep the server told until offline is wanted. Raises `Refused`, `ConnectionError`."""
        session = await self._log_in()
        if session is None:
            return
        try:
            await self._keep_told(session)
        finally:
            await session.close(self.wanted.message if self._unwanted.is_set() else "")
            self.told = Presence(OFFLINE)
            self._changed()

    async def _log_in(self) -> Session | None:
        """A new session; None if it is not wanted any more."""
        attempt = asyncio.ensure_future(self._attempt())
        unwanted = asyncio.ensure_future(self._unwanted.wait())
        try:
            await asyncio.wait((attempt, unwanted), return_when=asyncio.FIRST_COMPLETED)
            return attempt.result() if attempt.done() else None
        finally:
            attempt.cancel()
            unwanted.cancel()
            await asyncio.gather(attempt, unwanted, return_exceptions=True)

    async def _attempt(self) -> Session:
        problem = self._read_account()
        if self.account is None:
            raise Refused(problem)
        self._changed()
        account, password = self.account, await find_password(self.account)
        now = asyncio.get_running_loop().time
        refusal = self._refusals.of(now(), (account, password))
        if refusal:
            raise Refused(refusal)
        try:
            return await self._connect(account, password)
        except Refused as error:
            self._refusals.note(now(), (account, password), str(error))
            raise

    async def _keep_told(self, session: Session) -> None:
        """Tell the server what is wanted, each time that changes, until it is to be offline."""
        loop = asyncio.get_running_loop()
        ended = asyncio.ensure_future(session.ended())
        free = loop.time()
        try:
            while not self._unwanted.is_set():
                self._look()
                if self.wanted != self.told:
                    await asyncio.sleep(max(0.0, free - loop.time()))
                    presence = self.wanted  # which may be another by now
                    if presence.status == OFFLINE:
                        return
                    await session.tell(presence)
                    free = loop.time() + TELLING_SPACE
                    _log.info("the server knows %s as %s", self.account and self.account.jid, presence.status)
                    self.told = presence
                self._settle("")
                await self._stirred_or(ended)
                if ended.done():
                    raise ended.result()
        finally:
            ended.cancel()

    # --- waiting ------------------------------------------------------------------------------------

    async def _stirred_or(self, ended: asyncio.Future[Exception]) -> None:
        """Wait until something is asked for, or the session has ended."""
        stirred = asyncio.ensure_future(self._stirred.wait())
        try:
            await asyncio.wait((stirred, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stirred.cancel()

    async def _wait(self, due: float | None) -> None:
        """Wait until something is asked for, or it is due, and in any case until an attempt is free again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await self._stirred.wait()
        if not self._unwanted.is_set():
            await asyncio.sleep(max(0.0, self._free - asyncio.get_running_loop().time()))

    def _look(self) -> None:
        """What was asked for until now is being seen to."""
        self._stirred.clear()
        self._seen = self._asked

    def _settle(self, error: str) -> None:
        """All that has been seen to is told, or has failed with an error."""
        self._note_error(error)
        self._answered = self._seen
        news, self._news = self._news, asyncio.Event()
        news.set()
        self._changed()

    def _note_error(self, error: str) -> None:
        if error and error != self.error:
            _log.warning("%s", error)
        self.error = error

    def _read_account(self) -> str:
        """Read the account anew; returns what is wrong with it."""
        try:
            self.account = self._load()
        except NoAccount as error:
            self.account = None
            return str(error)
        return ""
