"""The exporter's life: floods, readers that do not read, buses of D-Bus that come and go, and its own end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import pybus
from pybus.limits import Limits
from pybus_services.dbus.bus import Bus
from pybus_services.dbus.export.outgoing import MOST_WAITING
from pybus_services.dbus.export.peers import MOST_SUBSCRIPTIONS
from tests.daemon import PATIENCE

from .bridge import NAME, PATH, Applet, Bridge, applets, reader
from .private_dbus import PrivateDBus, needs_dbus

pytestmark = needs_dbus

BURST = 5000
RESTARTS = 100


@pytest.fixture
def dbus(tmp_path: Path) -> Iterator[PrivateDBus]:
    with PrivateDBus(tmp_path) as running:
        yield running


@pytest.fixture
def bridge(dbus: PrivateDBus) -> Iterator[Bridge]:
    with Bridge(dbus.address) as running:
        yield running


# --- floods and slow readers ----------------------------------------------------------------------


async def test_a_burst_arrives_in_order(bridge: Bridge) -> None:
    async with applets(bridge, 1) as [alice], pybus.aio.connect(bridge.daemon.address) as bob:
        await alice.subscribe("burst.#")
        for number in range(BURST):
            await bob.publish("burst.n", number)
        assert [(await alice.next())[1] for _ in range(BURST)] == list(range(BURST))


async def test_who_does_not_read_costs_nobody_else_and_is_told_what_it_missed(bridge: Bridge) -> None:
    body = bytes(40_000)
    published = MOST_WAITING // len(body) * 2
    async with applets(bridge, 1) as [bob], pybus.aio.connect(bridge.daemon.address) as carol:
        async with reader(bridge, "flood.#") as alice:
            await bob.subscribe("flood.end")
            alice.process.send_signal(signal.SIGSTOP)
            for _ in range(published):
                await carol.publish("flood.picture", body)
            await carol.publish("flood.end")
            assert (await bob.next())[0] == "flood.end"
            alice.process.send_signal(signal.SIGCONT)
            heard: Counter[str] = Counter()
            while not heard["missed"]:
                member, what = await alice.next()
                if member == "Missed":
                    assert set(what) == {"flood.picture", "flood.end"}
                    heard["missed"] = sum(what.values())
                else:
                    heard[what] += 1
            assert heard.total() == published + 1
            assert heard["flood.picture"] * len(body) > MOST_WAITING // 2
            await carol.publish("flood.end")
            assert await alice.next() == ["Message", "flood.end"]


async def test_what_the_exporter_itself_missed_is_told(bridge: Bridge) -> None:
    """It was stopped, and pybus has dropped what was too much for it."""
    body = bytes(40_000)
    published = 2 * Limits().outbox // len(body)
    async with applets(bridge, 1) as [alice], pybus.aio.connect(bridge.daemon.address) as carol:
        await alice.subscribe("lost.#")
        bridge.process.send_signal(signal.SIGSTOP)
        for _ in range(published):
            await carol.publish("lost.picture", body)
        await carol.flush()
        bridge.process.send_signal(signal.SIGCONT)
        counted = missed = 0
        while counted + missed < published:
            told = await alice.next_signal()
            counted += told.member == "Message"
            missed += sum(told.body[1].values()) if told.member == "Missed" else 0
        assert counted + missed == published
        assert missed > 0


async def test_who_dies_with_much_to_read_leaves_nothing_behind(bridge: Bridge) -> None:
    async with applets(bridge, 1) as [bob], pybus.aio.connect(bridge.daemon.address) as carol:
        await bob.subscribe("pile.end")
        before = bridge.descriptors()
        async with reader(bridge, "pile.up") as alice:
            alice.process.send_signal(signal.SIGSTOP)
            for _ in range(200):
                await carol.publish("pile.up", bytes(10_000))
            await carol.publish("pile.end")
            await bob.next()
            alice.process.kill()
        await carol.publish("pile.end")
        await bob.next()
        await bridge.has_closed_all_but(before, carol)
        assert bridge.descriptors() == before
        async with asyncio.timeout(PATIENCE):
            while "pile.up" in str(await carol.call("org.pybus.Bus", "subscriptions")):
                pass
    assert bridge.stop() == ""


async def test_one_peer_may_have_so_many_subscriptions(bridge: Bridge) -> None:
    async with applets(bridge, 2) as [alice, bob]:
        for number in range(MOST_SUBSCRIPTIONS):
            assert await alice.subscribe(f"many.{number}") == number + 1
        assert await alice.refusal("Subscribe", "s", "many.more") == (
            "org.pybus.Error.LimitExceeded",
            f"{alice.name} has {MOST_SUBSCRIPTIONS} subscriptions, as many as one may have",
        )
        await bob.subscribe("many.more")


# --- buses of D-Bus that come and go --------------------------------------------------------------


async def _hold_something(bridge: Bridge, number: int) -> None:
    """What a restart of the bus of D-Bus must clean up: a subscription, and a connection of a peer's own."""
    alice = Applet(await Bus.connect(bridge.dbus))
    await alice.subscribe("restart.#")
    await alice.publish("restart.number", number, ephemeral=True)
    alice.bus.close()


async def test_a_hundred_restarts_leave_no_descriptor_behind(bridge: Bridge, dbus: PrivateDBus) -> None:
    open_before: list[str] = []
    for number in range(RESTARTS):
        await _hold_something(bridge, number)
        if number == 3:
            open_before = bridge.descriptors()
        dbus.kill()
        dbus.restart()
        await asyncio.to_thread(bridge.wait_until_it_serves)
    await _hold_something(bridge, RESTARTS)
    async with pybus.aio.connect(bridge.daemon.address) as carol:
        async with asyncio.timeout(PATIENCE):  # what a peer held ends a moment after it
            while await carol.call("org.pybus.Bus", "topics", "restart.#"):
                pass
        assert len(await carol.call("org.pybus.Bus", "peers")) == 2  # the exporter and carol
        await bridge.has_closed_all_but(open_before, carol)


