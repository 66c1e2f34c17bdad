"""What callers are told of a D-Bus bus that misbehaves; it is played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest

import pybus
from pybus_services.dbus.bus import MOST_WAITING
from pybus_services.dbus.link import Link
from pybus_services.dbus.service import Service

from .peer import Peer, answer, text

PLAY = ("org.example.Player", "/player", "org.example.Player.Play")


@pytest.fixture
async def service(peer: Peer) -> AsyncIterator[Service]:
    link = Link(peer.address)
    yield Service({"session": link})
    link.close()


async def refusal(call: Awaitable[Any]) -> tuple[str, str]:
    with pytest.raises(pybus.CallError) as refused:
        await call
    return refused.value.name, refused.value.message


async def test_a_bus_that_lets_nobody_in_did_nothing(peer: Peer, service: Service) -> None:
    assert await refusal(service.call(*PLAY, timeout=0.05)) == (
        "org.pybus.DBus.Error.NoBus",
        f"the {peer.address} bus of D-Bus can't be reached: no answer in 0.05 s",
    )


async def test_a_bus_that_does_not_read_did_nothing(peer: Peer, service: Service) -> None:
    large = bytes(MOST_WAITING // 2)
    calls = [asyncio.ensure_future(service.call(*PLAY, [large], "ay")) for _ in range(3)]
    await peer.welcome()
    await peer.heard(b"Play\0")  # by then all have been written, as far as the socket took them
    name, message = await refusal(service.get(*PLAY))
    assert name == "org.pybus.DBus.Error.NoBus"
    assert message.startswith("the session bus of D-Bus: the bus does not read: ")
    assert message.endswith(" bytes wait for it; nothing has happened")
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def test_an_answer_that_cannot_be_read(peer: Peer, service: Service) -> None:
    calling = asyncio.ensure_future(refusal(service.call(*PLAY)))
    await peer.welcome()
    await peer.heard(b"Play\0")
    await peer.send(answer(2, "s", text("la")[:-2]))
    assert await calling == ("org.pybus.DBus.Error.Unreadable", "the answer can't be read: it is cut short")


async def test_no_answer(peer: Peer, service: Service) -> None:
    calling = asyncio.ensure_future(refusal(service.call(*PLAY, timeout=0.2)))
    await peer.welcome()
    assert await calling == ("org.freedesktop.DBus.Error.NoReply", "no answer in 0.2 s")
