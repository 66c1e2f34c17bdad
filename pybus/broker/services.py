"""Services that start when needed: what their files say, and the life of each.

A life is a state machine without processes: the shell tells it what became of the process, and is
left orders for what to do next. Its states:

    stopped    nothing runs; the next one who needs it starts it
    starting   its process runs and has not claimed the name yet
    running    the name has an owner
    stopping   told to end; whoever needs it now has it started again afterwards
    pausing    it failed and is started again when `due`
    failed     given up, or it can't be executed
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from pybus.errors import NoSuchService, StartFailed
from pybus.names import overlap

STOPPED, STARTING, RUNNING = "stopped", "starting", "running"
STOPPING, PAUSING, FAILED = "stopping", "pausing", "failed"

STEADY = 60.0
"""Seconds of running after which earlier failures are forgotten."""

PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each restart after failures in a row; one failure more, and the service is given up."""

FORGIVEN = 300.0
"""Seconds after which a service that was given up is tried again by those who need it."""


class Service(NamedTuple):
    """What a service file says. Times in seconds.

    exec: the command's words. topics: patterns of what it publishes; subscribing to one of them
    starts it. autostart: start it with the bus. restart: "no", "on-failure" or "always".
    start_timeout: how long it may take to claim its name. stop_timeout: how long it may take to end
    after SIGTERM. idle: end it when it has not been needed for so long; 0 is never. file: where all
    this was read, "" if nowhere.
    """

    name: str
    exec: tuple[str, ...]
    description: str = ""
    topics: tuple[str, ...] = ()
    autostart: bool = False
    restart: str = "on-failure"
    start_timeout: float = 10.0
    stop_timeout: float = 5.0
    idle: float = 0.0
    file: str = ""


class News(NamedTuple):
    """Something that the bus tells everybody, and that the shell may log."""

    topic: str
    value: dict[str, object]


class Order(NamedTuple):
    """What the shell has to do to a service's process. action: "start", "terminate" or "kill"."""

    action: str
    service: Service


class Ending(NamedTuple):
    """How a process ended: its exit status, or the name of the signal that killed it. The other one is None."""

    status: int | None
    signal: str | None

    def text(self) -> str:
        """What a person reads after the program's name."""
        if self.signal is not None:
            return f"was killed by {self.signal}"
        return "ended" if self.status is None else f"exited with status {self.status}"


class Life:
    """One service. due: when its state has lasted too long, monotonic seconds; None if it may last.

    why: for whom it was started. reason: why it does not run, a sentence. again: who needs it while it
    is stopping, or runs on without its name. doomed: it is stopping because it failed, and so failed
    however it ends.
    """

    __slots__ = (
        "again",
        "doomed",
        "due",
        "failures",
        "last",
        "pid",
        "reason",
        "service",
        "since",
        "starts",
        "state",
        "why",
    )

    def __init__(self, service: Service, now: float) -> None:
        self.service = service
        self.state = STOPPED
        self.since = now
        self.due: float | None = None
        self.pid = 0
        self.starts = 0
        self.failures = 0
        self.last: dict[str, object] | None = None
        self.why = ""
        self.reason = f"{service.name} does not run"
        self.again: str | None = None
        self.doomed = False

    def enter(self, state: str, now: float, due: float | None = None) -> None:
        """Change the state."""
        self.state = state
        self.since = now
        self.due = due


