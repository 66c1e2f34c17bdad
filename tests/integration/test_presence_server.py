"""The XMPP backend and servers that do not behave: each failure has its text, its time, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pybus_services.presence.account import Account, default_resource
from pybus_services.presence.backend import Refused
from pybus_services.presence.presence import Presence
from pybus_services.presence.xmpp import Patience, connect
from tests.daemon import PATIENCE

from .chat_bed import Prosody, needs_chat

pytestmark = needs_chat

SECRET = "alices secret"

DND = Presence("dnd", "focus")


@pytest.fixture(scope="module")
def server() -> Iterator[Prosody]:
    with Prosody() as running:
        running.start()
        yield running


def account(port: int, jid: str = "alice@localhost", tls: str = "off", ca: str = "") -> Account:
    return Account("chat.toml", jid, host="127.0.0.1", port=port, tls=tls, ca=ca, resource=default_resource())


async def failure(account: Account, password: str = SECRET, login: float = PATIENCE) -> str:
    """Why a login fails."""
    with pytest.raises((Refused, ConnectionError)) as failed:
        await connect(account, password, Patience(login=login))
    return f"{type(failed.value).__name__}: {failed.value}"


@asynccontextmanager
async def played(answer: bytes) -> AsyncIterator[int]:
    """A server that says this to whoever has said something, and nothing more until that has gone; its port."""
    talks: list[asyncio.Task[None]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        await reader.read()
        writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.ensure_future(talk(reader, writer)))

    async with await asyncio.start_server(begin, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*talks)


async def test_a_server_that_stops_answering(server: Prosody) -> None:
    session = await connect(account(server.port), SECRET, Patience(answer=0.2, keepalive=0.1, goodbye=0.1))
    await session.tell(DND)
    server.signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(PATIENCE):
            why = await session.ended()
            await session.close()
        text = f"the chat server 127.0.0.1:{server.port} does not answer any more"
        assert (type(why), str(why)) == (ConnectionError, text)
        with pytest.raises(ConnectionError, match=f"^{text}$"):
            await session.tell(DND)
    finally:
        server.signal(signal.SIGCONT)


async def test_the_goodbye_to_a_server_that_does_not_answer_takes_no_longer_than_it_may(server: Prosody) -> None:
    session = await connect(account(server.port), SECRET, Patience(goodbye=0.1))
    await session.tell(DND)
    server.signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(PATIENCE):
            await session.close()
            assert type(await session.ended()) is ConnectionError
    finally:
        server.signal(signal.SIGCONT)


async def test_a_server_that_says_nothing() -> None:
    async with played(b"") as port:
        text = f"ConnectionError: the chat server 127.0.0.1:{port} does not answer"
        for tls in ("off", "starttls", "direct"):
            assert await failure(account(port, tls=tls), login=0.2) == text


async def test_something_that_is_no_chat_server() -> None:
    async with played(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        text = f"ConnectionError: the chat server 127.0.0.1:{port} has closed the connection"
        assert await failure(account(port)) == text


async def test_a_server_of_another_name(server: Prosody) -> None:
    """The certificate is localhost's, whatever the address says."""
    said = await failure(account(server.port, "alice@other.localhost", "starttls", str(server.certificate)))
    start = f"ConnectionError: the certificate of the chat server 127.0.0.1:{server.port} is not trusted: "
    assert said.startswith(start + "Hostname mismatch, certificate is not valid for 'other.localhost'.")


async def test_a_server_that_wants_to_see_the_password(server: Prosody) -> None:
    """It gets it over an encrypted connection only."""
    said = await failure(account(server.port, "alice@open.localhost"))
    start = f"ConnectionError: the chat server 127.0.0.1:{server.port}"
    assert said == f"{start} offers no safe way to log in that is known here"
    server.wait_for("Offering usable mechanisms: PLAIN")
    assert server.logged("<auth", "mechanism='PLAIN'") == []
    session = await connect(account(server.port, "alice@open.localhost", "starttls", str(server.certificate)), SECRET)
    await session.close()
    assert len(server.logged("<auth", "mechanism='PLAIN'")) == 1


async def test_a_host_that_the_server_does_not_know(server: Prosody) -> None:
    said = await failure(account(server.port, "alice@example.org"))
    start = f"ConnectionError: the chat server 127.0.0.1:{server.port} has ended the session: "
    assert said == start + "This server does not serve example.org"


async def test_a_name_that_is_no_address(server: Prosody) -> None:
    said = await failure(account(server.port, "alice@example..org"))
    assert said == "Refused: alice@example..org is no XMPP address; mend chat.toml, then set a status again"


async def test_certificates_that_are_none(server: Prosody, tmp_path: Path) -> None:
    missing = await failure(account(server.port, tls="starttls", ca=f"{tmp_path}/ca.pem"))
    text = "holds no certificates that can be used"
    advice = "mend ca in chat.toml, then set a status again"
    assert missing == f"Refused: {tmp_path}/ca.pem {text}: No such file or directory; {advice}"
    (tmp_path / "ca.pem").write_text("none")
    empty = await failure(account(server.port, tls="starttls", ca=f"{tmp_path}/ca.pem"))
    assert empty.startswith(f"Refused: {tmp_path}/ca.pem {text}: ")


async def test_failures_and_sessions_leave_nothing_behind(server: Prosody) -> None:
    async def once() -> None:
        session = await connect(account(server.port), SECRET)
        await session.tell(DND)
        await session.close()
        await failure(account(server.port), "wrong")
        await failure(account(server.port, tls="starttls"))
        await failure(account(1))
        attempt = asyncio.ensure_future(connect(account(server.port), SECRET))
        await asyncio.sleep(0)
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)

    await once()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        await once()
    await asyncio.sleep(0)  # transports close their sockets in the turn after
    assert len(os.listdir("/proc/self/fd")) <= before
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
