"""Chains of messages that cause each other, and where they are cut.

A client marks what it sends while it handles a message with CAUSED, and with a depth one greater than
that message's. So a ring of services that keep triggering each other counts itself up, and is cut
where the depth passes the limit. The last links before that are remembered, to name the chain.
"""

from __future__ import annotations

from typing import NamedTuple

from pybus.errors import LoopCut
from pybus.protocol.frames import MAX_DEPTH

_SAME_LOOP = 10.0
"""Seconds after which a loop that goes on is told again."""
_MOST_TOLD = 1000


class Link(NamedTuple):
    """Who sent what. key: a topic, or a name and a method."""

    program: str
    pid: int
    key: str


class Chains:
    """The links of deep chains. loops: how many messages were refused."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self.loops = 0
        self._told: dict[tuple[str, str], float] = {}

    def check(self, depth: int, most: int, link: Link) -> None:
        """A message of this depth came. Raises `LoopCut` with the chain in its message.

        Only the deeper half is remembered: a loop has been through all its links by then. MAX_DEPTH is
        always too deep, as it stands on the wire for all that is deeper, too.
        """
        most = min(most, MAX_DEPTH - 1)
        if depth <= most // 2:
            return
        self._links[depth] = link
        if depth > most:
            self.loops += 1
            raise LoopCut(
                f"a chain of {depth} messages that cause each other was cut: {' -> '.join(self.chain(depth))}"
            )

    def is_new(self, link: Link, now: float) -> bool:
        """Whether a loop that was cut at this link has not been told lately, as it is to be told now."""
        place = (link.program, link.key)
        if place not in self._told and len(self._told) >= _MOST_TOLD:
            self._told.clear()
        if now - self._told.get(place, -_SAME_LOOP) < _SAME_LOOP:
            return False
        self._told[place] = now
        return True

    def chain(self, depth: int) -> list[str]:
        """The different links that led to this depth, in order of their first, with the process of their last."""
        links = [self._links[one] for one in sorted(self._links) if one <= depth]
        processes = {(link.program, link.key): link.pid for link in links}
        return [f"{program} (pid {pid}): {key}" for (program, key), pid in processes.items()]
