"""The user's own rules: which events are told once more, under a topic of his own.

A template is text with fields: `{subsystem}`, `{action}`, `{name}`, `{path}` of the device, and the
event's properties by their names (`{ID_MODEL}`). `{{` and `}}` stand for a brace. A rule with a field
that the event does not have does not apply to that event.

In a topic each field becomes one word, or a part of the word that it stands in, so nothing that a
device says of itself adds words to a topic or makes it another's.
"""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import pybus

from .device import Device
from .messages import LONGEST_WORD, Message, word

_LONGEST_TOPIC = 255
"""Bytes, as the bus has it."""

_TAKEN = {"bus": "published by the bus alone", "hal": "told by the hardware service itself"}
"""First words of topics that a rule can't have, and whose they are."""

_FIELDS = ("subsystem", "action", "name", "path")
_BRACE = re.compile(r"{{|}}|{(\w+)}|[{}]", re.ASCII)


class Template(NamedTuple):
    """Text with fields. texts: what is around the fields, one more than there are fields."""

    texts: tuple[str, ...]
    fields: tuple[str, ...]

    def filled(self, values: Sequence[str]) -> str:
        """The text with these in place of its fields."""
        between = zip(values, self.texts[1:], strict=True)
        return self.texts[0] + "".join(value + text for value, text in between)


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
    texts, fields, at = [""], [], 0
    for found in _BRACE.finditer(written):
        texts[-1] += written[at : found.start()]
        at = found.end()
        if found[1]:
            fields.append(_field(found[1]))
            texts.append("")
        elif len(found[0]) == 2:
            texts[-1] += found[0][0]
        else:
            raise ValueError(f"has a {found[0]!r} outside of a field; a field is {{NAME}}, a brace is {{{{ or }}}}")
    texts[-1] += written[at:]
    return Template(tuple(texts), tuple(fields))


def parse_topic(written: str) -> Template:
    """The template of a topic, which is a topic whatever its fields hold. Raises `ValueError`."""
    template = parse_template(written)
    pybus.check_topic(template.filled(["_"] * len(template.fields)))  # InvalidName is a ValueError
    first, dot, _ = template.texts[0].partition(".")
    if template.fields and not dot:
        raise ValueError("must begin with a word without fields, so that it is known whose topics these are")
    if first in _TAKEN:
        raise ValueError(f"what begins with {first} is {_TAKEN[first]}; begin with another word")
    return template


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
    return Message(_topic(rule.topic, known), body, rule.retain)


def _topic(template: Template, known: Mapping[str, str]) -> str:
    """The topic, with its fields cut so that it is short enough."""
    spare = _LONGEST_TOPIC - len("".join(template.texts).encode())
    longest = min(LONGEST_WORD, spare // max(1, len(template.fields)))
    return template.filled([word(known[field])[:longest] for field in template.fields])
