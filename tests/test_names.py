"""The grammar of names: what is one, what is not and why, and which pattern matches which topic."""

import pytest

from pybus.errors import InvalidName
from pybus.names import (
    BUS_NAME,
    check_destination,
    check_method,
    check_name,
    check_pattern,
    check_topic,
    matches,
    unique_name,
    unique_number,
)

LONG = ".".join(["w" * 15] * 16)
"""A topic of 255 bytes."""


@pytest.mark.parametrize(
    "topic", ["a", "hal.power.ac", "Größe.日本", "bus.x", "a-b_c/d:e@f", "0", LONG, ".".join("a" * 32)]
)
def test_a_topic_is_words_of_any_printable_text(topic: str) -> None:
    assert check_topic(topic) == topic
    assert check_pattern(topic) == topic


@pytest.mark.parametrize(
    ("topic", "complaint"),
    [
        ("", "a topic can't be empty"),
        (".", "topic '.' has an empty word: join words by single dots, with none at the ends"),
        ("a..b", "topic 'a..b' has an empty word: join words by single dots, with none at the ends"),
        ("a.", "topic 'a.' has an empty word: join words by single dots, with none at the ends"),
        ("a b", "topic 'a b' holds a blank or a character that can't be printed"),
        ("a\n", "topic 'a\\n' holds a blank or a character that can't be printed"),
        ("a\x00", "topic 'a\\x00' holds a blank or a character that can't be printed"),
        ("\udc80", "topic '\\udc80' can't be written in UTF-8"),
        ("a.*", "topic 'a.*' holds a wildcard: '*' and '#' are for patterns only"),
        ("#", "topic '#' holds a wildcard: '*' and '#' are for patterns only"),
        ("a#b", "topic 'a#b' holds a wildcard: '*' and '#' are for patterns only"),
        (LONG + "w", f"topic {LONG[:40]!r}... has 256 bytes, at most 255 are allowed"),
        ("é" * 128, f"topic {'é' * 40!r}... has 256 bytes, at most 255 are allowed"),
        (".".join("a" * 33), f"topic {'a.' * 20!r}... has 33 words, at most 32 are allowed"),
    ],
)
def test_a_topic_that_is_none_is_refused_with_the_reason(topic: str, complaint: str) -> None:
    with pytest.raises(InvalidName) as caught:
        check_topic(topic)
    assert str(caught.value) == complaint


@pytest.mark.parametrize("pattern", ["#", "*", "a.*.b", "#.a.#", "*.*.#"])
def test_a_pattern_may_have_wildcards_as_whole_words(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


@pytest.mark.parametrize("word", ["a*", "**", "#a", "##", "*#"])
def test_a_wildcard_inside_a_word_is_refused(word: str) -> None:
    with pytest.raises(InvalidName) as caught:
        check_pattern(f"a.{word}")
    assert str(caught.value) == f"pattern 'a.{word}': a wildcard stands for whole words, so {word!r} can't be one"


@pytest.mark.parametrize("name", ["org.example.Player", "a.b", "_a.b-c", "a.b1", BUS_NAME, f"a.{'b' * 238}"])
def test_a_name_is_two_words_or_more(name: str) -> None:
    assert check_name(name) == name
    assert check_destination(name) == name


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("player", "name 'player' has one word; a service name has two or more, such as org.example.player"),
        ("a.1b", "name 'a.1b': '1b' must be letters, digits, '_' or '-', and begin with a letter or '_'"),
        ("a.-b", "name 'a.-b': '-b' must be letters, digits, '_' or '-', and begin with a letter or '_'"),
        ("a.é", "name 'a.é': 'é' must be letters, digits, '_' or '-', and begin with a letter or '_'"),
        ("a.*", "name 'a.*': '*' must be letters, digits, '_' or '-', and begin with a letter or '_'"),
        ("a..b", "name 'a..b' has an empty word: join words by single dots, with none at the ends"),
        (f"a.{'b' * 239}", f"name 'a.{'b' * 38}'... has 241 bytes, at most 240 are allowed"),
        (".".join("a" * 31), f"name {'a.' * 20!r}... has 31 words, at most 30 are allowed"),
    ],
)
def test_a_name_that_is_none_is_refused_with_the_reason(name: str, complaint: str) -> None:
    with pytest.raises(InvalidName) as caught:
        check_name(name)
    assert str(caught.value) == complaint


