"""The default exchange: every queue is bound to it by its own name and nothing else (AMQP 0-9-1 section 3.1.3.1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from pybus.broker.exchanges.exchange import Binding, Destination, Exchange, Headers, Properties

if TYPE_CHECKING:
    from pybus.broker.queues.queue import Queue


class DefaultExchange(Exchange):
    """Routes to the queue whose name is the key. Its bindings can't be changed."""

    type = "direct"

    def __init__(self, queues: Mapping[str, Queue]) -> None:
        """queues: all that there are, by name."""
        super().__init__("", Properties(durable=True))
        self._queues = queues

    def match(self, key: str, headers: Headers) -> Collection[Destination]:
        queue = self._queues.get(key)
        return () if queue is None else (queue,)

    def selects(self, binding: Binding, key: str, headers: Headers) -> bool:
        raise AssertionError("the default exchange has no bindings")
