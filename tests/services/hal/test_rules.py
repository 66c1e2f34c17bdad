"""The user's rules: templates, which events match, and that no device makes a topic another's."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pybus.names import check_topic
from pybus_services.hal.device import Device
from pybus_services.hal.rules import Rule, Template, matching, parse_template, parse_topic
from pybus_services.messages import Message

PROPERTIES = {"ACTION": "add", "ID_MODEL": "USB Receiver", "ID_VENDOR": "Logitech", "SUBSYSTEM": "usb"}
MOUSE = Device("/devices/pci0/usb1/1-2", "1-2", "usb", "add", PROPERTIES)


def rule(topic: str = "desk.mouse", value: str | None = None, retain: bool = False) -> Rule:
    """A rule of alice's, for any event."""
    return Rule(parse_topic(topic), value=None if value is None else parse_template(value), retain=retain)


def told(*rules: Rule, device: Device = MOUSE) -> list[Message]:
    messages: list[Message] = matching(rules, device)
    return messages


# --- templates ----------------------------------------------------------------------------------------


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
_UNKNOWN = "; there are {subsystem}, {action}, {name}, {path} and the event's properties"


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("desk.{ID", "has a '{' outside of a field" + _FIELD),
        ("desk.ID}", "has a '}' outside of a field" + _FIELD),
        ("desk.{}", "has a '{' outside of a field" + _FIELD),
        ("desk.{ID MODEL}", "has a '{' outside of a field" + _FIELD),
        ("desk.{a.b}", "has a '{' outside of a field" + _FIELD),
        ("desk.{größe}", "has a '{' outside of a field" + _FIELD),
        ("desk.{acton}", "has the unknown field {acton}" + _UNKNOWN),
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
        parse_topic(written)
    assert str(caught.value) == problem


@pytest.mark.parametrize("written", ["desk", "buses.{name}", "desk.a{name}b", "desk.{{", "halo.x"])
def test_a_topic(written: str) -> None:
    assert parse_topic(written) == parse_template(written)


def test_the_longest_topic() -> None:
    longest = "desk." + "x" * 248 + "."
    assert told(rule(longest + "{ID_VENDOR}")) == [Message(longest + "L", PROPERTIES)]
    with pytest.raises(ValueError, match="has 256 bytes, at most 255 are allowed"):
        parse_topic(longest + "{name}{name}")


# --- events -------------------------------------------------------------------------------------------


def test_a_rule_tells_the_event_under_its_own_topic() -> None:
    assert told(rule("desk.{ID_MODEL}.{action}")) == [Message("desk.USB_Receiver.add", PROPERTIES, retained=False)]


def test_the_value_is_filled_as_it_is() -> None:
    value = "{ID_MODEL} at {name}, {{{subsystem}}} {path}"
    assert told(rule(value=value, retain=True)) == [
        Message("desk.mouse", "USB Receiver at 1-2, {usb} /devices/pci0/usb1/1-2", retained=True)
    ]
    assert told(rule(value="")) == [Message("desk.mouse", "")]


def test_the_devices_own_fields_go_before_properties_of_their_name() -> None:
    device = MOUSE._replace(properties={"name": "other", "action": "other"})
    assert told(rule(value="{name} {action}"), device=device) == [Message("desk.mouse", "1-2 add")]


def test_a_rule_whose_field_the_event_lacks_does_not_apply() -> None:
    assert told(rule("desk.{ID_SERIAL}"), rule(value="{ID_SERIAL}"), rule("desk.last")) == [
        Message("desk.last", PROPERTIES)
    ]


def test_a_removal_can_be_kept() -> None:
    device = MOUSE._replace(action="remove")
    assert told(rule(value="gone", retain=True), device=device) == [Message("desk.mouse", "gone", retained=True)]


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        ({}, True),
        ({"subsystem": "usb"}, True),
        ({"subsystem": "u*"}, True),
        ({"subsystem": "USB"}, False),
        ({"subsystem": "us"}, False),
        ({"action": "[ac]*"}, True),
        ({"action": "remove"}, False),
        ({"subsystem": "usb", "action": "remove"}, False),
        ({"properties": {"ID_VENDOR": "Logi*"}}, True),
        ({"properties": {"ID_VENDOR": "logi*"}}, False),
        ({"properties": {"ID_VENDOR": "Logi*", "ID_MODEL": "*Mouse"}}, False),
        ({"properties": {"ID_VENDOR": "Logi*", "ID_MODEL": "* ?eceiver"}}, True),
        ({"properties": {"ID_SERIAL": "*"}}, False),
    ],
)
def test_which_events_match(wanted: dict[str, object], matches: bool) -> None:
    assert told(rule()._replace(**wanted)) == ([Message("desk.mouse", PROPERTIES)] if matches else [])


def test_every_rule_that_matches_tells_it_in_their_order() -> None:
    rules = [rule("desk.b"), rule("desk.none")._replace(subsystem="net"), rule("desk.a"), rule("desk.b")]
    assert [message.topic for message in told(*rules)] == ["desk.b", "desk.a", "desk.b"]


# --- the laws -----------------------------------------------------------------------------------------

NAMES = st.sampled_from(["A", "B", "C"])
TEXTS = st.text() | st.text("a.*# {}", max_size=400)
TOPICS = st.lists(st.sampled_from(["{A}", "{B}", "{name}", "{path}", ".", "x", "ü", "{{"]), max_size=140)


@given(TOPICS, st.dictionaries(NAMES, TEXTS), TEXTS, TEXTS)
@example(["x"] * 240 + [".", "{A}", "{B}"], {"A": "a" * 200, "B": "b" * 200}, "", "")
@example(["ü"] * 100 + [".", "{A}"], {"A": "a" * 200}, "", "")
@example(["{A}", "."] * 30 + ["x"], dict.fromkeys("AB", "ü" * 200), "", "")
def test_whatever_a_device_says_the_topic_has_the_words_of_its_template(
    pieces: list[str], properties: dict[str, str], name: str, path: str
) -> None:
    try:
        topic = parse_topic("desk." + "".join(pieces))
    except ValueError:
        return
    [message] = matching([Rule(topic)], Device(path, name, "usb", "add", {"A": "", "B": "", **properties}))
    assert check_topic(message.topic).count(".") == "".join(topic.texts).count(".")
    assert message.topic.startswith("desk.")
    assert message.body == {"A": "", "B": "", **properties}


@given(st.dictionaries(NAMES, TEXTS), st.dictionaries(NAMES, st.just("*") | TEXTS), st.lists(NAMES))
def test_whatever_is_wanted_it_applies_if_all_is_there(
    properties: dict[str, str], wanted: dict[str, str], fields: list[str]
) -> None:
    device = Device("/devices/x", "x", "usb", "add", properties)
    value = Template(("",) * (len(fields) + 1), tuple(fields))
    asked = rule()._replace(properties=wanted, value=value)
    there = {*fields, *wanted} <= properties.keys()
    if there and all(fnmatchcase(properties[name], glob) for name, glob in wanted.items()):
        body = "".join(properties[field] for field in fields)
        assert matching([asked], device) == [Message("desk.mouse", body)]
    else:
        assert matching([asked], device) == []


@given(st.text() | st.text("{}aA_.", max_size=20))
def test_whatever_a_template_is_it_is_read_or_refused(written: str) -> None:
    try:
        template = parse_template(written)
    except ValueError:
        assert "{" in written or "}" in written
    else:
        again = [text.replace("{", "{{").replace("}", "}}") for text in template.texts]
        assert Template(tuple(again), template.fields).filled([f"{{{field}}}" for field in template.fields]) == written
