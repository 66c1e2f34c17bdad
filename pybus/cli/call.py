"""`pybus call NAME METHOD [ARGS]`: call a method and print its answer."""

from __future__ import annotations

import argparse
import sys
from time import monotonic

from pybus.cli.command import NO_ANSWER, OK
from pybus.cli.parsing import seconds, value
from pybus.cli.text import is_terminal, plain, print_json
from pybus.client.blocking import Bus, connect
from pybus.client.face import TIMEOUT
from pybus.errors import CallError, NameHasNoOwner, UsageError
from pybus.names import check_destination, check_method

_LEAST_SECONDS = 0.001
"""What is left for the call itself, at least; the wire counts milliseconds."""


def call_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus call`."""
    parser.add_argument("name", metavar="NAME", help="such as org.example.Player, or :17")
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument(
        "arguments", metavar="ARG", nargs="*", default=[], help="text, JSON, or KEY=VALUE for a named argument"
    )
    parser.add_argument(
        "--timeout", metavar="S", type=seconds, default=TIMEOUT, help="seconds to wait for the answer (default 25)"
    )
    parser.add_argument("--no-reply", action="store_true", help="do not wait for an answer")


def call_command(options: argparse.Namespace) -> int:
    """Call, and print the answer: text as it is, anything else as JSON."""
    check_destination(options.name)
    check_method(options.method)
    with connect() as bus:
        try:
            answer = _call(bus, options)
        except NameHasNoOwner as error:
            if options.name not in error.message:  # it is not the bus's word on this name
                raise
            from pybus.cli.hints import unowned

            raise NameHasNoOwner(error.message + unowned(bus, options.name)) from None
    if isinstance(answer, str):
        print(plain(answer) if is_terminal(sys.stdout) else answer)
    elif answer is not None:
        print_json(answer)
    return OK


def _call(bus: Bus, options: argparse.Namespace) -> object:
    """The answer, None if none is wanted. What the method takes is asked for first, within the same time."""
    until = monotonic() + options.timeout
    types = _parameters(bus, options) if options.arguments else []
    args, named = arguments(options.arguments, types, options.method)
    if options.no_reply:
        bus.cast(options.name, options.method, *args, **named)
        return None
    proxy = bus.proxy(options.name, timeout=max(until - monotonic(), _LEAST_SECONDS))
    answer: object = getattr(proxy, options.method)(*args, **named)
    return answer


def arguments(
    words: list[str], parameters: list[dict[str, str]], method: str
) -> tuple[list[object], dict[str, object]]:
    """The positional and named arguments that a person wrote.

    A word `KEY=VALUE`, where KEY is a parameter's name (or the method takes any, or its parameters are
    not known), is a named argument. A value for a parameter that takes text only is taken as it is; any
    other is JSON if it can be read as that, else text.
    Raises `UsageError` for a KEY that is none, where no other parameter is left to take the word.
    """
    types = {parameter["name"]: parameter["type"] for parameter in parameters}
    kinds = {parameter["kind"] for parameter in parameters}
    order = [parameter["type"] for parameter in parameters if parameter["kind"] == "plain"]
    takes_any = not types or "named rest" in kinds
    named = {}
    others = []
    for word in words:
        key = _key(word)
        if key and (key in types or takes_any):
            named[key] = _value(word.partition("=")[2], types.get(key, "any"))
        else:
            others.append(word)
    room = sum(parameter["kind"] == "plain" and parameter["name"] not in named for parameter in parameters)
    unknown = [key for key in map(_key, others[room:]) if key]
    if unknown and types and "rest" not in kinds:
        there = ", ".join(str(name) for name in types)
        raise UsageError(f"{method}() has no parameter {unknown[0]!r}; there are: {there}")
    wanted = [*order, *["any"] * len(others)]
    return [_value(word, kind) for word, kind in zip(others, wanted, strict=False)], named


def _key(word: str) -> str:
    """The KEY of a word `KEY=VALUE`, "" if it is no such word."""
    key, equals, _ = word.partition("=")
    return key if equals and key.isidentifier() else ""


def _value(text: str, wanted: str) -> object:
    return text if wanted == "str" else value(text)


def _parameters(bus: Bus, options: argparse.Namespace) -> list[dict[str, str]]:
    """What the method takes; nothing if the service does not say, as then the call itself will tell why.

    Raises what comes in the place of an answer if it gives none.
    """
    try:
        methods = bus.proxy(options.name, timeout=options.timeout).introspect()["methods"]
        found: list[dict[str, object]] = next(
            (one["parameters"] for one in methods if one["name"] == options.method), []
        )
        return [{key: str(one[key]) for key in ("name", "type", "kind")} for one in found]
    except NO_ANSWER:
        raise
    except (CallError, KeyError, TypeError):  # a service may answer what it likes
        return []
