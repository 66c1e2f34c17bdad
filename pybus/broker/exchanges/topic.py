"""The topic exchange: a binding key is a pattern of words (AMQP 0-9-1 section 3.1.3.3)."""

from __future__ import annotations

from collections.abc import Collection

from pybus.broker.exchanges.exchange import Binding, Destination, Exchange, Headers, Properties
from pybus.broker.topics import TopicIndex, is_match


class TopicExchange(Exchange):
    """Routes by the key's words. Unlike on `amq.topic`, no first word belongs to the bus here."""

    type = "topic"

    def __init__(self, name: str, properties: Properties) -> None:
        super().__init__(name, properties)
        self._index: TopicIndex[Destination] = TopicIndex()

    def match(self, key: str, headers: Headers) -> Collection[Destination]:
        return self._index.match(key)

    def selects(self, binding: Binding, key: str, headers: Headers) -> bool:
        return is_match(binding.key, key)

    def _add(self, key: str, destination: Destination) -> None:
        self._index.add(key, destination)

    def _remove(self, key: str, destination: Destination) -> None:
        self._index.remove(key, destination)
