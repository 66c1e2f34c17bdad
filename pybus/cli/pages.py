"""Lists of the bus's that come page by page: queues, exchanges and bindings."""

from __future__ import annotations

from typing import Any

from pybus.client.blocking import Bus
from pybus.names import BUS_NAME


def all_queues(bus: Bus) -> list[dict[str, Any]]:
    """All queues by name, as the bus's method `queues` has them."""
    return _by_name(bus, "queues")


def all_exchanges(bus: Bus) -> list[dict[str, Any]]:
    """All exchanges by name, as the bus's method `exchanges` has them."""
    return _by_name(bus, "exchanges")


def all_bindings(bus: Bus, **of: str) -> list[dict[str, Any]]:
    """Bindings in the order of their making, as the bus's method `bindings` has them. of: an exchange or a queue."""
    found: list[dict[str, Any]] = []
    while page := bus.call(BUS_NAME, "bindings", **of, after=found[-1]["number"] if found else 0):
        found += page
    return found


def _by_name(bus: Bus, method: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while page := bus.call(BUS_NAME, method, found[-1]["name"] if found else None):
        found += page
    return found
