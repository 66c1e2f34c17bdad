"""The line to the server: it is told what is wanted, and comes back after a loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pybus_services.presence.account import Account, NoAccount
from pybus_services.presence.backend import Refused
from pybus_services.presence.line import Line
from pybus_services.presence.pauses import Pauses
from pybus_services.presence.presence import Presence
from tests.daemon import PATIENCE

from .network import Network

AVAILABLE, AWAY, DND, OFFLINE = (Presence(status) for status in ("available", "away", "dnd", "offline"))


class Desk:
    """Alice's side: the line, her account, and what she saw of the line at each change: (told, error)."""

    def __init__(self) -> None:
        self.network = Network()
        self.password = "secret"
        self.problem = ""
        self.seen: list[tuple[Presence, str]] = []
        self.line = Line(self.network.connect, self._load, self._note, Pauses(lambda: 0.0))
        self.running = asyncio.ensure_future(self.line.run())

    def _load(self) -> Account:
        if self.problem:
            raise NoAccount(self.problem)
        return Account(file="chat.toml", jid="alice@example.org", password=self.password)

    def _note(self) -> None:
        now = self.line.told, self.line.error
        if self.seen[-1:] != [now]:
            self.seen.append(now)

    async def want(self, presence: Presence) -> tuple[Presence, str]:
        """What is told once this has been seen to, and the error."""
        async with asyncio.timeout(PATIENCE):
            await self.line.settled(self.line.want(presence))
        assert self.line.is_told == (not self.line.error)
        return self.line.told, self.line.error

    async def end(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


@pytest.fixture
async def alice() -> AsyncIterator[Desk]:
    desk = Desk()
    yield desk
    await desk.end()


async def test_nobody_logs_in_who_has_not_asked_for_it(alice: Desk) -> None:
    assert await alice.want(OFFLINE) == (OFFLINE, "")
    assert alice.network.attempts == []
    alice.problem = "there is none"
    await alice.line.settled(alice.line.want(OFFLINE))
    assert (alice.line.told, alice.line.error, alice.line.account) == (OFFLINE, "there is none", None)
    assert alice.line.is_told


async def test_one_login_for_all_that_she_sets(alice: Desk) -> None:
    coffee = Presence("away", "coffee")
    for presence in (AVAILABLE, coffee, DND):
        assert await alice.want(presence) == (presence, "")
    assert await alice.want(DND) == (DND, "")
    [session] = alice.network.sessions
    assert (session.told, session.closed) == ([AVAILABLE, coffee, DND], None)
    assert await alice.want(Presence("offline", "on holiday")) == (OFFLINE, "")
    assert session.closed == "on holiday"
    assert await alice.want(AWAY) == (AWAY, "")
    assert [one.told for one in alice.network.sessions] == [[AVAILABLE, coffee, DND], [AWAY]]


async def test_the_last_of_many_counts(alice: Desk) -> None:
    await alice.want(AVAILABLE)
    for _ in range(1000):
        alice.line.want(AWAY)
        alice.line.want(DND)
    assert await alice.want(Presence("away", "coffee")) == (Presence("away", "coffee"), "")
    assert alice.network.sessions[0].told == [AVAILABLE, Presence("away", "coffee")]


async def test_offline_is_wanted_before_the_server_has_let_her_in(alice: Desk) -> None:
    alice.network.hang()
    first = alice.line.want(AVAILABLE)
    await alice.network.wait(lambda: alice.network.attempts == ["secret"])
    assert await alice.want(OFFLINE) == (OFFLINE, "")
    await alice.line.settled(first)
    assert alice.network.sessions == []


async def test_a_server_that_is_away_is_tried_again(alice: Desk) -> None:
    alice.network.refuse(lambda: ConnectionError("it is away"))
    assert await alice.want(DND) == (OFFLINE, "it is away; it is tried again")
    alice.network.refuse(None)
    await alice.network.wait(lambda: len(alice.network.sessions) == 1)
    await alice.want(DND)
    assert alice.network.attempts == ["secret", "secret"]
    assert alice.seen == [(OFFLINE, ""), (OFFLINE, "it is away; it is tried again"), (DND, "")]


async def test_a_session_that_ends_is_replaced(alice: Desk) -> None:
    await alice.want(DND)
    alice.network.sessions[0].end(ConnectionError("it has gone"))
    await alice.network.wait(lambda: len(alice.network.sessions) == 2)
    await alice.want(DND)
    assert alice.seen[1:] == [(DND, ""), (OFFLINE, ""), (OFFLINE, "it has gone; it is tried again"), (DND, "")]
    assert [session.told for session in alice.network.sessions] == [[DND], [DND]]
    assert alice.network.sessions[0].closed == ""


async def test_a_session_that_ends_while_it_is_told(alice: Desk) -> None:
    await alice.want(AVAILABLE)
    [session] = alice.network.sessions
    session.hang()
    asked = alice.line.want(DND)
    await alice.network.wait(lambda: session.told == [AVAILABLE, DND])
    session.end(ConnectionError("it has gone"))
    session.go_on()
    await alice.line.settled(asked)
    assert (alice.line.told, alice.line.error) == (OFFLINE, "it has gone; it is tried again")
    await alice.network.wait(lambda: len(alice.network.sessions) == 2)


async def test_what_is_refused_is_not_tried_again_until_the_account_is_another(alice: Desk) -> None:
    alice.network.refuse(lambda: Refused("the password is wrong"))
    assert await alice.want(DND) == (OFFLINE, "the password is wrong")
    assert await alice.want(AWAY) == (OFFLINE, "the password is wrong")
    assert alice.network.attempts == ["secret"]
    alice.network.refuse(None)
    alice.password = "right"
    assert await alice.want(AWAY) == (AWAY, "")
    assert alice.network.attempts == ["secret", "right"]


async def test_a_session_that_the_server_gives_to_another(alice: Desk) -> None:
    await alice.want(DND)
    alice.network.sessions[0].end(Refused("somebody else has logged in"))
    assert await alice.want(AWAY) == (AWAY, "")
    assert (OFFLINE, "somebody else has logged in") in alice.seen


async def test_without_an_account(alice: Desk) -> None:
    alice.problem = "there is none"
    assert await alice.want(DND) == (OFFLINE, "there is none")
    alice.problem = ""
    assert await alice.want(DND) == (DND, "")


async def test_it_says_goodbye_when_it_is_ended(alice: Desk) -> None:
    await alice.want(DND)
    await alice.end()
    [session] = alice.network.sessions
    assert (session.closed, alice.line.told) == ("", OFFLINE)
