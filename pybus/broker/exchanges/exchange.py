"""What all exchanges have: their properties, and their bindings (AMQP 0-9-1 section 3.1.3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeAlias

from pybus.protocol.codec import pack

if TYPE_CHECKING:
    from pybus.broker.queues.queue import Queue

Destination: TypeAlias = "Queue | Exchange"
Identity: TypeAlias = "tuple[Destination, str, bytes]"
"""What makes two bindings of one source the same: destination, key and arguments."""
Headers: TypeAlias = Mapping[str, object]


class Binding(NamedTuple):
    """One binding. arguments: as given; only headers exchanges look at them, all tell bindings apart by them.

    number: its place among all bindings, which grows in the order in which they were made; 0 for one that is none yet.
    """

    source: Exchange
    destination: Destination
    key: str
    arguments: Mapping[str, object]
    number: int = 0

    @property
    def identity(self) -> Identity:
        return self.destination, self.key, pack(dict(sorted(self.arguments.items())))


class Properties(NamedTuple):
    """What an exchange is declared with, beside its name and type. arguments: AMQP's optional ones."""

    durable: bool = False
    auto_delete: bool = False
    internal: bool = False
    arguments: Mapping[str, object] = MappingProxyType({})


class Exchange:
    """One exchange; the types are its subclasses.

    bindings: those that lead away from it. was_bound: whether there ever was one, before which an
    auto-delete exchange stays. published: messages that came to it.
    """

    type: ClassVar[str]
    reads_headers: ClassVar[bool] = False
    """Whether routes depend on more than the routing key, and so can't be remembered by it."""

    def __init__(self, name: str, properties: Properties) -> None:
        self.name = name
        self.properties = properties
        self.bindings: dict[Identity, Binding] = {}
        self.was_bound = False
        self.published = 0
        self._uses: dict[tuple[Destination, str], int] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def kept(self) -> bool:
        """Whether it outlives the daemon."""
        return self.properties.durable

    @property
    def alternate(self) -> str | None:
        """The name of the exchange for what this one can't route: RabbitMQ's alternate exchange."""
        found = self.properties.arguments.get("alternate-exchange")
        return found if isinstance(found, str) else None

    def bind(self, binding: Binding) -> bool:
        """Add a binding; whether it is new."""
        identity = binding.identity
        if identity in self.bindings:
            return False
        self.bindings[identity] = binding
        self.was_bound = True
        self._added(binding)
        return True

    def unbind(self, binding: Binding) -> bool:
        """Remove a binding; whether there was one."""
        found = self.bindings.pop(binding.identity, None)
        if found is None:
            return False
        self._removed(found)
        return True

    def match(self, key: str, headers: Headers) -> Collection[Destination]:
        """The destinations of a message, each once."""
        raise NotImplementedError

    def selects(self, binding: Binding, key: str, headers: Headers) -> bool:
        """Whether a message goes by this one of the bindings. `match` finds the same, by a look-up for all of them."""
        raise NotImplementedError

    # Bindings with the same destination and key differ in arguments only, which count for headers exchanges.

    def _added(self, binding: Binding) -> None:
        use = binding.destination, binding.key
        self._uses[use] = self._uses.get(use, 0) + 1
        if self._uses[use] == 1:
            self._add(binding.key, binding.destination)

    def _removed(self, binding: Binding) -> None:
        use = binding.destination, binding.key
        self._uses[use] -= 1
        if not self._uses[use]:
            del self._uses[use]
            self._remove(binding.key, binding.destination)

    def _add(self, key: str, destination: Destination) -> None:
        """The first binding of a destination with this key."""
        raise NotImplementedError

    def _remove(self, key: str, destination: Destination) -> None:
        """The last one has gone."""
        raise NotImplementedError
