"""Checks of values for `pybus.tables`: what a key may hold, made from its bounds. Public, as those are."""

from __future__ import annotations

import re
from collections.abc import Callable

from pybus.errors import InvalidName
from pybus.tables import Check, Wrong, shown

_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_SIZE = re.compile(r"([0-9]{1,15}) ?(B|KiB|MiB|GiB)")


def flag(value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Wrong(f"must be true or false, not {shown(value)}")
    return value


def text(value: object) -> str:
    """Text on one line."""
    if not isinstance(value, str):
        raise Wrong(f"must be text, not {shown(value)}")
    if not value.isprintable():
        raise Wrong(f"must be one line of printable text, not {shown(value)}")
    return value


def one_of(*words: str) -> Check:
    """One of these words."""
    expected = ", ".join(f'"{word}"' for word in words[:-1]) + f' or "{words[-1]}"'

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise Wrong(f"must be {expected}, not {shown(value)}")
        return value

    return check


def texts(item: Callable[[object], str]) -> Callable[[object], tuple[str, ...]]:
    """A list of texts, made a tuple. item: checks one; raises `Wrong` or `InvalidName`."""

    def check(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise Wrong(f"must be a list of texts, not {shown(value)}")
        checked = []
        for index, one in enumerate(value):
            try:
                checked.append(item(one))
            except (Wrong, InvalidName) as error:
                raise Wrong(str(error), index) from None
        return tuple(checked)

    return check


def table(item: Callable[[object], str]) -> Callable[[object], dict[str, str]]:
    """A table of texts whose keys are anything. item: checks one; raises `Wrong`."""

    def check(value: object) -> dict[str, str]:
        if not isinstance(value, dict):
            raise Wrong(f"must be a table, not {shown(value)}")
        checked = {}
        for key, one in value.items():
            try:
                checked[key] = item(one)
            except Wrong as error:
                raise Wrong(f"{shown(key)} {error}", key) from None
        return checked

    return check


def count(least: int, most: int) -> Check:
    """A whole number."""

    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Wrong(f"must be a whole number, {_bound(value, least, most)}, not {shown(value)}")
        return value

    return check


def size(least: int, most: int) -> Check:
    """A number of bytes, as a whole number or as text with a unit: "16 MiB"."""

    def check(value: object) -> int:
        number = _parse_size(value) if isinstance(value, str) else value
        if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
            bound = _bound(number, least, most)
            raise Wrong(f'must be a whole number of bytes, {bound}, or text such as "16 MiB", not {shown(value)}')
        return number

    return check


def seconds(least: float, most: float, *, or_zero: bool = False) -> Check:
    """A number of seconds, made a float. or_zero: 0 is right, too."""

    def is_right(number: float) -> bool:
        return least <= number <= most or (or_zero and number == 0)

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not is_right(value):
            zero = "0 or " if or_zero else ""
            raise Wrong(f"must be {zero}a number of seconds, {_bound(value, least, most)}, not {shown(value)}")
        return float(value)

    return check


def _bound(value: object, least: float, most: float) -> str:
    """The bound that a wrong value is to be reminded of."""
    too_much = isinstance(value, (int, float)) and value > most
    return f"at most {most}" if too_much else f"at least {least}"


def _parse_size(written: str) -> int | None:
    """The bytes that a text such as "16 MiB" means, or None."""
    found = _SIZE.fullmatch(written)
    return int(found[1]) * _UNITS[found[2]] if found else None


def size_text(number: int) -> str | None:
    """A number of bytes with the largest unit that divides it, or None if none does."""
    for unit in ("GiB", "MiB", "KiB"):
        if number and number % _UNITS[unit] == 0:
            return f"{number // _UNITS[unit]} {unit}"
    return None
