"""A fixture of the played bus."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .peer import Peer


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[Peer]:
    """A bus of D-Bus that the test plays, byte by byte."""
    played = Peer(tmp_path)
    yield played
    played.close()
