"""What the commands have in common that look at the bus again and again: `stats --watch` and `top`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from pybus.cli.parsing import seconds
from pybus.cli.text import is_terminal

SHORTEST = 0.1
"""Seconds between two looks, at least: with less between them the rates are mostly noise."""


def interval(text: str) -> float:
    """The time between two looks, on the command line."""
    number = seconds(text)
    if number < SHORTEST:
        raise argparse.ArgumentTypeError(f"must be at least {SHORTEST} seconds")
    return number


class Redrawn:
    """Lines on stdout, each time in the place of those before if it is a terminal that can do so."""

    def __init__(self) -> None:
        self._in_place = is_terminal(sys.stdout) and os.environ.get("TERM", "dumb") != "dumb"
        self._height = 0

    def show(self, lines: list[str]) -> None:
        """Print the lines, cut to what fits on the terminal; they must be plain, without colours."""
        if not self._in_place:
            print("\n".join(lines), flush=True)
            return
        width, height = shutil.get_terminal_size()
        lines = [line[:width] for line in lines[: height - 1]]
        up = f"\x1b[{self._height}A" if self._height else ""
        print(f"{up}\x1b[J" + "\n".join(lines), flush=True)
        self._height = len(lines)
