"""What to tell a person who named a queue or an exchange that is not there. Only errors lead here."""

from __future__ import annotations

from pybus.cli.pages import all_exchanges, all_queues
from pybus.client.blocking import connect
from pybus.errors import NotFound
from pybus.nearness import did_you_mean


def not_there(error: NotFound) -> str:
    """The refusal of the bus, and what was probably meant, or where to look."""
    _, _, rest = error.message.partition("NOT_FOUND - no ")
    what, _, rest = rest.partition(" '")
    if what not in ("queue", "exchange"):
        return error.message
    return error.message + near(what, rest.partition("' in vhost")[0])


def near(what: str, name: str) -> str:
    """The end of a sentence that says that there is no "queue" or "exchange" of this name."""
    with connect() as bus:
        there = all_queues(bus) if what == "queue" else all_exchanges(bus)
    meant = did_you_mean(name, [one["name"] for one in there if one["name"]])
    return meant or f"; make one with: pybus {what} declare NAME"
