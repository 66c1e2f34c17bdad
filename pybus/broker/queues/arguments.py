"""What the optional arguments of a queue ask for, checked as RabbitMQ checks them.

`x-queue-type` is `classic` (as if it were left out) or `quorum`. Who declares a quorum queue wants one that a crash
costs nothing and that a poisonous message does not block: here that is a durable queue with a limit of deliveries.
What is said of replicas has nothing to act on, as there is one node, and is accepted. `stream` is refused: a stream
is read from any place, again and again, and a queue in its stead would lose for each reader what others have read.

What RabbitMQ has for quorum queues only, `x-delivery-limit`, holds for any queue here. Other arguments that belong to
another type are refused, as there. Arguments that nobody knows are accepted, and change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pybus.broker.queues import replies
from pybus.errors import PreconditionFailed

DROP_HEAD = "drop-head"
REJECT = "reject-publish"
REJECT_DLX = "reject-publish-dlx"
LONGEST_TIME = 315_360_000_000
"""The most milliseconds that an argument or a message can ask for, as in RabbitMQ: ten years."""
_CLASSIC = "classic"
_QUORUM = "quorum"
_MAX_PRIORITY = 255
_QUORUM_DELIVERIES = 20
"""How often a message of a quorum queue comes back unless its declaration says otherwise, as in RabbitMQ 4."""
_REPLICAS = ("x-quorum-initial-group-size", "x-queue-leader-locator")
_IN_MEMORY = ("x-max-in-memory-length", "x-max-in-memory-bytes")
_STREAMS = ("x-max-age", "x-stream-max-segment-size-bytes", "x-initial-cluster-size")
_FOREIGN = {
    _CLASSIC: (*_STREAMS, *_REPLICAS, *_IN_MEMORY, "x-dead-letter-strategy"),
    _QUORUM: (*_STREAMS, "x-max-priority", "x-queue-mode", "x-queue-version", "x-queue-master-locator"),
}
"""The arguments that a type of queue does not have."""
COMPARED = (
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    *_IN_MEMORY,
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-queue-type",
    "x-delivery-limit",
    "x-dead-letter-strategy",
    *_REPLICAS,
    "x-consumer-timeout",
)
"""The arguments that have to be the same when a queue is declared again, in the order in which that is looked at.

Those are RabbitMQ's, and `x-consumer-timeout`, which it does not compare; unknown ones may differ.
"""
DEFAULTS: Mapping[str, object] = {"x-queue-type": _CLASSIC}
"""What it is the same to give as to leave out."""


class Policy(NamedTuple):
    """How a queue treats its messages. Times in seconds; None is no limit.

    ttl: how long a message may wait. expires: how long the queue may be unused. max_length, max_bytes: of the
    messages that wait. overflow: what happens beyond. dead_letter_exchange: where what is dropped goes, with
    dead_letter_key or its own. max_priority: 0 for a queue without priorities. single_active: whether one
    consumer at a time gets messages. delivery_limit: how often a message may come back. consumer_timeout: how long
    a delivery may be unsettled.
    """

    ttl: float | None = None
    expires: float | None = None
    max_length: int | None = None
    max_bytes: int | None = None
    overflow: str = DROP_HEAD
    dead_letter_exchange: str | None = None
    dead_letter_key: str | None = None
    max_priority: int = 0
    single_active: bool = False
    delivery_limit: int | None = None
    consumer_timeout: float | None = None


def read_policy(queue: str, arguments: Mapping[str, object]) -> Policy:
    """The policy that arguments ask for. Raises `PreconditionFailed`."""
    given = _Given(queue, arguments)
    kind = _read_type(given)
    exchange = given.exchange("x-dead-letter-exchange")
    key = given.text("x-dead-letter-routing-key")
    if key is not None and exchange is None:
        raise replies.invalid_argument("x-dead-letter-routing-key", queue, "routing_key_but_no_dlx_defined")
    deliveries = given.number("x-delivery-limit", least=None)
    if kind == _QUORUM and deliveries is None:
        deliveries = _QUORUM_DELIVERIES
    return Policy(
        ttl=given.seconds("x-message-ttl"),
        expires=given.seconds("x-expires", least=1),
        max_length=given.number("x-max-length"),
        max_bytes=given.number("x-max-length-bytes"),
        overflow=given.choice("x-overflow", (DROP_HEAD, REJECT, REJECT_DLX), "invalid_overflow") or DROP_HEAD,
        dead_letter_exchange=exchange,
        dead_letter_key=key,
        max_priority=given.number("x-max-priority", most=_MAX_PRIORITY) or 0,
        single_active=given.flag("x-single-active-consumer"),
        delivery_limit=None if deliveries is not None and deliveries < 0 else deliveries,  # -1 in RabbitMQ 4
        consumer_timeout=given.seconds("x-consumer-timeout", least=1),
    )


def is_quorum(arguments: Mapping[str, object]) -> bool:
    """Whether they ask for a quorum queue, which has to have a name, to be durable, and nobody's own."""
    return arguments.get("x-queue-type") == _QUORUM


