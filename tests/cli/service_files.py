"""Small services for the tests of the commands."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.daemon import BusDaemon

PLAYER = """\
import pybus

class Player:
    def play(self, uri: str) -> bool:
        return True

with pybus.connect() as bus:
    bus.register("org.example.Player", Player())
    print("ready to play", flush=True)
    bus.run()
"""

CRASHING = "import sys; print('no disk\\nno\\x1b[2J hope', file=sys.stderr); sys.exit(3)"


def offer_services(daemon: BusDaemon) -> None:
    """Let the bus know a player, a service that crashes at once, and one that can't be executed."""
    player = {"exec": ["{python}", "-c", PLAYER], "description": "Plays films.", "topics": ["media.#"]}
    daemon.offer("org.example.Player", _toml(player))
    daemon.offer("org.example.Crashing", _toml({"exec": ["{python}", "-c", CRASHING], "restart": "no"}))
    daemon.offer("org.example.Missing", _toml({"exec": ["/none/such"]}))
    daemon.reload()


def _toml(keys: Mapping[str, object]) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
