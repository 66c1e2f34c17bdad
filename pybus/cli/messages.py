"""Messages of queues as text: one a line for people, JSON for programs."""

from __future__ import annotations

import sys

from pybus.cli.bindings import named
from pybus.cli.text import paint, plain, safe, to_json
from pybus.client.messages import Delivered


def place(message: Delivered) -> str:
    """Where it was published, in a word: its routing key, or the exchange if it has none."""
    return message.key or named(message.exchange)


def message_json(message: Delivered, **more: float) -> str:
    """The whole message as JSON: exchange, key, body, properties, sender, persistent, redelivered, and more."""
    fields = ("exchange", "key", "body", "properties", "sender", "persistent", "redelivered")
    return to_json({**{field: getattr(message, field) for field in fields}, **more})


def show_message(message: Delivered, *, as_json: bool = False) -> None:
    """Print one message as one line, at once."""
    if as_json:
        print(message_json(message), flush=True)
        return
    mark = paint(" (redelivered)", "dim") if message.redelivered and sys.stdout.isatty() else ""
    print(f"{paint(safe(place(message)), 'topic')} {plain(message.body)}{mark}", flush=True)
