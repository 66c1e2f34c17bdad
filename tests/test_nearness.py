"""Near misses: why a pattern just does not match, and which names look alike."""

import pytest

from pybus.nearness import did_you_mean, near_miss, similar


@pytest.mark.parametrize(
    ("pattern", "topic", "why", "better"),
    [
        ("log.*", "log.a.b", "would match if the topic had 2 words", "log.#"),
        ("log.*", "log", "would match if the topic had 2 words", "log.#"),
        ("*", "log.a", "would match if the topic had 1 word", "#"),
        ("*.a.#", "a.x", "has a *, which is exactly one word", "#.a.#"),
        ("hal.power.#", "hal.powr.ac", "has 'power' where the topic has 'powr'", ""),
        ("#.power.ac", "a.b.powr.ac", "has 'power' where the topic has 'powr'", ""),
        ("hal.battery.ac", "hal.power.ac", "has 'battery' where the topic has 'power'", ""),
        ("Hal.Power.#", "hal.power.ac", "differs in upper and lower case only", ""),
        ("hal.power.ac", "hal.ac", "would match if the topic had 'power', too", ""),
        ("hal.ac", "hal.power.ac", "would match if the topic were without 'power'", ""),
    ],
)
def test_a_near_miss_is_explained(pattern: str, topic: str, why: str, better: str) -> None:
    miss = near_miss(pattern, topic)
    assert miss is not None
    assert (miss.why, miss.better) == (why, better)


@pytest.mark.parametrize(
    ("pattern", "topic"),
    [
        ("log.#", "log.a.b"),
        ("hal.power.ac", "hal.power.ac"),
        ("a.b", "a.c"),
        ("a.b", "c.d"),
        ("#.ac", "hal.dc"),
        ("a", "b"),
        ("a.b.c", "a"),
    ],
)
def test_what_matches_or_has_little_in_common_is_no_near_miss(pattern: str, topic: str) -> None:
    assert near_miss(pattern, topic) is None


def test_the_nearest_names_come_first() -> None:
    known = ["org.example.Prayer", "org.example.Player", "org.example.player", "org.example.Recorder", "org.pybus.Bus"]
    assert similar("org.example.Playr", known) == ["org.example.Player", "org.example.player", "org.example.Prayer"]
    assert similar("org.pybus.bus", known) == ["org.pybus.Bus"]
    assert similar("play", ["title", "stop"]) == []


def test_a_question_ends_the_sentence_if_something_is_near() -> None:
    assert did_you_mean("plya", ["play", "stop"]) == "; did you mean play?"
    assert did_you_mean("xyz", ["play", "stop"]) == ""


def test_many_words_take_no_time() -> None:
    pattern = ".".join(["#", *(f"w{number}" for number in range(31))])
    topic = ".".join(f"w{number}" for number in range(32))
    assert near_miss(pattern, topic) is not None
