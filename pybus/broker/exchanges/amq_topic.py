"""The exchange `amq.topic`, which is the topics of the signals: one index for subscribers and for bindings.

A queue that is bound to it is one more receiver of the signals that match, and a message that is published
to it reaches subscribers as a signal. As for them, a wildcard at the beginning of a binding key does not stand
for `bus`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pybus.broker.exchanges.exchange import Binding, Destination, Exchange, Headers, Properties
from pybus.broker.peer import Receiver
from pybus.broker.topics import is_match

if TYPE_CHECKING:
    from pybus.broker.queues.publishing import Publishing
    from pybus.broker.signals import Signals


class Listener(Receiver):
    """A destination of `amq.topic` as a receiver of signals. peer: nobody stands behind it."""

    peer = None

    def __init__(self, destination: Destination, publishing: Publishing) -> None:
        self.destination = destination
        self._publishing = publishing

    def offer(self, data: bytes, count: int, key: bytes) -> int:
        """Take a run of `count` signals to one topic. Returns how many queues have got all of them by that."""
        return self._publishing.take_signals(self.destination, data, count, key)


class SignalExchange(Exchange):
    """Routes by the words of the key, along with the signals."""

    type = "topic"

    def __init__(self, name: str, signals: Signals, publishing: Publishing) -> None:
        super().__init__(name, Properties(durable=True))
        self._signals = signals
        self._publishing = publishing
        self._listeners: dict[Destination, Listener] = {}
        self._keys: dict[Destination, int] = {}

    def match(self, key: str, headers: Headers) -> Collection[Destination]:
        return [one.destination for one in self._signals.index.match(key) if isinstance(one, Listener)]

    def selects(self, binding: Binding, key: str, headers: Headers) -> bool:
        return is_match(binding.key, key, guarded=True)

    def _add(self, key: str, destination: Destination) -> None:
        listener = self._listeners.get(destination)
        if listener is None:
            listener = self._listeners[destination] = Listener(destination, self._publishing)
        self._keys[destination] = self._keys.get(destination, 0) + 1
        self._signals.add(key, listener)

    def _remove(self, key: str, destination: Destination) -> None:
        self._signals.remove(key, self._listeners[destination])
        self._keys[destination] -= 1
        if not self._keys[destination]:
            del self._keys[destination], self._listeners[destination]
