"""Facts that come from elsewhere than udev."""

from collections.abc import Callable
from typing import Protocol


class Source(Protocol):
    """Gives retained topics, and says when they may differ.

    pattern: matches all topics that it may set. subsystem: when a device of it comes or goes,
    `refresh` is called; "" for none.
    """

    pattern: str
    subsystem: str

    async def open(self, changed: Callable[[], None]) -> None:
        """Begin to watch. changed: is called whenever `values` may differ. Raises `OSError` if there is nothing."""

    def refresh(self) -> None:
        """Devices of the subsystem came or went."""

    def values(self) -> dict[str, object]:
        """The topics with their values now."""

    def close(self) -> None:
        """Let go of everything, also after an `open` that failed."""
