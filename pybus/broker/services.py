"""Services that start when needed: what their files say, and the life of each."""

from __future__ import annotations

from typing import NamedTuple


class Service(NamedTuple):
    """What a service file says. Times in seconds.

    exec: the command's words. topics: patterns of what it publishes; subscribing to one of them
    starts it. autostart: start it with the bus. restart: "no", "on-failure" or "always".
    start_timeout: how long it may take to claim its name. stop_timeout: how long it may take to end
    after SIGTERM. idle: end it when it has not been needed for so long; 0 is never. file: where all
    this was read, "" if nowhere.
    """

    name: str
    exec: tuple[str, ...]
    description: str = ""
    topics: tuple[str, ...] = ()
    autostart: bool = False
    restart: str = "on-failure"
    start_timeout: float = 10.0
    stop_timeout: float = 5.0
    idle: float = 0.0
    file: str = ""
