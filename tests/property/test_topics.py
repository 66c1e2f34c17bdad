"""The law of topics: index, table and `matches` all agree with a naive matcher, whatever came and went."""

from hypothesis import given
from hypothesis import strategies as st

from pybus.broker.retained import Retained, RetainedTable
from pybus.broker.topics import TopicIndex
from pybus.limits import Limits
from pybus.names import matches, overlap

topics = st.lists(st.sampled_from("abc"), min_size=1, max_size=6).map(".".join)
all_topics = st.lists(st.sampled_from(["a", "b", "c", "bus"]), min_size=1, max_size=6).map(".".join)
patterns = st.lists(st.sampled_from(["a", "b", "*", "#", "#", "bus"]), min_size=1, max_size=6).map(".".join)
holders = st.sampled_from(["alice", "bob", "carol"])


def naive(pattern: list[str], topic: list[str]) -> bool:
    """Whether a pattern matches a topic, as the words of the specification have it."""
    if not pattern:
        return not topic
    first, *rest = pattern
    if first == "#":
        return any(naive(rest, topic[skipped:]) for skipped in range(len(topic) + 1))
    return bool(topic) and first in ("*", topic[0]) and naive(rest, topic[1:])


def naively(pattern: str, topic: str) -> bool:
    if topic.split(".")[0] == "bus" and pattern[0] in "*#":  # the bus's own topics are asked for by name
        return False
    return naive(pattern.split("."), topic.split("."))


@given(patterns, all_topics)
def test_matches_agrees_with_the_naive_matcher(pattern: str, topic: str) -> None:
    assert matches(pattern, topic) == naively(pattern, topic)


@given(patterns, patterns, all_topics)
def test_patterns_that_match_one_topic_overlap(one: str, other: str, topic: str) -> None:
    both = naive(one.split("."), topic.split(".")) and naive(other.split("."), topic.split("."))
    assert overlap(one, other) or not both
    assert overlap(one, other) == overlap(other, one)


@given(patterns, all_topics)
def test_a_pattern_overlaps_just_the_topics_that_it_matches(pattern: str, topic: str) -> None:
    assert overlap(pattern, topic) == naive(pattern.split("."), topic.split("."))


@given(st.lists(st.tuples(patterns, holders)), st.data(), st.lists(all_topics, min_size=1))
def test_the_index_agrees_with_the_naive_matcher(
    added: list[tuple[str, str]], data: st.DataObject, published: list[str]
) -> None:
    index: TopicIndex[str] = TopicIndex(guarded=True)
    for pattern, holder in added:
        index.add(pattern, holder)
    removed = data.draw(st.lists(st.sampled_from(sorted(set(added))), unique=True)) if added else []
    for pattern, holder in removed:
        index.remove(pattern, holder)
    left = set(added) - set(removed)
    for topic in published:
        found = index.match(topic)
        assert len(found) == len(set(found))
        assert set(found) == {holder for pattern, holder in left if naively(pattern, topic)}
    for pattern, holder in left:
        index.remove(pattern, holder)
    assert index._root.children is None


@given(st.lists(topics), st.lists(topics), st.lists(patterns, min_size=1))
def test_the_retained_table_agrees_with_the_naive_matcher(
    kept: list[str], cleared: list[str], wanted: list[str]
) -> None:
    table = RetainedTable(Limits())
    for number, topic in enumerate(kept):
        table.put(Retained(topic, 0, b"%d" % number, 1, 0.0))
    for topic in cleared:
        table.clear(topic)
    last = {topic: b"%d" % number for number, topic in enumerate(kept) if topic not in cleared}
    for pattern in wanted:
        found = list(table.matching(pattern))
        assert len(found) == len({value.topic for value in found})
        assert {value.topic: value.body for value in found} == {
            topic: body for topic, body in last.items() if naively(pattern, topic)
        }
    assert (len(table), table.bytes) == (len(last), sum(map(len, last.values())))
