"""From an exchange to queues: through bindings, exchanges that are bound to exchanges, and alternate exchanges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pybus.broker.exchanges.amq_topic import SignalExchange
from pybus.broker.exchanges.exchange import Exchange, Headers
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


def find_route(
    exchange: Exchange,
    keys: tuple[str, ...],
    headers: Headers,
    exchanges: Mapping[str, Exchange],
    passed: Iterable[Exchange] = (),
) -> Route:
    """The queues that a message gets to, each once.

    keys: the routing key, and those that the message has beside it. exchanges: all, by name. passed: exchanges that
    it has been to already. No exchange is passed twice, so circles of bindings do no harm.
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
        if alternate is not None:
            reached = [alternate]
        for one in reached:
            if isinstance(one, Queue):
                queues[one] = None
            elif one not in seen:
                seen.add(one)
                pending.append(one)
    return Route(exchange, keys[0], tuple(queues), signal, reads_headers)
