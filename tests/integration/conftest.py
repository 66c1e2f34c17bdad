"""Fixtures of the hardware's scenes."""

from collections.abc import AsyncIterator, Mapping

import pytest

import pybus

from .hal_scene import Scene, scene


@pytest.fixture
async def people(bus_env: Mapping[str, str]) -> AsyncIterator[Scene]:
    """The people of a scene on the test's bus."""
    async with scene(bus_env) as running:
        yield running


@pytest.fixture
async def alice(people: Scene, bus_env: Mapping[str, str]) -> AsyncIterator[pybus.aio.Bus]:
    """Who is on that bus, too."""
    async with pybus.aio.connect(bus_env["PYBUS_ADDRESS"], program="alice") as bus:
        yield bus
