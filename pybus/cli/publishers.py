"""The services that publish what somebody listens to, and what keeps them from it.

A service that crashes again and again is told of once when that begins, and once when it is given up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pybus.cli.endings import duration, ended, situation, without_words
from pybus.client.blocking import Bus
from pybus.client.inbox import Signal
from pybus.names import BUS_NAME, overlap


class Publishers:
    """Follows the services that declare topics which some patterns can match.

    The program has subscribed already, which starts them. The bus is asked once for those that are down by
    now, and where it has none, the files are searched for the reason; of the others it tells while the program
    waits for signals.
    """

    def __init__(self, bus: Bus, patterns: list[str], tell: Callable[[str], object]) -> None:
        """patterns: of those that start services. tell: called with each line."""
        self._tell = tell
        self._topics: dict[str, str] = {}
        self._ends: dict[str, dict[str, Any] | None] = {}
        self._told: set[str] = set()
        bus.on("bus.service.#", self._hear, retained=False)
        services: list[dict[str, Any]] = bus.proxy(BUS_NAME).services()
        for service in services:
            topics = [topic for topic in service["topics"] if any(overlap(topic, pattern) for pattern in patterns)]
            if topics:
                self._topics[service["name"]] = " and ".join(topics)
                self._look(service)
        declared = [topic for service in services for topic in service["topics"]]
        if all(any(overlap(topic, pattern) for topic in declared) for pattern in patterns):
            return
        from pybus.cli.hints import unpublished  # which takes a while

        for why in unpublished(patterns, services):
            tell(why)

    def _look(self, service: dict[str, Any]) -> None:
        """See whether the service is down, though it has just been needed."""
        if service["state"] in ("failed", "pausing"):
            self._complain(service["name"], situation(service))
        elif service["state"] == "stopped" and service["failures"] and service["owner"] is None:
            self._complain(service["name"], ended(service["last"]))

    def _hear(self, signal: Signal) -> None:
        news: Any = signal.body
        name, event = news["name"], news["event"]
        if name not in self._topics:
            return
        if event == "starting":
            self._ends.pop(name, None)
        elif event in ("failed", "gave up"):
            what, _ = without_words(news["reason"])
            self._complain(name, f"failed: {what.replace(f'{name} ', '', 1)}")
            self._ends[name] = None  # the end of its process is no news after that
        elif event == "exited":
            self._ends.setdefault(name, news)
        elif event == "restarting" and (news["failures"] == 1 or name not in self._told):
            if end := self._ends.pop(name, None):
                self._complain(name, f"{ended(end)}; it starts again in {duration(news['pause'])}")
        elif event == "stopped":
            end = self._ends.pop(name, None)
            if end and end["status"] != 0 and not end["expected"]:
                self._complain(name, ended(end))

    def _complain(self, name: str, what: str) -> None:
        self._told.add(name)
        self._tell(f"{name}, which publishes {self._topics[name]}, {what}; more by: pybus service {name}")
