"""The fanout exchange: every binding matches (AMQP 0-9-1 section 3.1.3.2)."""

from __future__ import annotations

from collections.abc import Collection

from pybus.broker.exchanges.exchange import Binding, Destination, Exchange, Headers, Properties


class FanoutExchange(Exchange):
    """Routes to all, whatever the key."""

    type = "fanout"

    def __init__(self, name: str, properties: Properties) -> None:
        super().__init__(name, properties)
        self._keys: dict[Destination, int] = {}

    def match(self, key: str, headers: Headers) -> Collection[Destination]:
        return self._keys

    def selects(self, binding: Binding, key: str, headers: Headers) -> bool:
        return True

    def _add(self, key: str, destination: Destination) -> None:
        self._keys[destination] = self._keys.get(destination, 0) + 1

    def _remove(self, key: str, destination: Destination) -> None:
        self._keys[destination] -= 1
        if not self._keys[destination]:
            del self._keys[destination]
