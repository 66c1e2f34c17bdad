"""The people of the service scenes: a bus, services that behave and misbehave, and alice, who needs them."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import pybus
from pybus.server.family import children_of, with_descendants
from tests.daemon import PATIENCE, BusDaemon

BUS = "org.pybus.Bus"
NAME = "org.example.Player"

_SERVE = """\
import os, signal, subprocess, sys, time
import pybus

def serve(begin=lambda bus: None, **methods):
    with pybus.connect(program="service") as bus:
        begin(bus)
        bus.register(os.environ["PYBUS_SERVICE"], {"pid": os.getpid, "echo": lambda word: word, **methods})
        bus.run()

def say(word):
    print(word, flush=True)

"""

# --- those that behave ----------------------------------------------------------------------------

ECHO = _SERVE + "serve()\n"

PLAYER = _SERVE + "serve(lambda bus: bus.publish('media.player.state', 'playing', retain=True))\n"

TALKER = _SERVE + "serve(say=say, mutter=lambda word: os.write(2, word.encode()) and None, leave=os._exit)\n"

# --- those that do not come -----------------------------------------------------------------------

CRASHES = "import sys; print('no disk\\nno hope', file=sys.stderr); sys.exit(3)"

IS_SHOT = "import os, signal; print('here it comes', flush=True); os.kill(os.getpid(), signal.SIGSEGV)"

HANGS = ["sh", "-c", "echo thinking; exec sleep 1000"]
"""Which is said in no time on any machine."""

LEAVES_WELL = "print('nothing to do')"

# --- those that come and misbehave ----------------------------------------------------------------

DIES = _SERVE + "serve(die=lambda: os.kill(os.getpid(), signal.SIGKILL), leave=os._exit)\n"

PARTS = """\
import os, signal, pybus
bus = pybus.connect(program="service")
bus.register(os.environ["PYBUS_SERVICE"], {"part": lambda: (bus.close(), signal.pause())})
bus.run()
"""

IGNORES_SIGTERM = _SERVE + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nserve()\n"

FORKS_AWAY = """\
import os
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
"""
"""As daemons do; what follows it runs in the grandchild."""

HAS_CHILDREN = (
    _SERVE
    + """\
plain = subprocess.Popen(["sleep", "1000"])
apart = subprocess.Popen(["sleep", "1000"], start_new_session=True)
subprocess.run(["setsid", "--fork", "sleep", "1000"], check=True)
serve(leave=os._exit)
"""
)


class Scene:
    """A bus that knows some services, and alice, who calls them and hears what becomes of them.

    alice: the first who came, so she is `:1`. pids: of the services' processes, in the order of their starts.
    """

    def __init__(self, daemon: BusDaemon) -> None:
        self.daemon = daemon
        self.alice = pybus.connect(daemon.address, program="alice")
        self.pids: list[int] = []
        self._who = f"{self.alice.name} {self.alice.call(BUS, 'peer', ':1')['program']} (pid {os.getpid()})"
        self._signals = self.alice.subscribe("bus.service.#")

    # --- what there is ----------------------------------------------------------------------------

    def offer(self, program: str | list[str], name: str = NAME, **keys: object) -> None:
        """Let the bus know a service. program: what Python runs, or a whole command."""
        command = ["{python}", "-c", program] if isinstance(program, str) else program
        self.daemon.offer(name, toml(exec=command, **keys))
        self.daemon.reload()

    def ask(self, method: str, *args: object) -> Any:
        """Call the bus."""
        return self.alice.call(BUS, method, *args)

    def state(self, name: str = NAME) -> str:
        found: str = self.ask("service", name)["state"]
        return found

    def processes(self) -> list[int]:
        """All live processes below the bus."""
        return with_descendants(children_of(self.daemon.process.pid))

    # --- what is told -----------------------------------------------------------------------------

    def news(self, until: str, name: str = NAME) -> list[dict[str, object]]:
        """What the bus tells of a service, up to this event, as `plain` has it. What it tells of others is lost."""
        found: list[dict[str, object]] = []
        while not found or found[-1]["event"] != until:
            heard = self._signals.receive(PATIENCE)
            assert heard is not None, f"{until!r} was never told, but: {found}; the log: {self.daemon.log}"
            if heard.topic == f"bus.service.{name}":
                assert isinstance(heard.body, dict)
                found.append(self._plain(heard.body))
        return found

    def nothing_more(self) -> bool:
        """Whether all that was told has been heard."""
        self.alice.flush()
        return self._signals.receive(0) is None

    def _plain(self, value: dict[str, Any]) -> dict[str, object]:
        """The same in each run: processes by the order in which they came (1, 2...), alice by name, no times."""
        value.pop("name")
        assert 0 <= value.pop("ran", 0) < PATIENCE
        assert 0 <= value.pop("after", 0) < PATIENCE
        if "pid" in value:
            if value["pid"] not in self.pids:
                self.pids.append(value["pid"])
            value["pid"] = self.pids.index(value["pid"]) + 1
        if "why" in value:
            value["why"] = value["why"].replace(self._who, "alice")
        return value

    def close(self) -> None:
        self.alice.close()

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def toml(**keys: object) -> str:
    """Lines of a service file."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())


# --- events, as `Scene.news` has them ---------------------------------------------------------------


def starting(pid: int, why: str) -> dict[str, object]:
    return {"event": "starting", "pid": pid, "why": why}


def running(pid: int, owner: str) -> dict[str, object]:
    return {"event": "running", "pid": pid, "owner": owner}


def exited(pid: int, how: int | str, *stderr: str, expected: bool = False) -> dict[str, object]:
    """how: its status or signal."""
    status, signal = (how, None) if isinstance(how, int) else (None, how)
    return {
        "event": "exited",
        "pid": pid,
        "status": status,
        "signal": signal,
        "stderr": list(stderr),
        "expected": expected,
    }


def restarting(pause: float, failures: int) -> dict[str, object]:
    return {"event": "restarting", "pause": pause, "failures": failures}


STOPPED: dict[str, object] = {"event": "stopped"}


# --- processes --------------------------------------------------------------------------------------


class Watched:
    """Some processes whose end is waited for, whoever's children they are."""

    def __init__(self, pids: list[int]) -> None:
        self._pidfds = {pid: os.pidfd_open(pid) for pid in pids}

    def left_after(self, seconds: float) -> list[int]:
        """Those that live on after that time. Returns as soon as all are gone."""
        until = time.monotonic() + seconds
        left = []
        for pid, pidfd in self._pidfds.items():
            if not select.select([pidfd], [], [], max(0.0, until - time.monotonic()))[0]:
                left.append(pid)
            os.close(pidfd)
        return left


def eventually(condition: Callable[[], object]) -> bool:
    """Whether something that no message tells of comes true in time."""
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def is_asleep(pid: int) -> bool:
    """Whether a process waits for something."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"
