"""Fixtures of the scenes with several programs."""

import fcntl
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

import pybus

from .hal_scene import Scene, scene
from .private_dbus import PrivateDBus


@pytest.fixture
def only_loops() -> Iterator[None]:
    """No other run of these tests on this machine takes or frees a loop device now."""
    control = Path("/dev/loop-control")
    if not control.exists():
        pytest.skip("there are no loop devices")
    with control.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture
def session_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateDBus]:
    """The D-Bus session bus of whatever is started after it."""
    with PrivateDBus(tmp_path) as running:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", running.address)
        yield running


@pytest.fixture(scope="module")
def only_desktop() -> Iterator[None]:
    """No other run of these tests on this machine has a desktop now, which is slow to draw where there is no GPU."""
    with Path(tempfile.gettempdir(), "pybus-tests.desktop").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
