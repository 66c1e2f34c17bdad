"""Who is who on the bus: the programs and names behind the numbers of connections.

It is told once who is here, by `peers`, and then hears of every change. Whoever follows it
subscribes to `TOPICS` before asking for `peers`, so that no change falls between, and asks before
it watches, so that it knows who was who when a message passed. Changes from before the answer come
after it: their last one is what the answer says, too.
"""

from __future__ import annotations

from typing import Any

from pybus.cli.text import safe, to_json
from pybus.client.inbox import Signal
from pybus.names import BUS_NAME, unique_name, unique_number
from pybus.protocol.frames import BUS

TOPICS = ("bus.peer.*", "bus.name.#")

_MOST_GONE = 1000
"""Connections that are remembered after their end, as messages of theirs may be shown late."""


class Who:
    """One connection. names: its well-known names. label: for people, `org.example.Player (player)`.

    short: the label without the program. json: for programs, an object with name, names, program and pid
    (null if they are not known).
    """

    __slots__ = ("json", "label", "name", "names", "number", "pid", "program", "short")

    def __init__(self, number: int, program: str | None, pid: int | None, names: tuple[str, ...] = ()) -> None:
        self.number = number
        self.name = unique_name(number)
        self.program = program
        self.pid = pid
        self.names = names
        best = names[0] if names else self.name
        self.short = safe(best)
        self.label = safe(f"{best} ({program})" if program else best)
        self.json = to_json({"name": self.name, "names": names, "program": program, "pid": pid})

    def answers_to(self, name: str) -> bool:
        """Whether it has this name, well-known or unique."""
        return name == self.name or name in self.names


class Directory:
    """All connections, and those that ended a while ago. monitors: the numbers of those that only watch."""

    def __init__(self) -> None:
        self.monitors: set[int] = set()
        self._here: dict[int, Who] = {}
        self._gone: dict[int, Who] = {}
        self.learn([])

    def learn(self, peers: list[dict[str, Any]]) -> None:
        """Take in who is here, as the bus's `peers` has it."""
        self._here = {BUS: Who(BUS, None, None, (BUS_NAME,))}
        self.monitors = {_number(peer["name"]) for peer in peers if peer["monitor"]}
        for peer in peers:
            self._add(Who(_number(peer["name"]), peer["program"], peer["pid"], tuple(peer["names"])))

    def forget(self) -> None:
        """Another bus is there, whose numbers mean others."""
        self._gone.clear()
        self.learn([])

    def who(self, number: int) -> Who:
        """The connection with this number, even if it is known by nothing else."""
        return self._here.get(number) or self._gone.get(number) or Who(number, None, None)

    def hear(self, signal: Signal) -> None:
        """Take in a signal of one of `TOPICS`."""
        if not isinstance(signal.body, dict):
            return
        change: dict[str, Any] = signal.body
        if signal.topic == "bus.peer.joined":
            number = _number(change["name"])
            if number not in self._here:
                self._add(Who(number, change["program"], change["pid"]))
        elif signal.topic == "bus.peer.gone":
            self._leave(change)
        elif signal.topic.startswith("bus.name."):
            self._pass_on(change["name"], change["old"], change["new"])

    def _add(self, who: Who) -> None:
        self._here[who.number] = who

    def _leave(self, change: dict[str, Any]) -> None:
        number = _number(change["name"])
        self._here.pop(number, None)
        self.monitors.discard(number)
        self._gone[number] = Who(number, change["program"], change["pid"], tuple(change["names"]))
        while len(self._gone) > _MOST_GONE:
            del self._gone[next(iter(self._gone))]

    def _pass_on(self, name: str, old: str | None, new: str | None) -> None:
        """A well-known name changed hands. Who has left keeps it here, as that is how it was known."""
        before = self._here.get(_number(old)) if old else None
        if before is not None:
            names = tuple(one for one in before.names if one != name)
            self._add(Who(before.number, before.program, before.pid, names))
        after = self._here.get(_number(new)) if new else None
        if after is not None and name not in after.names:
            self._add(Who(after.number, after.program, after.pid, (*after.names, name)))


def _number(name: str) -> int:
    return unique_number(name) or BUS
