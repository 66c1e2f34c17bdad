"""Fixtures for all tests."""

import subprocess
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import pybus
from tests.daemon import BusDaemon


def pytest_configure() -> None:
    """Refuse to test compiled modules that are older than their source."""
    if not pybus.is_compiled():
        return
    for types in Path(pybus.__file__).parent.rglob("*.pxd"):
        changed = max(types.stat().st_mtime, types.with_suffix(".py").stat().st_mtime)
        built = types.with_suffix(EXTENSION_SUFFIXES[0])
        if not built.exists() or built.stat().st_mtime < changed:
            raise pytest.UsageError(f"{types.with_suffix('.py')} is newer than {built.name}: use make, which builds it")


@pytest.fixture
def daemon() -> Iterator[BusDaemon]:
    """A bus of the test's own."""
    with BusDaemon() as running:
        yield running


@pytest.fixture
def bus_env(daemon: BusDaemon) -> dict[str, str]:
    """The environment for programs that are to find the test's bus."""
    return daemon.environ


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MiB, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40m,mode=700", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