class Services:
    """All services that have a file.

    todo: the broker's, for orders to the shell and news on `bus.service.NAME`. due: when `expire` has to
    be called next, monotonic seconds; None if nothing waits for time.
    """

    def __init__(
        self, todo: list[Order | News], owned: Callable[[str], bool], last_use: Callable[[Service], float]
    ) -> None:
        """owned: whether somebody has a name. last_use: when a service was needed last, infinity while it is.

        output: what the shell sets to give the lines that a service wrote, oldest first.
        """
        self.output: Callable[[str], list[str]] = lambda _name: []
        self.due: float | None = None
        self._todo = todo
        self._lives: dict[str, Life] = {}
        self._by_word: dict[str, list[Service]] = {}
        self._owned = owned
        self._last_use = last_use

    # --- what there is ----------------------------------------------------------------------------

    def replace(self, services: Mapping[str, Service], now: float) -> None:
        """These are the services from now on. One that is gone stays until its process has ended."""
        for name in [name for name, life in self._lives.items() if name not in services and not life.pid]:
            del self._lives[name]
        for name, service in services.items():
            life = self._lives.get(name)
            if life is None:
                self._lives[name] = Life(service, now)
            elif life.service != service:
                life.service = service
                if life.state == FAILED:
                    life.enter(STOPPED, now)
                    life.failures = 0
        self._by_word = {}
        for service in services.values():
            for word in {topic.split(".")[0] for topic in service.topics}:
                self._by_word.setdefault(word, []).append(service)
        for service in services.values():
            if service.autostart and self._lives[service.name].state == STOPPED and not self._owned(service.name):
                self.need(service.name, "it starts with the bus", now)

    def all(self) -> list[Life]:
        """All lives, by name."""
        return [self._lives[name] for name in sorted(self._lives)]

    def find(self, name: str) -> Life:
        """One life. Raises `NoSuchService`."""
        life = self._lives.get(name)
        if life is None:
            raise NoSuchService(f"no service file describes {name}")
        return life

    def get(self, name: str) -> Life | None:
        """One life, or None."""
        return self._lives.get(name)

    def declaring(self, pattern: str) -> list[Service]:
        """The services that declare a topic which the pattern may match.

        None if its first word is a wildcard: who listens to everything asks for nothing in particular.
        """
        word = pattern.partition(".")[0]
        if word in ("*", "#"):
            return []
        candidates = [one for first in (word, "*", "#") for one in self._by_word.get(first, ())]
        found = {one.name: one for one in candidates if any(overlap(topic, pattern) for topic in one.topics)}
        return list(found.values())

    # --- what people want ---------------------------------------------------------------------------

    def need(self, name: str, why: str, now: float) -> None:
        """Somebody needs it: start it unless that is under way, or was given up."""
        life = self.find(name)
        if life.state == STOPPED or (life.state == FAILED and now >= life.since + self._penance(life)):
            self._start(life, why, now)
        elif life.state == STOPPING and life.again is None:
            life.again = why
        elif life.state == RUNNING and life.again is None and not self._owned(name):
            life.again = why
            life.due = now + life.service.start_timeout
            self.find_due()

    def check_hope(self, name: str, deadline: float, now: float) -> None:
        """Raise `StartFailed` if a call with this deadline would wait for the service in vain."""
        life = self.find(name)
        if life.state == FAILED:
            raise StartFailed(f"{life.reason}; after mending it: pybus service {name} start")
        if life.state == PAUSING and life.due is not None and life.due >= deadline:
            raise StartFailed(f"{life.reason}; it is started again in {life.due - now:.1f} s")

    def start(self, name: str, why: str, now: float) -> None:
        """A person wants it to run, whatever happened before."""
        life = self.find(name)
        if life.state in (PAUSING, FAILED):
            life.enter(STOPPED, now)
            life.failures = 0
        if not self._owned(name) or life.state == STOPPING:
            self.need(name, why, now)

    def stop(self, name: str, now: float) -> None:
        """A person, or the end of its use, wants it to end."""
        life = self.find(name)
        life.again = None
        if life.state in (STARTING, RUNNING) and life.pid:
            self._terminate(life, now)
        elif life.state in (PAUSING, RUNNING):
            life.enter(STOPPED, now)
            self._tell(life, "stopped")

    def restart(self, name: str, why: str, now: float) -> None:
        """End it if it runs, and start it."""
        life = self.find(name)
        self.stop(name, now)
        if life.state == STOPPING:
            life.again = why
        else:
            self.start(name, why, now)

    # --- what became of it --------------------------------------------------------------------------

    def started(self, name: str, pid: int) -> None:
        """Its process runs."""
        life = self.find(name)
        life.pid = pid
        life.starts += 1
        self._tell(life, "starting", pid=pid, why=life.why)

    def not_started(self, name: str, reason: str, now: float) -> None:
        """Its command can't be executed. The next one who needs it tries again."""
        life = self.find(name)
        life.pid = 0
        life.reason = f"{name} can't be started: {reason}"
        life.enter(FAILED, now)
        self._tell(life, "failed", reason=life.reason)

    def claimed(self, name: str, owner: str, now: float) -> None:
        """The name has got an owner."""
        life = self._lives.get(name)
        if life is None:
            return
        if life.state == STARTING:
            after = now - life.since
            life.enter(RUNNING, now, now + life.service.idle if life.service.idle else None)
            self._tell(life, "running", pid=life.pid, owner=owner, after=after)
        elif life.state == RUNNING:
            life.again = None
            life.due = now + life.service.idle if life.service.idle else None
        elif life.state in (PAUSING, FAILED):
            life.enter(STOPPED, now)

    def ended(self, name: str, pid: int, ending: Ending, words: list[str], ran: float, now: float) -> None:
        """Its process has ended, after `ran` seconds. words: the last lines that it wrote.

        pid: another one than it was started with, if it forked away.
        """
        life = self._lives.get(name)
        if life is None:
            return
        planned = life.state == STOPPING and not life.doomed
        failed = not planned and (life.doomed or ending.status != 0)
        life.last = {"pid": pid, "status": ending.status, "signal": ending.signal, "ran": ran}
        life.last |= {"stderr": words, "expected": planned}
        self._tell(life, "exited", **life.last)
        if not life.doomed:
            life.reason = f"{name} {ending.text()} after {ran:.1f} s{_circumstances(life, words)}"
        steady = life.state == RUNNING and now - life.since >= STEADY
        life.failures = (0 if steady else life.failures) + failed
        life.pid = 0
        life.doomed = False
        again, life.again = life.again, None
        life.enter(STOPPED, now)
        wanted = life.service.restart
        if again is not None and not failed:
            self._start(life, again, now)
        elif not planned and not self._owned(name) and (wanted == "always" or (failed and wanted == "on-failure")):
            self._restart_later(life, now)
        else:
            self._tell(life, "stopped")

    def leave_behind(self, name: str) -> bool:
        """Whether the service will not come by itself: those who wait for it have to hear so, or start it."""
        life = self._lives.get(name)
        return life is None or life.state in (STOPPED, FAILED)

    # --- time -----------------------------------------------------------------------------------------

    def find_due(self) -> None:
        """See anew what is due next; to be called when states may have changed."""
        self.due = min((life.due for life in self._lives.values() if life.due is not None), default=None)

    def expire(self, now: float) -> list[str]:
        """Act on states that have lasted too long. Returns the names that did not come in time."""
        late = []
        for life in [life for life in self._lives.values() if life.due is not None and life.due <= now]:
            name = life.service.name
            if life.state == STARTING or (life.state == RUNNING and life.again is not None):
                late.append(name)
                again = "" if life.state == STARTING else " again"
                life.reason = f"{name} did not claim its name{again} in {life.service.start_timeout:g} s"
                life.doomed = True
                self._tell(life, "failed", reason=life.reason)
                self._terminate(life, now)
            elif life.state == STOPPING:
                life.due = None
                self._todo.append(Order("kill", life.service))
            elif life.state == PAUSING:
                life.enter(STOPPED, now)
                if not self._owned(name):
                    self._start(life, f"restart after failure {life.failures}", now)
            elif life.state == RUNNING:
                self._end_if_idle(life, now)
        self.find_due()
        return late

    def _end_if_idle(self, life: Life, now: float) -> None:
        used = min(self._last_use(life.service), now)
        if max(used, life.since) + life.service.idle > now:
            life.due = max(used, life.since) + life.service.idle
        else:
            self.stop(life.service.name, now)

    # --- steps ----------------------------------------------------------------------------------------

    def _start(self, life: Life, why: str, now: float) -> None:
        life.enter(STARTING, now, now + life.service.start_timeout)
        life.why = why
        self._todo.append(Order("start", life.service))

    def _terminate(self, life: Life, now: float) -> None:
        life.enter(STOPPING, now, now + life.service.stop_timeout)
        self._todo.append(Order("terminate", life.service))

    def _restart_later(self, life: Life, now: float) -> None:
        if life.failures > len(PAUSES):
            life.reason = f"given up after {life.failures} failures in a row: {life.reason}"
            life.enter(FAILED, now)
            self._tell(life, "gave up", failures=life.failures, reason=life.reason)
            return
        pause = PAUSES[max(life.failures - 1, 0)]
        life.enter(PAUSING, now, now + pause)
        self._tell(life, "restarting", pause=pause, failures=life.failures)

    def _penance(self, life: Life) -> float:
        return FORGIVEN if life.failures > len(PAUSES) else 0.0

    def _tell(self, life: Life, event: str, **more: object) -> None:
        name = life.service.name
        self._todo.append(News(f"bus.service.{name}", {"name": name, "event": event, **more}))


def _circumstances(life: Life, words: list[str]) -> str:
    before = " before it claimed its name" if life.state == STARTING else ""
    return before + (f"; its last words: {' | '.join(words)}" if words else "")
