"""Templates of topics and texts, whatever rules they are for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus_services.templates import Template, parse, parse_topic


def parse_template(written: str) -> Template:
    """With any fields."""
    return parse(written, str)


@pytest.mark.parametrize(
    ("written", "texts", "fields"),
    [
        ("", ("",), ()),
        ("desk.mouse", ("desk.mouse",), ()),
        ("desk.{ID_MODEL}.{action}", ("desk.", ".", ""), ("ID_MODEL", "action")),
        ("{name}{path}", ("", "", ""), ("name", "path")),
        ("{{{name}}}", ("{", "}"), ("name",)),
        ("{{name}}", ("{name}",), ()),
        ("{adb_user} {X} {ok2}", ("", " ", " ", ""), ("adb_user", "X", "ok2")),
    ],
)
def test_a_template(written: str, texts: tuple[str, ...], fields: tuple[str, ...]) -> None:
    assert parse_template(written) == Template(texts, fields)


_FIELD = "; a field is {NAME}, a brace is {{ or }}"


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("desk.{ID", "has a '{' outside of a field" + _FIELD),
        ("desk.ID}", "has a '}' outside of a field" + _FIELD),
        ("desk.{}", "has a '{' outside of a field" + _FIELD),
        ("desk.{ID MODEL}", "has a '{' outside of a field" + _FIELD),
        ("desk.{a.b}", "has a '{' outside of a field" + _FIELD),
        ("desk.{größe}", "has a '{' outside of a field" + _FIELD),
        ("{name}", "must begin with a word without fields, so that it is known whose topics these are"),
        ("de{name}.x", "must begin with a word without fields, so that it is known whose topics these are"),
        ("bus.{name}", "what begins with bus is published by the bus alone; begin with another word"),
        ("bus", "what begins with bus is published by the bus alone; begin with another word"),
        ("hal.desk", "what begins with hal is told by the hardware service itself; begin with another word"),
        ("desk..x", "topic 'desk..x' has an empty word: join words by single dots, with none at the ends"),
        ("desk.{name}.#", "topic 'desk._.#' holds a wildcard: '*' and '#' are for patterns only"),
        ("", "a topic can't be empty"),
    ],
)
def test_a_topic_that_is_none(written: str, problem: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its text is compared
        parse_topic(written, str)
    assert str(caught.value) == problem


def test_a_field_that_is_refused() -> None:
    def refuse(field: str) -> str:
        raise ValueError(f"has no {field} here")

    with pytest.raises(ValueError, match="^has no name here$"):
        parse_topic("desk.{name}", refuse)


def test_a_topic_is_filled_by_words_and_cut() -> None:
    assert parse_topic("desk.{a}-{b}.x", str).topic({"a": "a.b", "b": "", "c": "no"}) == "desk.a_b-_.x"
    topic = parse_topic("desk.{a}.{b}", str).topic({"a": "a" * 300, "b": "b" * 300})
    assert topic == f"desk.{'a' * 120}.{'b' * 120}"
    with pytest.raises(KeyError):
        parse_topic("desk.{a}", str).topic({})


@given(st.text() | st.text("{}aA_.", max_size=20))
def test_whatever_a_template_is_it_is_read_or_refused(written: str) -> None:
    try:
        template = parse_template(written)
    except ValueError:
        assert "{" in written or "}" in written
    else:
        again = [text.replace("{", "{{").replace("}", "}}") for text in template.texts]
        assert Template(tuple(again), template.fields).filled([f"{{{field}}}" for field in template.fields]) == written
