"""The backend for XMPP. This is the only file that knows slixmpp.

slixmpp tries again by itself, for ever, and follows a server that sends it elsewhere. Here one client is
one connection: its end is told with its cause, and whoever uses it decides what comes next.
"""

import asyncio
import contextlib
import logging
import os
import ssl
from typing import Any, NamedTuple

import slixmpp
from slixmpp.exceptions import IqError, IqTimeout

from .account import DIRECT, OFF, STARTTLS, Account
from .backend import Refused
from .presence import AVAILABLE, Presence


class Patience(NamedTuple):
    """Seconds that the server gets.

    login: for all of it. answer: one that takes longer is gone. keepalive: from one look whether it is still
    there to the next. goodbye: to take it, as a shutdown must not wait for a server.
    """

    login: float = 30.0
    answer: float = 20.0
    keepalive: float = 60.0
    goodbye: float = 2.0


PATIENCE = Patience()

_TEMPORARY = {"temporary-auth-failure", "aborted"}
"""Refusals of a login after which it may succeed (RFC 6120, section 6.5)."""

# Its errors are told here in our own words, and its debug lines hold what a log must not.
logging.getLogger("slixmpp").setLevel(logging.CRITICAL + 1)


async def connect(account: Account, password: str, patience: Patience = PATIENCE) -> "Session":
    """As `backend.Connect` says."""
    try:
        client = _Client(account, password, _tls_context(account), patience.answer)
    except slixmpp.InvalidJID:
        raise Refused(f"{account.jid} is no XMPP address; mend {account.file}, then set a status again") from None
    try:
        async with asyncio.timeout(patience.login):
            await client.log_in()
    except TimeoutError:
        client.drop()
        raise ConnectionError(f"{client.where} does not answer") from None
    except BaseException:
        client.drop()
        raise
    return Session(client, account.priority, patience)


class Session:
    """A session as `backend.Session` describes it."""

    def __init__(self, client: "_Client", priority: int, patience: Patience) -> None:
        self._client = client
        self._priority = priority
        self._patience = patience
        self._keepalive = asyncio.ensure_future(self._keep_alive())

    async def tell(self, presence: Presence) -> None:
        show = None if presence.status == AVAILABLE else presence.status
        self._client.send_presence(pshow=show, pstatus=presence.message or None, ppriority=self._priority)
        # The server handles what a client sends in its order (RFC 6120, section 10.1), so its answer to
        # what was sent after the presence says that it has that.
        await self._client.ask()

    async def ended(self) -> Exception:
        return await asyncio.shield(self._client.over)

    async def close(self, message: str = "") -> None:
        self._keepalive.cancel()
        try:
            if not self._client.over.done():
                self._client.send_presence(ptype="unavailable", pstatus=message or None)
                self._client.disconnect(wait=self._patience.goodbye)
                await asyncio.wait((self._client.over,), timeout=self._patience.goodbye)
        finally:
            self._client.drop()

    async def _keep_alive(self) -> None:
        """Ask now and then, so that a server that is gone is noticed."""
        with contextlib.suppress(ConnectionError):  # which the client knows by then
            while True:
                await asyncio.sleep(self._patience.keepalive)
                await self._client.ask()


