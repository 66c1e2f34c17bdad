"""What the optional arguments of a queue ask for, checked as RabbitMQ checks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pybus.broker.queues import replies

DROP_HEAD = "drop-head"
REJECT = "reject-publish"
REJECT_DLX = "reject-publish-dlx"
_MAX_PRIORITY = 255
_QUORUM_DELIVERIES = 20
"""How often a message of a quorum queue comes back unless its declaration says otherwise, as in RabbitMQ 4."""


class Policy(NamedTuple):
    """How a queue treats its messages. Times in seconds; None is no limit.

    ttl: how long a message may wait. expires: how long the queue may be unused. max_length, max_bytes: of the
    messages that wait. overflow: what happens beyond. dead_letter_exchange: where what is dropped goes, with
    dead_letter_key or its own. max_priority: 0 for a queue without priorities. single_active: whether one
    consumer at a time gets messages. delivery_limit: how often a message may come back.
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


def read_policy(queue: str, arguments: Mapping[str, object]) -> Policy:
    """The policy that arguments ask for. Raises `PreconditionFailed`. Unknown arguments are none of its business."""
    given = _Given(queue, arguments)
    ttl, expires = given.number("x-message-ttl"), given.number("x-expires", least=1)
    quorum = given.text("x-queue-type") == "quorum"
    deliveries = given.number("x-delivery-limit")
    overflow = given.text("x-overflow")
    if overflow not in (None, DROP_HEAD, REJECT, REJECT_DLX):
        raise replies.invalid_argument("x-overflow", queue, "invalid_overflow")
    exchange, key = arguments.get("x-dead-letter-exchange"), given.text("x-dead-letter-routing-key")
    if exchange is not None and not isinstance(exchange, str):
        raise replies.invalid_type("x-dead-letter-exchange", "queue", queue, exchange)
    if key is not None and exchange is None:
        raise replies.invalid_argument("x-dead-letter-routing-key", queue, "routing_key_but_no_dlx_defined")
    return Policy(
        ttl=ttl / 1000 if ttl is not None else None,
        expires=expires / 1000 if expires is not None else None,
        max_length=given.number("x-max-length"),
        max_bytes=given.number("x-max-length-bytes"),
        overflow=overflow or DROP_HEAD,
        dead_letter_exchange=exchange,
        dead_letter_key=key,
        max_priority=given.number("x-max-priority", most=_MAX_PRIORITY) or 0,
        single_active=given.flag("x-single-active-consumer"),
        delivery_limit=_QUORUM_DELIVERIES if quorum and deliveries is None else deliveries,
    )


COMPARED = frozenset(
    (
        "x-message-ttl",
        "x-expires",
        "x-max-length",
        "x-max-length-bytes",
        "x-overflow",
        "x-dead-letter-exchange",
        "x-dead-letter-routing-key",
        "x-max-priority",
        "x-single-active-consumer",
        "x-delivery-limit",
        "x-queue-type",
        "x-queue-mode",
    )
)
"""The arguments that have to be the same when a queue is declared again; unknown ones are accepted, and may differ."""


class _Given:
    """The arguments of one declaration, each read as what it has to be."""

    def __init__(self, queue: str, arguments: Mapping[str, object]) -> None:
        self._queue = queue
        self._arguments = arguments

    def number(self, key: str, *, least: int = 0, most: int | None = None) -> int | None:
        value = self._arguments.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise replies.not_integer(key, self._queue, value)
        if value < 0:
            raise replies.invalid_argument(key, self._queue, f"{{value_negative,{value}}}")
        if value < least:
            raise replies.invalid_argument(key, self._queue, "{value_zero,0}")
        if most is not None and value > most:
            raise replies.invalid_argument(key, self._queue, f"{{max_value_exceeded,{value}}}")
        return value

    def text(self, key: str) -> str | None:
        value = self._arguments.get(key)
        if value is not None and not isinstance(value, str):
            raise self._unacceptable(key, value)
        return value

    def flag(self, key: str) -> bool:
        value = self._arguments.get(key, False)
        if not isinstance(value, bool):
            raise self._unacceptable(key, value)
        return value

    def _unacceptable(self, key: str, value: object) -> Exception:
        return replies.invalid_argument(key, self._queue, f"{{unacceptable_type,{replies.type_name(value)}}}")