def _read_type(given: _Given) -> str:
    """The type of queue, whose arguments that change nothing here are checked. Raises `PreconditionFailed`."""
    kind = given.choice("x-queue-type", (_CLASSIC, _QUORUM), "\"unsupported queue type '{}'\"") or _CLASSIC
    given.refuse(_FOREIGN[kind], kind)
    given.choice("x-queue-mode", ("default", "lazy"), "\"unsupported queue mode '{}'\"")
    version = given.number("x-queue-version", least=None)
    if version not in (None, 1, 2):
        raise given.invalid("x-queue-version", f"\"unsupported queue version '{version}'\"")
    given.choice("x-dead-letter-strategy", ("at-most-once", "at-least-once"), "invalid_dlx_strategy")
    given.choice("x-queue-leader-locator", ("client-local", "balanced", "random"), "invalid_queue_locator_arg")
    given.number("x-quorum-initial-group-size", least=1)
    for key in _IN_MEMORY:
        given.number(key)
    return kind


class _Given:
    """The arguments of one declaration, each read as what it has to be; None for one that is not there."""

    def __init__(self, queue: str, arguments: Mapping[str, object]) -> None:
        self._queue = queue
        self._arguments = arguments

    def number(self, key: str, *, least: int | None = 0, most: int | None = None) -> int | None:
        """A whole number. least: None for any."""
        if key not in self._arguments:
            return None
        value = self._arguments[key]
        if not isinstance(value, int) or isinstance(value, bool):
            raise replies.not_integer(key, self._queue, value)
        if least is not None and value < 0:
            raise self.invalid(key, f"{{value_negative,{value}}}")
        if least is not None and value < least:
            raise self.invalid(key, "{value_zero,0}")
        if most is not None and value > most:
            raise self.invalid(key, f"{{max_value_exceeded,{value}}}")
        return value

    def seconds(self, key: str, *, least: int = 0) -> float | None:
        """A time, which is given in milliseconds."""
        value = self.number(key, least=least)
        if value is not None and value > LONGEST_TIME:
            raise self.invalid(key, f"{{value_too_large,{value}}}")
        return None if value is None else value / 1000

    def text(self, key: str) -> str | None:
        """Any text."""
        if key not in self._arguments:
            return None
        value = self._arguments[key]
        if not isinstance(value, str):
            raise self._unacceptable(key, value)
        return value

    def exchange(self, key: str) -> str | None:
        """The name of an exchange; what is none is refused in other words."""
        value = self._arguments.get(key)
        if isinstance(value, str):
            return value
        if key in self._arguments:
            raise replies.invalid_type(key, "queue", self._queue, value)
        return None

    def choice(self, key: str, choices: tuple[str, ...], problem: str) -> str | None:
        """One of these texts. problem: what is wrong with any other, with {} where that is named."""
        value = self.text(key)
        if value is not None and value not in choices:
            raise self.invalid(key, problem.replace("{}", value))
        return value

    def flag(self, key: str) -> bool:
        """True or false, which it is when it is not there."""
        value = self._arguments.get(key, False)
        if not isinstance(value, bool):
            raise self._unacceptable(key, value)
        return value

    def refuse(self, keys: tuple[str, ...], kind: str) -> None:
        """See that none of these is there. kind: of the queue, which has no such arguments."""
        for key in keys:
            if key in self._arguments:
                raise replies.foreign_argument(key, self._queue, kind)

    def invalid(self, key: str, problem: str) -> PreconditionFailed:
        return replies.invalid_argument(key, self._queue, problem)

    def _unacceptable(self, key: str, value: object) -> PreconditionFailed:
        return self.invalid(key, f"{{unacceptable_type,{replies.type_name(value)}}}")
