"""Fixtures for all tests."""

from collections.abc import Iterator

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
