"""What callers get, and what they are refused."""

import pytest

import pybus
from pybus_services.presence.methods import Chat
from pybus_services.presence.presence import Presence

STATE = {"status": "offline"}


async def test_set_takes_what_can_be_told() -> None:
    asked: list[Presence] = []

    async def ask(presence: Presence) -> None:
        asked.append(presence)

    chat = Chat(ask, lambda: dict(STATE))
    await chat.set("dnd", "in a meeting")
    await chat.set("available")
    with pytest.raises(pybus.InvalidArguments) as refused:
        await chat.set("busy")
    assert refused.value.message == "'busy' is no status; there are: available, away, dnd, offline"
    assert asked == [Presence("dnd", "in a meeting"), Presence("available")]
    assert chat.get() == STATE
