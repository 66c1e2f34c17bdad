"""The installed commands, run as a person or a script runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pybus
from tests.daemon import PATIENCE, BusDaemon

BIN = Path(sys.executable).parent


def run(daemon: BusDaemon, *words: str, stdin: str = "") -> tuple[int, str, str]:
    """Run an installed command; its exit code, stdout and stderr."""
    command = [str(BIN / words[0]), *words[1:]]
    done = subprocess.run(
        command, env=daemon.environ, input=stdin, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.returncode, done.stdout, done.stderr


@contextmanager
def started(daemon: BusDaemon, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Start an installed command, and see that it is gone in the end."""
    command = [str(BIN / words[0]), *words[1:]]
    process = subprocess.Popen(command, env=daemon.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
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
