"""The rules in force: those that are shipped, and the user's in `$XDG_CONFIG_HOME/pybus/dbus.toml`.

`shipped.toml` shows how they are written, and docs/desktop.md explains it. A mistake costs the rule that it
is in, no other.
"""

import os
import sys
from collections.abc import Mapping
from typing import NamedTuple

import pybus

from ... import templates
from ...templates import Template
from ..names import check_bus_name, check_interface, check_member, check_path
from .rule import Entry, Rule, is_argument

SHIPPED = os.path.join(os.path.dirname(__file__), "shipped.toml")

_MOST_ARGUMENTS = 100


class Settings(NamedTuple):
    """What is in force. rules: the first of a topic that has a value tells it. problems: mistakes, with FILE:LINE."""

    rules: tuple[Rule, ...] = ()
    problems: tuple[str, ...] = ()


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the shipped rules, and the user's file if there is one. Raises nothing: see `problems`."""
    shipped, _, problems = _read(SHIPPED)
    path = f"{pybus.xdg.config_home(environ)}/pybus/dbus.toml"
    try:
        own, found, more = _read(path)
    except FileNotFoundError:
        return Settings(tuple(shipped.values()), tuple(problems))
    problems += more
    disabled = found.values.get("disabled", ())
    for name in disabled:
        if name not in shipped:
            there = ", ".join(shipped)
            problems.append(
                f"{found.places['disabled']}: disabled: there is no shipped rule {name!r}; there are: {there}"
            )
    rules = [rule for name, rule in own.items() if name not in shipped]
    rules += [own.get(name, rule) for name, rule in shipped.items() if name not in disabled or name in own]
    return Settings(tuple(rules), tuple(problems))


def _read(path: str) -> tuple[dict[str, Rule], pybus.tables.Contents, list[str]]:
    """The rules in a file by their names, all that it holds, and its mistakes. Raises `FileNotFoundError`."""
    found = pybus.tables.read_tables(path, {"disabled": pybus.checks.texts(pybus.checks.text), "rule": _TABLES})
    problems = list(found.problems)
    rules: dict[str, Rule] = {}
    for table in found.values.get("rule", ()):
        if table.problems:
            continue
        try:
            _check_whole(table, rules)
        except pybus.tables.Wrong as error:
            key = str(error.item)
            place = table.places.get(key, table.places["name"])
            problems.append(f"{place}: [[rule]] {key}: {error}")
        else:
            rules[table.values["name"]] = Rule(**table.values)
    return rules, found, problems


def _check_whole(table: pybus.tables.Contents, others: Mapping[str, Rule]) -> None:
    """Whether its keys go together. Raises `Wrong`, whose item is the key."""
    found = table.values
    wrong = pybus.tables.Wrong
    if found["name"] in others:
        raise wrong(f"there is another rule {found['name']!r} in this file", "name")
    if "property" in found:
        for key in ("signal", "method", "arg"):
            if key in found:
                raise wrong("can't be beside a property, which tells its changes itself", key)
    elif "signal" not in found:
        advice = "that tells its changes" if "method" in found else "to tell of, or a property"
        raise wrong(f"is missing; write the signal {advice}", "signal")
    if "words" in found and "map" in found:
        raise wrong("can't be beside words: the body is a word or a map", "map")
    if "property" in found or "method" in found:
        _check_state(found)
    elif "name" in found["topic"].fields and "sender" not in found:
        raise wrong("has the field {name}, which is the sender's; write a sender", "topic")


def _check_state(found: Mapping[str, object]) -> None:
    """The same for a state, which somebody has to be asked for."""
    for key in ("sender", "path"):
        if key not in found:
            raise pybus.tables.Wrong(f"is missing; write the {key} that is to be asked", key)
    if str(found["path"]).endswith("/*"):
        raise pybus.tables.Wrong("must be one object, which is asked; only signals can be those of many", "path")
    topic = found["topic"]
    assert isinstance(topic, Template)
    for field in topic.fields:
        if is_argument(field):
            raise pybus.tables.Wrong(f"has the field {{{field}}}, which is a signal's; a state has one topic", "topic")


# --- the keys -------------------------------------------------------------------------------------


def _topic(value: object) -> Template:
    return templates.parse_topic(pybus.checks.text(value), _field)


def _field(name: str) -> str:
    if name not in ("name", "path") and not is_argument(name):
        raise ValueError(f"has the unknown field {{{name}}}; there are {{name}}, {{path}}, {{arg0}}, {{arg1}}, ...")
    return name


def _sender(value: object) -> str:
    written = pybus.checks.text(value)
    check_bus_name(written.removesuffix(".*"))
    if written.startswith(":"):
        raise ValueError("must be a name that lasts, not a connection's")
    return written


def _path(value: object) -> str:
    written = pybus.checks.text(value)
    if written != "/*":
        check_path(written.removesuffix("/*"))
    return written


def _interface(value: object) -> str:
    return check_interface(pybus.checks.text(value))


def _member(value: object) -> str:
    return check_member(pybus.checks.text(value))


def _words(value: object) -> dict[str, str]:
    words = pybus.checks.table(pybus.checks.text)(value)
    if not words:
        raise pybus.tables.Wrong("must be a table with entries")
    return words


def _map(value: object) -> dict[str, Entry]:
    """The entries of a body: the key that each is taken from, or a table of that and more."""
    if not isinstance(value, dict) or not value:
        raise pybus.tables.Wrong("must be a table with entries")
    entries = {}
    for name, written in value.items():
        try:
            entries[name] = _entry(written)
        except ValueError as error:
            raise pybus.tables.Wrong(f"{name!r} {error}", name) from None
    return entries


def _entry(written: object) -> Entry:
    if isinstance(written, str):
        return Entry(written)
    if not isinstance(written, dict) or not isinstance(written.get("key"), str):
        raise ValueError('must be the key that it is taken from, or a table such as { key = "title", kind = "text" }')
    for key in written:
        if key not in Entry._fields:
            raise ValueError(f"has the unknown key {key!r}; there are: {', '.join(Entry._fields)}")
    kind, divisor = written.get("kind", ""), written.get("divisor", 1)
    if kind not in ("", "text", "texts", "number"):
        raise ValueError(f'has the kind {kind!r}; there are "text", "texts" and "number"')
    is_number = isinstance(divisor, (int, float)) and not isinstance(divisor, bool)
    if not is_number or not 0 < abs(divisor) <= sys.float_info.max:
        raise ValueError("has a divisor that is no number, or 0")
    if divisor != 1 and kind != "number":
        raise ValueError('has a divisor, so its kind must be "number"')
    return Entry(written["key"], kind, divisor)


_TABLES = pybus.tables.Tables(
    {
        "name": pybus.checks.text,
        "bus": pybus.checks.one_of("session", "system"),
        "sender": _sender,
        "path": _path,
        "interface": _interface,
        "signal": _member,
        "property": _member,
        "method": _member,
        "topic": _topic,
        "arg": pybus.checks.count(0, _MOST_ARGUMENTS - 1),
        "words": _words,
        "map": _map,
    },
    {
        "name": "write a name of your own, or that of a shipped rule to take its place",
        "interface": "write the interface of the signal or property",
        "topic": "write the topic to publish to",
    },
)
