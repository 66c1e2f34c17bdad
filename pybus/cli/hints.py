"""What to tell a person whose name nobody owns or describes: a near miss, or a mistake in the service's file.

Only errors lead here, so that no other command pays for it.
"""

from __future__ import annotations

from typing import Any

from pybus.client.blocking import Bus
from pybus.names import BUS_NAME
from pybus.nearness import did_you_mean
from pybus.server.config import load_config
from pybus.server.service_files import load_services, service_folders
from pybus.tables import ConfigError


def unowned(bus: Bus, name: str) -> str:
    """The end of a sentence that says that nobody owns the name, or nothing. Asks the bus."""
    if wrong := mistakes(name):
        return f"; {wrong}"
    driver = bus.proxy(BUS_NAME)
    known: list[dict[str, Any]] = [*driver.names(), *driver.services()]
    return did_you_mean(name, {BUS_NAME, *(one["name"] for one in known)})


def mistakes(name: str) -> str:
    """What is wrong with the service file of this name; "" if it is right, or not there."""
    folders = service_folders(_own_folders())
    _, problems = load_services(folders)
    files = tuple(f"{folder}/{name}.toml:" for folder in folders)
    wrong = [problem for problem in problems if problem.startswith(files)]
    return f"its file has a mistake: {'; '.join(wrong)}" if wrong else ""


def _own_folders() -> tuple[str, ...]:
    """The folders that the configuration names."""
    try:
        return load_config().folders
    except ConfigError:
        return ()
