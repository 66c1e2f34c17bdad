"""Near misses: what a person who wrote a name, a topic or a pattern may have meant.

`near_miss` tells why a pattern does not match a topic, if little is missing. As a topic is a pattern
without wildcards, and a name or a method looks like a topic, `similar` finds those alike by the same rule.
"""

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

from pybus.names import matches

_WILDCARDS = ("*", "#")

_ALIKE = 0.6
"""Words that have so much in common (difflib's ratio) may be one word, misspelled."""

_OTHER_WORD = 4.0
"""The distance from which on a word is not misspelled but another one."""


class NearMiss(NamedTuple):
    """Why a pattern does not match a topic.

    why: the end of a sentence that begins with the pattern. better: a pattern that would match, "" if
    there is no obvious one. distance: how far the two are apart, for sorting; less is nearer.
    """

    why: str
    better: str
    distance: float


def near_miss(pattern: str, topic: str) -> NearMiss | None:
    """Why the pattern does not match the topic, or None if they have little in common, or it does match."""
    words, present = pattern.split("."), topic.split(".")
    known = {word.casefold() for word in present}
    literal = [word for word in words if word not in _WILDCARDS]
    if sum(word.casefold() not in known for word in literal) > 1 or matches(pattern, topic):
        return None
    if matches(pattern.casefold(), topic.casefold()):
        return NearMiss("differs in upper and lower case only", "", 0.0)
    found = list(_other_wildcards(words, topic))
    if literal:
        found += [*_other_words(words, present), *_more_or_less(words, present)]
    return min(found, key=lambda miss: miss.distance, default=None)


def similar(name: str, known: Iterable[str]) -> list[str]:
    """Those of the known names, topics or methods that look like this one: at most three, the nearest first."""
    near = {one: near_miss(one, name) for one in known}
    misses = sorted((miss.distance, one) for one, miss in near.items() if miss is not None)
    return [one for distance, one in misses if distance < _OTHER_WORD][:3]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that names what is similar, or nothing."""
    found = similar(name, known)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _other_wildcards(words: list[str], topic: str) -> Iterator[NearMiss]:
    """It would match if a `*` were a `#`."""
    for place in reversed(range(len(words))):
        better = ".".join([*words[:place], "#", *words[place + 1 :]])
        if words[place] == "*" and matches(better, topic):
            count = f"{len(words)} word{'s'[: len(words) > 1]}"
            why = "has a *, which is exactly one word" if "#" in words else f"would match if the topic had {count}"
            yield NearMiss(why, better, 1.0)
            return


def _other_words(words: list[str], present: list[str]) -> Iterator[NearMiss]:
    """It would match if one of its words were another."""
    topic = ".".join(present)
    others = sum(word not in _WILDCARDS for word in words) - 1
    for place, word in enumerate(words):
        for other in dict.fromkeys(present):
            if word in _WILDCARDS or not matches(".".join([*words[:place], other, *words[place + 1 :]]), topic):
                continue
            likeness = SequenceMatcher(None, word.casefold(), other.casefold()).ratio()
            if likeness >= _ALIKE or others >= 2:
                far = 2.0 if likeness >= _ALIKE else _OTHER_WORD
                yield NearMiss(f"has {word!r} where the topic has {other!r}", "", far + 1 - likeness)


def _more_or_less(words: list[str], present: list[str]) -> Iterator[NearMiss]:
    """It would match if the topic had one word more or one less."""
    topic = ".".join(present)
    for place, word in enumerate(present if len(present) > 1 else []):
        if matches(".".join(words), ".".join(present[:place] + present[place + 1 :])):
            yield NearMiss(f"would match if the topic were without {word!r}", "", 3.0)
    for place, word in enumerate(words):
        rest = words[:place] + words[place + 1 :]
        if word not in _WILDCARDS and any(one not in _WILDCARDS for one in rest) and matches(".".join(rest), topic):
            yield NearMiss(f"would match if the topic had {word!r}, too", "", 3.0)
