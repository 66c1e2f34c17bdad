"""`pybus call NAME METHOD [ARGS]`: call a method and print its answer."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from pybus.cli.command import OK
from pybus.cli.parsing import seconds
from pybus.cli.text import is_terminal, plain, to_json
from pybus.client.blocking import Bus, connect
from pybus.errors import BodyError, CallError
from pybus.interface import INTROSPECT
from pybus.names import check_method


def call_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus call`."""
    parser.add_argument("name", metavar="NAME", help="such as org.example.Player, or :17")
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument("arguments", metavar="ARG", nargs="*", help="text, JSON, or KEY=VALUE for a named argument")
    parser.add_argument("--timeout", metavar="S", type=seconds, help="seconds to wait for the answer (default 25)")
    parser.add_argument("--no-reply", action="store_true", help="do not wait for an answer")


def call_command(options: argparse.Namespace) -> int:
    """Call, and print the answer: text as it is, anything else as JSON."""
    check_method(options.method)
    with connect() as bus:
        if options.no_reply:
            types = _parameters(bus, options.name, options.method)
            args, named = arguments(options.arguments, types)
            bus.cast(options.name, options.method, *args, **named)
            return OK
        types = _parameters(bus, options.name, options.method) if options.arguments else []
        args, named = arguments(options.arguments, types)
        proxy = bus.proxy(options.name, **({} if options.timeout is None else {"timeout": options.timeout}))
        answer = getattr(proxy, options.method)(*args, **named)
    if isinstance(answer, str):
        print(plain(answer) if is_terminal(sys.stdout) else answer)
    elif answer is not None:
        print(to_json(answer, indent=2 if is_terminal(sys.stdout) else None))
    return OK


def arguments(words: list[str], parameters: list[dict[str, Any]]) -> tuple[list[object], dict[str, object]]:
    """The positional and named arguments that a person wrote.

    A word `KEY=VALUE`, where KEY is a parameter's name (or the method's are not known), is a named
    argument. A value for a parameter that takes text only is taken as it is; any other is JSON if it
    can be read as that, else text.
    """
    types = {parameter["name"]: parameter["type"] for parameter in parameters}
    order = [parameter["type"] for parameter in parameters if parameter["kind"] == "plain"]
    args: list[object] = []
    named: dict[str, object] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key.isidentifier() and (key in types or not types):
            named[key] = _value(value, types.get(key, "any"))
        else:
            wanted = order[len(args)] if len(args) < len(order) else "any"
            args.append(_value(word, wanted))
    return args, named


def _value(text: str, wanted: str) -> object:
    if wanted == "str":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
    except RecursionError:
        raise BodyError("an argument is nested too deeply") from None


def _parameters(bus: Bus, name: str, method: str) -> list[dict[str, Any]]:
    """What the method takes; nothing if the service does not say, as then the call itself will tell why."""
    try:
        description: dict[str, Any] = bus.call(name, INTROSPECT)
    except CallError:
        return []
    return next((one["parameters"] for one in description["methods"] if one["name"] == method), [])