class _Client(slixmpp.ClientXMPP):
    """One connection. over: why it has ended, once it has. where: the server, for a person."""

    def __init__(self, account: Account, password: str, context: ssl.SSLContext, answer: float) -> None:
        super().__init__(f"{account.jid}/{account.resource}", password, ssl_context=context)
        self.over: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._account = account
        self._answer = answer
        self._started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._why: Exception | None = None
        self._is_shaking_hands = False
        self._sender: asyncio.Task[Any] | None = None
        self.auto_authorize = None  # whoever wants to see the presence is for the person to decide
        self.auto_subscribe = False
        self._choose_encryption()
        self.register_plugin("xep_0199")
        for event, handler in {
            "connection_failed": self._note_unreachable,
            "ssl_invalid_chain": self._note_distrust,
            "failed_auth": self._note_refusal,
            "no_auth": self._note_no_way_in,
            "stream_error": self._note_stream_error,
            "session_start": self._note_start,
            "disconnected": self._note_disconnected,
        }.items():
            self.add_event_handler(event, handler)

    @property
    def where(self) -> str:
        if not self._has_address:
            return f"the chat server of {self.boundjid.domain}"
        host, port = self._address()
        return f"the chat server {host}:{port}"

    async def log_in(self) -> None:
        """Wait until there is a session. Raises `Refused`, `ConnectionError`."""
        if self._has_address:
            self.connect(*self._address())
        else:
            self.connect()
        await asyncio.wait((self._started, self.over), return_when=asyncio.FIRST_COMPLETED)
        if self.over.done():
            raise self.over.result()

    async def ask(self) -> None:
        """Wait for an answer of the server's to something. Raises `ConnectionError` if none comes; then it is over."""
        server = slixmpp.JID(self.boundjid.domain)
        answer = asyncio.ensure_future(self.plugin["xep_0199"].send_ping(server, timeout=self._answer))
        try:
            await asyncio.wait((answer, self.over), return_when=asyncio.FIRST_COMPLETED)
            if self.over.done():
                raise ConnectionError(str(self.over.result()))
            with contextlib.suppress(IqError):  # it does not know pings, which is an answer, too
                await answer
        except IqTimeout:
            self._end(ConnectionError(f"{self.where} does not answer any more"))
            self.abort()
            raise ConnectionError(str(self.over.result())) from None
        finally:
            answer.cancel()

    def drop(self) -> None:
        """Leave nothing behind."""
        self.cancel_connection_attempt()
        self.abort()
        self._end()
        if self._sender is not None:
            self._sender.cancel()

    # --- what slixmpp would do by itself ------------------------------------------------------------

    def reschedule_connection_attempt(self) -> None:
        """All addresses have been tried."""
        self._end()

    def reconnect(self, *_: object, **__: object) -> None:
        """Not here."""

    async def run_filters(self) -> None:
        """What sends. It never ends by itself."""
        self._sender = asyncio.current_task()
        await super().run_filters()

    async def start_tls(self) -> bool:
        """The handshake: if it fails, the end of the connection is known before its cause."""
        self._is_shaking_hands = True
        try:
            return await super().start_tls()
        finally:
            self._is_shaking_hands = False
            if not self.is_connected():
                self._end()

    # --- what happens -------------------------------------------------------------------------------

    def _end(self, why: Exception | None = None) -> None:
        if not self.over.done():
            self.over.set_result(self._why or why or ConnectionError(f"{self.where} has closed the connection"))

    def _note_disconnected(self, _: object) -> None:
        if not self._is_shaking_hands:
            self._end()

    def _note_start(self, _: object) -> None:
        if not self.boundjid.user:
            self._why = ConnectionError(f"{self.where} lets {self._account.jid} not log in once more")
            self.abort()
        elif not self._started.done():
            self._started.set_result(None)

    def _note_unreachable(self, error: OSError | str) -> None:
        if isinstance(error, ssl.SSLCertVerificationError):
            self._note_distrust(error)
        elif self._why is None or not isinstance(self._why.__cause__, ssl.SSLCertVerificationError):
            # asyncio's own text repeats the address.
            number = None if isinstance(error, (str, ssl.SSLError)) else error.errno
            text = os.strerror(number) if number else str(error)
            self._why = ConnectionError(f"{self.where} can't be reached: {text}")

    def _note_distrust(self, error: ssl.SSLError) -> None:
        said = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason
        text = f"the certificate of {self.where} is not trusted: {said}; ca in {self._account.file} may name your own"
        self._why = ConnectionError(text)
        self._why.__cause__ = error
        self.abort()

    def _note_refusal(self, failure: Any) -> None:
        condition = failure["condition"]
        if condition in _TEMPORARY:
            self._why = ConnectionError(f"{self.where} does not let {self._account.jid} in now: {condition}")
            return
        what = "the password is wrong, or there is no such account" if condition == "not-authorized" else condition
        text = f"{self.where} refuses {self._account.jid}: {what}"
        self._why = Refused(f"{text}; mend {self._account.file}, then set a status again")

    def _note_no_way_in(self, _: object) -> None:
        if isinstance(self.socket, ssl.SSLObject) or self._account.tls == OFF:
            text = "offers no safe way to log in that is known here"
        else:
            text = "offers no encryption, without which no password is sent"
        self._why = ConnectionError(f"{self.where} {text}")

    def _note_stream_error(self, error: Any) -> None:
        if error["condition"] == "conflict":
            text = f"another program has logged in as {self.boundjid.full}; set a status to take its place"
            self._why = Refused(text)
        else:
            self._why = ConnectionError(f"{self.where} has ended the session: {error['text'] or error['condition']}")

    # --- where to, and how --------------------------------------------------------------------------

    @property
    def _has_address(self) -> bool:
        """Whether the account says where the server is, so that the DNS is not asked."""
        return bool(self._account.host or self._account.port)

    def _address(self) -> tuple[str, int]:
        return self._account.host or self.boundjid.domain, self._account.port or 5222

    def _choose_encryption(self) -> None:
        """TLS, unless the account says otherwise; a password is never sent readable, whatever it says."""
        wanted = self._account.tls or (STARTTLS if self._has_address else "")
        if wanted:
            self.enable_direct_tls, self.enable_starttls = wanted == DIRECT, wanted == STARTTLS
        if wanted == OFF:
            self.enable_plaintext = True
            self.plugin["feature_mechanisms"].unencrypted_scram = True


def _tls_context(account: Account) -> ssl.SSLContext:
    """What is trusted: the system's certificates, or the account's own. Raises `Refused`."""
    try:
        return ssl.create_default_context(cafile=account.ca or None)
    except OSError as error:
        text = f"{account.ca} holds no certificates that can be used: {error.strerror or error}"
        raise Refused(f"{text}; mend ca in {account.file}, then set a status again") from None
