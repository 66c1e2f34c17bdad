"""Looking without events: for batteries that send none, and only while somebody listens."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

import pybus
from pybus_services.hal.catalogue import Catalogue
from pybus_services.hal.device import Device, State
from pybus_services.hal.service import NAME, Service
from pybus_services.hal.udev import Monitor
from tests.daemon import BusDaemon

from .hal_scene import PATIENCE

PAUSE = 0.02
LEVEL = "hal.test.level"


class Battery:
    """Loses a percent with each look. looks: how often somebody looked."""

    def __init__(self) -> None:
        self.looks = 0

    def values(self, _devices: Sequence[Device]) -> dict[str, object]:
        self.looks += 1
        return {LEVEL: 1000 - self.looks}


@pytest.fixture
def known(daemon: BusDaemon) -> None:
    """The bus knows the service, which runs in this process."""
    daemon.configure('[services]\ndisabled = ["org.pybus.DBus"]\n')
    daemon.offer(NAME, 'exec = ["false"]\ntopics = ["hal.#"]\n')
    daemon.reload()


@pytest.mark.usefixtures("known")
async def test_a_battery_without_events_is_looked_at_while_somebody_listens(bus_env: Mapping[str, str]) -> None:
    battery = Battery()
    state = State("no_such_subsystem", LEVEL, (), battery.values, pause=lambda _devices: PAUSE)
    address = bus_env["PYBUS_ADDRESS"]
    async with pybus.aio.connect(address) as bus, pybus.aio.connect(address, program="alice") as alice:
        service = Service(bus, Monitor("kernel"), Catalogue(states=(state,)))
        await service.start()
        running = asyncio.create_task(service.run())
        edges = alice.subscribe(f"bus.listeners.{NAME}")
        for _ in range(2):
            listening = alice.subscribe(LEVEL)
            first = await _next_level(listening)
            assert [await _next_level(listening) for _ in range(3)] == [first - 1, first - 2, first - 3]
            await listening.close()
            async with asyncio.timeout(PATIENCE):
                while (await anext(edges)).body["listeners"]:
                    pass
            await alice.call(NAME, "state")  # so that the service has heard it, too
            looks = battery.looks
            await asyncio.sleep(10 * PAUSE)  # nothing is waited for: this is the time in which nobody looks
            assert battery.looks == looks
        running.cancel()
        await asyncio.wait([running])


async def _next_level(listening: pybus.aio.Subscription) -> int:
    async with asyncio.timeout(PATIENCE):
        level: int = (await anext(listening)).body
    return level
