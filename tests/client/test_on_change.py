"""Kept values that are published on change: passed on only when they differ."""

from __future__ import annotations

import asyncio
import socket
from time import monotonic

import pytest

import pybus
from pybus.protocol.codec import pack
from pybus.protocol.frames import ON_CHANGE, RAW, RETAIN, SIGNAL, frame
from tests.daemon import PATIENCE, BusDaemon
from tests.raw import RawPeer

AC = "hal.power.ac"


def heard(signals: pybus.Subscription) -> list[tuple[object, bool]]:
    """The values that came up to now, and which of them were kept ones."""
    signals._bus.flush()
    return [(one.body, one.retained) for one in iter(lambda: signals.receive(0), None)]


def run_until_back(bus: pybus.Bus) -> None:
    """Let a program notice that its connection was lost, and come back."""
    back: list[bool] = []
    bus.on_reconnect(lambda: back.append(True))
    until = monotonic() + PATIENCE
    while not back:
        assert monotonic() < until
        bus.run(0.01)


# --- blocking -------------------------------------------------------------------------------------


def test_only_values_that_differ_are_passed_on(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice, pybus.connect(daemon.address) as bob:
        signals = bob.subscribe(AC)
        values = ["plugged", "plugged", "unplugged", "unplugged", "plugged"]
        reached = [alice.publish(AC, one, retain=True, on_change=True, confirm=True) for one in values]
        assert reached == [1, 0, 1, 0, 1]
        assert heard(signals) == [("plugged", False), ("unplugged", False), ("plugged", False)]
        assert heard(bob.subscribe("hal.#")) == [("plugged", True)]


def test_without_confirmation_nothing_else_is_different(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice, pybus.connect(daemon.address) as bob:
        signals = bob.subscribe(AC)
        for value in (1, 1, 2, 2, 2, 1):
            assert alice.publish(AC, value, retain=True, on_change=True) is None
        alice.flush()
        assert heard(signals) == [(1, False), (2, False), (1, False)]


@pytest.mark.parametrize(
    ("first", "second", "passed"),
    [
        (b"\x01", b"\x01", 0),
        (b"\x01", 1, 1),  # the same byte, raw and as msgpack
        (1, b"\x01", 1),
        (1, 1.0, 1),
        (None, None, 0),
        (None, "", 1),
        ({"volume": 1, "mute": False}, {"volume": 1, "mute": False}, 0),
        ({"volume": 1, "mute": False}, {"volume": 1, "mute": True}, 1),
        ("x" * 60_000, "x" * 60_000, 0),
    ],
)
def test_values_are_the_same_if_all_their_bytes_are(
    daemon: BusDaemon, first: object, second: object, passed: int
) -> None:
    with pybus.connect(daemon.address) as alice:
        signals = alice.subscribe(AC)
        assert alice.publish(AC, first, retain=True, on_change=True, confirm=True) == 1
        assert alice.publish(AC, second, retain=True, on_change=True, confirm=True) == passed
        assert heard(signals) == [(first, False), (second, False)][: 1 + passed]
        assert alice.get(AC) == second


def test_it_is_compared_with_what_the_bus_keeps_whoever_published_it(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice, pybus.connect(daemon.address) as bob:
        signals = bob.subscribe(AC)
        alice.publish(AC, "plugged", retain=True, on_change=True, confirm=True)
        assert bob.publish(AC, "plugged", retain=True, on_change=True, confirm=True) == 0
        assert bob.publish(AC, "plugged", retain=True, confirm=True) == 1
        assert bob.publish(AC, "unplugged", confirm=True) == 1  # is news, but is not kept
        assert bob.publish(AC, "plugged", retain=True, on_change=True, confirm=True) == 0
        assert heard(signals) == [("plugged", False), ("plugged", False), ("unplugged", False)]


def test_after_clear_the_same_value_is_news(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice, pybus.connect(daemon.address) as bob:
        signals = bob.subscribe(AC)
        for _ in range(2):
            assert alice.publish(AC, "plugged", retain=True, on_change=True, confirm=True) == 1
            assert alice.publish(AC, "plugged", retain=True, on_change=True, confirm=True) == 0
            alice.clear(AC)
        alice.flush()
        assert heard(signals) == [("plugged", False), (None, False)] * 2


def test_a_refused_value_is_none_to_compare_with(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice:
        signals = alice.subscribe(AC)
        large = bytes(65 * 1024)
        for _ in range(2):
            with pytest.raises(pybus.LimitExceeded, match="at most 65536 are retained"):
                alice.publish(AC, large, retain=True, on_change=True, confirm=True)
        assert alice.publish(AC, "plugged", retain=True, on_change=True, confirm=True) == 1
        assert heard(signals) == [("plugged", False)]


def test_what_it_says_on_the_wire_reaches_subscribers_as_it_is(daemon: BusDaemon) -> None:
    with RawPeer(daemon.path) as alice, RawPeer(daemon.path) as bob:
        bob.ask("subscribe", [AC])
        data = frame(SIGNAL, RETAIN | ON_CHANGE, alice.number, 0, 0, AC.encode(), pack("plugged"))
        raw = frame(SIGNAL, RETAIN | ON_CHANGE | RAW, alice.number, 0, 0, AC.encode(), pack("plugged"))
        alice.sock.sendall(data * 3 + raw * 3 + data)
        assert [bob.read()[6] for _ in range(3)] == [data, raw, data]
        assert bob.ask("get", AC) is not None


def test_it_needs_a_kept_value(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice:
        signals = alice.subscribe("#")
        with pytest.raises(pybus.UsageError, match="so it needs retain=True"):
            alice.publish(AC, "plugged", on_change=True)
        alice.publish(AC, "unplugged")
        assert heard(signals) == [("unplugged", False)]


def test_a_bus_that_starts_anew_gets_the_value_again(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice, pybus.connect(daemon.address) as bob:
        signals = bob.subscribe(AC)
        for value in ("unplugged", "plugged", "plugged"):
            alice.publish(AC, value, retain=True, on_change=True)
        alice.flush()
        assert heard(signals) == [("unplugged", False), ("plugged", False)]
        daemon.stop()
        daemon.restart()
        run_until_back(alice)
        assert alice.publish(AC, "plugged", retain=True, on_change=True, confirm=True) == 0
        again = signals.receive(PATIENCE)
        assert again is not None
        assert again.body == "plugged"
        assert heard(signals) == []
        assert bob.get(AC) == "plugged"


def test_of_two_who_give_a_new_bus_the_same_value_one_is_passed_on(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice, pybus.connect(daemon.address) as bob:
        for one in (alice, bob):
            one.publish(AC, "plugged", retain=True, on_change=True, confirm=True)
        signals = bob.subscribe(AC, retained=False)
        daemon.stop()
        daemon.restart()
        run_until_back(bob)
        run_until_back(alice)
        alice.flush()
        assert heard(signals) == [("plugged", False)]


def test_a_connection_that_was_replaced_compares_as_before(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice, pybus.connect(daemon.address) as bob:
        signals = bob.subscribe(AC)
        alice.publish(AC, "plugged", retain=True, on_change=True, confirm=True)
        assert alice._sock is not None
        alice._sock.shutdown(socket.SHUT_RDWR)
        run_until_back(alice)
        assert alice.publish(AC, "plugged", retain=True, on_change=True, confirm=True) == 0
        assert heard(signals) == [("plugged", False)]


def test_a_plain_signal_that_waits_for_the_new_bus_does_not_stand_for_the_kept_value(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice:
        alice.publish(AC, "plugged", retain=True, on_change=True, confirm=True)
        daemon.kill()
        daemon.restart()
        alice.publish(AC, "event")  # the loss is noticed with it
        run_until_back(alice)
        assert alice.get(AC) == "plugged"


# --- asyncio --------------------------------------------------------------------------------------


async def test_asyncio_passes_on_what_differs(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    signals = await bob.subscribe(AC)
    reached = [await alice.publish(AC, one, retain=True, on_change=True, confirm=True) for one in ("a", "a", "b", "b")]
    assert reached == [1, 0, 1, 0]
    for value in ("b", "c", "c"):
        assert await alice.publish(AC, value, retain=True, on_change=True) is None
    await alice.publish(AC, "end")
    assert [(await anext(signals)).body for _ in range(4)] == ["a", "b", "c", "end"]


async def test_asyncio_needs_a_kept_value_too(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    signals = await bob.subscribe("#")
    with pytest.raises(pybus.UsageError, match="so it needs retain=True"):
        await alice.publish(AC, "plugged", on_change=True)
    await alice.publish(AC, "unplugged")
    assert (await anext(signals)).body == "unplugged"


async def test_asyncio_gives_a_new_bus_the_value_again(
    alice: pybus.aio.Bus, bob: pybus.aio.Bus, daemon: BusDaemon
) -> None:
    lost, back = asyncio.Event(), asyncio.Event()
    alice.on_disconnect(lambda _: lost.set())
    alice.on_reconnect(back.set)
    await alice.publish(AC, "plugged", retain=True, on_change=True, confirm=True)
    signals = await bob.subscribe(AC)
    assert (await anext(signals)).body == "plugged"
    daemon.kill()
    await asyncio.wait_for(lost.wait(), PATIENCE)
    daemon.restart()
    await asyncio.wait_for(back.wait(), PATIENCE)
    assert await alice.publish(AC, "plugged", retain=True, on_change=True, confirm=True) == 0
    assert (await anext(signals)).body == "plugged"
    await alice.publish(AC, "unplugged", retain=True, on_change=True, confirm=True)
    assert (await anext(signals)).body == "unplugged"
