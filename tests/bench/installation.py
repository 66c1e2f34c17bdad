"""pybus as a user has it: installed into an environment of its own, not in place.

An installation in place (`pip install -e`) adds an import hook to each start of the interpreter, and
so to the time and memory of everything that is started.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.bench.buses import NotAvailable

_SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "pybus", "services", "systemd")

_PATIENCE = 600
"""Seconds for each step; compiling takes a while on a busy machine."""


class Installation:
    """A fresh virtual environment with this checkout installed. python, send: its programs."""

    def __init__(self, folder: Path) -> None:
        """folder: exists, is empty and ours. Raises `NotAvailable`, for pip may need a network."""
        sources, environment = folder / "sources", folder / "environment"
        sources.mkdir()
        for name in _SOURCES:
            self._copy(Path(name), sources / name)
        _run(sys.executable, "-m", "venv", "--without-pip", str(environment))
        self.python = str(environment / "bin" / "python")
        self.send = str(environment / "bin" / "pybus-send")
        _run(sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet", str(sources))

    def _copy(self, source: Path, target: Path) -> None:
        """A copy is built, as setuptools leaves its traces where it builds."""
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.so", "not-compiled.txt"))
        else:
            shutil.copy(source, target)


def _run(*command: str) -> None:
    environment = {**os.environ, "PYBUS_PURE": ""}  # so that both forms are in it, if they can be
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        raise NotAvailable(f"pybus was not installed into a fresh environment within {_PATIENCE} s") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [""]
        raise NotAvailable(f"pybus could not be installed into a fresh environment: {last[0]}")
