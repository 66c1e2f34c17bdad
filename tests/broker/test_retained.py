"""Retained values: the last of each topic, found by pattern, within four limits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybus.broker.retained import Retained, RetainedTable
from pybus.errors import LimitExceeded
from pybus.limits import Limits

ALICE = 1
BOB = 2


def kept(topic: str, body: bytes = b"", publisher: int = ALICE) -> Retained:
    return Retained(topic, 0, body, publisher, 0.0)


def table(*values: Retained, limits: Limits | None = None) -> RetainedTable:
    made = RetainedTable(limits or Limits())
    for value in values:
        made.put(value)
    return made


def found(made: RetainedTable, pattern: str) -> list[str]:
    return sorted(value.topic for value in made.matching(pattern))


def refused(made: RetainedTable, value: Retained) -> str:
    before = (len(made), made.bytes, made.get(value.topic))
    with pytest.raises(LimitExceeded) as caught:
        made.put(value)
    assert (len(made), made.bytes, made.get(value.topic)) == before
    return caught.value.message


def test_the_last_value_of_a_topic_is_kept() -> None:
    last = kept("hal.ac", b"unplugged", BOB)
    made = table(kept("hal.ac", b"plugged"), last)
    assert made.get("hal.ac") is last
    assert list(made.matching("hal.ac")) == [last]
    assert (len(made), made.bytes) == (1, 9)


def test_a_cleared_topic_has_no_value() -> None:
    made = table(kept("hal.ac", b"plugged"), kept("hal", b"x"))
    assert made.clear("hal.ac")
    assert not made.clear("hal.ac")
    assert not made.clear("never.set")
    assert made.get("hal.ac") is None
    assert found(made, "#") == ["hal"]
    assert (len(made), made.bytes) == (1, 1)


def test_clearing_a_topic_leaves_those_above_and_below_it() -> None:
    made = table(kept("a"), kept("a.b"), kept("a.b.c"), kept("a.d"))
    made.clear("a.b")
    assert found(made, "#") == ["a", "a.b.c", "a.d"]
    made.clear("a.b.c")
    assert found(made, "#") == ["a", "a.d"]


@pytest.mark.parametrize(
    ("pattern", "topics"),
    [
        ("a.b", ["a.b"]),
        ("a", ["a"]),
        ("*", ["a", "b"]),
        ("a.*", ["a.b"]),
        ("a.#", ["a", "a.b", "a.b.c"]),
        ("#.b", ["a.b", "b"]),
        ("#.#", ["a", "a.b", "a.b.c", "b"]),
        ("*.#.c", ["a.b.c"]),
        ("c", []),
    ],
)
def test_a_pattern_finds_its_values_each_once(pattern: str, topics: list[str]) -> None:
    assert found(table(kept("a"), kept("a.b"), kept("a.b.c"), kept("b")), pattern) == topics


# --- values that go with a connection ----------------------------------------------------------------


def holders(made: RetainedTable) -> dict[str, int]:
    return {value.topic: value.holder for value in made.matching("#")}


def test_what_is_held_is_forgotten_with_its_holder_first_held_first() -> None:
    made = table(kept("a", b"lasting"))
    for topic, publisher in (("c", ALICE), ("b", ALICE), ("d", BOB)):
        made.put(kept(topic, b"x", publisher), ephemeral=True)
    assert holders(made) == {"a": 0, "b": ALICE, "c": ALICE, "d": BOB}
    assert made.forget(ALICE) == ["c", "b"]
    assert made.forget(ALICE) == []
    assert holders(made) == {"a": 0, "d": BOB}
    assert (len(made), made.bytes, made._held) == (2, 8, {BOB: {"d": None}})


def test_a_refused_value_changes_no_holder() -> None:
    made = table(limits=Limits()._replace(retained_value=4))
    made.put(kept("a", b"1234"), ephemeral=True)
    with pytest.raises(LimitExceeded):
        made.put(kept("a", b"12345"))
    assert holders(made) == {"a": ALICE}


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["publish", "settle", "clear", "end"]), st.sampled_from("ab"), st.integers(1, 3)
        ).flatmap(lambda step: st.tuples(st.just(step), st.booleans())),
        max_size=30,
    )
)
def test_holders_are_as_a_naive_model_has_them(steps: list[tuple[tuple[str, str, int], bool]]) -> None:
    """The law of the protocol's section 6, said once more and naively."""
    made = table()
    model: dict[str, int] = {}
    for (what, topic, who), ephemeral in steps:
        if what == "publish" or (what == "settle" and topic in model):
            holder = model.get(topic, 0)
            model[topic] = who if ephemeral else 0 if holder == who else holder
            if what == "publish":
                made.put(kept(topic, b"", who), ephemeral=ephemeral)
            else:
                made.settle(topic, who, ephemeral=ephemeral)
        elif what == "clear":
            assert made.clear(topic) == (model.pop(topic, None) is not None)
        elif what == "end":
            gone = {topic for topic, holder in model.items() if holder == who}
            assert set(made.forget(who)) == gone
            model = {topic: holder for topic, holder in model.items() if topic not in gone}
        assert holders(made) == model
        held = {who: {topic for topic, holder in model.items() if holder == who} for who in model.values() if who}
        assert {who: set(topics) for who, topics in made._held.items()} == held


# --- limits ---------------------------------------------------------------------------------------


def test_a_value_may_be_as_large_as_the_limit() -> None:
    made = table(kept("a", b"1234"), limits=Limits()._replace(retained_value=4))
    assert refused(made, kept("a", b"12345")) == "the value of a has 5 bytes; at most 4 are retained"
    assert refused(made, kept("b", b"12345")) == "the value of b has 5 bytes; at most 4 are retained"


def test_all_values_together_may_be_as_large_as_the_limit() -> None:
    made = table(kept("a", b"123"), kept("b", b"4"), limits=Limits()._replace(retained_bytes=4))
    assert refused(made, kept("c", b"5")) == "all retained values together are at their limit of 4 bytes"
    assert refused(made, kept("a", b"1234")) == "all retained values together are at their limit of 4 bytes"
    made.put(kept("a", b"321"))
    made.put(kept("b", b""))
    made.put(kept("c", b"5"))
    assert made.bytes == 4


def test_there_may_be_as_many_topics_as_the_limit() -> None:
    made = table(kept("a"), kept("b", publisher=BOB), limits=Limits()._replace(retained_topics=2))
    assert refused(made, kept("c")) == "the bus retains 2 topics, its limit"
    made.put(kept("b"))
    made.clear("a")
    made.put(kept("c"))
    assert found(made, "#") == ["b", "c"]


def test_one_connection_may_set_as_many_topics_as_its_own_limit() -> None:
    made = table(kept("a"), kept("b"), limits=Limits()._replace(retained_topics_each=2))
    assert refused(made, kept("c")) == "this connection has 2 retained topics, its limit"
    made.put(kept("a", b"its own again"))
    made.put(kept("c", publisher=BOB))
    assert refused(made, kept("c")) == "this connection has 2 retained topics, its limit"


def test_a_topic_counts_for_whoever_set_it_last() -> None:
    made = table(kept("a"), kept("b"), limits=Limits()._replace(retained_topics_each=2))
    made.put(kept("a", publisher=BOB))
    made.put(kept("c"))
    assert refused(made, kept("a")) == "this connection has 2 retained topics, its limit"
    made.clear("b")
    made.put(kept("a"))
    assert found(made, "#") == ["a", "c"]
