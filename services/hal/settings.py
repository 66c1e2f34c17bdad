"""The user's settings: `$XDG_CONFIG_HOME/pybus/hal.toml`. Nothing has to be there.

    [battery]
    low = 20                                # percent
    critical = 5

    [[rule]]                                # any number of them
    subsystem = "usb"                       # globs as a shell's, case-sensitive; left out: any
    action = "add"
    topic = "desk.{ID_MODEL}.{action}"      # templates, see `rules`
    value = "{ID_VENDOR} at {name}"         # left out: the event's properties as a map
    retain = false                          # true: the value is kept as long as the service runs

    [rule.properties]
    ID_VENDOR = "Logi*"                     # the event has to have all of these

A mistake costs the setting or the rule that it is in, no other.
"""

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

import pybus

from ..templates import Template
from .rules import Rule, parse_template, parse_topic

LOW = 20
CRITICAL = 5


class Settings(NamedTuple):
    """What is in force. low, critical: percent of the batteries' charge. problems: mistakes, each with FILE:LINE."""

    low: int = LOW
    critical: int = CRITICAL
    rules: tuple[Rule, ...] = ()
    problems: tuple[str, ...] = ()


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the user's file, if there is one. Raises nothing: what is wrong is in `problems`."""
    path = f"{pybus.xdg.config_home(environ)}/pybus/hal.toml"
    percent = pybus.checks.count(0, 100)
    try:
        found = pybus.tables.read_tables(
            path, {"battery.low": percent, "battery.critical": percent, "rule": _rule_tables()}
        )
    except FileNotFoundError:
        return Settings()
    low, critical = found.values.get("battery.low", LOW), found.values.get("battery.critical", CRITICAL)
    problems = found.problems
    if critical > low:
        name = "battery.critical" if "battery.critical" in found.values else "battery.low"
        problems = [*problems, f"{found.places[name]}: {name}: critical, {critical}, must not be more than low, {low}"]
        low, critical = LOW, CRITICAL
    rules = [Rule(**table.values) for table in found.values.get("rule", ()) if not table.problems]
    return Settings(low, critical, tuple(rules), tuple(problems))


def _rule_tables() -> pybus.tables.Tables:
    """What each `[[rule]]` may hold."""
    text = pybus.checks.text
    allowed = {
        "subsystem": text,
        "action": text,
        "properties": pybus.checks.table(text),
        "topic": _template(parse_topic),
        "value": _template(parse_template),
        "retain": pybus.checks.flag,
    }
    return pybus.tables.Tables(allowed, {"topic": "write the topic to publish to"})


def _template(parse: Callable[[str], Template]) -> Callable[[object], Template]:
    def check(value: object) -> Template:
        written = pybus.checks.text(value)
        try:
            return parse(written)
        except ValueError as error:
            raise pybus.tables.Wrong(str(error)) from None

    return check