@pytest.mark.parametrize("name", [f"a.{'b' * 238}", ".".join("a" * 30)])
def test_the_longest_name_still_makes_a_topic(name: str) -> None:
    assert check_topic(f"bus.name.{check_name(name)}") == f"bus.name.{name}"


@pytest.mark.parametrize("name", [":", ":0", ":01", ":x", ":1x", ":-1", ":²", ":12345678901"])
def test_a_malformed_unique_name_is_no_destination(name: str) -> None:
    assert unique_number(name) is None
    with pytest.raises(InvalidName) as caught:
        check_destination(name)
    assert str(caught.value) == f"name {name!r}: a unique name is a colon and a number, such as :17"


@pytest.mark.parametrize("number", [1, 17, 2**32 - 1])
def test_a_unique_name_and_its_number_are_one(number: int) -> None:
    assert check_destination(unique_name(number)) == f":{number}"
    assert unique_number(unique_name(number)) == number


def test_number_zero_is_the_bus() -> None:
    assert unique_name(0) == BUS_NAME


@pytest.mark.parametrize("text", ["", "17", "org.example"])
def test_other_text_has_no_number(text: str) -> None:
    assert unique_number(text) is None


@pytest.mark.parametrize("method", ["play", "Play2", "größe", "m" * 255])
def test_a_method_is_an_identifier(method: str) -> None:
    assert check_method(method) == method


@pytest.mark.parametrize("method", ["", "_hidden", "a b", "a.b", "1a", "\udc80"])
def test_a_method_that_is_none_is_refused(method: str) -> None:
    with pytest.raises(InvalidName) as caught:
        check_method(method)
    assert str(caught.value) == f"method {method!r} must be an identifier that does not begin with '_'"


def test_a_method_of_256_bytes_is_refused() -> None:
    with pytest.raises(InvalidName) as caught:
        check_method("m" * 256)
    assert str(caught.value) == f"method {'m' * 40!r}... is longer than 255 bytes"


@pytest.mark.parametrize(
    ("pattern", "topics", "others"),
    [
        ("a.b", {"a.b"}, {"a", "a.b.c", "a.c", "b"}),
        ("a.*", {"a.b", "a.a"}, {"a", "a.b.c", "b.a"}),
        ("*", {"a", "b"}, {"a.b"}),
        ("a.#", {"a", "a.b", "a.b.c"}, {"b", "b.a", "ab"}),
        ("#", {"a", "a.b", "a.bus"}, {"bus", "bus.name.a.b"}),
        ("*.name", {"a.name"}, {"bus.name"}),
        ("bus.#", {"bus", "bus.name.a.b"}, {"a.bus"}),
        ("#.a", {"a", "b.a", "b.c.a"}, {"a.b"}),
        ("a.#.b", {"a.b", "a.c.b", "a.c.d.b", "a.b.b"}, {"a", "b", "a.c"}),
        ("#.#", {"a", "a.b"}, set()),
        ("*.#", {"a", "a.b"}, set()),
        ("#.*.#.b", {"a.b", "b.b", "a.c.b"}, {"b", "a.b.c"}),
    ],
)
def test_a_pattern_matches_these_topics_and_not_those(pattern: str, topics: set[str], others: set[str]) -> None:
    assert {topic for topic in topics | others if matches(pattern, topic)} == topics


def test_many_hashes_do_not_make_matching_explode() -> None:
    assert not matches(".".join(["#", "a"] * 16), ".".join(["a"] * 31 + ["b"]))
