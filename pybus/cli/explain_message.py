"""`pybus explain --exchange E --key K`: which queues a message would get to, by which bindings, and why no others.

The bus itself is asked for the way, as its exchanges know it; nothing is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pybus.cli.bindings import named
from pybus.cli.command import NOBODY, OK, REFUSED
from pybus.cli.pages import all_bindings, all_exchanges, all_queues
from pybus.cli.queue import described
from pybus.cli.text import Line, print_json, print_lines, to_json
from pybus.client.blocking import Bus, connect
from pybus.errors import AccessDenied, AccessRefused, NotFound
from pybus.names import AMQ_TOPIC, BUS_NAME, is_own, matches
from pybus.nearness import near_miss, similar

_MOST = 5
"""Near misses that are shown."""


def explain_message(exchange: str, key: str, headers: dict[str, object], *, as_json: bool = False) -> int:
    """Tell where a message would go; returns 0 if somebody would get it, 3 if nobody, 1 if it would be refused."""
    with connect() as bus:
        facts = _facts(bus, exchange, key, headers)
    if as_json:
        print_json(facts)
    else:
        print_lines(_lines(facts))
    if facts["refused"] is not None:
        return REFUSED
    return OK if facts["queues"] or facts["service"] or facts["subscribers"] else NOBODY


def _facts(bus: Bus, exchange: str, key: str, headers: dict[str, object]) -> dict[str, Any]:
    facts: dict[str, Any] = {"exchange": exchange, "key": key, "headers": headers, "refused": None}
    facts |= {"queues": [], "service": None, "subscribers": [], "steps": [], "near": []}
    try:
        way: dict[str, Any] = bus.call(BUS_NAME, "route", exchange, key, headers)
    except (NotFound, AccessRefused, AccessDenied) as error:
        near = similar(exchange, [one["name"] for one in all_exchanges(bus)]) if isinstance(error, NotFound) else []
        near_facts = [{"exchange": one, "key": None, "why": "is an exchange"} for one in near]
        return {**facts, "refused": error.message, "near": near_facts}
    queues = [described(bus, name) for name in way["queues"]]
    passed = [step["exchange"] for step in way["steps"]]
    return {
        **facts,
        "queues": [{name: one[name] for name in ("name", "messages", "consumers")} for one in queues],
        "service": way["service"],
        "subscribers": _subscribers(bus, key) if AMQ_TOPIC in passed else [],
        "steps": way["steps"],
        "near": [] if way["service"] else _near(bus, way["steps"], key),
    }


def _subscribers(bus: Bus, key: str) -> list[dict[str, Any]]:
    """Who gets it as a signal."""
    peers: list[dict[str, Any]] = bus.proxy(BUS_NAME).subscriptions()
    found = [{**one, "patterns": [each for each in one["patterns"] if matches(each, key)]} for one in peers]
    return [] if is_own(key) else [one for one in found if one["patterns"]]


def _near(bus: Bus, steps: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """What just fails to match at the exchanges of the way, the nearest first."""
    found: list[tuple[float, dict[str, Any]]] = []
    for step in steps:
        here = {"exchange": step["exchange"]}
        if not step["exchange"]:
            names = [] if step["reached"] else similar(key, [one["name"] for one in all_queues(bus)])
            found += [
                (0.0, {**here, "to": "queue", "destination": name, "key": name, "why": "is a queue"}) for name in names
            ]
            continue
        went = {(one["to"], one["destination"]) for one in step["reached"]}
        for one in all_bindings(bus, exchange=step["exchange"]):
            if one["source"] != step["exchange"] or (one["to"], one["destination"]) in went:
                continue
            there = {**here, **{name: one[name] for name in ("to", "destination", "key")}}
            if step["type"] == "headers":
                found.append((9.0, {**there, "key": None, "why": f"wants the headers {to_json(one['arguments'])}"}))
            elif miss := near_miss(one["key"], key):
                better = f"; did you mean {miss.better}?" if miss.better else ""
                found.append((miss.distance, {**there, "why": miss.why.replace("topic", "key") + better}))
    found.sort(key=lambda one: one[0])
    return [entry for _, entry in found[:_MOST]]


# --- as lines -------------------------------------------------------------------------------------------


def _lines(facts: dict[str, Any]) -> Iterator[Line]:
    if facts["refused"] is not None:
        yield "refused", facts["refused"]
    for step in facts["steps"]:
        yield from _step_lines(step)
    for queue in facts["queues"]:
        yield "gets it", f"queue {queue['name']}, {_state(queue)}"
    for peer in facts["subscribers"]:
        who = " ".join([peer["name"], *peer["names"], f"({peer['program']}, pid {peer['pid']})"])
        yield "gets it", f"{who}, as a signal, by {' and '.join(peer['patterns'])}"
    if facts["service"] is not None:
        yield "gets it", f"service {facts['service']}, as a call of the method that the property 'type' names"
    elif facts["refused"] is None and not (facts["queues"] or facts["subscribers"]):
        yield "nobody", _nobody(facts)
    for near in facts["near"]:
        yield "near", _near_line(near)


def _step_lines(step: dict[str, Any]) -> Iterator[Line]:
    """Where an exchange leads. The default one needs no words: it leads to the queue of that name."""
    here = f"exchange {named(step['exchange'])} ({step['type']})"
    for one in step["reached"] if step["exchange"] else ():
        why = [_why(binding, step["type"]) for binding in one["bindings"]]
        yield "way", f"{here} leads to {one['to']} {one['destination']}, by {' and '.join(why)}"
    if step["alternate"] is not None:
        yield "way", f"{here} leads to its alternate exchange {step['alternate']}, as nothing else matches"


def _why(binding: dict[str, Any], kind: str) -> str:
    if kind == "headers":
        return f"the headers {to_json(binding['arguments'])}"
    return "any key" if kind == "fanout" else binding["key"] or "an empty key"


def _state(queue: dict[str, Any]) -> str:
    """What becomes of a message there."""
    programs = [f"{one['program']} (pid {one['pid']})" for one in queue["consumers"]]
    who = f"consumed by {' and '.join(programs)}" if programs else "which nobody consumes"
    return f"{who}; {queue['messages']} wait there"


def _nobody(facts: dict[str, Any]) -> str:
    if not facts["exchange"]:
        return f"there is no queue {facts['key']!r}"
    last = facts["steps"][-1]["exchange"]
    key = f"the key {facts['key']!r}" if facts["key"] else "an empty key"
    return f"no binding of the exchange {named(last)} leads a message with {key} to a queue"


def _near_line(near: dict[str, Any]) -> str:
    if near["key"] is None and "destination" not in near:
        return f"{near['exchange']} {near['why']}"
    if not near["exchange"]:
        return f"{near['destination']} {near['why']}"
    what = f"{near['key']} " if near["key"] is not None else ""
    end = f"of {near['to']} {near['destination']} at exchange {near['exchange']}"
    return f"{what}{near['why']} ({end})" if what else f"{near['to']} {near['destination']} {near['why']}"
