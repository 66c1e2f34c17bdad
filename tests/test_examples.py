"""Each example does what its docstring says."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pybus
from tests.daemon import PATIENCE, BusDaemon

EXAMPLES = Path(__file__).parent.parent / "examples"


@contextmanager
def example(daemon: BusDaemon, name: str) -> Iterator[subprocess.Popen[str]]:
    """Run an example, and end it as Ctrl-C does."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    running = subprocess.Popen(command, env=daemon.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.send_signal(signal.SIGINT)
        try:
            _, errors = running.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            running.kill()
            raise
    assert (running.returncode, errors) == (0, "")


def test_the_player_can_be_called_and_tells_its_status(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address, program="alice") as alice:
        names = alice.subscribe("bus.name.org.example.Player")
        status = alice.subscribe("media.player.status")
        with example(daemon, "player.py") as running:
            assert names.receive(PATIENCE) is not None
            player = alice.proxy("org.example.Player")
            assert player.play("film.mkv", volume=0.5) is True
            player.stop()
            assert running.stdout is not None
            assert running.stdout.readline().endswith(" plays film.mkv at 0.5\n")
        heard = [status.receive(PATIENCE) for _ in range(3)]
        assert [(one.body, one.cleared) for one in heard if one] == [
            ("playing", False),
            ("stopped", False),
            (None, True),
        ]


def test_on_unplugged_says_so(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice, example(daemon, "on_unplugged.py") as running:
        while alice.publish("hal.power.ac", "unplugged", confirm=True) == 0:
            pass
        assert running.stdout is not None
        assert running.stdout.readline() == "unplugged (after 0 s)\n"
