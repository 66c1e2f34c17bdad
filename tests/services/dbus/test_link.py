"""What is remembered over a connection, with a bus that is played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

import pybus
from pybus_services.dbus.bus import DBusError
from pybus_services.dbus.link import Link

from .peer import Peer, answer, refusal, text

PATIENCE = 20.0
PLAY = ("org.example.Player", "/player", "org.example.Player", "Play")


def _description(signature: str) -> bytes:
    return _description_with(f'<arg type="{signature}"/>')


def _description_with(arg: str) -> bytes:
    return text(f'<node><interface name="org.example.Player"><method name="Play">{arg}</method></interface></node>')


class Scene:
    """A link to a played bus, already connected. Serials count from 2, as Hello had 1."""

    def __init__(self, peer: Peer, link: Link) -> None:
        self._peer = peer
        self._link = link

    async def play(self, what: object, *steps: tuple[bytes, bytes], signature: str = "") -> object:
        """Play it, while the bus hears and answers these."""
        playing = asyncio.ensure_future(self._link.call(PLAY, [what], signature, PATIENCE))
        for heard, answered in steps:
            await self._peer.heard(heard)
            await self._peer.send(answered)
        return await playing


@pytest.fixture
async def scene(peer: Peer) -> AsyncIterator[Scene]:
    link = Link(peer.address)
    stopping = asyncio.ensure_future(link.call((*PLAY[:3], "Stop"), [], "", PATIENCE))
    await peer.welcome()
    await peer.heard(b"Stop\0")  # without arguments there is nothing to ask
    await peer.send(answer(2))
    assert await stopping == []
    yield Scene(peer, link)
    link.close()


# --- signatures -----------------------------------------------------------------------------------


async def test_a_signature_is_asked_for_once_and_again_when_a_call_was_refused(scene: Scene) -> None:
    described = (b"Introspect\0", answer(3, "s", _description("s")))
    assert await scene.play("first", described, (b"Play\0", answer(4))) == []
    assert await scene.play("second", (b"second\0", answer(5))) == []
    with pytest.raises(DBusError, match="org.example.Error.Odd"):
        await scene.play("third", (b"third\0", refusal(6, "org.example.Error.Odd")))
    described = (b"Introspect\0", answer(7, "s", _description("u")))
    assert await scene.play(4, described, (b"Play\0", answer(8))) == []


async def test_arguments_that_do_not_fit_what_is_remembered_are_tried_on_what_the_object_says_now(scene: Scene) -> None:
    described = (b"Introspect\0", answer(3, "s", _description("s")))
    assert await scene.play("first", described, (b"Play\0", answer(4))) == []
    described = (b"Introspect\0", answer(5, "s", _description("u")))
    assert await scene.play(2, described, (b"Play\0", answer(6))) == []
    described = (b"Introspect\0", answer(7, "s", _description("u")))
    with pytest.raises(ValueError, match="argument 1 must be an unsigned"):
        await scene.play("third", described)


async def test_a_new_owner_who_refuses_the_remembered_signature_is_asked_for_its_own(scene: Scene) -> None:
    described = (b"Introspect\0", answer(3, "s", _description("u")))
    assert await scene.play(1, described, (b"Play\0", answer(4))) == []
    refused = (b"Play\0", refusal(5, "org.freedesktop.DBus.Error.InvalidArgs"))
    described = (b"Introspect\0", answer(6, "s", _description("x")))
    assert await scene.play(2, refused, described, (b"Play\0", answer(7))) == []
    refused = (b"Play\0", refusal(8, "org.freedesktop.DBus.Error.InvalidArgs"))
    described = (b"Introspect\0", answer(9, "s", _description("x")))
    with pytest.raises(DBusError, match="InvalidArgs"):
        await scene.play(3, refused, described)


@pytest.mark.parametrize(
    ("arg", "fault"),
    [
        ("<arg/>", "argument 1 has no type"),
        ('<arg type="("/>', 'missing closing ")" for struct'),
        ('<arg type="{ss}"/>', "a dict entry {..} can only be in an array: a{..}"),
    ],
)
async def test_an_object_that_describes_itself_wrongly(scene: Scene, arg: str, fault: str) -> None:
    with pytest.raises(pybus.ServiceError) as failed:
        await scene.play("first", (b"Introspect\0", answer(3, "s", _description_with(arg))))
    assert (failed.value.name, failed.value.message) == (
        "org.pybus.DBus.Error.Misdescribed",
        f"org.example.Player describes org.example.Player.Play of /player wrongly: {fault};"
        " to call it all the same, give its signature",
    )
    assert await scene.play("second", (b"second\0", answer(4)), signature="s") == []


# --- connecting -----------------------------------------------------------------------------------


async def _no_bus(link: Link, timeout: float) -> tuple[str, str]:
    with pytest.raises(pybus.ServiceError) as failed:
        await link.call(PLAY, [], "", timeout)
    return failed.value.name, failed.value.message


async def test_who_gives_up_does_not_end_the_connecting_for_the_others(peer: Peer) -> None:
    link = Link(peer.address)
    text = f"the {peer.address} bus of D-Bus can't be reached: no answer in 0.05 s"
    patient = asyncio.ensure_future(link.call(PLAY, [], "", PATIENCE))
    assert await _no_bus(link, 0.05) == ("org.pybus.DBus.Error.NoBus", text)
    cancelled = asyncio.ensure_future(link.call(PLAY, [], "", PATIENCE))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await peer.welcome()
    await peer.heard(b"Play\0")
    await peer.send(answer(2))
    assert await patient == []
    link.close()


async def test_a_failed_connecting_is_everybodys_and_the_next_one_is_anew(peer: Peer) -> None:
    link = Link(peer.address)
    waiting = [asyncio.ensure_future(_no_bus(link, PATIENCE)) for _ in range(2)]
    await peer.accept()
    peer.to_client.close()
    [first, second] = await asyncio.gather(*waiting)
    assert first == second
    assert first[0] == "org.pybus.DBus.Error.NoBus"
    playing = asyncio.ensure_future(link.call(PLAY, [], "", PATIENCE))
    await peer.welcome()
    await peer.heard(b"Play\0")
    await peer.send(answer(2))
    assert await playing == []
    link.close()
