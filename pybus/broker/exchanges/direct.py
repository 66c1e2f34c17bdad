"""The direct exchange: routing key and binding key are equal (AMQP 0-9-1 section 3.1.3.1)."""

from __future__ import annotations

from collections.abc import Collection

from pybus.broker.exchanges.exchange import Binding, Destination, Exchange, Headers, Properties


class DirectExchange(Exchange):
    """Routes by the whole key."""

    type = "direct"

    def __init__(self, name: str, properties: Properties) -> None:
        super().__init__(name, properties)
        self._by_key: dict[str, dict[Destination, None]] = {}

    def match(self, key: str, headers: Headers) -> Collection[Destination]:
        return self._by_key.get(key, ())

    def selects(self, binding: Binding, key: str, headers: Headers) -> bool:
        return binding.key == key

    def _add(self, key: str, destination: Destination) -> None:
        self._by_key.setdefault(key, {})[destination] = None

    def _remove(self, key: str, destination: Destination) -> None:
        del self._by_key[key][destination]
        if not self._by_key[key]:
            del self._by_key[key]
