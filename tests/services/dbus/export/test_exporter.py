"""How the exporter ends, with a bus of D-Bus that is played: calls that come at the last moment."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest

from pybus_services.dbus.export.exporter import Exporter, NameTaken
from tests.services.dbus.peer import Peer, answer, call, text

PATH = "/org/pybus/Bus"
OWNER, EXISTS, RELEASED = (struct.pack("<I", number) for number in (1, 3, 1))


@pytest.fixture(autouse=True)
def _buses(peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The played bus of D-Bus, and no pybus."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", peer.address)
    monkeypatch.setenv("PYBUS_ADDRESS", f"unix:{tmp_path}/nobody")


async def _welcome(peer: Peer) -> None:
    await peer.welcome()
    await peer.heard(b"RequestName\0")
    await peer.send(answer(2, "u", OWNER))


async def _rest(peer: Peer) -> bytes:
    """All that it says until it hangs up."""
    data = b""
    while piece := await asyncio.get_running_loop().sock_recv(peer.to_client, 2**16):
        data += piece
    return data


async def test_calls_that_came_before_the_name_was_given_up_are_answered(peer: Peer) -> None:
    exporter = Exporter(0.01, lambda: None)
    running = asyncio.ensure_future(exporter.run())
    await _welcome(peer)
    await peer.heard(b"ReleaseName\0")
    exporter.stop()  # as systemd does with every service that gives its name up
    subscribe = call("Subscribe", 78, PATH, signature="s", body=text("demo.#"))
    await peer.send(call("Ping", 77) + subscribe + answer(3, "u", RELEASED))
    rest = await _rest(peer)
    await running
    assert rest.count(b"\5\1u\0" + struct.pack("<I", 77)) == 1  # the field that says what it answers
    assert rest.count(b"\5\1u\0" + struct.pack("<I", 78)) == 1
    assert b"org.pybus.Error.Shutdown\0" in rest


async def test_ended_while_it_asks_for_the_name_it_answers_who_called_it_by_that(peer: Peer) -> None:
    """As when the bus of D-Bus restarts: systemd ends the service that has lost its name, which asks the next bus."""
    exporter = Exporter(0, lambda: None)
    running = asyncio.ensure_future(exporter.run())
    await peer.welcome()
    await peer.heard(b"RequestName\0")
    exporter.stop()
    await peer.send(answer(2, "u", OWNER) + call("Ping", 77))
    said = await peer.heard(b"ReleaseName\0")
    await peer.send(answer(3, "u", RELEASED))
    said += await _rest(peer)
    await running
    assert said.count(b"\5\1u\0" + struct.pack("<I", 77)) == 1


async def test_a_call_keeps_it_from_ending(peer: Peer) -> None:
    running = asyncio.ensure_future(Exporter(0.01, lambda: None).run())
    await _welcome(peer)
    await peer.send(call("Get", 77, PATH, signature="s", body=text("demo.door")))  # it waits for a bus
    error = await peer.heard(b"Error")
    assert b"org.pybus.Error.NoBus\0" in error + await peer.heard(b"ReleaseName\0")
    await peer.send(answer(4, "u", RELEASED))
    assert await _rest(peer) == b""
    await running


async def test_a_name_that_is_taken_is_the_end(peer: Peer) -> None:
    running = asyncio.ensure_future(Exporter(0, lambda: None).run())
    await peer.welcome()
    await peer.heard(b"RequestName\0")
    await peer.send(answer(2, "u", EXISTS))
    with pytest.raises(NameTaken, match="another program has the name org.pybus.Bus on D-Bus"):
        await running
