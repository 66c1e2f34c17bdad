"""The user's own rules: which events are told once more, under a topic of his own.

The fields of a template (`templates`) are `{subsystem}`, `{action}`, `{name}`, `{path}` of the device, and
the event's properties by their names (`{ID_MODEL}`). A rule with a field that the event does not have
does not apply to that event.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from .. import templates
from ..messages import Message
from ..templates import Template
from .device import Device

_FIELDS = ("subsystem", "action", "name", "path")


class Rule(NamedTuple):
    """An event that matches is published under another topic as well.

    subsystem, action: globs, case-sensitive. properties: globs by name; the event has to have each of
    them. value: the body; None for the event's properties as a map. retain: the value is kept.
    """

    topic: Template
    subsystem: str = "*"
    action: str = "*"
    properties: Mapping[str, str] = {}
    value: Template | None = None
    retain: bool = False


def parse_template(written: str) -> Template:
    """A template from its text. Raises `ValueError` saying what is wrong with it."""
    return templates.parse(written, _field)


def parse_topic(written: str) -> Template:
    """The template of a topic, which is a topic whatever its fields hold. Raises `ValueError`."""
    return templates.parse_topic(written, _field)


def matching(rules: Sequence[Rule], device: Device) -> list[Message]:
    """What the rules have to say of an event, in their order."""
    messages = [_message(rule, device) for rule in rules if _applies(rule, device)]
    return [message for message in messages if message is not None]


def _field(name: str) -> str:
    """A field's name. Single words in small letters are no properties, so they are told apart from misspelt fields."""
    if name.isalpha() and name.islower() and name not in _FIELDS:
        there = ", ".join(f"{{{field}}}" for field in _FIELDS)
        raise ValueError(f"has the unknown field {{{name}}}; there are {there} and the event's properties")
    return name


def _applies(rule: Rule, device: Device) -> bool:
    return (
        fnmatchcase(device.subsystem, rule.subsystem)
        and fnmatchcase(device.action, rule.action)
        and all(
            name in device.properties and fnmatchcase(device.properties[name], pattern)
            for name, pattern in rule.properties.items()
        )
    )


def _message(rule: Rule, device: Device) -> Message | None:
    """The rule's message, or None if the event lacks one of its fields."""
    known = {**device.properties, **{field: getattr(device, field) for field in _FIELDS}}
    if not known.keys() >= {*rule.topic.fields, *(rule.value.fields if rule.value else ())}:
        return None
    body: object = dict(device.properties)
    if rule.value is not None:
        body = rule.value.filled([known[field] for field in rule.value.fields])
    return Message(rule.topic.topic(known), body, rule.retain)
