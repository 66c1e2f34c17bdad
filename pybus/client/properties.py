"""The properties of messages, as a program gives them: AMQP's, by its names."""

from __future__ import annotations

from pybus.errors import UsageError
from pybus.protocol.codec import pack

PROPERTIES = frozenset(
    (
        "content_type",
        "content_encoding",
        "headers",
        "priority",
        "correlation_id",
        "reply_to",
        "expiration",
        "message_id",
        "timestamp",
        "type",
        "user_id",
        "app_id",
    )
)


def pack_properties(properties: dict[str, object]) -> bytes:
    """The properties as they go on the wire. expiration: in seconds, or as AMQP has it. Raises `UsageError`."""
    for name in properties:
        if name not in PROPERTIES:
            raise UsageError(f"a message has no property {name!r}; what is your own belongs into its headers")
    expiration = properties.get("expiration")
    if isinstance(expiration, (int, float)):
        properties = {**properties, "expiration": str(round(expiration * 1000))}
    return pack(properties)
