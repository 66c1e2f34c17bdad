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


def test_a_field_that_is_no_property() -> None:
    there = "{subsystem}, {action}, {name}, {path} and the event's properties"
    for parse in (parse_template, parse_topic):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - its text is compared
            parse("desk.{acton}")
        assert str(caught.value) == f"has the unknown field {{acton}}; there are {there}"


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
