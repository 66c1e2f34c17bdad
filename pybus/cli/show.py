"""The commands that show what is on the bus: list, topics, get, introspect."""

from __future__ import annotations

import argparse
from typing import Any

from pybus.cli.command import NOBODY, OK, complain
from pybus.cli.endings import situation
from pybus.cli.text import paint, plain, print_value, safe, short, since, table, to_json
from pybus.client.blocking import connect
from pybus.errors import NoSuchValue
from pybus.names import BUS_NAME, check_destination, check_pattern, check_topic
from pybus.protocol.codec import unpack_or_keep


def list_arguments(_parser: argparse.ArgumentParser) -> None:
    """`pybus list` takes no arguments."""


def list_command(_options: argparse.Namespace) -> int:
    """`pybus list`: who is on the bus, which names they own, and the services that nobody runs now."""
    with connect() as bus:
        peers: list[dict[str, Any]] = bus.proxy(BUS_NAME).peers()
        services: dict[str, dict[str, Any]] = {one["name"]: one for one in bus.proxy(BUS_NAME).services()}
    rows = []
    for peer in peers:
        names = [*peer["names"], *(f"({name})" for name in peer["waiting_for"])]
        states = [situation(services.pop(name)) for name in peer["names"] if name in services]
        states += [mark for mark in ("monitor", "slowed") if peer[mark]]
        row = [peer["name"], " ".join(names) or "-", str(peer["pid"]), peer["program"], since(peer["age"])]
        rows.append([*row, short(", ".join(states)) or "-"])
    for service in services.values():
        pid = str(service["pid"] or "-")
        rows.append(["-", service["name"], pid, "-", since(service["since"]), short(situation(service))])
    table(["PEER", "NAMES", "PID", "PROGRAM", "SINCE", "STATE"], rows)
    return OK


def topics_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus topics`."""
    parser.add_argument("pattern", metavar="PATTERN", nargs="?", default="#")


def topics_command(options: argparse.Namespace) -> int:
    """`pybus topics`: the retained values. One that is ephemeral has a holder, with whose end it is forgotten."""
    check_pattern(options.pattern)
    with connect() as bus:
        values: list[dict[str, Any]] = bus.proxy(BUS_NAME).topics(options.pattern)
    rows = []
    for value in values:
        body = short(plain(unpack_or_keep(int(value["raw"]), value["body"])))
        who = [value["sender"], value["holder"] or "-", value["program"] or "(gone)"]
        rows.append([value["topic"], body, since(value["age"]), *who])
    table(["TOPIC", "VALUE", "SINCE", "SENDER", "HOLDER", "PROGRAM"], rows)
    return OK


def get_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus get`."""
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument("--json", action="store_true", help="print JSON")


def get_command(options: argparse.Namespace) -> int:
    """`pybus get`: the retained value of one topic, for which the bus starts its service if there is none."""
    check_topic(options.topic)
    with connect() as bus:
        try:
            value = bus.get(options.topic)
        except NoSuchValue as error:
            from pybus.cli.hints import unpublished

            services: list[dict[str, Any]] = bus.proxy(BUS_NAME).services()
            return complain("pybus get", "; ".join([error.message, *unpublished([options.topic], services)]), NOBODY)
    print_value(value, as_json=options.json)
    return OK


def introspect_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus introspect`."""
    parser.add_argument("name", metavar="NAME", help="such as org.example.Player; org.pybus.Bus is the bus itself")
    parser.add_argument("--json", action="store_true", help="print JSON")


def introspect_command(options: argparse.Namespace) -> int:
    """`pybus introspect`: a service's methods with their parameters."""
    check_destination(options.name)
    with connect() as bus:
        description: dict[str, Any] = bus.proxy(options.name).introspect()
    if options.json:
        print(to_json(description, indent=2))
        return OK
    print(paint(options.name, "title"))
    if description["doc"]:
        print(_indented(description["doc"], "  "))
    for method in description["methods"]:
        print(f"\n  {paint(safe(method['name']), 'topic')}{safe(signature(method))}")
        if method["doc"]:
            print(_indented(method["doc"], "      "))
    return OK


def signature(method: dict[str, Any]) -> str:
    """A method's parameters and result as Python writes them."""
    shown = []
    named = False
    for parameter in method["parameters"]:
        if parameter["kind"] == "named" and not named:
            shown.append("*")
        named = named or parameter["kind"] in ("named", "rest")
        stars = {"rest": "*", "named rest": "**"}.get(parameter["kind"], "")
        default = f" = {parameter['default']!r}" if "default" in parameter else ""
        shown.append(f"{stars}{parameter['name']}: {parameter['type']}{default}")
    return f"({', '.join(shown)}) -> {method['returns']}"


def _indented(text: str, margin: str) -> str:
    return "\n".join(margin + safe(line) if line else "" for line in text.splitlines())
