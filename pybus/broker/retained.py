"""Retained signals: the last frame of each topic that was published to be kept.

A tree of words beside the table lets a new pattern find its topics without looking at all of them.
"""

from collections.abc import Iterator

from pybus.errors import LimitExceeded
from pybus.limits import Limits
from pybus.names import matches


class Retained:
    """One kept value. publisher: the number of the connection that set it last; since: when, seconds.

    holder: the number of the connection with whose end the value is forgotten; 0 if it outlives everybody.
    """

    __slots__ = ("body", "flags", "holder", "publisher", "since", "topic")

    def __init__(self, topic: str, flags: int, body: bytes, publisher: int, since: float) -> None:
        self.topic = topic
        self.flags = flags
        self.body = body
        self.publisher = publisher
        self.since = since
        self.holder = 0


class _Node:
    __slots__ = ("children", "value")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.value: Retained | None = None


class RetainedTable:
    """The kept values of the whole bus, within the limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._values: dict[str, Retained] = {}
        self._root = _Node()
        self._set_by: dict[int, int] = {}
        self._held: dict[int, dict[str, None]] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, topic: str) -> Retained | None:
        """The topic's value, if one is kept."""
        return self._values.get(topic)

    def is_same(self, topic: str, flags: int, body: bytes) -> bool:
        """Whether just this is kept for the topic."""
        value = self._values.get(topic)
        return value is not None and value.body == body and value.flags == flags

    def use(self, limits: Limits) -> None:
        """Other limits hold from now on; what is kept stays."""
        self._limits = limits

    def put(self, value: Retained, *, ephemeral: bool = False) -> None:
        """Keep a value in place of the topic's former one. Raises `LimitExceeded`; then nothing changes.

        ephemeral: see `settle`.
        """
        former = self._values.get(value.topic)
        self._check(value, former)
        if ephemeral:
            self._check_held(value.topic, value.publisher)
        holder = 0
        if former is not None:
            holder = former.holder
            self.clear(value.topic)
        node = self._root
        for word in value.topic.split("."):
            child = node.children.get(word)
            if child is None:
                child = node.children[word] = _Node()
            node = child
        node.value = value
        self._values[value.topic] = value
        self._set_by[value.publisher] = self._set_by.get(value.publisher, 0) + 1
        self.bytes += len(value.body)
        self._hold(value, holder)
        self.settle(value.topic, value.publisher, ephemeral=ephemeral)

    def settle(self, topic: str, publisher: int, *, ephemeral: bool) -> None:
        """A connection has published the value that is kept: see with whose end it is forgotten.

        That is the last one who said ephemeral, until it publishes a value that is not. What others publish
        there goes with the holder too, as it stands in for what the holder knows. Raises `LimitExceeded`; then
        nothing changes.
        """
        value = self._values[topic]
        if ephemeral:
            self._check_held(topic, publisher)
        if ephemeral or value.holder == publisher:
            self._release(value)
            self._hold(value, publisher if ephemeral else 0)

    def forget(self, holder: int) -> list[str]:
        """Forget what goes with a connection that has ended; the topics, first held first."""
        topics = list(self._held.get(holder, ()))
        for topic in topics:
            self.clear(topic)
        return topics

    def clear(self, topic: str) -> bool:
        """Forget the topic's value; tell whether there was one."""
        value = self._values.pop(topic, None)
        if value is None:
            return False
        self.bytes -= len(value.body)
        self._release(value)
        self._set_by[value.publisher] -= 1
        if not self._set_by[value.publisher]:
            del self._set_by[value.publisher]
        way: list[tuple[_Node, str]] = []
        node = self._root
        for word in topic.split("."):
            way.append((node, word))
            node = node.children[word]
        node.value = None
        while way and node.value is None and not node.children:
            node, word = way.pop()
            del node.children[word]
        return True

    def matching(self, pattern: str) -> Iterator[Retained]:
        """The values whose topics match a well-formed pattern, each once."""
        words = pattern.split(".")
        if words.count("#") > 1:  # the ways through the tree would be many more than the values
            yield from (value for value in self._values.values() if matches(pattern, value.topic))
            return
        pending: list[tuple[_Node, int]] = [(self._root, 0)]
        seen = set(pending)
        while pending:
            node, place = pending.pop()
            if place == len(words):
                if node.value is not None:
                    yield node.value
                continue
            for step in _steps(node, words[place], place):
                if step not in seen:
                    seen.add(step)
                    pending.append(step)

    def _hold(self, value: Retained, holder: int) -> None:
        value.holder = holder
        if holder:
            self._held.setdefault(holder, {})[value.topic] = None

    def _release(self, value: Retained) -> None:
        held = self._held.get(value.holder)
        if held is not None:
            del held[value.topic]
            if not held:
                del self._held[value.holder]
        value.holder = 0

    def _check(self, value: Retained, former: Retained | None) -> None:
        limits = self._limits
        if len(value.body) > limits.retained_value:
            raise LimitExceeded(
                f"the value of {value.topic} has {len(value.body)} bytes; at most {limits.retained_value} are retained"
            )
        freed = len(former.body) if former is not None else 0
        if self.bytes - freed + len(value.body) > limits.retained_bytes:
            raise LimitExceeded(f"all retained values together are at their limit of {limits.retained_bytes} bytes")
        if former is None and len(self._values) >= limits.retained_topics:
            raise LimitExceeded(f"the bus retains {limits.retained_topics} topics, its limit")
        own = self._set_by.get(value.publisher, 0) - (former is not None and former.publisher == value.publisher)
        if own >= limits.retained_topics_each:
            raise LimitExceeded(f"this connection has {own} retained topics, its limit")

    def _check_held(self, topic: str, holder: int) -> None:
        held = self._held.get(holder, {})
        if topic not in held and len(held) >= self._limits.retained_topics_each:
            raise LimitExceeded(f"this connection holds {len(held)} ephemeral values, its limit")


def _steps(node: _Node, word: str, place: int) -> Iterator[tuple[_Node, int]]:
    """Where one word of a pattern leads from a node."""
    if word == "#":
        yield node, place + 1
        for child in node.children.values():
            yield child, place
    elif word == "*":
        for child in node.children.values():
            yield child, place + 1
    elif word in node.children:
        yield node.children[word], place + 1
