"""Chains of messages that cause each other, and where they are cut.

A client marks what it sends while it handles a message with CAUSED, and with a depth one greater than
that message's. So a ring of services that keep triggering each other counts itself up, and is cut
where the depth passes the limit. The last links before that are remembered, to name the chain.
"""

from __future__ import annotations

from pybus.errors import LoopCut


class Chains:
    """The links of deep chains. loops: how many messages were refused."""

    def __init__(self) -> None:
        self._links: dict[int, str] = {}
        self.loops = 0

    def check(self, depth: int, most: int, link: str) -> None:
        """A message of this depth came; link: who sent what. Raises `LoopCut` with the chain in its message.

        Only the deeper half is remembered: a loop has been through all its links by then.
        """
        if depth <= most // 2:
            return
        self._links[depth] = link
        if depth > most:
            self.loops += 1
            raise LoopCut(
                f"a chain of {depth} messages that cause each other was cut: {' -> '.join(self.chain(depth))}"
            )

    def chain(self, depth: int) -> list[str]:
        """The different links that led to this depth, in order of their first."""
        return list(dict.fromkeys(self._links[one] for one in sorted(self._links) if one <= depth))
