"""What is remembered over a connection, with a bus that is played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pybus_services.dbus.bus import DBusError
from pybus_services.dbus.link import Link

from .peer import Peer, answer, refusal, text

PLAY = ("org.example.Player", "/player", "org.example.Player", "Play")


def _description(signature: str) -> bytes:
    arg = f'<arg type="{signature}"/>'
    return text(f'<node><interface name="org.example.Player"><method name="Play">{arg}</method></interface></node>')


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[Peer]:
    played = Peer(tmp_path)
    yield played
    played.close()


async def test_a_signature_is_asked_for_once_and_again_when_a_call_was_refused(peer: Peer) -> None:
    link = Link(peer.address)

    async def play(what: object, *steps: tuple[bytes, bytes]) -> object:
        """Play it, while the bus hears and answers these."""
        playing = asyncio.ensure_future(link.call(*PLAY, [what], ""))
        if what == "first":
            await peer.welcome()
        for heard, answered in steps:
            await peer.heard(heard)
            await peer.send(answered)
        return await playing

    described = (b"Introspect\0", answer(2, "s", _description("s")))
    assert await play("first", described, (b"Play\0", answer(3))) == []
    assert await play("second", (b"second\0", answer(4))) == []
    with pytest.raises(DBusError, match="org.example.Error.Odd"):
        await play("third", (b"third\0", refusal(5, "org.example.Error.Odd")))
    described = (b"Introspect\0", answer(6, "s", _description("u")))
    assert await play(4, described, (b"Play\0", answer(7))) == []
    with pytest.raises(ValueError, match="argument 1 must be an unsigned"):
        await play("fifth")
    described = (b"Introspect\0", answer(8, "s", _description("s")))
    assert await play("sixth", described, (b"sixth\0", answer(9))) == []
    link.close()


async def test_without_arguments_there_is_nothing_to_ask(peer: Peer) -> None:
    link = Link(peer.address)
    playing = asyncio.ensure_future(link.call(*PLAY, [], ""))
    await peer.welcome()
    await peer.heard(b"Play\0")
    await peer.send(answer(2))
    assert await playing == []
    link.close()
