"""Two people on the test's bus, by asyncio."""

from collections.abc import AsyncIterator

import pytest_asyncio

import pybus
from tests.daemon import BusDaemon


@pytest_asyncio.fixture
async def alice(daemon: BusDaemon) -> AsyncIterator[pybus.aio.Bus]:
    async with pybus.aio.connect(daemon.address, program="alice") as bus:
        yield bus


@pytest_asyncio.fixture
async def bob(daemon: BusDaemon) -> AsyncIterator[pybus.aio.Bus]:
    async with pybus.aio.connect(daemon.address, program="bob") as bus:
        yield bus
