"""Fixtures for the commands' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pybus
from tests.daemon import BusDaemon


@pytest.fixture
def bob(daemon: BusDaemon) -> Iterator[pybus.Bus]:
    with pybus.connect(daemon.address, program="bob") as bus:
        yield bus
