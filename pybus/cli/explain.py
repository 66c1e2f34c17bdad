"""`pybus explain`: who would get a signal, a call or a message, and why, without sending it.

What is found out is a map, which `--json` prints; `_topic_facts` and `_call_facts` make it, and
`_topic_lines` and `_call_lines` turn it into lines: what it is about, and one fact. `explain_message.py` is for
messages of queues.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, NamedTuple

from pybus.cli.command import NOBODY, OK, REFUSED, WRONG_USE, complain
from pybus.cli.endings import duration, ended, situation
from pybus.cli.hints import disabled, mistakes, unpublished
from pybus.cli.pages import all_bindings
from pybus.cli.parsing import pair
from pybus.cli.show import signature
from pybus.cli.text import Line, plain, print_json, print_lines, short
from pybus.client.blocking import Bus, connect
from pybus.errors import CallError, TooLarge
from pybus.interface import INTROSPECT
from pybus.names import AMQ_TOPIC, BUS_NAME, check_destination, check_method, check_topic, matches
from pybus.nearness import near_miss, similar
from pybus.protocol.codec import encode, unpack_or_keep
from pybus.protocol.frames import RAW

_MOST = 5
"""Near misses that are shown."""

_INTROSPECT_SECONDS = 5.0
"""How long a service may take to describe itself."""


class Change(NamedTuple):
    """What publishing would do to the topic's kept value: replace it, or (clear) forget it."""

    value: object = None
    clear: bool = False
    on_change: bool = False


