"""`pybus queue [ACTION] ...`: look at queues, declare and bind them, and take care of their messages."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from time import sleep
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
from pybus.cli.command import NOBODY, OK, complain
from pybus.cli.messages import message_json
from pybus.cli.pages import all_bindings, all_queues
from pybus.cli.parsing import count
from pybus.cli.rates import queue_rates
from pybus.cli.text import facts, is_terminal, plain, print_json, print_value, short, since, table, to_json
from pybus.client.blocking import Bus, connect
from pybus.client.messages import Delivered
from pybus.errors import ResourceLocked
from pybus.names import BUS_NAME

PROGRAM = "pybus queue"

_LOOK_SECONDS = 0.5
"""Time between the two looks of which the rates are made: short for who waits, and long enough for a rate."""

_PEEKED = 10
"""Messages that are shown if nobody says how many."""


def queue_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus queue`."""
    add_action(parser, _ACTIONS)
    parser.add_argument("queue", metavar="QUEUE", nargs="?", help="the queue's name")
    parser.add_argument("exchange", metavar="EXCHANGE", nargs="?", help="where its messages come from")
    add_key(parser)
    parser.add_argument("--durable", action="store_true", help="declare: it outlives the bus")
    parser.add_argument("--auto-delete", action="store_true", help="declare: it goes with its last consumer")
    add_amqp_arguments(parser, "x-max-length=1000")
    parser.add_argument("--if-unused", action="store_true", help="delete: only if nobody consumes it")
    parser.add_argument("--if-empty", action="store_true", help="delete: only if no message waits in it")
    parser.add_argument("--count", metavar="N", type=count, help="peek, move: N messages at most")
    parser.add_argument("--to", metavar="QUEUE", help="move: to this queue, whether they died or not")
    parser.add_argument("--json", action="store_true", help="list, show, peek, get: print JSON")


def queue_command(options: argparse.Namespace) -> int:
    """Do what the words say."""
    return act(PROGRAM, _ACTIONS, options)


# --- showing --------------------------------------------------------------------------------------


def _list(options: argparse.Namespace) -> int:
    """All queues. What happens per second is what was counted between two looks."""
    with connect() as bus:
        begin, before = _look(bus)
        sleep(_LOOK_SECONDS)
        end, queues = _look(bus)
    rated = list(zip(queues, queue_rates(before, queues, end - begin), strict=True))
    if options.json:
        print_json([{**queue, "per_second": rates._asdict()} for queue, rates in rated])
        return OK
    rows = []
    for queue, rates in rated:
        shown = [f"{rate:.1f}" for rate in rates]
        programs = ", ".join(dict.fromkeys(f"{one['program']} ({one['pid']})" for one in queue["consumers"]))
        row = [queue["name"], str(queue["messages"]), str(queue["unacked"]), _oldest(queue), *shown]
        rows.append([*row, str(len(queue["consumers"])), short(programs) or "-", declared(queue)])
    titles = ["QUEUE", "READY", "UNACKED", "OLDEST", "PUBLISHED/S", "DELIVERED/S", "ACKED/S", "CONSUMERS", "PROGRAMS"]
    table([*titles, "PROPERTIES"], rows)
    return OK


def _look(bus: Bus) -> tuple[float, list[dict[str, Any]]]:
    """The queues now, and the bus's own clock."""
    queues = all_queues(bus)
    return bus.proxy(BUS_NAME).stats()["uptime"], queues


def _show(options: argparse.Namespace) -> int:
    with connect() as bus:
        queue = described(bus, options.queue)
        bound = sorted(all_bindings(bus, queue=options.queue), key=lambda one: str(one["source"]))
    if options.json:
        print_json({**queue, "bound": bound})
    else:
        facts([*_queue_facts(queue), *binding_facts(bound, away=False)])
    return OK


def described(bus: Bus, name: str) -> dict[str, Any]:
    """What the bus says of a queue, even of one that is exclusive to somebody else. Raises `NotFound`."""
    try:
        queue: dict[str, Any] = bus.proxy(BUS_NAME).queue(name)
    except ResourceLocked:
        found = [one for one in all_queues(bus) if one["name"] == name]
        if not found:
            raise
        queue = found[0]
    return queue


