"""`pybus service [NAME] [ACTION]`: start, stop and inspect the services that the bus starts when needed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from time import monotonic
from typing import Any

from pybus.cli.command import OK, REFUSED, WRONG_USE, complain
from pybus.cli.endings import duration, ended, situation, without_words
from pybus.cli.hints import disabled, mistakes
from pybus.cli.text import facts, print_json, safe, since, table
from pybus.client.blocking import Bus, Subscription, connect
from pybus.errors import NoSuchService
from pybus.names import BUS_NAME, check_name
from pybus.nearness import did_you_mean
from pybus.server.service_files import service_folders

ACTIONS = ("start", "stop", "restart", "status", "logs")

_SPARE_SECONDS = 5.0
"""How much longer than the service's own time limits a person waits to hear what became of it."""


def service_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus service`."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="such as org.pybus.Hal; without it, all are listed")
    parser.add_argument("action", metavar="ACTION", nargs="?", help=f"{', '.join(ACTIONS)} (default status)")
    parser.add_argument("--json", action="store_true", help="print JSON (list and status)")
    parser.epilog = (
        "logs shows the service's last lines on stdout and stderr. The daemon's own log has them, too:\n"
        f"journalctl --user -u pybus --follow\n\n{parser.epilog}"
    )


def service_command(options: argparse.Namespace) -> int:
    """Do what the words say, in whichever order they are."""
    name, action = options.name, options.action or "status"
    if name in ACTIONS:
        name, action = options.action, name
    if action not in ACTIONS:
        return complain("pybus service", f"no action {action!r}; there are: {', '.join(ACTIONS)}", WRONG_USE)
    if name is None:
        if action != "status":
            return complain("pybus service", f"{action} which service? such as: org.pybus.Hal {action}", WRONG_USE)
        return _list(options.json)
    check_name(name)
    with connect(reconnect=False) as bus:  # news that came while the bus was away would never get here
        try:
            service: dict[str, Any] = bus.proxy(BUS_NAME).service(name)
        except NoSuchService as error:
            if place := disabled(name):
                return complain("pybus service", f"{name} is disabled in {place}", REFUSED)
            return complain("pybus service", error.message + _hint(bus, name), REFUSED)
        if action == "status":
            return _status(service, options.json)
        if action == "logs":
            return _logs(bus, name)
        return _stop(bus, service) if action == "stop" else _start(bus, service, action)


def _hint(bus: Bus, name: str) -> str:
    if wrong := mistakes(name):
        return f"; {wrong}"
    services: list[dict[str, Any]] = bus.proxy(BUS_NAME).services()
    meant = did_you_mean(name, [service["name"] for service in services])
    folders = ", ".join(service_folders(()))
    return f"{meant or ';'} service files are looked for in {folders} and where the configuration says"


# --- showing --------------------------------------------------------------------------------------


def _list(as_json: bool) -> int:
    with connect() as bus:
        services: list[dict[str, Any]] = bus.proxy(BUS_NAME).services()
    if as_json:
        print_json(services)
        return OK
    rows = []
    for one in services:
        pid = str(one["pid"] or "-")
        rows.append([one["name"], situation(one), pid, since(one["since"]), one["description"]])
    table(["NAME", "STATE", "PID", "SINCE", "DESCRIPTION"], rows)
    return OK


def _status(service: dict[str, Any], as_json: bool) -> int:
    if as_json:
        print_json(service)
        return OK
    facts(_facts(service))
    return OK


def _facts(service: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "name", service["name"]
    yield "description", service["description"] or "-"
    yield "state", situation(service)
    yield "since", since(service["since"])
    if service["pid"]:
        yield "pid", str(service["pid"])
    if service["owner"] is not None:
        yield "owner", service["owner"]
    yield "started", _times(service["starts"])
    if service["failures"] and not service["reason"].startswith("given up"):  # which says how often
        yield "failed", f"{_times(service['failures'])} in a row"
    if service["last"] is not None:
        yield "last end", ended(service["last"]) + (", as it was told to" if service["last"]["expected"] else "")
        for line in service["last"]["stderr"]:
            yield "last words", line
    yield "command", " ".join(service["exec"])
    yield "file", service["file"]
    if service["base"]:
        yield "based on", service["base"]
    yield "publishes", " ".join(service["topics"]) or "-"
    yield "starts", "with the bus" if service["autostart"] else "when it is needed"
    yield "restarts", {"no": "never", "on-failure": "after a failure", "always": "always"}[service["restart"]]
    yield "time limits", f"{service['start_timeout']:g} s to start, {service['stop_timeout']:g} s to stop"
    if service["idle"]:
        yield "idle", f"ended when not needed for {service['idle']:g} s"


def _logs(bus: Bus, name: str) -> int:
    lines: list[str] = bus.proxy(BUS_NAME).service_log(name)
    for line in lines:
        print(safe(line))
    return OK


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


# --- starting and stopping ------------------------------------------------------------------------


def _start(bus: Bus, service: dict[str, Any], action: str) -> int:
    """Start or restart it, and tell how that went."""
    name = service["name"]
    news = bus.subscribe(f"bus.service.{name}", retained=False)
    driver = bus.proxy(BUS_NAME)
    state = driver.start_service(name) if action == "start" else driver.restart_service(name)
    if state in ("running", "stopped"):
        now: dict[str, Any] = driver.service(name)
        who = f"pid {now['pid']}" if now["pid"] else f"the bus did not start it: it is {now['owner']}"
        print(f"{name} runs already ({who})")
        return OK
    for event in _events(news, service["stop_timeout"] + service["start_timeout"]):
        if event["event"] == "running":
            print(f"{name} runs (pid {event['pid']}, after {duration(event['after'])})")
            return OK
        if event["event"] in ("failed", "gave up"):
            reason, words = without_words(event["reason"])
            return _failed(reason, words)
        if event["event"] == "exited" and not event["expected"]:
            return _failed(f"{name} {ended(event)}, before it owned its name", event["stderr"])
    return complain("pybus service", f"{name} is still {_state(bus, name)}", REFUSED)


def _stop(bus: Bus, service: dict[str, Any]) -> int:
    """Stop it, and tell how it ended."""
    name = service["name"]
    news = bus.subscribe(f"bus.service.{name}", retained=False)
    if bus.proxy(BUS_NAME).stop_service(name) != "stopping":
        print(f"{name} does not run" if service["state"] in ("stopped", "failed") else f"{name} is stopped")
        return OK
    how = ""
    for event in _events(news, service["stop_timeout"]):
        if event["event"] == "exited":
            how = f"; it {ended(event)}"
        elif event["event"] == "stopped":
            print(f"{name} is stopped{how}")
            return OK
        elif event["event"] == "starting":
            return complain("pybus service", f"{name} was stopped, but somebody needs it: it starts again", REFUSED)
    return complain("pybus service", f"{name} is still {_state(bus, name)}", REFUSED)


def _events(news: Subscription, limit: float) -> Iterator[dict[str, Any]]:
    """What the bus tells of a service, until its time limit is well over."""
    until = monotonic() + limit + _SPARE_SECONDS
    while (left := until - monotonic()) > 0:
        signal = news.receive(left)
        if signal is not None and isinstance(signal.body, dict):
            yield signal.body


def _state(bus: Bus, name: str) -> str:
    service: dict[str, Any] = bus.proxy(BUS_NAME).service(name)
    return situation(service)


def _failed(what: str, words: list[str]) -> int:
    """Tell why it does not run, and its last words."""
    code = complain("pybus service", what, REFUSED)
    for line in words:
        print(f"  {safe(line)}", file=sys.stderr)
    return code
