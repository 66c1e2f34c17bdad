"""AMQP's refusals in RabbitMQ's words, so that whoever knows the one knows the other. The vhost is always `/`."""

from __future__ import annotations

from datetime import datetime

from pybus.errors import AccessRefused, NotAllowed, NotFound, PreconditionFailed, ResourceLocked

_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (float, "double"),
    (str, "longstr"),
    (bytes, "binary"),
    (dict, "table"),
    (list, "array"),
    (datetime, "timestamp"),
    (type(None), "void"),
)
_LARGEST_INT = 2**31


def no_queue(name: str) -> NotFound:
    return NotFound(f"NOT_FOUND - no queue '{name}' in vhost '/'")


def no_exchange(name: str) -> NotFound:
    return NotFound(f"NOT_FOUND - no exchange '{name}' in vhost '/'")


def reserved(what: str, name: str) -> AccessRefused:
    return AccessRefused(f"ACCESS_REFUSED - {what} name '{name}' contains reserved prefix 'amq.*'")


def default_exchange() -> AccessRefused:
    return AccessRefused("ACCESS_REFUSED - operation not permitted on the default exchange")


def system_exchange(name: str) -> AccessRefused:
    return AccessRefused(f"ACCESS_REFUSED - deletion of system exchange '{name}' in vhost '/' not allowed")


def internal_exchange(name: str) -> AccessRefused:
    return AccessRefused(f"ACCESS_REFUSED - cannot publish to internal exchange '{name}' in vhost '/'")


def exclusive_use(queue: str) -> AccessRefused:
    return AccessRefused(f"ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use")


def locked(queue: str) -> ResourceLocked:
    return ResourceLocked(
        f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{queue}' in vhost '/'. It could be"
        " originally declared on another connection or the exclusive property value does not match that of the"
        " original declaration."
    )


def tag_in_use(tag: str) -> NotAllowed:
    return NotAllowed(f"NOT_ALLOWED - attempt to reuse consumer tag '{tag}'")


def failed(text: str) -> PreconditionFailed:
    return PreconditionFailed(f"PRECONDITION_FAILED - {text}")


def in_use(what: str, name: str) -> PreconditionFailed:
    return failed(f"{what} '{name}' in vhost '/' in use")


def not_empty(queue: str) -> PreconditionFailed:
    return failed(f"queue '{queue}' in vhost '/' not empty")


def unknown_tag(tag: int) -> PreconditionFailed:
    return failed(f"unknown delivery tag {tag}")


def late(queue: str, seconds: float) -> PreconditionFailed:
    return failed(
        f"delivery acknowledgement on channel 1 timed out. Timeout value used: {round(seconds * 1000)} ms."
        f" It is the argument x-consumer-timeout of queue '{queue}'"
    )


def invalid_argument(key: str, queue: str, problem: str) -> PreconditionFailed:
    return failed(f"invalid arg '{key}' for queue '{queue}' in vhost '/': {problem}")


def foreign_argument(key: str, queue: str, kind: str) -> PreconditionFailed:
    return failed(f"invalid arg '{key}' for queue '{queue}' in vhost '/' of queue type rabbit_{kind}_queue")


def invalid_property(key: str, queue: str) -> PreconditionFailed:
    return failed(f"invalid property '{key}' for queue '{queue}' in vhost '/'")


def not_integer(key: str, queue: str, value: object) -> PreconditionFailed:
    return invalid_argument(key, queue, f'"expected integer, got {type_name(value)}"')


def invalid_type(key: str, what: str, name: str, value: object) -> PreconditionFailed:
    return failed(f"invalid type '{type_name(value)}' for arg '{key}' in {what} '{name}' in vhost '/'")


def unequal(key: str, what: str, name: str, received: object, current: object) -> PreconditionFailed:
    """A property differs from that of the first declaration."""
    return failed(
        f"inequivalent arg '{key}' for {what} '{name}' in vhost '/':"
        f" received '{_word(received)}' but current is '{_word(current)}'"
    )


def unequal_argument(key: str, what: str, name: str, received: object, current: object) -> PreconditionFailed:
    """An optional argument differs; `ABSENT` is one that was not given."""
    if received is not ABSENT and current is not ABSENT:
        return unequal(key, what, name, received, current)
    return failed(
        f"inequivalent arg '{key}' for {what} '{name}' in vhost '/':"
        f" received {_value(received)} but current is {_value(current)}"
    )


ABSENT = object()


def type_name(value: object) -> str:
    """What RabbitMQ calls the type of a field's value."""
    for kind, name in _TYPES:
        if isinstance(value, kind):
            return name
    assert isinstance(value, int)
    return "signedint" if -_LARGEST_INT <= value < _LARGEST_INT else "long"


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(value: object) -> str:
    return "none" if value is ABSENT else f"the value '{_word(value)}' of type '{type_name(value)}'"