def _queue_facts(queue: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "name", queue["name"]
    yield "properties", declared(queue) + (f" (of {queue['owner']})" if queue["owner"] else "")
    for name, value in queue["arguments"].items():
        yield "argument", f"{name}={plain(value)}"
    yield "ready", f"{queue['messages']} ({queue['bytes']} bytes)"
    yield "unacked", str(queue["unacked"])
    yield "oldest", _oldest(queue)
    for counter in ("published", "delivered", "acked", "returned", "dropped"):
        yield counter, str(queue[counter])
    for one in queue["consumers"]:
        yield "consumer", _consumer(one)


def _consumer(one: dict[str, Any]) -> str:
    marks = ["exclusive"] * one["exclusive"] + ["without acks"] * one["no_ack"] + ["in line"] * (not one["active"])
    marks += [f"priority {one['priority']}"] * bool(one["priority"])
    marks.append(f"prefetch {one['prefetch'] or 'unlimited'}")
    marks += [f"{one[counter]} {counter}" for counter in ("delivered", "unacked")]
    return f"{one['name']} {one['program']} (pid {one['pid']}): {', '.join(marks)}"


def _oldest(queue: dict[str, Any]) -> str:
    return since(queue["oldest"]) if queue["oldest"] is not None else "-"


# --- declaring ------------------------------------------------------------------------------------


def _declare(options: argparse.Namespace) -> int:
    how = {"durable": options.durable, "auto_delete": options.auto_delete}
    with connect() as bus:
        queue = bus.queue(options.queue or "", **how, arguments=amqp_arguments(options))
    if not options.queue:
        print(queue.name)
    return OK


def _delete(options: argparse.Namespace) -> int:
    with connect() as bus:
        # To AMQP it is no error if there is none; to a person it is.
        number = bus.queue(options.queue, passive=True).delete(if_unused=options.if_unused, if_empty=options.if_empty)
    return _tell(number, "deleted with it")


def _bind(options: argparse.Namespace) -> int:
    return bind(options, "queue", options.queue, options.exchange)


def _unbind(options: argparse.Namespace) -> int:
    return unbind(options, PROGRAM, "queue", options.queue, options.exchange)


# --- messages -------------------------------------------------------------------------------------


def _peek(options: argparse.Namespace) -> int:
    with connect() as bus:
        peeked: list[dict[str, Any]] = bus.proxy(BUS_NAME).peek_messages(options.queue, options.count or _PEEKED)
    rows = []
    for one in peeked:
        message = Delivered(one["message"], 0, None)
        if options.json:
            print(message_json(message, age=one["age"], returns=one["returns"]))
            continue
        headers = short(to_json(message.headers)) if message.headers else "-"
        row = [since(one["age"]), named(message.exchange), message.key or "-", str(one["returns"])]
        rows.append([*row, headers, short(plain(message.body))])
    if not options.json:
        table(["SINCE", "EXCHANGE", "KEY", "RETURNS", "HEADERS", "VALUE"], rows)
    return OK


def _get(options: argparse.Namespace) -> int:
    """Print the next message's value. It is acked once it has been written, so that it is not lost before."""
    with connect() as bus:
        message = bus.queue(options.queue, passive=True).get()
        if message is None:
            return complain(PROGRAM, f"no message waits in the queue {options.queue!r}", NOBODY)
        if options.json:
            print(message_json(message))
        else:
            print_value(message.body)
        sys.stdout.flush()
        message.ack()
    return OK


def _purge(options: argparse.Namespace) -> int:
    with connect() as bus:
        number: int = bus.proxy(BUS_NAME).purge_queue(options.queue)
    return _tell(number, "purged")


def _move(options: argparse.Namespace) -> int:
    with connect() as bus:
        number: int = bus.proxy(BUS_NAME).move_messages(options.queue, options.to or "", options.count or 0)
    return _tell(number, "moved")


def _tell(number: int, what: str) -> int:
    """Print how many messages it was about: in words for a person, the mere number in a pipe."""
    words = f"{number} message{'' if number == 1 else 's'} {what}"
    print(words if is_terminal(sys.stdout) else number)
    return OK


_BINDING = ("queue", "exchange")

_ACTIONS = {
    "list": Action(_list, "how many messages wait, since when, come and go; who consumes them", options=("json",)),
    "show": Action(_show, "all about one queue, with its bindings and consumers", ("queue",), options=("json",)),
    "declare": Action(
        _declare,
        "make a queue; without a name the bus chooses one, which is printed",
        more=("queue",),
        options=("durable", "auto_delete", "argument"),
    ),
    "delete": Action(_delete, "remove it with its messages", ("queue",), options=("if_unused", "if_empty")),
    "bind": Action(_bind, "let messages of an exchange get into it", _BINDING, ("key",), ("argument",)),
    "unbind": Action(_unbind, "undo that", _BINDING, ("key",), ("argument",)),
    "peek": Action(_peek, "show the next messages, which stay", ("queue",), options=("count", "json")),
    "get": Action(_get, "take the next message and print its value; code 3 if none waits", ("queue",), (), ("json",)),
    "purge": Action(_purge, "throw away what waits", ("queue",)),
    "move": Action(_move, "move dead letters back to where each died", ("queue",), options=("to", "count")),
}