async def test_a_bus_of_dbus_that_comes_late_is_waited_for(bridge: Bridge, dbus: PrivateDBus) -> None:
    dbus.kill()
    bridge.stop()
    bridge.launch()
    assert bridge.process.stderr is not None
    said = await asyncio.to_thread(bridge.process.stderr.readline)
    assert said == f"no session bus of D-Bus: {dbus.address.partition('=')[2]}: No such file or directory\n"
    dbus.restart()
    assert await asyncio.to_thread(bridge.wait_until_it_serves) == []
    async with applets(bridge, 1) as [alice]:
        assert await alice.property("Up") is True


async def test_it_serves_before_there_is_a_pybus_and_tells_when_it_comes(bridge: Bridge) -> None:
    bridge.stop()
    bridge.daemon.kill()
    bridge.start()
    async with applets(bridge, 1) as [alice]:
        await alice.hear("org.freedesktop.DBus.Properties")
        number = await alice.subscribe("late.#")
        assert [await alice.property(name) for name in ("Up", "Version", "NumberOfNames")] == [False, "", 0]
        bridge.daemon.restart()
        await alice.has_become("Version", pybus.__version__)
        await alice.has_become("Up", True)
        await alice.publish("late.news", "here")
        assert (await alice.next())[3] == {"id": number}


async def test_calls_wait_for_a_bus_that_is_being_restarted(bridge: Bridge) -> None:
    async with applets(bridge, 1) as [alice]:
        await alice.hear("org.freedesktop.DBus.Properties")
        bridge.daemon.kill()
        await alice.has_become("Up", False)
        publishing = asyncio.ensure_future(alice.publish("demo.door", "open", retain=True))
        bridge.daemon.restart()
        await publishing
        assert await alice.call("Get", "s", "demo.door") == "open"


# --- its own life ---------------------------------------------------------------------------------


async def test_it_ends_when_nobody_needs_it_and_not_before(dbus: PrivateDBus) -> None:
    with Bridge(dbus.address, "--idle", "3") as bridge:
        async with applets(bridge, 2) as [alice, bob]:
            number = await alice.subscribe("idle.#")
            await bob.publish("idle.state", "here", ephemeral=True)
            await alice.call("Unsubscribe", "u", number)
            assert await _owner(alice, NAME)  # bob holds a value
            bob.bus.close()
            assert await asyncio.to_thread(bridge.process.wait, PATIENCE) == 0
            assert not await _owner(alice, NAME)


async def _owner(applet: Applet, name: str) -> bool:
    return bool(await applet.bus.owner(name))


async def test_it_ends_when_there_is_no_session_bus_for_long(dbus: PrivateDBus) -> None:
    with Bridge(dbus.address, "--idle", "3") as bridge:
        async with applets(bridge, 1) as [alice]:
            await alice.subscribe("idle.#")
            dbus.kill()
            _, said = await asyncio.to_thread(bridge.process.communicate, timeout=PATIENCE)
    assert bridge.process.returncode == 0
    assert said.startswith(f"no session bus of D-Bus: {dbus.address.partition('=')[2]}: ")
    assert said.count("\n") == 1


ACTIVATION = """[D-BUS Service]
Name=org.pybus.Bus
Exec={command} --idle 0.001
"""


async def test_no_call_is_lost_between_one_process_and_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process ends as soon as it has nothing to do, so that calls come at every moment of its end."""
    monkeypatch.setenv("PYBUS_ADDRESS", f"unix:{tmp_path}/nobody")
    (tmp_path / "org.pybus.Bus.service").write_text(
        ACTIVATION.format(command=f"{sys.executable} -m pybus_services.dbus.export")
    )
    with PrivateDBus(tmp_path) as dbus:
        bus = await Bus.connect(dbus.address)
        owners = set()
        for pause in range(40):
            assert await bus.call(NAME, PATH, "org.freedesktop.DBus.Peer", "Ping", timeout=PATIENCE) == []
            owners.add(await bus.owner(NAME))
            for _ in range(pause):
                await bus.owner(NAME)
        assert len(owners) > 5
        bus.close()


def test_a_second_one_does_not_start(bridge: Bridge) -> None:
    done = bridge.run(sys.executable, "-m", "pybus_services.dbus.export")
    assert (done.returncode, done.stderr) == (
        5,
        "pybus-dbus-export: another program has the name org.pybus.Bus on D-Bus\n",
    )


@pytest.mark.parametrize("seconds", ["-1", "inf", "soon"])
def test_an_odd_idle_time_is_refused(seconds: str) -> None:
    command = [sys.executable, "-m", "pybus_services.dbus.export", f"--idle={seconds}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2
    assert "argument --idle: " in done.stderr


def test_without_dbus_next_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['dbus_next'] = None\n")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '.')}"}
    command = [sys.executable, "-m", "pybus_services.dbus.export"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    text = "pybus-dbus-export: dbus-next is not installed; install it with: pip install 'pybus[services]'\n"
    assert (done.returncode, done.stderr) == (3, text)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(bridge: Bridge, number: signal.Signals) -> None:
    bridge.process.send_signal(number)
    _, said = bridge.process.communicate(timeout=PATIENCE)
    assert (bridge.process.returncode, said) == (0, "")
