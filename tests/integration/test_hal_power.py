"""`hal.power.ac`, with a simulated mains adapter: from sysfs through the daemon to another process."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import pybus
from tests.daemon import BusDaemon

from .hal_scene import Bed, Listener, Relay, Scene, needs_umockdev, scene

pytestmark = needs_umockdev

AC = "hal.power.ac"


class Adapter:
    """A mains adapter in a bed. Its event's property `online` lags behind: it says 1 for ever."""

    def __init__(self, bed: Bed, path: str) -> None:
        self.bed = bed
        self._path = path

    @classmethod
    async def plugged(cls, bed: Bed) -> "Adapter":
        """An adapter that is there and plugged in, without an event."""
        names = {"POWER_SUPPLY_NAME": "AC", "POWER_SUPPLY_ONLINE": "1"}
        return cls(bed, await bed.do("add", "power_supply", "AC", {"type": "Mains", "online": "1"}, names))

    async def change(self, online: str) -> None:
        await self.bed.do("set", self._path, "online", online)
        await self.bed.do("uevent", self._path, "change")

    async def vanish(self) -> None:
        await self.bed.do("remove", self._path)

    async def appear(self) -> None:
        await self.bed.do("uevent", self._path, "add")

    async def announce_removal(self) -> None:
        await self.bed.do("uevent", self._path, "remove")


async def _hear_power(listener: Listener, count: int) -> list[Any]:
    """The next signals about the adapter."""
    return [await listener.hear(AC) for _ in range(count)]


@pytest.mark.parametrize("source", ["kernel", "udev"])
async def test_the_life_of_an_adapter(people: Scene, source: str) -> None:
    """Plugged at the start, unplugged, a doubled event, plugged again."""
    adapter = await Adapter.plugged(await people.bed())
    await people.service("--source", source, bed=adapter.bed)
    listener = await people.listener()
    assert await _hear_power(listener, 1) == [[AC, "plugged", True, False]]
    await adapter.change("0")
    assert await _hear_power(listener, 1) == [[AC, "unplugged", False, False]]
    await adapter.change("0")
    await adapter.change("1")
    assert await _hear_power(listener, 1) == [[AC, "plugged", False, False]]


async def test_sigterm_takes_the_value_back(people: Scene, bus_env: Mapping[str, str]) -> None:
    adapter = await Adapter.plugged(await people.bed())
    listener = await people.listener()
    service = await people.service("--source", "udev", bed=adapter.bed)
    assert await service.end(signal.SIGTERM) == 0
    assert await _hear_power(listener, 2) == [[AC, "plugged", False, False], [AC, None, False, True]]
    async with pybus.aio.connect(bus_env["PYBUS_ADDRESS"]) as bus:
        with pytest.raises(pybus.NoSuchValue):
            await bus.get(AC)


async def test_a_crash_leaves_no_stale_truth(people: Scene) -> None:
    """The will clears the value; the next service says what is."""
    adapter = await Adapter.plugged(await people.bed())
    listener = await people.listener()
    service = await people.service("--source", "udev", bed=adapter.bed)
    assert await service.end(signal.SIGKILL) == -signal.SIGKILL
    assert await _hear_power(listener, 2) == [[AC, "plugged", False, False], [AC, None, False, True]]
    late = await people.listener()
    await people.service("--source", "udev", bed=adapter.bed)
    assert await _hear_power(late, 1) == [[AC, "plugged", False, False]]


async def test_what_others_said_is_cleared_where_there_is_no_supply(people: Scene, bus_env: Mapping[str, str]) -> None:
    adapter = await Adapter.plugged(await people.bed())
    await adapter.vanish()
    async with pybus.aio.connect(bus_env["PYBUS_ADDRESS"]) as bus:
        await bus.publish(AC, "plugged", retain=True)
    listener = await people.listener()
    await people.service("--source", "udev", bed=adapter.bed)
    assert await _hear_power(listener, 2) == [[AC, "plugged", True, False], [AC, None, False, True]]


async def test_an_adapter_that_comes_later(people: Scene) -> None:
    bed = await people.bed()
    listener = await people.listener()
    await people.service("--source", "udev", bed=bed)
    adapter = await Adapter.plugged(bed)
    await adapter.appear()
    assert await _hear_power(listener, 1) == [[AC, "plugged", False, False]]


async def test_an_adapter_that_goes_away(people: Scene) -> None:
    """Gone from sysfs by the time that its event is read, as on a real machine."""
    adapter = await Adapter.plugged(await people.bed())
    listener = await people.listener()
    service = await people.service("--source", "udev", bed=adapter.bed)
    service.process.send_signal(signal.SIGSTOP)
    await adapter.announce_removal()
    await adapter.vanish()
    service.process.send_signal(signal.SIGCONT)
    assert await _hear_power(listener, 2) == [[AC, "plugged", False, False], [AC, None, False, True]]


async def test_a_restarted_daemon_gets_the_value_anew(people: Scene, daemon: BusDaemon) -> None:
    adapter = await Adapter.plugged(await people.bed())
    await people.service("--source", "udev", bed=adapter.bed)
    daemon.kill()
    daemon.restart()
    listener = await people.listener()
    heard = await listener.hear(AC)  # kept or news, as the service is back before the listener or after
    assert [*heard[:2], heard[3]] == [AC, "plugged", False]
    await adapter.change("0")
    assert await _hear_power(listener, 1) == [[AC, "unplugged", False, False]]


async def test_a_change_while_the_daemon_is_away_is_not_missed(people: Scene, daemon: BusDaemon) -> None:
    adapter = await Adapter.plugged(await people.bed())
    await people.service("--source", "udev", bed=adapter.bed)
    daemon.kill()
    await adapter.change("0")
    daemon.restart()
    listener = await people.listener()
    while (await listener.hear(AC))[1] != "unplugged":
        pass


async def test_a_connection_lost_to_a_living_daemon_is_mended(bus_env: Mapping[str, str], tmp_path: Path) -> None:
    """The daemon has carried out the will by then, so the value has to be published again."""
    relay = Relay(bus_env["PYBUS_ADDRESS"].removeprefix("unix:"))
    async with scene(bus_env) as people, await relay.open(tmp_path / "relay"):
        adapter = await Adapter.plugged(await people.bed())
        listener = await people.listener()
        await people.service("--source", "udev", bed=adapter.bed, address=f"unix:{tmp_path}/relay")
        relay.cut()
        assert await _hear_power(listener, 3) == [
            [AC, "plugged", False, False],
            [AC, None, False, True],
            [AC, "plugged", False, False],
        ]
        relay.cut()
        assert await _hear_power(listener, 2) == [[AC, None, False, True], [AC, "plugged", False, False]]
        relay.cut()
