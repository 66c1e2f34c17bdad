"""The virtual host: which exchanges, queues and bindings there are (AMQP 0-9-1 section 3.1.2). A bus has one, `/`.

Each operation behaves as the AMQP method of its name does in RabbitMQ, and raises its refusals. Who consumes
a queue that is deleted, or what waits in it, is its caller's business.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING

from pybus.broker.exchanges import exchange as exchanges
from pybus.broker.exchanges.default import DefaultExchange
from pybus.broker.exchanges.direct import DirectExchange
from pybus.broker.exchanges.exchange import Binding, Destination, Exchange, Identity
from pybus.broker.exchanges.fanout import FanoutExchange
from pybus.broker.exchanges.headers import HeadersExchange, check_arguments
from pybus.broker.exchanges.topic import TopicExchange
from pybus.broker.queues import replies
from pybus.broker.queues.arguments import COMPARED, DEFAULTS, is_quorum, read_policy
from pybus.broker.queues.queue import Properties, Queue
from pybus.errors import InvalidName, LimitExceeded
from pybus.names import MAX_BYTES

if TYPE_CHECKING:
    from pybus.broker.broker import Broker
    from pybus.broker.peer import Peer
    from pybus.broker.queues.journal import Journal

TYPES: dict[str, type[Exchange]] = {
    kind.type: kind for kind in (DirectExchange, FanoutExchange, TopicExchange, HeadersExchange)
}
_PREDECLARED: dict[str, tuple[type[Exchange], bool]] = {
    "amq.direct": (DirectExchange, False),
    "amq.fanout": (FanoutExchange, False),
    "amq.headers": (HeadersExchange, False),
    "amq.match": (HeadersExchange, False),
    "amq.rabbitmq.trace": (TopicExchange, True),
}
"""The exchanges that are always there, beside the default one and `amq.topic`, and whether they are internal.

