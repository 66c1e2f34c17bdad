"""The examples about hardware, on simulated devices, with a real notification service where one is told."""

import asyncio
import signal
import sys
from pathlib import Path
from time import monotonic

import pytest

import pybus
from pybus.server.family import children_of

from . import beds
from .beds import change, plug, pull
from .hal_scene import PATIENCE, Bed, Program, Scene, needs_umockdev
from .private_dbus import PrivateDBus, needs_dbus, notifier

pytestmark = [needs_umockdev, needs_dbus]

EXAMPLES = Path(__file__).parents[2] / "examples"


async def example(people: Scene, alice: pybus.aio.Bus, *command: str) -> Program:
    """An example that listens already."""
    signals = alice.subscribe("bus.peer.joined")
    name, *words = command
    program = Program(await people.start(sys.executable, "-W", "error", str(EXAMPLES / name), *words))
    async with asyncio.timeout(PATIENCE):
        async for joined in signals:
            if joined.body["pid"] == program.process.pid:
                break
        while joined.body["name"] not in [one["name"] for one in await alice.call("org.pybus.Bus", "subscriptions")]:
            pass
    return program


def wait_until_it_listens(pid: int) -> None:
    """Until it sleeps, and not as it waits for a command that it has started."""
    until = monotonic() + PATIENCE
    while children_of(pid) or "State:\tS" not in Path(f"/proc/{pid}/status").read_text():
        assert monotonic() < until


async def ended(program: Program) -> list[str]:
    """What it says last, ended as by Ctrl-C."""
    wait_until_it_listens(program.process.pid)
    assert await program.end(signal.SIGINT) == 0
    return await program.rest()


async def laptop(people: Scene) -> tuple[Bed, list[str]]:
    bed = await people.bed()
    return bed, await plug(bed, beds.LAPTOP)


async def test_battery_warning_says_each_of_both_once(people: Scene, alice: pybus.aio.Bus) -> None:
    bed, [mains, first, second] = await laptop(people)
    await people.service("--source", "udev", bed=bed)
    warning = await example(people, alice, "battery-warning")
    await change(bed, mains, {"online": "0"}, {})

    async def fall(*energies: str) -> None:
        for energy in energies:
            for battery in (first, second):
                await change(bed, battery, {"status": "Discharging", "power_now": "5000000", "energy_now": energy}, {})

    await fall("8000000", "4000000")  # uWh, of 20 Wh
    assert await warning.line() == "The battery is low: 20 %"
    await fall("3900000", "1000000")
    assert await warning.line() == "The battery is almost empty: 5 %"
    await fall("900000")
    assert await ended(warning) == []


async def test_battery_warning_shows_a_notification_where_there_is_a_desktop(
    people: Scene, alice: pybus.aio.Bus, tmp_path: Path
) -> None:
    bed, [mains, *batteries] = await laptop(people)
    with PrivateDBus(tmp_path) as desktop:
        async with notifier(desktop.address) as shown:
            bridge = dict.fromkeys(("DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"), desktop.address)
            service = Program(await people.start(sys.executable, "-m", "pybus_services.dbus", environment=bridge))
            assert await service.line() == "pybus-dbus: serving"
            await people.service("--source", "udev", bed=bed)
            warning = await example(people, alice, "battery-warning")
            await change(bed, mains, {"online": "0"}, {})
            for battery in batteries:
                await change(bed, battery, {"status": "Discharging", "energy_now": "3000000"}, {})
            words = [
                "battery-warning",
                0,
                "battery-caution",
                "The battery is low: 15 %",
                "",
                [],
                {"urgency": ["y", 1]},
                -1,
            ]
            assert await shown.next() == words
            assert await ended(warning) == []


async def test_on_usb_stick_runs_its_command_for_that_label_alone(people: Scene, alice: pybus.aio.Bus) -> None:
    bed = await people.bed()
    await people.service("--source", "udev", bed=bed)
    running = await example(people, alice, "on-usb-stick", "EOS DIGITAL", "echo", "it is here:")
    other = beds.CARD[0]._replace(path=beds.CARD[0].path.replace("sdb1", "sdb2"))
    other = other._replace(properties={**other.properties, "ID_FS_LABEL_ENC": "BACKUP", "DEVNAME": "/dev/sdb2"})
    await plug(bed, [*beds.CARD_READER, other])
    for _ in range(2):
        paths = await plug(bed, beds.CARD)
        assert await running.line() == "it is here: /dev/sdb1"
        await change(bed, paths[0], {"size": "62325761"}, {})  # the same card
        await pull(bed, paths)
    assert await ended(running) == []


async def test_on_usb_stick_runs_again_for_one_that_came_while_nobody_looked(
    people: Scene, alice: pybus.aio.Bus
) -> None:
    bed = await people.bed()
    await people.service("--source", "udev", bed=bed)
    running = await example(people, alice, "on-usb-stick", "EOS DIGITAL", "echo")
    await plug(bed, [*beds.CARD_READER, *beds.CARD])
    assert await running.line() == "/dev/sdb1"
    await alice.publish("hal.block.added", 5)  # no map
    await alice.publish("hal.lost", {"why": "restart", "overflows": 0})
    await change(bed, f"/sys/devices/{beds.CARD[0].path}", {"size": "62325761"}, {})
    assert await running.line() == "/dev/sdb1"
    assert await ended(running) == []


@pytest.mark.parametrize("words", [["battery-warning"], ["on-usb-stick", "BACKUP", "true"], ["dock"]])
async def test_without_the_hardware_service_they_say_why(people: Scene, words: list[str]) -> None:
    name, *arguments = words
    program = Program(await people.start(sys.executable, str(EXAMPLES / name), *arguments))
    assert await program.rest() == [f"{name}: nobody owns the name org.pybus.Hal (org.pybus.Error.NameHasNoOwner)"]
    assert await program.process.wait() == 1


async def test_on_usb_stick_says_how_it_is_used(people: Scene) -> None:
    program = Program(await people.start(sys.executable, str(EXAMPLES / "on-usb-stick"), "BACKUP"))
    assert await program.rest() == ["usage: on-usb-stick LABEL COMMAND [ARGUMENT...]"]


async def test_dock_tells_when_screen_and_keyboard_are_there(people: Scene, alice: pybus.aio.Bus) -> None:
    bed = await people.bed()
    [_, _, hdmi, _] = await plug(bed, beds.SCREENS)
    await people.service("--source", "udev", bed=bed)
    desk = alice.subscribe("desk.docked")
    dock = await example(people, alice, "dock")

    async def told() -> object:
        async with asyncio.timeout(PATIENCE):
            return (await anext(desk)).body

    assert await told() is False
    keyboard = await plug(bed, beds.KEYBOARD)
    await change(bed, hdmi, {"status": "connected"}, {"HOTPLUG": "1"})
    assert await told() is True
    assert await alice.get("desk.docked") is True
    await pull(bed, keyboard)
    assert await told() is False
    assert await ended(dock) == []
    assert await told() is None
