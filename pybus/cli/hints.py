"""What to tell a person whose name nobody owns, or whose topic nobody publishes: a near miss, a mistake in a
service's file, or that the service is disabled.

Only errors lead here, so that no other command pays for it.
"""

from __future__ import annotations

from typing import Any

from pybus.client.blocking import Bus
from pybus.names import BUS_NAME, overlap
from pybus.nearness import did_you_mean
from pybus.server.config import Config, load_config
from pybus.server.service_files import load_services, service_folders
from pybus.tables import ConfigError


def unowned(bus: Bus, name: str) -> str:
    """The end of a sentence that says that nobody owns the name, or nothing. Asks the bus."""
    if wrong := mistakes(name):
        return f"; {wrong}"
    if place := disabled(name):
        return f"; it is disabled in {place}"
    driver = bus.proxy(BUS_NAME)
    known: list[dict[str, Any]] = [*driver.names(), *driver.services()]
    return did_you_mean(name, {BUS_NAME, *(one["name"] for one in known)})


def mistakes(name: str) -> str:
    """What is wrong with the service file of this name; "" if it is right, or not there."""
    config = _config()
    folders = service_folders(config.folders if config is not None else ())
    _, problems = load_services(folders)
    files = tuple(f"{folder}/{name}.toml:" for folder in folders)
    wrong = [problem for problem in problems if problem.startswith(files)]
    return f"its file has a mistake: {'; '.join(wrong)}" if wrong else ""


def disabled(name: str) -> str:
    """Where the configuration disables the service of this name, which has a file; "" if it does not."""
    config = _config()
    if config is None or name not in config.disabled:
        return ""
    services, _ = load_services(service_folders(config.folders))
    return config.origins["services.disabled"] if name in services else ""


def unpublished(patterns: list[str], known: list[dict[str, Any]]) -> list[str]:
    """What may be why no service publishes what one of these patterns matches; sentences.

    known: the services that the bus has. Nothing if they declare topics for each of the patterns.
    """
    declared = [topic for service in known for topic in service["topics"]]
    wanted = [pattern for pattern in patterns if not any(overlap(topic, pattern) for topic in declared)]
    if not wanted:
        return []
    config = _config()
    services, problems = load_services(service_folders(config.folders if config is not None else ()))
    found = []
    for service in services.values():
        if config is None or service.name not in config.disabled:
            continue
        if any(overlap(topic, pattern) for topic in service.topics for pattern in wanted):
            topics, place = " and ".join(service.topics), config.origins["services.disabled"]
            found.append(f"{service.name}, which publishes {topics}, is disabled in {place}")
    if problems:  # the topics of a wrong file can't be known
        more = "; all of them: pybus config --check" if len(problems) > 1 else ""
        found.append(f"a service file has a mistake: {problems[0]}{more}")
    return found


def _config() -> Config | None:
    """The configuration, if it is right."""
    try:
        return load_config()
    except ConfigError:
        return None