The last one is there for programs that bind to it. It gets nothing, as in RabbitMQ while tracing is off: what passes
on this bus is shown by its method `monitor`.
"""
_RESERVED = "amq."


class VirtualHost:
    """Exchanges, queues, and the bindings between them. changed: that routes may differ from those looked up before."""

    def __init__(self, broker: Broker, journal: Journal) -> None:
        self._broker = broker
        self._journal = journal
        self.exchanges: dict[str, Exchange] = {}
        self.queues: dict[str, Queue] = {}
        self.changed = False
        self._owned: dict[Peer, dict[str, Queue]] = {}
        self._bindings_to: dict[Destination, dict[tuple[Exchange, Identity], Binding]] = {}
        self._bindings: dict[int, Binding] = {}
        self._last_binding = 0
        self._generated = 0
        self.add(DefaultExchange(self.queues))
        for name, (kind, internal) in _PREDECLARED.items():
            self.add(kind(name, exchanges.Properties(durable=True, internal=internal)))

    def add(self, exchange: Exchange) -> None:
        """Let there be an exchange whose name is free."""
        self.exchanges[exchange.name] = exchange
        self.changed = True

    def generate(self, prefix: str) -> str:
        """A name that nobody has: the prefix and 22 characters that nobody guesses."""
        self._generated += 1
        digest = sha256(f"{self._broker.identity} {self._generated}".encode()).digest()
        return prefix + urlsafe_b64encode(digest[:16]).decode().rstrip("=")

    # --- exchanges --------------------------------------------------------------------------------

    def exchange(self, name: str) -> Exchange:
        """The exchange of that name. Raises `NotFound`."""
        found = self.exchanges.get(name)
        if found is None:
            raise replies.no_exchange(name)
        return found

    def declared_exchange(self, name: str) -> Exchange:
        """The exchange that a passive declaration means. Raises `NotFound`, `AccessRefused`, `InvalidName`."""
        name = clean(name)
        if not name:
            raise replies.default_exchange()
        return self.exchange(name)

    def declare_exchange(self, name: str, kind: str, properties: exchanges.Properties) -> Exchange:
        """Make an exchange, or see that the one of this name is the same. Raises AMQP's refusals, `InvalidName`."""
        name = clean(name)
        if not name:
            raise replies.default_exchange()
        if kind not in TYPES:
            raise replies.failed(f"unknown exchange type '{kind}'")
        found = self.exchanges.get(name)
        if found is not None:
            _check_same_exchange(found, kind, properties)
            return found
        if name.startswith(_RESERVED):
            raise replies.reserved("exchange", name)
        alternate = properties.arguments.get("alternate-exchange", "")
        if not isinstance(alternate, str):
            raise replies.invalid_type("alternate-exchange", "exchange", name, alternate)
        most = self._broker.limits.exchanges
        if len(self.exchanges) >= most:
            raise LimitExceeded(f"there are {len(self.exchanges)} exchanges, the limit")
        made = TYPES[kind](name, properties)
        self._journal.exchange(made, True)
        self.add(made)
        return made

    def delete_exchange(self, name: str, *, if_unused: bool = False) -> None:
        """Remove an exchange with its bindings; none of that name is as good.

        Raises `AccessRefused`, `PreconditionFailed`.
        """
        name = clean(name)
        if not name:
            raise replies.default_exchange()
        if name.startswith(_RESERVED):
            raise replies.system_exchange(name)
        found = self.exchanges.get(name)
        if found is None:
            return
        if if_unused and found.bindings:
            raise replies.in_use("exchange", name)
        self._drop_exchange(found)

    def _drop_exchange(self, exchange: Exchange) -> None:
        del self.exchanges[exchange.name]
        self._journal.exchange(exchange, False)
        self.changed = True
        for binding in list(exchange.bindings.values()):
            self._forget(binding)
        self._unbind_all(exchange)

    # --- queues -----------------------------------------------------------------------------------

    def queue(self, name: str, peer: Peer | None = None) -> Queue:
        """The queue of that name. peer: who wants to use it. Raises `NotFound`, `ResourceLocked`."""
        found = self.queues.get(name)
        if found is None:
            raise replies.no_queue(name)
        if found.properties.owner not in (None, peer):
            raise replies.locked(name)
        return found

    def declare_queue(self, name: str, properties: Properties, peer: Peer, *, own: bool = False) -> Queue:
        """Make a queue, or see that the one of this name is the same; "" for a name of the bus's choice.

        own: whether the bus itself makes it, which may use reserved names.
        Raises AMQP's refusals, `InvalidName`, `LimitExceeded`.
        """
        given = clean(name)
        name = given or self.generate("amq.gen-")
        found = self.queues.get(name)
        if found is not None:
            _check_same_queue(found, properties, peer)
            found.used = self._broker.now
            return found
        if given.startswith(_RESERVED) and not own:
            raise replies.reserved("queue", name)
        policy = read_policy(name, properties.arguments)
        if is_quorum(properties.arguments):
            _check_quorum(given, properties)
        check_key(policy.dead_letter_key or "")
        if len(self.queues) >= self._broker.limits.queues:
            raise LimitExceeded(f"there are {len(self.queues)} queues, the limit")
        made = Queue(name, properties, policy, self._broker.now)
        self._journal.queue(made, True)
        self.queues[name] = made
        if properties.owner is not None:
            self._owned.setdefault(properties.owner, {})[name] = made
        self.changed = True
        return made

    def owned_by(self, peer: Peer) -> list[Queue]:
        """The exclusive queues of a connection."""
        return list(self._owned.get(peer, {}).values())

    def delete_queue(self, queue: Queue) -> None:
        """Remove a queue with its bindings."""
        owner = queue.properties.owner
        if owner is not None:
            del self._owned[owner][queue.name]
            if not self._owned[owner]:
                del self._owned[owner]
        queue.deleted = True
        self._journal.queue(queue, False)
        del self.queues[queue.name]
        self.changed = True
        self._unbind_all(queue)

    # --- from the disk --------------------------------------------------------------------------------

    def restore_exchange(self, name: str, kind: str, properties: exchanges.Properties) -> None:
        """Let there be an exchange that was on disk."""
        self.add(TYPES[kind](name, properties))

    def restore_queue(self, queue: Queue) -> None:
        """Let there be a queue that was on disk."""
        self.queues[queue.name] = queue
        self.changed = True

    def restore_binding(self, binding: Binding) -> None:
        """Let there be a binding that was on disk."""
        if binding.identity not in binding.source.bindings:
            self._bind(binding)

    # --- bindings ---------------------------------------------------------------------------------

    def source(self, name: str, destination: str | None = None) -> Exchange:
        """The exchange that something is to be bound to. destination: the name of that, if it is an exchange as well.

        As in RabbitMQ a source that is missing is told before a destination that is. Raises `AccessRefused`,
        `NotFound`.
        """
        if not name or destination == "":
            raise replies.default_exchange()
        return self.exchange(name)

    def bind(self, source: Exchange, destination: Destination, key: str, arguments: Mapping[str, object]) -> None:
        """Bind a queue or exchange to an exchange; once more does nothing. Raises AMQP's refusals, `LimitExceeded`."""
        if isinstance(source, HeadersExchange):
            check_arguments(arguments)
        binding = Binding(source, destination, check_key(key), arguments)
        if len(self._bindings) >= self._broker.limits.bindings and binding.identity not in source.bindings:
            raise LimitExceeded(f"there are {len(self._bindings)} bindings, the limit")
        if binding.identity not in source.bindings:
            self._journal.binding(binding, isinstance(destination, Exchange), True)
            self._bind(binding)

    def _bind(self, binding: Binding) -> None:
        self._last_binding += 1
        binding = binding._replace(number=self._last_binding)
        binding.source.bind(binding)
        self._bindings[binding.number] = binding
        self._bindings_to.setdefault(binding.destination, {})[binding.source, binding.identity] = binding
        self.changed = True

    def binding(
        self, source: str, destination: str, key: str, arguments: Mapping[str, object], *, to_exchange: bool
    ) -> Binding | None:
        """The binding that is to be undone; None if there is none like that. Raises `AccessRefused`."""
        if not source or (to_exchange and not destination):
            raise replies.default_exchange()
        found = self.exchanges.get(source)
        there: Destination | None = (self.exchanges if to_exchange else self.queues).get(destination)
        if found is None or there is None:
            return None
        return found.bindings.get(Binding(found, there, key, arguments).identity)

    def unbind(self, binding: Binding) -> None:
        """Undo a binding."""
        self._forget(binding)

    def bindings(self, exchange: str | None, queue: str | None, after: int) -> Iterator[Binding]:
        """The bindings of an exchange, to it and away from it, or those to a queue; all if both are None.

        By their numbers, and only those with a greater one than `after`.
        """
        lists: list[Iterable[Binding]] = []
        if exchange is None and queue is None:
            lists.append(self._bindings.values())
        if exchange is not None and exchange in self.exchanges:
            lists += [self.exchanges[exchange].bindings.values(), self.bindings_to(self.exchanges[exchange])]
        if queue is not None and queue in self.queues:
            lists.append(self.bindings_to(self.queues[queue]))
        later = [(one for one in there if one.number > after) for there in lists]
        last = after
        for one in merge(*later, key=attrgetter("number")):
            if one.number > last:  # what leads from an exchange to itself is in two lists
                yield one
            last = one.number

    def bindings_to(self, destination: Destination) -> list[Binding]:
        """The bindings that lead to a queue or exchange, by their numbers."""
        return list(self._bindings_to.get(destination, {}).values())

    def _forget(self, binding: Binding) -> None:
        """Remove a binding if there is one like it; with its last one an auto-delete exchange goes."""
        source = binding.source
        if not source.unbind(binding):
            return
        self._journal.binding(binding, isinstance(binding.destination, Exchange), False)
        del self._bindings[binding.number]
        self.changed = True
        there = self._bindings_to[binding.destination]
        del there[source, binding.identity]
        if not there:
            del self._bindings_to[binding.destination]
        if source.properties.auto_delete and not source.bindings and source.name in self.exchanges:
            self._drop_exchange(source)

    def _unbind_all(self, destination: Destination) -> None:
        for binding in self.bindings_to(destination):
            self._forget(binding)


