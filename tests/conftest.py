"""Fixtures for all tests."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import BusDaemon


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
