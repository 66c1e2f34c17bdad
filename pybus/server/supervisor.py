"""The shell around `broker.services`: carries out its orders, and logs what becomes of services.

What a service's life is, is decided there; what a process is, in `processes.py`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from pybus.broker.broker import Broker
from pybus.broker.life import RUNNING, Ending, News, Order, Service
from pybus.broker.peer import Peer
from pybus.server.log import Log
from pybus.server.loop import Loop
from pybus.server.processes import Processes

_LONGEST_FAREWELL = 3.5
"""Seconds that services get at the end of the bus, whatever their files allow: who logs out waits for it."""


class Supervisor:
    """Starts and ends the processes of services.

    changed: called when a process has ended, after the broker has been told; the server flushes then.
    is_dying: asked whether a peer's process has ended, though not all that it sent has been read.
    """

    def __init__(self, loop: Loop, log: Log, broker: Broker, path: str, descriptors: int) -> None:
        """path: the bus's socket. descriptors: the soft limit of open files that a service gets."""
        self._loop = loop
        self._log = log
        self._broker = broker
        self._started: dict[str, float] = {}
        self._stopping = False
        self.changed: Callable[[], None] = lambda: None
        self.is_dying: Callable[[Peer], bool] = lambda _peer: False
        self._late: dict[int, tuple[str, int, Ending, float]] = {}
        self.processes = Processes(loop, log, f"unix:{path}", descriptors, self._ended)
        self.processes.has_forked = self._has_forked
        broker.services.output = self.processes.lines
        broker.services.last_words = self._last_words
        broker.services.belongs = self.processes.belongs

    @property
    def busy(self) -> bool:
        """Whether any process is left."""
        return self.processes.alive()

    def act(self, todo: Sequence[Order | News]) -> None:
        """Carry out orders, and log news."""
        for one in todo:
            if isinstance(one, News):
                self._report(one)
            elif one.action == "start":
                self._start(one.service)
            elif one.action == "terminate":
                self.processes.terminate(one.service.name)
            else:
                self.processes.kill(one.service.name)

    def stop(self) -> None:
        """The bus stops: ask all services to end, and start none any more."""
        self._stopping = True
        for life in self._broker.services.all():
            self._broker.services.stop(life.service.name, time.monotonic())

    def patience(self) -> float:
        """For how many seconds the services that run may take to end."""
        running = [life.service.stop_timeout for life in self._broker.services.all() if life.pid]
        return min(max(running, default=0.0), _LONGEST_FAREWELL)

    def close(self) -> None:
        """The bus ends now: nothing is left behind."""
        self.processes.kill_all()

    def reap(self) -> None:
        """Some process has ended. It is reaped when its connection's end has been seen: until then /proc knows how."""
        self._loop.soon(self.processes.reap)

    def _start(self, service: Service) -> None:
        if self._stopping:
            return
        try:
            pid = self.processes.start(service.name, service.exec, _environment())
        except OSError as error:
            self._broker.service_not_started(service.name, f"{error.filename or service.exec[0]}: {error.strerror}")
            return
        now = self._started[service.name] = time.monotonic()
        self._broker.services.started(service.name, pid, now)

    def _ended(self, name: str, pid: int, ending: Ending) -> None:
        now = time.monotonic()
        ran = now - self._started.pop(name, now)
        owner = self._broker.registry.owner(name)
        if owner is not None and self.is_dying(owner):
            self._late[owner.number] = name, pid, ending, ran  # it still has the name until it has left
        else:
            self._tell_ended(name, pid, ending, ran)

    def peer_left(self, number: int) -> None:
        """A peer is off the bus: if it was a service whose process had ended before, that counts now."""
        late = self._late.pop(number, None)
        if late is not None:
            self._tell_ended(*late)

    def _tell_ended(self, name: str, pid: int, ending: Ending, ran: float) -> None:
        words = self.processes.last_lines(name, pid)
        self._broker.service_ended(name, pid, ending, words, ran, time.monotonic())
        self.changed()

    def _last_words(self, name: str) -> list[str]:
        pid = self.processes.pid(name)
        return self.processes.last_lines(name, pid) if pid is not None else []

    def _has_forked(self, name: str, pid: int, child: int) -> bool:
        """Whether the service goes on in a child: not if it was the ended process itself that served."""
        life, owner = self._broker.services.find(name), self._broker.registry.owner(name)
        if life.state == RUNNING and (owner is None or owner.credentials.pid == pid):
            return False
        life.pid = child
        return True

    def _report(self, news: News) -> None:
        """One line for what has happened; what nobody planned is a warning."""
        value = news.value
        if news.topic == "bus.storm":
            who = f"{value['name']} {value['program']} (pid {value['pid']})"
            rates = f"{value['rate']:.0f} messages and {value['bytes']:.0f} bytes a second"
            self._log.warning(f"storm: {who}", f"storm: {who} is slowed; it sends {rates}, lately to {value['topic']}")
            return
        if news.topic == "bus.loop":
            chain = value["chain"]
            assert isinstance(chain, list)
            self._log.warning("a loop was cut", f"a loop was cut at {value['depth']} messages: {' -> '.join(chain)}")
            return
        name, event = value["name"], value["event"]
        text = f"{name}: {event}{_details(value)}"
        if event in ("failed", "gave up") or (event == "exited" and not value["expected"] and value["status"] != 0):
            self._log.warning(f"{name}: {event}", text)
        else:
            self._log.info(text)


def _environment() -> dict[str, str]:
    """What services find around them. Behind all else in $PATH are the bus's own commands, for scripts."""
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PATH": f"{path}:{os.path.dirname(sys.executable)}"}


def _details(value: Mapping[str, object]) -> str:
    match value:
        case {"event": "starting", "pid": pid, "why": why}:
            return f" (pid {pid}): {why}"
        case {"event": "running", "pid": pid, "owner": owner, "after": float(after)}:
            return f" (pid {pid}) as {owner} after {after:.2f} s"
        case {"event": "exited", "status": status, "signal": signal, "ran": float(ran), "stderr": list(lines)}:
            how = f"with status {status}" if signal is None else f"by {signal}"
            words = "; its last words: " + " | ".join(lines) if lines and status != 0 and not value["expected"] else ""
            return f" {how} after {ran:.1f} s{words}"
        case {"event": "restarting", "pause": float(pause), "failures": failures}:
            return f" in {pause:g} s, after failure {failures}"
        case {"reason": str(reason)}:
            return f": {reason.removeprefix('given up ')}"
    return ""