def clean(name: str) -> str:
    """The name of an exchange or queue as it counts: without line breaks, as in RabbitMQ. Raises `InvalidName`."""
    name = name.replace("\r", "").replace("\n", "")
    if len(_encoded(name)) > MAX_BYTES:
        raise InvalidName(f"the name {name[:40]!r}... is longer than {MAX_BYTES} bytes")
    if "\0" in name:
        raise InvalidName(f"the name {name!r} holds a NUL")
    return name


def check_key(key: str) -> str:
    """A routing or binding key. Raises `InvalidName`."""
    if len(_encoded(key)) > MAX_BYTES:
        raise InvalidName(f"the routing key {key[:40]!r}... is longer than {MAX_BYTES} bytes")
    return key


def _encoded(text: str) -> bytes:
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        raise InvalidName(f"{text!r} can't be written in UTF-8") from None


def _check_quorum(name: str, properties: Properties) -> None:
    """What a quorum queue can't be. name: as given."""
    if not name:
        raise replies.failed("Cannot declare a server-named queue for type rabbit_quorum_queue")
    unfit = {
        "non-durable": not properties.durable,
        "exclusive-owner": properties.owner is not None,
        "auto-delete": properties.auto_delete,
    }
    for key, is_so in unfit.items():
        if is_so:
            raise replies.invalid_property(key, name)


def _check_same_exchange(found: Exchange, kind: str, wanted: exchanges.Properties) -> None:
    current = found.properties
    pairs = [("type", kind, found.type)]
    pairs += [(key, getattr(wanted, key), getattr(current, key)) for key in ("durable", "auto_delete", "internal")]
    for key, received, had in pairs:
        if received != had:
            raise replies.unequal(key, "exchange", found.name, received, had)
    _check_same_arguments("exchange", found.name, wanted.arguments, current.arguments, ("alternate-exchange",))


def _check_same_queue(found: Queue, wanted: Properties, peer: Peer) -> None:
    current = found.properties
    if current.owner is not wanted.owner or current.owner not in (None, peer):
        raise replies.locked(found.name)
    for key in ("durable", "auto_delete"):
        if getattr(wanted, key) != getattr(current, key):
            raise replies.unequal(key, "queue", found.name, getattr(wanted, key), getattr(current, key))
    _check_same_arguments("queue", found.name, wanted.arguments, current.arguments, COMPARED)


def _check_same_arguments(
    what: str, name: str, wanted: Mapping[str, object], current: Mapping[str, object], compared: Sequence[str]
) -> None:
    """Numbers are compared by their value, whatever their size on the wire, but a flag is no number."""
    for key in compared:
        received, had = wanted.get(key, replies.ABSENT), current.get(key, replies.ABSENT)
        default = DEFAULTS.get(key, replies.ABSENT)
        if not _is_same(*(default if one is replies.ABSENT else one for one in (received, had))):
            raise replies.unequal_argument(key, what, name, received, had)


def _is_same(one: object, other: object) -> bool:
    return one == other and type(one) is type(other)
