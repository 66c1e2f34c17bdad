"""What `pybus queue` and `pybus exchange` have in common: how things were declared, and bindings."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from pybus.cli.command import OK, REFUSED, complain
from pybus.cli.pages import all_bindings
from pybus.cli.parsing import pair
from pybus.cli.text import to_json
from pybus.client.blocking import connect
from pybus.names import BUS_NAME
from pybus.nearness import did_you_mean


def declared(one: dict[str, Any]) -> str:
    """How a queue or an exchange was declared: such as `durable auto-delete`, or a dash."""
    words = [word for word in ("durable", "exclusive", "auto_delete", "internal") if one.get(word)]
    return " ".join(words).replace("_", "-") or "-"


def named(exchange: str) -> str:
    """An exchange's name; the default one has none."""
    return exchange or "(default)"


def binding_facts(bindings: list[dict[str, Any]], *, away: bool) -> Iterator[tuple[str, str]]:
    """Each binding as a line of facts. away: tell where it leads, else where it comes from."""
    for one in bindings:
        arguments = [to_json(one["arguments"])] if one["arguments"] else []
        by = " and ".join([*([one["key"]] if one["key"] else []), *arguments])
        end = f"{one['to']} {one['destination']}" if away else f"exchange {named(one['source'])}"
        yield "leads to" if away else "bound to", end + (f", by {by}" if by else "")


def add_key(parser: argparse.ArgumentParser) -> None:
    """Add the routing key of a binding."""
    parser.add_argument("key", metavar="KEY", nargs="?", help="which ones: a routing key, or a pattern of such")


def add_amqp_arguments(parser: argparse.ArgumentParser, example: str) -> None:
    """Add the option for AMQP's arguments."""
    text = f"declare, bind, unbind: an argument of AMQP's, such as {example}; V is JSON, else text"
    parser.add_argument("--argument", metavar="K=V", action="append", type=pair, help=text)


def amqp_arguments(options: argparse.Namespace) -> dict[str, object]:
    """AMQP's arguments that were given."""
    return dict(options.argument or ())


def bind(options: argparse.Namespace, what: str, destination: str, source: str) -> int:
    """Bind a "queue" or an "exchange" to an exchange, by the key and the arguments that were given."""
    with connect() as bus:
        bus.call(BUS_NAME, f"bind_{what}", destination, source, options.key or "", amqp_arguments(options))
    return OK


def unbind(options: argparse.Namespace, program: str, what: str, destination: str, source: str) -> int:
    """Undo such a binding. To AMQP it is no error if there is none; to a person it is."""
    key, arguments = options.key or "", amqp_arguments(options)
    with connect() as bus:
        there = [one for one in all_bindings(bus, **{what: destination}) if one["source"] == source]
        found = [one for one in there if (one["to"], one["destination"]) == (what, destination)]
        if (key, arguments) not in [(one["key"], one["arguments"]) for one in found]:
            by = " and ".join([*([key] if key else []), *([to_json(arguments)] if arguments else [])])
            problem = f"{what} {destination!r} is not bound to exchange {source!r}{f' by {by}' if by else ''}"
            return complain(program, problem + did_you_mean(key, [one["key"] for one in found]), REFUSED)
        bus.call(BUS_NAME, f"unbind_{what}", destination, source, key, arguments)
    return OK