def explain_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus explain`."""
    parser.add_argument("topic", metavar="TOPIC", nargs="?", help="tell who would get a signal published there")
    parser.add_argument("--call", nargs=2, metavar=("NAME", "METHOD"), help="tell who would get this call")
    parser.add_argument("--exchange", metavar="EXCHANGE", help="tell which queues would get a message published there")
    parser.add_argument("--key", metavar="KEY", help="with --exchange: its routing key (default: an empty one)")
    parser.add_argument("--header", metavar="K=V", action="append", type=pair, help="with --exchange: a header of it")
    parser.add_argument("--queue", metavar="QUEUE", help="the same for a message to this queue")
    parser.add_argument("--json", action="store_true", help="print JSON")


def explain_command(options: argparse.Namespace) -> int:
    """Tell of a topic, a call or a message; 0 if somebody would get it, 3 if nobody, 1 if the bus would refuse it."""
    given = [one for one in (options.topic, options.call, options.exchange, options.queue) if one is not None]
    if len(given) != 1:
        return complain("pybus explain", "give one of TOPIC, --call NAME METHOD, --exchange and --queue", WRONG_USE)
    if options.exchange is None and (options.key is not None or options.header is not None):
        return complain("pybus explain", "--key and --header are for a message, which goes to an --exchange", WRONG_USE)
    if options.exchange is not None or options.queue is not None:
        from pybus.cli.explain_message import explain_message

        to_queue = options.queue is not None
        exchange, key = ("", options.queue) if to_queue else (options.exchange, options.key or "")
        return explain_message(exchange, key, dict(options.header or ()), as_json=options.json)
    if options.call is None:
        return explain_topic(options.topic, as_json=options.json)
    name, method = options.call
    check_destination(name)
    check_method(method)
    with connect() as bus:
        facts = _call_facts(bus, name, method)
    _show(facts, _call_lines(facts), options.json)
    return OK if facts["reached"] else NOBODY


def explain_topic(topic: str, change: Change | None = None, *, as_json: bool = False) -> int:
    """Tell who would get a signal there, and what it would change; returns the exit code.

    Raises `InvalidName`, `BodyError`.
    """
    check_topic(topic)
    wire = encode(change.value) if change is not None else None
    with connect() as bus:
        kept: list[dict[str, Any]] = bus.proxy(BUS_NAME).topics(topic)
        facts = _topic_facts(bus, topic, kept)
    same = change is not None and change.on_change and [wire] == [(_flags(one), one["body"]) for one in kept]
    if same:
        facts["receivers"], facts["bound"], facts["beyond"] = [], [], []
    lines = [
        *_topic_lines(facts, same),
        *(_change_lines(facts["retained"], change, same) if change is not None else ()),
    ]
    _show(facts, lines, as_json)
    if facts["refused"] is not None:
        return REFUSED
    return OK if _reached(facts) else NOBODY


# --- topics ---------------------------------------------------------------------------------------


def _topic_facts(bus: Bus, topic: str, kept: list[dict[str, Any]]) -> dict[str, Any]:
    driver = bus.proxy(BUS_NAME)
    peers: list[dict[str, Any]] = driver.subscriptions()
    services: list[dict[str, Any]] = driver.services()
    own = topic.split(".")[0] == "bus"
    bound = _bound(all_bindings(bus, exchange=AMQ_TOPIC), topic)
    return {
        "topic": topic,
        "refused": "the topics under 'bus.' are the bus's own: only the bus publishes there" if own else None,
        "receivers": [{**peer, "patterns": found} for peer in peers if (found := _matching(peer["patterns"], topic))],
        "bound": bound,
        "beyond": [] if own else _beyond(bus, topic, bound),
        "retained": _kept(kept[0]) if kept else None,
        "services": [
            {"name": one["name"], "state": one["state"], "patterns": found}
            for one in services
            if (found := _matching(one["topics"], topic))
        ],
        "unpublished": [] if own else unpublished([topic], services),
        "near": _near(topic, peers, services),
        "near_topics": [] if kept else _near_topics(bus, topic),
    }


def _matching(patterns: list[str], topic: str) -> list[str]:
    return [pattern for pattern in patterns if matches(pattern, topic)]


def _bound(bindings: list[dict[str, Any]], topic: str) -> list[dict[str, Any]]:
    """The queues and exchanges that get the signal, as they are bound to the exchange that signals go through."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in bindings:
        if one["source"] == AMQ_TOPIC and matches(one["key"], topic):
            found.setdefault((one["to"], one["destination"]), []).append(one["key"])
    return [{"to": to, "name": name, "patterns": patterns} for (to, name), patterns in found.items()]


def _beyond(bus: Bus, topic: str, bound: list[dict[str, Any]]) -> list[str]:
    """The queues that get the signal through exchanges which are bound to that of signals."""
    direct = {one["name"] for one in bound if one["to"] == "queue"}
    found: list[str] = bus.call(BUS_NAME, "route", AMQ_TOPIC, topic)["queues"]
    return [name for name in found if name not in direct]


def _reached(facts: dict[str, Any]) -> bool:
    """Whether anybody would get the signal. An exchange passes it on, but keeps nothing."""
    return bool(facts["receivers"] or facts["beyond"] or any(one["to"] == "queue" for one in facts["bound"]))


def _kept(value: dict[str, Any]) -> dict[str, Any]:
    body = unpack_or_keep(_flags(value), value["body"])
    return {"body": body, **{key: value[key] for key in ("age", "sender", "program")}}


def _flags(value: dict[str, Any]) -> int:
    return RAW if value["raw"] else 0


def _near(topic: str, peers: list[dict[str, Any]], services: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The patterns that just fail to match, the nearest first, with who has them."""
    holders: dict[str, list[dict[str, Any]]] = {}
    for peer in peers:
        for pattern in peer["patterns"]:
            holders.setdefault(pattern, []).append({key: peer[key] for key in ("name", "names", "program", "pid")})
    declared = {pattern: one["name"] for one in services for pattern in one["topics"]}
    found = []
    for pattern in {**holders, **declared}:
        miss = near_miss(pattern, topic)
        if miss is not None:
            entry = {"pattern": pattern, "why": miss.why, "better": miss.better or None}
            entry |= {"holders": holders.get(pattern, []), "service": declared.get(pattern)}
            found.append((miss.distance, pattern, entry))
    return [entry for _, _, entry in sorted(found, key=lambda one: one[:2])[:_MOST]]


def _near_topics(bus: Bus, topic: str) -> list[str]:
    try:
        values: list[dict[str, Any]] = bus.proxy(BUS_NAME).topics()
    except TooLarge:  # so much is kept that the bus can't hand out all of it at once
        return []
    return similar(topic, [value["topic"] for value in values])


def _topic_lines(facts: dict[str, Any], same: bool) -> Iterator[Line]:
    topic = facts["topic"]
    if facts["refused"] is not None:
        yield "refused", facts["refused"]
    for peer in facts["receivers"]:
        yield "gets it", f"{_who(peer)}, by {' and '.join(peer['patterns'])}"
    for one in facts["bound"]:
        about = "gets it" if one["to"] == "queue" else "way"
        yield about, f"{one['to']} {one['name']}, by {' and '.join(one['patterns'])}"
    for name in facts["beyond"]:
        yield "gets it", f"queue {name}, through an exchange"
    if same:
        yield "nobody", "the same value is retained, so it is not passed on"
    elif not _reached(facts):
        yield "nobody", f"nobody listens to {topic}"
    kept = facts["retained"]
    if kept is None:
        yield "retained", "nothing"
    else:
        sender = f"{kept['sender']} ({kept['program']})" if kept["program"] else f"{kept['sender']}, which has gone"
        yield "retained", f"{_short(kept['body'])}, for {duration(kept['age'])}, from {sender}"
    for one in facts["services"]:
        how = (
            ""
            if one["state"] == "running"
            else "; it starts when somebody listens there or asks for a value, not by publishing"
        )
        yield "service", f"{one['name']} publishes {' and '.join(one['patterns'])} ({one['state']}){how}"
    for why in facts["unpublished"]:
        yield "service", f"none; {why}"
    for near in facts["near"]:
        yield "near", _near_line(near)
    for one in facts["near_topics"]:
        yield "near", f"{one} is a retained topic"


def _near_line(near: dict[str, Any]) -> str:
    holders = [_who(peer) for peer in near["holders"]]
    shown = holders if len(holders) <= 2 else [holders[0], f"{len(holders) - 1} more"]
    who = [f"of {' and '.join(shown)}"] if shown else []
    if near["service"] is not None:
        who.append(f"declared by {near['service']}")
    better = f"; did you mean {near['better']}?" if near["better"] is not None else ""
    return f"{near['pattern']} {near['why']}{better} ({', '.join(who)})"


def _change_lines(kept: dict[str, Any] | None, change: Change, same: bool) -> Iterator[Line]:
    if change.clear:
        yield "change", "the retained value would be forgotten" if kept is not None else "there is nothing to forget"
    elif same:
        yield "change", "none: the retained value stays"
    else:
        value = _short(change.value)
        yield (
            "change",
            f"{value} would replace {_short(kept['body'])}" if kept is not None else f"{value} would be kept",
        )


# --- calls ----------------------------------------------------------------------------------------


def _call_facts(bus: Bus, name: str, method: str) -> dict[str, Any]:
    driver = bus.proxy(BUS_NAME)
    peers: list[dict[str, Any]] = driver.peers()
    services: dict[str, dict[str, Any]] = {one["name"]: one for one in driver.services()}
    keys = ("name", "names", "program", "pid", "age")
    owner = next((peer for peer in peers if name == peer["name"] or name in peer["names"]), None)
    facts: dict[str, Any] = {
        "name": name,
        "method": method,
        "owner": {key: owner[key] for key in keys} if owner is not None else None,
        "waiting": [{key: peer[key] for key in keys} for peer in peers if name in peer["waiting_for"]],
        "service": services.get(name),
        "mistakes": "",
        "disabled": "",
        "near_names": [],
        "description": None,
        "methods": [],
        "near_methods": [],
        "problem": None,
    }
    if owner is not None or name == BUS_NAME:
        facts |= _method_facts(bus, name if owner is None else owner["name"], method)
        facts["reached"] = facts["description"] is not None or facts["problem"] is not None
    else:
        known = {BUS_NAME, *services, *(one for peer in peers for one in peer["names"])}
        facts["near_names"] = similar(name, known)
        if name not in services:
            facts["mistakes"], facts["disabled"] = mistakes(name), disabled(name)
        facts["reached"] = name in services and services[name]["state"] != "failed"
    return facts


def _method_facts(bus: Bus, owner: str, method: str) -> dict[str, Any]:
    """What the service says of the method. Asked under its unique name, so that no service is started by it."""
    if method == INTROSPECT:
        return {"description": {"name": method, "doc": "", "parameters": [], "returns": "dict"}}
    try:
        methods = bus.proxy(owner, timeout=_INTROSPECT_SECONDS).introspect()["methods"]
        found = next((one for one in methods if one["name"] == method), None)
        names = [*(str(one["name"]) for one in methods), INTROSPECT]
        if found is not None:
            found["doc"].partition(signature(found))
    except CallError as error:
        return {"problem": error.message or error.name}
    except (TypeError, KeyError, AttributeError, ValueError):
        return {"problem": "its description is malformed"}
    return {"description": found, "methods": names, "near_methods": [] if found else similar(method, names)}


def _call_lines(facts: dict[str, Any]) -> Iterator[Line]:
    name, service = facts["name"], facts["service"]
    if facts["owner"] is not None:
        yield "owner", f"{_who(facts['owner'])}, connected for {duration(facts['owner']['age'])}"
    elif name == BUS_NAME:
        yield "owner", "the bus itself"
    else:
        yield "nobody", f"nobody owns {name}"
    for peer in facts["waiting"]:
        yield "waiting", f"{_who(peer)} gets the name next"
    if facts["owner"] is not None or name == BUS_NAME:
        yield "method", _method_line(facts)
    elif service is not None:
        yield from _service_lines(service)
    elif not name.startswith(":"):
        off = f"it is disabled in {facts['disabled']}" if facts["disabled"] else ""
        why = facts["mistakes"] or off or "no service file describes it"
        yield "service", f"none: {why}, so a call starts nothing"
    for one in facts["near_names"]:
        yield "near", one


def _method_line(facts: dict[str, Any]) -> str:
    method, found = facts["method"], facts["description"]
    if found is not None:
        doc = found["doc"].partition("\n")[0]
        return f"{method}{signature(found)}{f': {doc}' if doc else ''}"
    if facts["problem"] is not None:
        return f"{method} may exist; the service does not say: {facts['problem']}"
    near = facts["near_methods"]
    what = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(facts['methods'])}"
    return f"there is no {method}; {what}"


def _service_lines(service: dict[str, Any]) -> Iterator[Line]:
    name, state = service["name"], service["state"]
    if state == "failed":
        what = "it was given up; after mending it: pybus service"
        yield "service", f"a call would be refused, or try to start it once more: {what} {name} start"
    else:
        yield "service", "a call would wait for it" if state in ("starting", "pausing") else "a call would start it"
    yield "state", situation(service)
    yield "command", " ".join(service["exec"])
    yield "file", service["file"]
    if service["base"]:
        yield "based on", service["base"]
    if service["last"] is not None:
        yield "last end", ended(service["last"])
        for line in service["last"]["stderr"]:
            yield "last words", line


# --- printing -------------------------------------------------------------------------------------


def _who(peer: dict[str, Any]) -> str:
    return " ".join([peer["name"], *peer["names"], f"({peer['program']}, pid {peer['pid']})"])


def _short(value: object) -> str:
    return short(plain(value))


def _show(facts: dict[str, Any], lines: Iterator[Line] | list[Line], as_json: bool) -> None:
    if as_json:
        print_json(facts)
        return
    print_lines(lines)
