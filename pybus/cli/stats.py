"""`pybus stats`: the bus in numbers."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from pybus.cli.command import OK
from pybus.cli.text import is_terminal, plain, safe
from pybus.client.blocking import connect
from pybus.names import BUS_NAME


def stats_arguments(_parser: argparse.ArgumentParser) -> None:
    """`pybus stats` takes no arguments."""


def stats_command(_options: argparse.Namespace) -> int:
    """`pybus stats`: the bus in numbers."""
    with connect() as bus:
        numbers: dict[str, Any] = bus.proxy(BUS_NAME).stats()
    for key, value in numbers.items():
        name = safe(key)
        shown = f"{value:.1f}" if isinstance(value, float) else plain(value)
        print(f"{name:<15} {shown}" if is_terminal(sys.stdout) else f"{name}\t{shown}")
    return OK
