"""What waits for a peer: how much is on the way to it, what is dropped, and whose turn it is."""

from __future__ import annotations

import asyncio
from collections import Counter

from pybus_services.dbus.export.outgoing import (
    LEAST,
    MOST_WAITING,
    OVERHEAD,
    PING_EVERY,
    ROUNDS,
    TURN,
    WINDOW,
    Outgoing,
    Pump,
)

PIECE = PING_EVERY // 4
SLICE = TURN // LEAST


class Bob:
    """A peer who reads when he is told to. sent: the messages that went out to him. asked: pings that wait."""

    def __init__(self, pump: Pump) -> None:
        self.sent: list[int] = []
        self.asked: list[asyncio.Future[bool]] = []
        self.rooms = 0
        self.outgoing = Outgoing(self._send, self._ping, pump.ready, self._note_room)
        self._news = asyncio.Event()

    def put(self, number: int, size: int = PIECE) -> None:
        self.outgoing.put(size, (number, size))

    async def has_been_sent(self, count: int) -> None:
        while len(self.sent) < count:
            self._news.clear()
            await self._news.wait()

    def answer(self) -> None:
        """Say that he has read what was sent before the last ping."""
        self.asked.pop(0).set_result(True)

    def _send(self, message: tuple[int, int]) -> int:
        number, size = message
        self.sent.append(number)
        self._news.set()
        return size

    async def _ping(self) -> bool:
        self.asked.append(asyncio.get_running_loop().create_future())
        return await self.asked[-1]

    def _note_room(self) -> None:
        self.rooms += 1


async def _settle() -> None:
    """Let everything happen that can happen now."""
    for _ in range(300):
        await asyncio.sleep(0)


async def test_not_more_is_on_the_way_than_the_window() -> None:
    bob = Bob(Pump())
    for number in range(40):
        bob.put(number)
    await _settle()
    assert bob.sent == list(range(WINDOW // PIECE))
    assert len(bob.asked) == 1
    bob.answer()  # the ping went out behind the first ones
    await _settle()
    assert bob.sent == list(range((WINDOW + PING_EVERY) // PIECE))
    while len(bob.sent) < 40:
        bob.answer()
        await _settle()
    assert bob.sent == list(range(40))
    bob.outgoing.close()


async def test_one_message_may_be_larger_than_the_window() -> None:
    bob = Bob(Pump())
    bob.put(1, WINDOW * 3)
    bob.put(2)
    await _settle()
    assert bob.sent == [1]
    bob.answer()
    await bob.has_been_sent(2)
    bob.outgoing.close()


async def test_who_has_gone_is_asked_no_more() -> None:
    bob = Bob(Pump())
    for number in range(40):
        bob.put(number)
    await _settle()
    bob.asked.pop().set_result(False)
    await _settle()
    assert (len(bob.sent), bob.asked) == (WINDOW // PIECE, [])
    bob.outgoing.close()


async def test_it_is_full_until_half_of_it_is_free_again() -> None:
    bob = Bob(Pump())
    bob.put(0, WINDOW)
    await _settle()
    count = MOST_WAITING // (WINDOW + OVERHEAD) + 1
    for number in range(1, count):
        bob.put(number, WINDOW)
        assert not bob.outgoing.full
    bob.put(count, WINDOW)
    assert bob.outgoing.full
    while bob.outgoing.full:
        assert bob.rooms == 0
        bob.answer()
        await _settle()
    assert bob.rooms == 1
    assert len(bob.sent) - 1 == count - MOST_WAITING // 2 // (WINDOW + OVERHEAD)
    bob.outgoing.close()


async def test_peers_and_everything_else_take_turns() -> None:
    turn = 0
    sent_in: Counter[int] = Counter()

    class Counted(Bob):
        def _send(self, message: tuple[int, int]) -> int:
            sent_in[turn] += 1
            return super()._send(message)

    pump = Pump()
    bob, carol = Counted(pump), Counted(pump)
    for number in range(10 * SLICE):
        bob.put(number, 1)
    for number in range(SLICE):
        carol.put(number, 1)

    async def take_turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    others = asyncio.ensure_future(take_turns())
    await carol.has_been_sent(SLICE)
    assert len(bob.sent) <= 2 * SLICE
    await bob.has_been_sent(10 * SLICE)
    others.cancel()
    assert max(sent_in.values()) <= SLICE
    for one in (bob, carol):
        assert one.sent == sorted(one.sent)


async def test_large_messages_have_a_turn_each() -> None:
    pump = Pump()
    bob, carol = Bob(pump), Bob(pump)
    for number in range(3):
        bob.put(number, TURN)
        carol.put(number, TURN)
    for done in range(1, 7):
        await asyncio.sleep(0)  # the turn, which ends with the message
        assert len(bob.sent) + len(carol.sent) == done
        for _ in range(ROUNDS - 1):
            await asyncio.sleep(0)  # everything else has these
    assert bob.sent == carol.sent == [0, 1, 2]
    for one in (bob, carol):
        one.outgoing.close()


async def test_what_waits_for_one_who_left_is_dropped() -> None:
    pump = Pump()
    bob = Bob(pump)
    bob.put(1)
    bob.outgoing.close()
    bob.put(2)
    await _settle()
    assert bob.sent == []
    pump.close()
