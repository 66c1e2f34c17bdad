"""What is held on D-Bus while those who hold it come and go; the bus is played."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import pybus
from pybus_services.screensaver.desktop import SCREENSAVER, Desktop
from tests.services.dbus.peer import SIGNAL, Peer, answer, message, refusal, text

NO_OWNER = "org.freedesktop.DBus.Error.NameHasNoOwner"
FIRST_CALL = 6
"""The serial of the first call after Hello, and two times AddMatch and GetNameOwner."""


@pytest.fixture
async def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Peer]:
    played = Peer(tmp_path)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", played.address)
    yield played
    played.close()


@pytest.fixture
async def desktop(peer: Peer) -> AsyncIterator[Desktop]:
    tried = Desktop(lambda: None)
    running = asyncio.create_task(tried.run())
    yield tried
    running.cancel()
    await asyncio.wait([running])


def owner_changed(old: str, new: str) -> bytes:
    """The news that the screensaver's name has another owner."""
    fields: dict[int, tuple[str, str | int]] = {
        1: ("o", "/org/freedesktop/DBus"),
        2: ("s", "org.freedesktop.DBus"),
        3: ("s", "NameOwnerChanged"),
        7: ("s", "org.freedesktop.DBus"),
        8: ("g", "sss"),
    }
    body = b""
    for value in (SCREENSAVER.name, old, new):
        body += bytes(-len(body) % 4) + text(value)
    return message(SIGNAL, 9, fields, body)


def cookie(to: int, number: int) -> bytes:
    return answer(to, "u", struct.pack("<I", number))


async def connect(peer: Peer, owner: str) -> None:
    """Take the desktop in. owner: of the screensaver's name; nobody is the session's manager."""
    await peer.welcome()
    await peer.heard(b"AddMatch\0")
    await peer.send(answer(2))
    await peer.heard(b"GetNameOwner\0")
    await peer.send(answer(3, "s", text(owner)))
    await peer.heard(b"AddMatch\0")
    await peer.send(answer(4))
    await peer.heard(b"GetNameOwner\0")
    await peer.send(refusal(5, NO_OWNER))


async def test_what_was_granted_by_one_who_is_gone_with_the_same_breath_is_not_held(
    peer: Peer, desktop: Desktop
) -> None:
    holding = asyncio.create_task(desktop.hold(1, "alice", "a film"))
    await connect(peer, ":1.3")
    assert b":1.3\0" in await peer.heard(b"a film\0")
    await peer.send(cookie(FIRST_CALL, 7) + owner_changed(":1.3", ":1.4"))
    assert b":1.4\0" in await peer.heard(b"a film\0")
    assert (holding.done(), desktop.keepers) == (False, {})
    await peer.send(cookie(FIRST_CALL + 1, 8))
    await holding
    assert desktop.keepers == {1: SCREENSAVER.name}


async def test_one_who_goes_instead_of_answering_is_followed_by_the_next(peer: Peer, desktop: Desktop) -> None:
    holding = asyncio.create_task(desktop.hold(1, "alice", "a film"))
    await connect(peer, ":1.3")
    await peer.heard(b"a film\0")
    await peer.send(owner_changed(":1.3", ":1.4") + refusal(FIRST_CALL, "org.freedesktop.DBus.Error.NoReply"))
    await peer.heard(b"a film\0")
    await peer.send(cookie(FIRST_CALL + 1, 8))
    await holding
    assert desktop.keepers == {1: SCREENSAVER.name}


async def test_one_who_comes_back_and_refuses_at_first_is_asked_again(
    peer: Peer, desktop: Desktop, caplog: pytest.LogCaptureFixture
) -> None:
    """As one who owns its name before it has its objects."""
    holding = asyncio.create_task(desktop.hold(1, "alice", "a film"))
    await connect(peer, ":1.3")
    await peer.heard(b"a film\0")
    await peer.send(cookie(FIRST_CALL, 7))
    await holding
    await peer.send(owner_changed(":1.3", ":1.4"))
    for serial in (FIRST_CALL + 1, FIRST_CALL + 2):
        await peer.heard(b"a film\0")
        await peer.send(refusal(serial, "org.freedesktop.DBus.Error.UnknownObject"))
    assert b":1.4\0" in await peer.heard(b"a film\0")
    assert desktop.keepers == {}
    await peer.send(cookie(FIRST_CALL + 3, 8))
    desktop.drop(1)
    assert struct.pack("<I", 8) in await peer.heard(b"UnInhibit\0")
    assert [record.message for record in caplog.records] == [
        "the screensaver is not kept off for alice any more: org.freedesktop.ScreenSaver refused: "
    ]


async def test_an_owner_that_was_told_of_before_the_bus_answered_counts(peer: Peer, desktop: Desktop) -> None:
    holding = asyncio.create_task(desktop.hold(1, "alice", "a film"))
    await peer.welcome()
    await peer.heard(b"AddMatch\0")
    await peer.send(answer(2) + owner_changed("", ":1.4"))
    await peer.heard(b"GetNameOwner\0")
    await peer.send(refusal(3, NO_OWNER))
    await peer.heard(b"AddMatch\0")
    await peer.send(answer(4))
    await peer.heard(b"GetNameOwner\0")
    await peer.send(refusal(5, NO_OWNER))
    assert b":1.4\0" in await peer.heard(b"a film\0")
    await peer.send(cookie(FIRST_CALL, 1))
    await holding


async def test_an_answer_that_is_no_cookie(peer: Peer, desktop: Desktop) -> None:
    holding = asyncio.create_task(desktop.hold(1, "alice", "a film"))
    await connect(peer, ":1.3")
    await peer.heard(b"a film\0")
    await peer.send(answer(FIRST_CALL, "s", text("yes")))
    with pytest.raises(pybus.ServiceError) as refused:
        await holding
    assert refused.value.message == "org.freedesktop.ScreenSaver refused: it answered ['yes'] instead of a cookie"
    assert desktop.keepers == {}


async def test_a_wish_that_is_dropped_before_it_is_held_fails(peer: Peer, desktop: Desktop) -> None:
    holding = asyncio.create_task(desktop.hold(1, "alice", "a film"))
    await connect(peer, ":1.3")
    await peer.heard(b"a film\0")
    desktop.drop(1)
    with pytest.raises(pybus.ServiceError, match="the inhibition was given up before it began"):
        await holding
    await peer.send(cookie(FIRST_CALL, 7))
    assert struct.pack("<I", 7) in await peer.heard(b"UnInhibit\0")
    assert desktop.keepers == {}
