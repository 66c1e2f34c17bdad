"""`pybus monitor` beside a test: started, watched, and what it has shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pybus
from tests.cli.programs import started
from tests.daemon import PATIENCE, BusDaemon
from tests.forking import Forked


@contextmanager
def monitor(daemon: BusDaemon, *words: str) -> Iterator[Forked]:
    """Run `pybus monitor` in a pipe, and wait until it watches."""
    with started(daemon, "pybus", "monitor", *words) as process:
        wait_until_watched(daemon)
        yield process


def wait_until_watched(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address, program="dave") as dave:
        while not any(peer["monitor"] for peer in dave.proxy("org.pybus.Bus").peers()):
            pass


def messages(process: Forked) -> list[dict[str, Any]]:
    """What a monitor with --json and --count has shown, without what differs each time."""
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    found = [json.loads(line) for line in out.splitlines()]
    for one in found:
        assert datetime.fromisoformat(one.pop("time")).tzinfo is not None
        del one["serial"]
    return found


def columns(process: Forked) -> list[list[str]]:
    """What a monitor with --count has shown, without the time of day."""
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    return [line.split("\t")[1:] for line in out.splitlines()]


def who(bus: pybus.Bus, name: str | None = None) -> dict[str, Any]:
    """A connection as --json shows it: the own one, or the owner of a name."""
    peer = bus.proxy("org.pybus.Bus").peer(name or bus.name)
    return {field: peer[field] for field in ("name", "names", "program", "pid")}


def label(bus: pybus.Bus, name: str | None = None) -> str:
    """The same as a person sees it."""
    return f"{name or bus.name} ({who(bus, name)['program']})"
