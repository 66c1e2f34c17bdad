"""Ephemeral values of real processes: however their publisher ends, they are forgotten, and that is told."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pybus
from tests.client.test_on_change import run_until_back
from tests.daemon import PATIENCE, BusDaemon

from .hal_scene import Relay

AC = "hal.power.ac"

_PUBLISHER = """\
import os, signal, sys, pybus
bus = pybus.connect(program="publisher")
bus.set_will("hal.will", "gone")
bus.publish("hal.power.ac", "plugged", ephemeral=True, confirm=True)
bus.publish("hal.lasting", 1, retain=True, confirm=True)
sys.stdin.readline()
exec(sys.argv[1])
"""

ENDS = {
    "says goodbye": ("bus.close()", []),
    "exits": ("os._exit(0)", [("hal.will", "gone", False)]),
    "is killed": ("os.kill(os.getpid(), signal.SIGKILL)", [("hal.will", "gone", False)]),
    "closes its socket": ("bus._sock.close(); signal.pause()", [("hal.will", "gone", False)]),
    "breaks the protocol": ("bus._sock.send(bytes(99)); signal.pause()", [("hal.will", "gone", False)]),
}
"""What the publisher does, and what is heard of it before its value is forgotten."""


def told(signals: pybus.Subscription) -> tuple[str, object, bool]:
    """The next signal: topic, body, whether it was cleared."""
    heard = signals.receive(PATIENCE)
    assert heard is not None
    return heard.topic, heard.body, heard.cleared


@pytest.mark.parametrize("end", ENDS)
def test_whatever_way_its_publisher_ends(daemon: BusDaemon, end: str) -> None:
    what, before = ENDS[end]
    with pybus.connect(daemon.address) as bob:
        signals = bob.subscribe("hal.#")
        publisher = subprocess.Popen(
            [sys.executable, "-c", _PUBLISHER, what], env=daemon.environ, stdin=subprocess.PIPE, text=True
        )
        try:
            assert [told(signals), told(signals)] == [(AC, "plugged", False), ("hal.lasting", 1, False)]
            assert publisher.stdin is not None
            publisher.stdin.write("\n")
            publisher.stdin.flush()
            assert [told(signals) for _ in range(len(before) + 1)] == [*before, (AC, None, True)]
            assert [one["topic"] for one in bob.call("org.pybus.Bus", "topics")] == ["hal.lasting"]
        finally:
            publisher.kill()
            publisher.communicate()


async def test_a_publisher_that_lost_its_connection_says_it_again(daemon: BusDaemon, tmp_path: Path) -> None:
    relay = Relay(daemon.path)
    async with await relay.open(tmp_path / "bus"), pybus.aio.connect(daemon.address) as bob:
        signals = await bob.subscribe("hal.#")
        async with pybus.aio.connect(f"unix:{tmp_path}/bus") as alice:
            back = asyncio.Event()
            alice.on_reconnect(back.set)
            await alice.publish(AC, "plugged", ephemeral=True, confirm=True)
            await alice.publish("hal.lasting", 1, retain=True, confirm=True)
            relay.cut()
            async with asyncio.timeout(PATIENCE):
                await back.wait()
                await alice.flush()
                heard = [await anext(signals) for _ in range(4)]
            assert [(one.topic, one.body, one.cleared) for one in heard] == [
                (AC, "plugged", False),
                ("hal.lasting", 1, False),
                (AC, None, True),
                (AC, "plugged", False),
            ]
            assert (await bob.get(AC), heard[-1].sender) == ("plugged", alice.name)
        relay.cut()


def test_a_restarted_bus_gets_it_again_and_forgets_it_too(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice:
        alice.publish(AC, "plugged", ephemeral=True, confirm=True)
        daemon.kill()
        daemon.restart()
        run_until_back(alice)
        alice.flush()
        bob = pybus.connect(daemon.address)
        signals = bob.subscribe(AC)
        assert told(signals) == (AC, "plugged", False)
    assert told(signals) == (AC, None, True)
    bob.close()


def test_what_is_set_by_hand_goes_with_the_service(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as bob:
        signals = bob.subscribe("hal.#")
        service = subprocess.Popen(
            [sys.executable, "-c", _PUBLISHER, ""], env=daemon.environ, stdin=subprocess.PIPE, text=True
        )
        try:
            assert [told(signals), told(signals)] == [(AC, "plugged", False), ("hal.lasting", 1, False)]
            with pybus.connect(daemon.address) as hand:
                hand.publish(AC, "unplugged", retain=True)
            assert told(signals) == (AC, "unplugged", False)
            assert bob.get(AC) == "unplugged"
            service.send_signal(signal.SIGKILL)
            assert [told(signals), told(signals)] == [("hal.will", "gone", False), (AC, None, True)]
        finally:
            service.kill()
            service.communicate()
