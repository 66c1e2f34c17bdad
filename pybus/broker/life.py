"""One service: what its file says, what state it is in, and how its process ended."""

from __future__ import annotations

from typing import NamedTuple

STOPPED, STARTING, RUNNING = "stopped", "starting", "running"
STOPPING, PAUSING, FAILED = "stopping", "pausing", "failed"


class Service(NamedTuple):
    """What a service file says. Times in seconds.

    exec: the command's words. topics: patterns of what it publishes; subscribing to one of them
    starts it. calls: whether it claims its name and takes calls; a script that only publishes does not.
    autostart: start it with the bus. restart: "no", "on-failure" or "always".
    start_timeout: how long it may take to claim its name. stop_timeout: how long it may take to end
    after SIGTERM. idle: end it when it has not been needed for so long; 0 is never. file: where all
    this was read, "" if nowhere. base: the file that has `exec` and what else `file` leaves out, "" if
    `file` has it itself.
    """

    name: str
    exec: tuple[str, ...]
    description: str = ""
    topics: tuple[str, ...] = ()
    calls: bool = True
    autostart: bool = False
    restart: str = "on-failure"
    start_timeout: float = 10.0
    stop_timeout: float = 5.0
    idle: float = 0.0
    file: str = ""
    base: str = ""


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
    however it ends. served: whether it got as far as running. withdrawn: its file has gone, so it goes,
    too, when its process has ended. listeners: how many patterns of peers ask for its topics,
    beside those of the name's owner.
    """

    __slots__ = (
        "again",
        "doomed",
        "due",
        "failures",
        "last",
        "listeners",
        "pid",
        "reason",
        "served",
        "service",
        "since",
        "starts",
        "state",
        "why",
        "withdrawn",
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
        self.served = False
        self.withdrawn = False
        self.listeners = 0

    def enter(self, state: str, now: float, due: float | None = None) -> None:
        """Change the state."""
        self.state = state
        self.since = now
        self.due = due
