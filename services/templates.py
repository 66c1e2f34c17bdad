"""Text with fields, as users write it in their rules: `desk.{ID_MODEL}.{action}`.

`{{` and `}}` stand for a brace. In a topic each field becomes one word, or a part of the word that it
stands in, so nothing that a device or a program says of itself adds words to a topic or makes it another's.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pybus

from .messages import LONGEST_WORD, word

_LONGEST_TOPIC = 255
"""Bytes, as the bus has it."""

_TAKEN = {"bus": "published by the bus alone", "hal": "told by the hardware service itself"}
"""First words of topics that a rule can't have, and whose they are."""

_BRACE = re.compile(r"{{|}}|{(\w+)}|[{}]", re.ASCII)


class Template(NamedTuple):
    """Text with fields. texts: what is around the fields, one more than there are fields."""

    texts: tuple[str, ...]
    fields: tuple[str, ...]

    def filled(self, values: Sequence[str]) -> str:
        """The text with these in place of its fields."""
        between = zip(values, self.texts[1:], strict=True)
        return self.texts[0] + "".join(value + text for value, text in between)

    def topic(self, known: Mapping[str, str]) -> str:
        """The topic that this is with these fields, cut so that it is short enough. Raises `KeyError`."""
        spare = _LONGEST_TOPIC - len("".join(self.texts).encode())
        longest = min(LONGEST_WORD, spare // max(1, len(self.fields)))
        return self.filled([word(known[field])[:longest] for field in self.fields])


def parse(written: str, check_field: Callable[[str], str]) -> Template:
    """A template from its text. check_field: takes a field's name and returns it, or raises `ValueError`.

    Raises `ValueError` saying what is wrong with it.
    """
    texts, fields, at = [""], [], 0
    for found in _BRACE.finditer(written):
        texts[-1] += written[at : found.start()]
        at = found.end()
        if found[1]:
            fields.append(check_field(found[1]))
            texts.append("")
        elif len(found[0]) == 2:
            texts[-1] += found[0][0]
        else:
            raise ValueError(f"has a {found[0]!r} outside of a field; a field is {{NAME}}, a brace is {{{{ or }}}}")
    texts[-1] += written[at:]
    return Template(tuple(texts), tuple(fields))


def parse_topic(written: str, check_field: Callable[[str], str]) -> Template:
    """The template of a topic, which is a topic whatever its fields hold. As `parse`."""
    template = parse(written, check_field)
    pybus.check_topic(template.filled(["_"] * len(template.fields)))  # InvalidName is a ValueError
    first, dot, _ = template.texts[0].partition(".")
    if template.fields and not dot:
        raise ValueError("must begin with a word without fields, so that it is known whose topics these are")
    if first in _TAKEN:
        raise ValueError(f"what begins with {first} is {_TAKEN[first]}; begin with another word")
    return template
