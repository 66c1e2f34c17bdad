"""What waits to be published: the newest of each state, and events as many as there is room for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest

import pybus
from pybus_services.dbus.rules.outlet import MOST_EVENTS, Outlet
from tests.daemon import PATIENCE, BusDaemon


class Scene:
    """An outlet that does not publish yet, and bob, who hears all of it."""

    def __init__(self, outlet: Outlet, bob: pybus.aio.Bus) -> None:
        self.outlet = outlet
        self._bob = bob
        self._heard = bob.subscribe("desk.#")

    async def heard(self) -> list[tuple[str, object]]:
        """What has been published until now, and was not given before. Publishes what waits."""
        publishing = asyncio.ensure_future(self.outlet.run())
        await self.outlet.done()
        publishing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await publishing
        await self.outlet._bus.flush()
        await self._bob.flush()
        return [(one.topic, one.body) for one in await self._taken()]

    async def _taken(self) -> list[pybus.Signal]:
        taken = []
        while (one := await self._heard.receive(0)) is not None:
            taken.append(one)
        return taken


@pytest.fixture
async def scene(daemon: BusDaemon) -> AsyncIterator[Scene]:
    async with pybus.aio.connect(daemon.address) as bus, pybus.aio.connect(daemon.address) as bob:
        made = Scene(Outlet(bus), bob)
        await bob.flush()
        yield made


async def test_a_state_that_changes_while_it_waits_is_told_once(scene: Scene) -> None:
    scene.outlet.state("desk.a", "1")
    scene.outlet.state("desk.b", "1")
    scene.outlet.state("desk.a", "2")
    assert await scene.heard() == [("desk.a", "2"), ("desk.b", "1")]
    scene.outlet.state("desk.b", "1")
    scene.outlet.state("desk.a", "3")
    scene.outlet.state("desk.a", "2")
    assert await scene.heard() == []  # nothing has changed


async def test_a_state_is_cleared_once_and_only_if_somebody_has_heard_of_it(scene: Scene) -> None:
    scene.outlet.state("desk.a", "1")
    scene.outlet.state("desk.a", None)
    scene.outlet.state("desk.b", None)
    scene.outlet.state("desk.c", "1")
    assert await scene.heard() == [("desk.c", "1")]
    scene.outlet.state("desk.c", None)
    assert await scene.heard() == [("desk.c", None)]
    scene.outlet.state("desk.c", None)
    assert await scene.heard() == []


async def test_events_keep_their_order_among_states(scene: Scene) -> None:
    scene.outlet.event("desk.e", 1)
    scene.outlet.state("desk.a", "1")
    scene.outlet.event("desk.e", 2)
    scene.outlet.event("desk.e", 2)
    assert await scene.heard() == [("desk.e", 1), ("desk.a", "1"), ("desk.e", 2), ("desk.e", 2)]


async def test_events_for_which_there_is_no_room_are_counted(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(MOST_EVENTS + 3):
        scene.outlet.event("desk.e", number)
    with caplog.at_level(logging.WARNING, "pybus.dbus"):
        async with asyncio.timeout(PATIENCE):
            heard = await scene.heard()
    assert [body for _, body in heard] == [*range(MOST_EVENTS)]
    assert caplog.messages == ["3 signals of D-Bus were not told: more came than the bus takes"]
    scene.outlet.event("desk.e", "more")
    assert await scene.heard() == [("desk.e", "more")]
