"""A state of a program that is played: what it says crosses with what it is asked."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pybus_services.dbus.bus import Bus
from pybus_services.dbus.rules.rule import Rule
from pybus_services.dbus.rules.state import State
from pybus_services.templates import parse_topic
from tests.services.dbus.peer import Peer, answer, refusal, signal, text

PLAYER = Rule("player", parse_topic("media.x", str), "a.b", sender="a.player", path="/a", property="Status")
OWNER = ":1.1"


def status(value: str) -> bytes:
    """A variant."""
    return b"\1s\0\0" + text(value)


def changed(value: str | None) -> bytes:
    """PropertiesChanged of /a. value: None if it is not told, but invalidated."""
    entries = b"" if value is None else text("Status") + b"\1s\0\0\0" + text(value)
    names = text("Status") if value is None else b""
    interface = text("a.b")  # which ends at 8, where the entries begin after their length
    body = interface + struct.pack("<I", len(entries)) + bytes(-(len(interface) + 4) % 8) + entries
    body += bytes(-len(body) % 4) + struct.pack("<I", len(names)) + names
    return signal("PropertiesChanged", "sa{sv}as", body, "org.freedesktop.DBus.Properties")


class Scene:
    """A state, asked for the first time by a call with serial 4. told: what it has said until now."""

    def __init__(self, peer: Peer, bus: Bus) -> None:
        self.peer = peer
        self.told: list[object] = []
        self._news = asyncio.Event()
        self._bus = bus
        self.state = State(PLAYER, bus, OWNER, self._tell)

    async def until_told(self, *values: object) -> None:
        """Wait until it has said as much; it has said this."""
        while len(self.told) < len(values):
            self._news.clear()
            await self._news.wait()
        assert self.told == list(values)

    async def settle(self) -> None:
        """All that was sent has been taken."""
        asking = asyncio.ensure_future(self._bus.call("a.b", "/", "a.b", "Barrier"))
        data = await self.peer.heard(b"Barrier\0")
        at = data.rindex(b"l\1")  # where that call begins
        await self.peer.send(answer(struct.unpack_from("<I", data, at + 8)[0]))
        await asking

    def _tell(self, value: object) -> None:
        self.told.append(value)
        self._news.set()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    peer = Peer(tmp_path)
    connecting = asyncio.ensure_future(Bus.connect(peer.address))
    await peer.welcome()
    bus = await connecting
    made = Scene(peer, bus)
    for serial in (2, 3):
        await peer.heard(b"AddMatch\0")
        await peer.send(answer(serial))
    await peer.heard(b"Get\0")
    yield made
    made.state.close()
    bus.close()
    peer.close()


async def test_news_that_come_with_the_answer_are_newer(scene: Scene) -> None:
    await scene.peer.send(answer(4, "v", status("Playing")) + changed("Paused"))
    await scene.state.asked.wait()
    await scene.settle()
    assert scene.told == ["Paused"]


async def test_news_that_come_before_the_answer_are_in_it(scene: Scene) -> None:
    await scene.peer.send(changed("Paused") + answer(4, "v", status("Paused")) + changed("Playing"))
    await scene.state.asked.wait()
    await scene.settle()
    assert scene.told == ["Paused", "Playing"]


async def test_what_is_invalidated_while_it_is_asked_for_is_asked_again(scene: Scene) -> None:
    await scene.peer.send(changed(None) + answer(4, "v", status("Playing")))
    await scene.peer.heard(b"Get\0")
    await scene.peer.send(changed(None) + changed(None) + changed(None) + answer(5, "v", status("Paused")))
    await scene.peer.heard(b"Get\0")  # once for the three of them
    await scene.peer.send(answer(6, "v", status("Stopped")))
    await scene.until_told("Playing", "Paused", "Stopped")
    await scene.settle()


async def test_who_does_not_know_yet_is_asked_again(scene: Scene) -> None:
    await scene.peer.send(refusal(4, "org.freedesktop.DBus.Error.UnknownObject"))
    await scene.until_told(None)
    assert scene.state.asked.is_set()
    await scene.peer.heard(b"Get\0")
    await scene.peer.send(answer(5, "v", status("Playing")))
    await scene.until_told(None, "Playing")


async def test_a_refusal_takes_nothing_back_that_was_told(scene: Scene) -> None:
    await scene.peer.send(changed("Playing") + refusal(4, "org.freedesktop.DBus.Error.UnknownObject"))
    await scene.state.asked.wait()
    await scene.settle()
    assert scene.told == ["Playing"]


async def test_after_its_end_nothing_is_told(scene: Scene) -> None:
    await scene.peer.send(changed("Playing"))
    await scene.until_told("Playing")
    scene.state.close()
    assert b"RemoveMatch\0" in await scene.peer.heard(b"RemoveMatch\0")
    await scene.peer.send(changed("Paused") + answer(4, "v", status("Stopped")))
    await scene.settle()
    assert scene.told == ["Playing"]
    assert scene.state.asked.is_set()
