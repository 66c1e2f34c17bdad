"""From an exchange to queues: through bindings, exchanges that are bound to exchanges, and alternate exchanges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pybus.broker.exchanges.amq_topic import SignalExchange
from pybus.broker.exchanges.exchange import Binding, Destination, Exchange, Headers
from pybus.broker.queues.queue import Queue


class Route(NamedTuple):
    """Where messages go. signal: whether they pass `amq.topic`, so that subscribers get them as well.

    reads_headers: whether the same exchange and key may lead elsewhere with other headers.
    """

    exchange: Exchange
    key: str
    queues: tuple[Queue, ...]
    signal: bool
    reads_headers: bool


class Step(NamedTuple):
    """An exchange on the way of a message.

    reached: where it goes from there, each with the bindings by which it does; the default exchange has none.
    alternate: the exchange that it goes to as nothing else matches.
    """

    exchange: Exchange
    reached: dict[Destination, tuple[Binding, ...]]
    alternate: Exchange | None


def find_route(
    exchange: Exchange,
    keys: tuple[str, ...],
    headers: Headers,
    exchanges: Mapping[str, Exchange],
    passed: Iterable[Exchange] = (),
    steps: list[Step] | None = None,
) -> Route:
    """The queues that a message gets to, each once.

    keys: the routing key, and those that the message has beside it. exchanges: all, by name. passed: exchanges that
    it has been to already. No exchange is passed twice, so circles of bindings do no harm. steps: where the way is
    noted.
    """
    queues: dict[Queue, None] = {}
    seen = {exchange, *passed}
    pending = [exchange]
    signal = reads_headers = False
    while pending:
        here = pending.pop()
        signal = signal or isinstance(here, SignalExchange)
        reads_headers = reads_headers or here.reads_headers
        found = {one: None for key in keys for one in here.match(key, headers)}
        reached = list(found)
        alternate = exchanges.get(here.alternate) if here.alternate is not None and not found else None
        if steps is not None:
            steps.append(Step(here, {one: _bindings(here, one, keys, headers) for one in found}, alternate))
        if alternate is not None:
            reached = [alternate]
        for one in reached:
            if isinstance(one, Queue):
                queues[one] = None
            elif one not in seen:
                seen.add(one)
                pending.append(one)
    return Route(exchange, keys[0], tuple(queues), signal, reads_headers)


def _bindings(source: Exchange, to: Destination, keys: tuple[str, ...], headers: Headers) -> tuple[Binding, ...]:
    """The bindings by which a message goes from an exchange to a destination."""
    there = (one for one in source.bindings.values() if one.destination is to)
    return tuple(one for one in there if any(source.selects(one, key, headers) for key in keys))
