"""Services that start when needed: what their files say, and the life of each.

A life is a state machine without processes: the shell tells it what became of the process, and is
left orders for what to do next. Its states:

    stopped    nothing runs; the next one who needs it starts it
    starting   its process runs and has not claimed the name yet
    running    the name has had an owner, or is never claimed
    stopping   told to end; whoever needs it now has it started again afterwards
    pausing    it failed and is started again when `due`
    failed     given up, or it can't be executed
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pybus.broker.life import (
    FAILED,
    PAUSING,
    RUNNING,
    STARTING,
    STOPPED,
    STOPPING,
    Ending,
    Life,
    News,
    Order,
    Service,
)
from pybus.errors import NoSuchService, StartFailed
from pybus.names import overlap

STEADY = 60.0
"""Seconds of running after which earlier failures are forgotten."""

PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each restart after failures in a row; one failure more, and the service is given up."""

FORGIVEN = 300.0
"""Seconds after which a service that was given up is tried again by those who need it."""

_REMEMBERED = 16384
"""Patterns of which it is remembered which services they ask for. Past it the memory starts anew."""


class Services:
    """All services that have a file.

    todo: the broker's, for orders to the shell and news on `bus.service.NAME`. due: when `expire` has to
    be called next, monotonic seconds; None if nothing waits for time.
    """

    def __init__(
        self, todo: list[Order | News], owned: Callable[[str], bool], last_use: Callable[[str], float]
    ) -> None:
        """owned: whether somebody has a name. last_use: when a name was called last, infinity while a call is open.

        output, last_words: what the shell sets to give the lines that a service wrote: all that are
        kept, and the last ones of its present process. belongs: the same, to tell whether a process
        is one of a service's, such as what a wrapper has started.
        """
        self.output: Callable[[str], list[str]] = lambda _name: []
        self.last_words: Callable[[str], list[str]] = lambda _name: []
        self.belongs: Callable[[str, int], bool] = lambda _name, _pid: False
        self.due: float | None = None
        self._todo = todo
        self._lives: dict[str, Life] = {}
        self._by_word: dict[str, list[Service]] = {}
        self._declaring: dict[str, tuple[Service, ...]] = {}
        self._owned = owned
        self._last_use = last_use

    # --- what there is ----------------------------------------------------------------------------

    def replace(self, services: Mapping[str, Service], now: float) -> list[str]:
        """These are the services from now on. One that has gone stays until its process has ended.

        Who listens is to be told anew (`listen`) for all others. Returns the names of those that have gone.
        """
        gone = [name for name in self._lives if name not in services]
        for name in gone:
            self._withdraw(self._lives[name])
        new = [name for name in services if name not in self._lives]
        for name, service in services.items():
            life = self._lives.setdefault(name, Life(service, now))
            life.withdrawn = False
            if life.service != service:
                life.service = service
                if life.state == FAILED:
                    life.enter(STOPPED, now)
                    life.failures = 0
        for life in self._lives.values():
            if not life.withdrawn:
                life.listeners = 0
        self._by_word = {}
        self._declaring.clear()
        for service in services.values():
            for word in {topic.split(".")[0] for topic in service.topics}:
                self._by_word.setdefault(word, []).append(service)
        for name in new:
            if services[name].autostart:
                self.need(name, "it starts with the bus", now)
        return gone

    def _withdraw(self, life: Life) -> None:
        self._take_back_start(life)
        life.withdrawn = True
        life.again = None
        if not life.pid:
            del self._lives[life.service.name]

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

    def declaring(self, pattern: str) -> tuple[Service, ...]:
        """The services that declare a topic which the pattern may match.

        None if its first word is a wildcard: who listens to everything asks for nothing in particular.
        """
        found = self._declaring.get(pattern)
        if found is None:
            if len(self._declaring) >= _REMEMBERED:
                self._declaring.clear()
            word = pattern.partition(".")[0]
            candidates = {one.name: one for first in (word, "*", "#") for one in self._by_word.get(first, ())}
            found = tuple(one for one in candidates.values() if _asks(pattern, one))
            self._declaring[pattern] = found
        return found

    def declares(self, name: str, pattern: str) -> bool:
        """Whether this one is among them."""
        life = self._lives[name]
        return not life.withdrawn and _asks(pattern, life.service)

    # --- what people want ---------------------------------------------------------------------------

    def need(self, name: str, why: str, now: float) -> None:
        """Somebody needs it: start it unless that is under way, or was given up."""
        life = self.find(name)
        if life.withdrawn:
            return
        if life.state == STOPPED or (life.state == FAILED and now >= life.since + self._penance(life)):
            if not self._owned(name):
                self._start(life, why, now)
        elif life.state == STOPPING and life.again is None:
            life.again = why
        elif life.state == RUNNING and life.again is None and life.service.calls and not self._owned(name):
            life.again = why
            life.due = now + life.service.start_timeout
            self.find_due()

    def need_for_call(self, name: str, why: str, deadline: float, now: float) -> None:
        """A call needs it. Raises `StartFailed` if a call with this deadline would wait for it in vain."""
        life = self.find(name)
        if not life.service.calls:
            raise StartFailed(f"{name} takes no calls, as its file says ({life.service.file})")
        self.need(name, why, now)
        if life.state == FAILED:
            raise StartFailed(f"{life.reason}; after mending it: pybus service {name} start")
        if life.state == PAUSING and life.due is not None and life.due >= deadline:
            raise StartFailed(f"{life.reason}; it is started again in {life.due - now:.1f} s")

    def start(self, name: str, why: str, now: float) -> None:
        """A person wants it to run, whatever happened before."""
        life = self.find(name)
        if life.state in (PAUSING, FAILED):
            life.enter(STOPPED, now)
        if life.state != RUNNING:
            life.failures = 0
            life.doomed = False
        self.need(name, why, now)

    def stop(self, name: str, now: float) -> None:
        """A person, or the end of its use, wants it to end."""
        life = self.find(name)
        life.again = None
        self._take_back_start(life)
        if life.state in (STARTING, RUNNING) and life.pid:
            self._terminate(life, now)
        elif life.state in (STARTING, PAUSING, RUNNING):
            life.enter(STOPPED, now)
            self._tell(life, "stopped")

    def restart(self, name: str, why: str, now: float) -> None:
        """End it if it runs, and start it."""
        self.stop(name, now)
        self.start(name, why, now)

    # --- what became of it --------------------------------------------------------------------------

    def started(self, name: str, pid: int, now: float) -> None:
        """Its process runs."""
        life = self.find(name)
        life.pid = pid
        life.starts += 1
        life.served = False
        self._tell(life, "starting", pid=pid, why=life.why)
        if not life.service.calls:
            self._run(life, now, None)

    def not_started(self, name: str, reason: str, now: float) -> None:
        """Its command can't be executed. After a moment the next one who needs it tries again."""
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
        if life.state == STARTING and life.pid:
            self._run(life, now, owner)
        elif life.state == RUNNING:
            life.again = None
            life.due = self._idle_from(life, now)
        elif life.state in (STARTING, PAUSING, FAILED):  # somebody else was faster
            self._take_back_start(life)
            life.enter(STOPPED, now)

    def listen(self, name: str, listeners: int) -> None:
        """So many patterns more ask for a service's topics; less, if it is below 0. `listened` is to follow."""
        self._lives[name].listeners += listeners

    def listened(self, name: str, now: float) -> None:
        """Somebody listens to a service or nobody does any more, or its file is another: see when it is idle."""
        life = self._lives[name]
        if life.state == RUNNING and life.again is None:
            life.due = self._idle_from(life, now)
            self.find_due()

    def _idle_from(self, life: Life, now: float) -> float | None:
        """When it may be ended if nobody needs it from now on."""
        return now + life.service.idle if life.service.idle and not life.listeners else None

    def _run(self, life: Life, now: float, owner: str | None) -> None:
        after = now - life.since
        life.enter(RUNNING, now, self._idle_from(life, now))
        life.served = True
        self._tell(life, "running", pid=life.pid, owner=owner, after=after)

    def ended(self, name: str, pid: int, ending: Ending, words: list[str], ran: float, now: float) -> None:
        """Its process has ended, after `ran` seconds. words: the last lines that it wrote.

        pid: another one than it was started with, if it forked away.
        """
        life = self._lives.get(name)
        if life is None:
            return
        planned = life.state == STOPPING and not life.doomed
        policy = life.service.restart
        early = not life.served or (policy == "always" and ran < STEADY)
        failed = not planned and (life.doomed or ending.status != 0 or early)
        life.last = {"pid": pid, "status": ending.status, "signal": ending.signal, "ran": ran}
        life.last |= {"stderr": words, "expected": planned}
        self._tell(life, "exited", **life.last)
        if not life.doomed:
            life.reason = f"{name} {ending.text()} after {ran:.1f} s{_circumstances(life, words)}"
        good = life.served and (planned or (life.state == RUNNING and now - life.since >= STEADY))
        life.failures = (0 if good else life.failures) + failed
        life.pid = 0
        life.doomed = False
        again, life.again = life.again, None
        life.enter(STOPPED, now)
        if life.withdrawn:
            del self._lives[name]
            self._tell(life, "stopped")
        elif again is not None and not failed and not self._owned(name):
            self._start(life, again, now)
        elif not planned and not self._owned(name) and (policy == "always" or (failed and policy == "on-failure")):
            self._restart_later(life, now)
        else:
            self._tell(life, "stopped")

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
                words = _last_words(self.last_words(name))
                life.reason = f"{name} did not claim its name{again} in {life.service.start_timeout:g} s{words}"
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
        used = min(self._last_use(life.service.name), now)
        if max(used, life.since) + life.service.idle > now:
            life.due = max(used, life.since) + life.service.idle
        else:
            self.stop(life.service.name, now)

    # --- steps ----------------------------------------------------------------------------------------

    def _start(self, life: Life, why: str, now: float) -> None:
        life.enter(STARTING, now, now + life.service.start_timeout)
        life.why = why
        self._todo.append(Order("start", life.service))

    def _take_back_start(self, life: Life) -> None:
        """Let an order to start it not be carried out, if that has not happened yet."""
        name = life.service.name
        for one in [one for one in self._todo if isinstance(one, Order)]:
            if one.action == "start" and one.service.name == name:
                self._todo.remove(one)

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
        """For how many seconds nobody's need starts one that has failed."""
        return FORGIVEN if life.failures > len(PAUSES) else PAUSES[0]

    def _tell(self, life: Life, event: str, **more: object) -> None:
        name = life.service.name
        self._todo.append(News(f"bus.service.{name}", {"name": name, "event": event, **more}))


def _asks(pattern: str, service: Service) -> bool:
    if pattern.partition(".")[0] in ("*", "#"):
        return False
    return any(overlap(topic, pattern) for topic in service.topics)


def _circumstances(life: Life, words: list[str]) -> str:
    return (" before it claimed its name" if life.state == STARTING else "") + _last_words(words)


def _last_words(words: list[str]) -> str:
    return f"; its last words: {' | '.join(words)}" if words else ""
