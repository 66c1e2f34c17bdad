"""What a connection to D-Bus must survive: each is a fault of dbus-next's own."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from pybus_services.dbus.bus import MOST_WAITING, UNREADABLE, Bus, DBusError, NotSent, Signal
from pybus_services.dbus.stream import CHUNK
from tests.descriptors import descriptors
from tests.integration.private_dbus import PrivateDBus, needs_dbus

from .peer import NAME, Peer, answer, call, signal, text

DBUS = "org.freedesktop.DBus"
DBUS_PATH = "/org/freedesktop/DBus"
PATIENCE = 20.0


@pytest.fixture
async def alice(peer: Peer) -> AsyncIterator[Bus]:
    """Somebody connected to the played bus."""
    bus, _ = await asyncio.gather(Bus.connect(peer.address), peer.welcome())
    yield bus
    bus.close()


async def _hang_up(peer: Peer) -> None:
    await peer.accept()
    await peer.heard(b"\r\n")
    peer.to_client.close()


class Heard:
    """Signals that a watch brought."""

    def __init__(self) -> None:
        self.signals: list[Signal] = []
        self._news = asyncio.Event()

    def __call__(self, signal: Signal) -> None:
        self.signals.append(signal)
        self._news.set()

    async def count(self, number: int) -> list[Signal]:
        """The signals, when there are so many."""
        async with asyncio.timeout(PATIENCE):
            while len(self.signals) < number:
                self._news.clear()
                await self._news.wait()
        return self.signals


async def _watch(alice: Bus, peer: Peer, heard: Callable[[Signal], None]) -> None:
    """Let alice watch everything, which the played bus grants."""
    watching = asyncio.ensure_future(alice.watch(heard))
    await peer.heard(b"type='signal'\0")
    await peer.send(answer(2))
    await watching


# --- getting in -----------------------------------------------------------------------------------


async def test_a_bus_that_hangs_up_during_authentication(peer: Peer) -> None:
    before = descriptors()
    connecting = asyncio.ensure_future(Bus.connect(peer.address))
    await _hang_up(peer)
    with pytest.raises(ConnectionError) as failed:
        await connecting
    assert str(failed.value) == f"{peer.path}: it closed the connection during authentication"
    assert descriptors() <= before


async def test_a_bus_that_says_nothing(peer: Peer) -> None:
    before = descriptors()
    with pytest.raises(TimeoutError) as failed:
        await Bus.connect(peer.address, timeout=0.1)
    assert str(failed.value) == f"{peer.path}: no answer in 0.1 s"
    assert descriptors() <= before


async def test_a_bus_that_refuses_this_user(peer: Peer) -> None:
    connecting = asyncio.ensure_future(Bus.connect(peer.address))
    await peer.accept()
    await peer.heard(b"\r\n")
    await peer.send(b"REJECTED EXTERNAL\r\n")
    with pytest.raises(ConnectionError, match="it refused this user: REJECTED EXTERNAL"):
        await connecting


async def test_a_bus_that_chatters_during_authentication(peer: Peer) -> None:
    connecting = asyncio.ensure_future(Bus.connect(peer.address))
    await peer.accept()
    await peer.send(b"x" * 20_000)
    with pytest.raises(ConnectionError, match="its answer during authentication is too long"):
        await connecting


async def test_giving_up_leaves_nothing_open(peer: Peer) -> None:
    before = descriptors()
    connecting = asyncio.ensure_future(Bus.connect(peer.address))
    await peer.accept()
    await peer.heard(b"\r\n")
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    peer.to_client.close()
    assert descriptors() <= before


async def test_of_several_addresses_the_first_that_answers_is_taken(peer: Peer, tmp_path: Path) -> None:
    address = f"unix:path={tmp_path}/nobody;tcp:host=localhost;{peer.address}"
    bus, _ = await asyncio.gather(Bus.connect(address), peer.welcome())
    assert bus.name == NAME
    bus.close()


async def test_nobody_at_any_of_several_addresses(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError) as failed:
        await Bus.connect(f"unix:path={tmp_path}/a;unix:abstract=no/such/bus")
    assert str(failed.value) == f"{tmp_path}/a: No such file or directory; @no/such/bus: Connection refused"


@needs_dbus
async def test_twenty_connections_leave_nothing_open(tmp_path: Path) -> None:
    with PrivateDBus(tmp_path) as dbus:
        (await Bus.connect(dbus.address)).close()  # the loop's own descriptors are there now
        before = descriptors()
        for _ in range(20):
            bus = await Bus.connect(dbus.address)
            dbus.kill()
            ended = asyncio.Event()
            bus.on_close(lambda reason, ended=ended: ended.set())
            await ended.wait()
            dbus.restart()
        assert descriptors() <= before


# --- the end --------------------------------------------------------------------------------------


async def test_the_end_of_the_bus_ends_calls_and_refuses_later_ones(alice: Bus, peer: Peer) -> None:
    reasons: list[Exception | None] = []
    alice.on_close(reasons.append)
    calling = asyncio.ensure_future(alice.call(DBUS, DBUS_PATH, DBUS, "GetId"))
    await peer.heard(b"GetId\0")
    peer.to_client.close()
    with pytest.raises(ConnectionError, match="the connection ended: the bus closed the connection"):
        await calling
    assert alice.ended
    for _ in range(2):
        with pytest.raises(ConnectionError, match="the connection to the bus has ended"):
            await alice.call(DBUS, DBUS_PATH, DBUS, "GetId")
    alice.on_close(reasons.append)
    assert [str(reason) for reason in reasons] == ["the bus closed the connection"] * 2


async def test_closing_it_oneself_is_no_error(alice: Bus, peer: Peer) -> None:
    reasons: list[Exception | None] = []
    alice.on_close(lambda reason: 1 / 0)
    alice.on_close(reasons.append)
    calling = asyncio.ensure_future(alice.call(DBUS, DBUS_PATH, DBUS, "GetId"))
    await peer.heard(b"GetId\0")
    alice.close()
    alice.close()
    with pytest.raises(ConnectionError, match="closed by this program"):
        await calling
    assert reasons == [None]
    assert await asyncio.get_running_loop().sock_recv(peer.to_client, 1) == b""


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n", bytes(16), b"l\1\0\2" + bytes(12), b"l\1\0\1" + b"\xff" * 12]
)
async def test_what_is_no_message_ends_it(alice: Bus, peer: Peer, data: bytes) -> None:
    ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    alice.on_close(ended.set_result)
    await peer.send(data)
    assert str(await ended) == "the bus sent what is no message"


# --- writing and reading --------------------------------------------------------------------------


async def test_a_full_socket_is_waited_for(alice: Bus, peer: Peer) -> None:
    large = bytes(3_000_000)
    first = asyncio.ensure_future(alice.call("a.b", "/", "a.b", "First", "ay", [large]))
    second = asyncio.ensure_future(alice.call("a.b", "/", "a.b", "Second", "ay", [large]))
    await asyncio.sleep(0)  # both have written what the socket takes, which nobody empties
    data = await peer.heard(b"Second\0")
    while len(data) < 2 * len(large):
        data += await peer.heard(b"")
    await peer.send(answer(2, "s", text("one")) + answer(3, "s", text("two")))
    assert [await first, await second] == [["one"], ["two"]]


async def test_a_flood_leaves_others_their_turns(alice: Bus, peer: Peer) -> None:
    turn = 0
    heard_in: list[int] = []
    all_heard = asyncio.Event()

    async def take_turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    def hear(one: Signal) -> None:
        heard_in.append(turn)
        if len(heard_in) == 300:
            all_heard.set()

    await _watch(alice, peer, hear)
    await peer.send(signal("Flood") * 300)
    bob = asyncio.ensure_future(take_turns())
    await all_heard.wait()
    bob.cancel()
    assert max(Counter(heard_in).values()) <= CHUNK // len(signal("Flood")) + 1


async def test_a_message_in_pieces_and_one_that_is_large(alice: Bus, peer: Peer) -> None:
    heard = Heard()
    await _watch(alice, peer, heard)
    large = "x" * 300_000
    for byte in signal("Small", "s", text("hello")):
        await peer.send(bytes([byte]))
    await peer.send(signal("Large", "s", text(large)))
    assert await heard.count(2) == [
        (":1.1", "/a", "a.b", "Small", "s", ["hello"]),
        (":1.1", "/a", "a.b", "Large", "s", [large]),
    ]


async def test_a_message_that_cannot_be_read_costs_only_itself(
    alice: Bus, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    await _watch(alice, peer, heard)
    odd, cut = signal("Odd", field_77=("s", "unknown")), signal("Cut", "s", text("hello")[:-4])
    await peer.send(odd + cut + call("Open", 0) + signal("Good"))
    assert [one.member for one in await heard.count(2)] == ["Odd", "Good"]
    assert [record.getMessage() for record in caplog.records] == [
        "a message of 94 bytes can't be read: it is cut short",
        "a message of 64 bytes can't be read: it has no serial",
    ]


async def test_descriptors_that_come_are_closed(alice: Bus, peer: Peer) -> None:
    heard = Heard()
    await _watch(alice, peer, heard)
    reading, writing = os.pipe()
    socket.send_fds(peer.to_client, [signal("Take", "hs", bytes(4) + text("this"))], [writing])
    os.close(writing)
    assert [one.body for one in await heard.count(1)] == [[None, "this"]]
    os.set_blocking(reading, False)
    assert os.read(reading, 1) == b""  # nobody has the other end
    os.close(reading)


# --- calls ----------------------------------------------------------------------------------------


async def test_a_call_that_is_not_answered_in_time(alice: Bus, peer: Peer) -> None:
    with pytest.raises(TimeoutError, match="no answer from a.b in 0.05 s"):
        await alice.call("a.b", "/", "a.b", "C", timeout=0.05)
    # The late answer is nobody's, and the next call gets its own.
    calling = asyncio.ensure_future(alice.call("a.b", "/", "a.b", "D"))
    await peer.send(answer(2, "s", text("late")) + answer(3, "s", text("mine")))
    assert await calling == ["mine"]


async def test_a_cancelled_call_drops_its_answer(alice: Bus, peer: Peer) -> None:
    calling = asyncio.ensure_future(alice.call("a.b", "/", "a.b", "Called"))
    await peer.heard(b"Called\0")
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    calling = asyncio.ensure_future(alice.call("a.b", "/", "a.b", "D"))
    await peer.send(answer(2, "s", text("late")) + answer(3))
    assert await calling == []


async def test_an_answer_that_cannot_be_read_is_the_end_of_its_call_only(alice: Bus, peer: Peer) -> None:
    one = asyncio.ensure_future(alice.call("a.b", "/", "a.b", "One"))
    two = asyncio.ensure_future(alice.call("a.b", "/", "a.b", "Two"))
    await peer.heard(b"Two\0")
    await peer.send(answer(2, "s", text("hello")[:-4]) + answer(3))
    with pytest.raises(DBusError) as failed:
        await one
    assert (failed.value.name, failed.value.message) == (UNREADABLE, "the answer can't be read: it is cut short")
    assert await two == []


async def test_a_bus_that_does_not_read_gets_no_more(alice: Bus, peer: Peer) -> None:
    large = bytes(MOST_WAITING // 2)
    calls = [asyncio.ensure_future(alice.call("a.b", "/", "a.b", "Large", "ay", [large])) for _ in range(3)]
    await asyncio.sleep(0)  # all three wait now
    with pytest.raises(NotSent, match="the bus does not read: [0-9]+ bytes wait for it"):
        await alice.call("a.b", "/", "a.b", "Small")
    await _cancel(calls.pop())
    calls.append(asyncio.ensure_future(alice.call("a.b", "/", "a.b", "Last")))
    await asyncio.sleep(0)
    data = await peer.heard(b"Last\0")
    assert data.count(b"Large\0") == 2
    await peer.send(answer(2) + answer(3) + answer(5))
    assert await asyncio.gather(*calls) == [[], [], []]


async def test_a_message_that_is_begun_goes_out_whole(alice: Bus, peer: Peer) -> None:
    begun = asyncio.ensure_future(alice.call("a.b", "/", "a.b", "Begun", "ay", [bytes(2_000_000)]))
    await asyncio.sleep(0)
    await _cancel(begun)
    later = asyncio.ensure_future(alice.call("a.b", "/", "a.b", "Later"))
    assert len(await peer.heard(b"Later\0")) > 2_000_000
    await peer.send(answer(3))
    assert await later == []


async def _cancel(call: asyncio.Future[list[object]]) -> None:
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_calls_leave_nothing_behind(alice: Bus, peer: Peer) -> None:
    def futures() -> int:
        return sum(isinstance(one, asyncio.Future) for one in gc.get_objects())

    before = futures()
    for serial in range(2, 22):
        calling = asyncio.ensure_future(alice.call("a.b", "/", "a.b", "C"))
        await peer.send(answer(serial))
        assert await calling == []
    del calling
    assert futures() < before + 20


def test_no_python_complains_about_it(tmp_path: Path) -> None:
    """The connection and the services of dbus-next use what Python 3.12 and 3.13 deprecate; its messages do not."""
    script = f"""
import asyncio
from pybus_services.dbus.bus import Bus
async def main():
    try:
        await Bus.connect("unix:path={tmp_path}/nobody")
    except ConnectionError as error:
        print(error)
asyncio.run(main())
"""
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr) == (f"{tmp_path}/nobody: No such file or directory\n", "")
