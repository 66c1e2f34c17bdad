"""The people of the service scenes: a bus, services that behave and misbehave, and one who notes what is told."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Callable
from types import TracebackType

import pybus
from pybus.server.family import children_of, with_descendants
from tests.daemon import PATIENCE, BusDaemon

BUS = "org.pybus.Bus"

_SERVE = """\
import os, signal, subprocess, sys, time
import pybus

NAME = os.environ["PYBUS_SERVICE"]

def serve(start=lambda bus: None, **methods):
    with pybus.connect(program="service") as bus:
        bus.register(NAME, {"pid": os.getpid, **methods})
        start(bus)
        bus.run()

"""

# --- those that behave ----------------------------------------------------------------------------

ECHO = _SERVE + "serve(echo=lambda word: word)\n"

PLAYER = _SERVE + "serve(lambda bus: bus.publish('media.player.state', 'playing', retain=True))\n"

TALKER = _SERVE + "print('one', flush=True); print('two', file=sys.stderr, flush=True); serve(leave=lambda: sys.exit())\n"

# --- those that do not come -----------------------------------------------------------------------

CRASHES = "import sys; print('no disk\\nno hope', file=sys.stderr); sys.exit(3)"

IS_SHOT = "import os, signal; print('here it comes', flush=True); os.kill(os.getpid(), signal.SIGSEGV)"

HANGS = "import signal; print('thinking', flush=True); signal.pause()"

LEAVES_WELL = "print('nothing to do')"

# --- those that come and misbehave ----------------------------------------------------------------

DIES_IN_CALLS = _SERVE + "serve(die=lambda: os.kill(os.getpid(), signal.SIGKILL), leave=lambda status: os._exit(status))\n"

IGNORES_SIGTERM = _SERVE + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nserve()\n"

FORKS_AWAY = (
    _SERVE
    + """\
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
serve()
"""
)

HAS_CHILDREN = (
    _SERVE
    + """\
def begin(bus):
    in_our_session = subprocess.Popen(["sleep", "1000"])
    in_its_own = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    orphan = subprocess.run(["setsid", "-f", "sh", "-c", "echo $$; exec sleep 1000"], stdout=subprocess.PIPE, check=True)
"""
)


class Scene:
    """A bus that knows some services, and alice, who calls them.

    news: the events on `bus.service.#` since the beginning. Numbers of processes are replaced by the order
    of their appearance (1, 2...), as is `why` by what comes after alice's name in it; times are checked
    and left out. pids: the numbers in the order of their appearance.
    """

    def __init__(self, daemon: BusDaemon) -> None:
        self.daemon = daemon
        self.alice = pybus.connect(daemon.address, program="alice")
        self.news: list[dict[str, object]] = []
