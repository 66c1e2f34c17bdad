"""`pybus exchange [ACTION] ...`: look at exchanges, declare them, and bind them to each other."""

from __future__ import annotations

import argparse
from typing import Any

from pybus.cli.actions import Action, act, add_action
from pybus.cli.bindings import (
    add_amqp_arguments,
    add_key,
    amqp_arguments,
    bind,
    binding_facts,
    declared,
    named,
    unbind,
)
from pybus.cli.command import OK
from pybus.cli.pages import all_bindings, all_exchanges
from pybus.cli.text import facts, plain, print_json, table
from pybus.client.blocking import connect
from pybus.errors import NotFound

PROGRAM = "pybus exchange"

_TYPES = ("direct", "fanout", "topic", "headers")


def exchange_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus exchange`."""
    add_action(parser, _ACTIONS)
    parser.add_argument("exchange", metavar="EXCHANGE", nargs="?", help="the exchange's name")
    parser.add_argument("source", metavar="SOURCE", nargs="?", help="the exchange that its messages come from")
    add_key(parser)
    parser.add_argument(
        "--type", metavar="TYPE", choices=_TYPES, help=f"declare: {', '.join(_TYPES)} (default {_TYPES[0]})"
    )
    parser.add_argument("--durable", action="store_true", help="declare: it outlives the bus")
    parser.add_argument("--auto-delete", action="store_true", help="declare: it goes with its last binding")
    parser.add_argument("--internal", action="store_true", help="declare: messages come from other exchanges only")
    add_amqp_arguments(parser, "alternate-exchange=others")
    parser.add_argument("--if-unused", action="store_true", help="delete: only if nothing is bound to it")
    parser.add_argument("--json", action="store_true", help="list, show: print JSON")


def exchange_command(options: argparse.Namespace) -> int:
    """Do what the words say."""
    return act(PROGRAM, _ACTIONS, options)


def _list(options: argparse.Namespace) -> int:
    with connect() as bus:
        exchanges = all_exchanges(bus)
    if options.json:
        print_json(exchanges)
        return OK
    rows = [
        [named(one["name"]), one["type"], str(one["bindings"]), str(one["published"]), declared(one)]
        for one in exchanges
    ]
    table(["EXCHANGE", "TYPE", "BINDINGS", "PUBLISHED", "PROPERTIES"], rows)
    return OK


def _show(options: argparse.Namespace) -> int:
    name = options.exchange
    with connect() as bus:
        found = [one for one in all_exchanges(bus) if one["name"] == name]
        bindings = all_bindings(bus, exchange=name)
    if not found:
        raise NotFound(f"NOT_FOUND - no exchange '{name}' in vhost '/'")
    exchange: dict[str, Any] = found[0]
    to_it = [one for one in bindings if (one["to"], one["destination"]) == ("exchange", name)]
    from_it = [one for one in bindings if one["source"] == name]
    if options.json:
        print_json({**exchange, "bound": to_it, "leads": from_it})
        return OK
    shown = [("name", named(name)), ("type", exchange["type"]), ("properties", declared(exchange))]
    shown += [("argument", f"{key}={plain(value)}") for key, value in exchange["arguments"].items()]
    shown.append(("published", str(exchange["published"])))
    facts([*shown, *binding_facts(to_it, away=False), *binding_facts(from_it, away=True)])
    return OK


def _declare(options: argparse.Namespace) -> int:
    how = {"durable": options.durable, "auto_delete": options.auto_delete, "internal": options.internal}
    with connect() as bus:
        bus.exchange(options.exchange, options.type or _TYPES[0], **how, arguments=amqp_arguments(options))
    return OK


def _delete(options: argparse.Namespace) -> int:
    with connect() as bus:
        # To AMQP it is no error if there is none; to a person it is.
        bus.exchange(options.exchange, passive=True).delete(if_unused=options.if_unused)
    return OK


def _bind(options: argparse.Namespace) -> int:
    return bind(options, "exchange", options.exchange, options.source)


def _unbind(options: argparse.Namespace) -> int:
    return unbind(options, PROGRAM, "exchange", options.exchange, options.source)


_BINDING = ("exchange", "source")

_ACTIONS = {
    "list": Action(_list, "their types, how many bindings lead away, how many messages came", options=("json",)),
    "show": Action(_show, "all about one, with its bindings", ("exchange",), options=("json",)),
    "declare": Action(
        _declare, "make an exchange", ("exchange",), options=("type", "durable", "auto_delete", "internal", "argument")
    ),
    "delete": Action(_delete, "remove it and its bindings", ("exchange",), options=("if_unused",)),
    "bind": Action(_bind, "let messages of another exchange come to it", _BINDING, ("key",), ("argument",)),
    "unbind": Action(_unbind, "undo that", _BINDING, ("key",), ("argument",)),
}
