"""The installed commands, run as a person or a script runs them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pybus
from tests.daemon import BusDaemon
from tests.forking import Forked

BIN = Path(sys.executable).parent


def run(daemon: BusDaemon, *words: str, stdin: str = "") -> tuple[int, str, str]:
    """Run an installed command; its exit code, stdout and stderr."""
    return run_in(daemon.environ, *words, stdin=stdin)


def run_in(environ: Mapping[str, str], *words: str, stdin: str = "") -> tuple[int, str, str]:
    """The same, in any environment."""
    process = Forked([str(BIN / words[0]), *words[1:]], environ, stdin)
    try:
        out, err = process.communicate()
    finally:
        process.kill()
    return process.wait(), out, err


@contextmanager
def started(daemon: BusDaemon, *words: str) -> Iterator[Forked]:
    """Start an installed command, and see that it is gone in the end."""
    process = Forked([str(BIN / words[0]), *words[1:]], daemon.environ)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line_of(stream: IO[str] | None) -> str:
    """The next line that a command writes."""
    assert stream is not None
    return stream.readline()


def heard(signals: pybus.Subscription) -> list[tuple[str, object]]:
    """What has come until now: a command has ended, and the bus answers it last."""
    signals._bus.flush()
    return [(one.topic, one.body) for one in iter(lambda: signals.receive(0), None)]
