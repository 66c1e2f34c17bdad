"""The topic index: which subscribers have a pattern that matches a topic.

A trie of words. Matching walks the topic once with the set of nodes that it may have reached, so it
looks at the nodes along its own words and the wildcards beside them, never at every pattern, and
several `#` in a pattern can't make it explode.
"""

from typing import Generic, TypeVar

from pybus.errors import AccessDenied, InvalidName
from pybus.names import check_topic, is_own

T = TypeVar("T")


def check_publishable(topic: str) -> str:
    """A topic that a peer may publish to. Raises `InvalidName`, `AccessDenied` for the bus's own."""
    if is_own(check_topic(topic)):
        raise AccessDenied(f"topic {topic}: the topics under 'bus.' are the bus's own")
    return topic


def decode_key(key: bytes) -> str:
    """The text of a key. Raises `InvalidName`."""
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise InvalidName(f"{key[:40]!r} is not UTF-8") from None


class _Node(Generic[T]):
    __slots__ = ("children", "holders", "is_hash")

    def __init__(self, is_hash: bool) -> None:
        self.is_hash = is_hash
        self.children: dict[str, _Node[T]] | None = None
        self.holders: dict[T, None] | None = None


class TopicIndex(Generic[T]):
    """Patterns, each held by one or more holders (hashable; for signals they are peers)."""

    def __init__(self, *, guarded: bool = False) -> None:
        """guarded: whether a wildcard at the beginning does not stand for `bus`, see `names.matches`."""
        self._guarded = guarded
        self._root: _Node[T] = _Node(False)

    def add(self, pattern: str, holder: T) -> None:
        """Let the holder have a well-formed pattern; once more does nothing. Time: the pattern's words."""
        node = self._root
        for word in pattern.split("."):
            if node.children is None:
                node.children = {}
            child = node.children.get(word)
            if child is None:
                child = node.children[word] = _Node(word == "#")
            node = child
        if node.holders is None:
            node.holders = {}
        node.holders[holder] = None

    def remove(self, pattern: str, holder: T) -> None:
        """Take the pattern from the holder, who must have it, and drop the nodes that this leaves empty."""
        way: list[tuple[_Node[T], str]] = []
        node = self._root
        for word in pattern.split("."):
            way.append((node, word))
            node = _children(node)[word]
        assert node.holders is not None
        del node.holders[holder]
        if not node.holders:
            node.holders = None
        while way and node.holders is None and node.children is None:
            node, word = way.pop()
            children = _children(node)
            del children[word]
            if not children:
                node.children = None

    def match(self, topic: str) -> list[T]:
        """The holders of at least one pattern that matches the topic, each once."""
        words = topic.split(".")
        places = _with_hashes({self._root: None})
        if self._guarded and is_own(topic):
            own = (self._root.children or {}).get(words.pop(0))
            places = _with_hashes({own: None}) if own is not None else {}
        for word in words:
            reached: dict[_Node[T], None] = {}
            for node in places:
                if node.is_hash:
                    reached[node] = None
                if node.children is not None:
                    for step in (word, "*"):
                        if step in node.children:
                            reached[node.children[step]] = None
            places = _with_hashes(reached)
        found: dict[T, None] = {}
        for node in places:
            if node.holders is not None:
                found.update(node.holders)
        return list(found)


def is_match(pattern: str, topic: str, *, guarded: bool = False) -> bool:
    """Whether a single pattern matches, as it would in an index."""
    index: TopicIndex[bool] = TopicIndex(guarded=guarded)
    index.add(pattern, True)
    return bool(index.match(topic))


def _children(node: _Node[T]) -> dict[str, _Node[T]]:
    assert node.children is not None, "the holder does not have this pattern"
    return node.children


def _with_hashes(nodes: dict[_Node[T], None]) -> dict[_Node[T], None]:
    """The nodes, and the `#` children reached from them by letting `#` stand for no word."""
    pending = list(nodes)
    while pending:
        children = pending.pop().children
        child = children.get("#") if children is not None else None
        if child is not None and child not in nodes:
            nodes[child] = None
            pending.append(child)
    return nodes
