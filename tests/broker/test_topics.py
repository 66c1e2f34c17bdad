"""The topic index: who holds a pattern that matches, as patterns come and go."""

import pytest

from pybus.broker.topics import TopicIndex, check_publishable
from pybus.errors import AccessDenied, InvalidName


def index(**patterns: str) -> TopicIndex[str]:
    """An index in which each person holds the patterns named in their text."""
    made: TopicIndex[str] = TopicIndex(guarded=True)
    for holder, text in patterns.items():
        for pattern in text.split():
            made.add(pattern, holder)
    return made


def test_the_holders_of_matching_patterns_are_found_each_once() -> None:
    made = index(alice="hal.# hal.power.*", bob="hal.power.ac", carol="hal.*", dave="# *.*.*")
    assert sorted(made.match("hal.power.ac")) == ["alice", "bob", "dave"]
    assert sorted(made.match("hal.power")) == ["alice", "carol", "dave"]
    assert sorted(made.match("hal")) == ["alice", "dave"]
    assert made.match("net") == ["dave"]


@pytest.mark.parametrize(
    ("pattern", "topics", "others"),
    [
        ("a.b", {"a.b"}, {"a", "a.b.c", "a.c"}),
        ("*.b", {"a.b", "b.b"}, {"b", "a.b.c"}),
        ("a.#", {"a", "a.b", "a.b.c"}, {"b"}),
        ("#.b", {"b", "a.b", "a.c.b", "b.b"}, {"b.a"}),
        ("a.#.b", {"a.b", "a.b.b", "a.c.d.b"}, {"a", "b"}),
        ("#.#.#", {"a", "a.b"}, set()),
        ("#.*", {"a", "a.b"}, set()),
        ("*.#.*", {"a.b", "a.b.c"}, {"a"}),
    ],
)
def test_a_pattern_matches_these_topics_and_not_those(pattern: str, topics: set[str], others: set[str]) -> None:
    made = index(alice=pattern)
    assert {topic for topic in topics | others if made.match(topic)} == topics


def test_adding_a_pattern_once_more_does_nothing() -> None:
    made = index(alice="a a")
    made.remove("a", "alice")
    assert made.match("a") == []


def test_removing_a_pattern_leaves_all_others() -> None:
    made = index(alice="a.b a.b.c a.* #", bob="a.b")
    made.remove("a.b", "alice")
    made.remove("#", "alice")
    assert sorted(made.match("a.b")) == ["alice", "bob"]
    made.remove("a.*", "alice")
    assert made.match("a.b") == ["bob"]
    assert made.match("a.b.c") == ["alice"]
    made.remove("a.b", "bob")
    assert (made.match("a.b"), made.match("a.b.c")) == ([], ["alice"])


def test_an_emptied_index_holds_no_nodes() -> None:
    made = index(alice="a.b.c a.# *")
    for pattern in ("a.b.c", "a.#", "*"):
        made.remove(pattern, "alice")
    assert made._root.children is None


def test_many_hashes_do_not_make_matching_explode() -> None:
    made = index(alice=".".join(["#", "a"] * 16), bob="#.b")
    assert made.match(".".join(["a"] * 31 + ["b"])) == ["bob"]


@pytest.mark.parametrize("topic", ["hal.power.ac", "busy", "a.bus", "bus-stop.north"])
def test_peers_may_publish_here(topic: str) -> None:
    assert check_publishable(topic) == topic


@pytest.mark.parametrize("topic", ["bus", "bus.name.org.example.A"])
def test_the_buss_own_topics_are_denied(topic: str) -> None:
    with pytest.raises(AccessDenied) as caught:
        check_publishable(topic)
    assert caught.value.message == f"topic {topic}: the topics under 'bus.' are the bus's own"


def test_a_malformed_topic_is_refused_before_that() -> None:
    with pytest.raises(InvalidName):
        check_publishable("bus.*")
