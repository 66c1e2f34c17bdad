"""Services and the ends of their processes, in words; the same in every command.

A service is a map as the bus's method `service` returns it, an end what stands there under "last".
"""

from __future__ import annotations

from typing import Any

from pybus.cli.text import age


def duration(seconds: float) -> str:
    """A time span with a decimal while it is short: `0.3 s`, `12 s`, `5 min`."""
    return f"{seconds:.1f} s" if seconds < 10 else age(seconds)


def ended(last: dict[str, Any]) -> str:
    """How a process ended: `exited with status 3 after 0.2 s`."""
    if last["signal"] is not None:
        how = f"was killed by {last['signal']}"
    elif last["status"] is not None:
        how = f"exited with status {last['status']}"
    else:
        how = "ended"
    return f"{how} after {duration(last['ran'])}"


def without_words(reason: str) -> tuple[str, list[str]]:
    """The bus's reason for why a service does not run, and its process's last words, which stand at its end."""
    what, _, words = reason.partition("; its last words: ")
    return what, words.split(" | ") if words else []


def situation(service: dict[str, Any]) -> str:
    """A service's state, and the reason if it is down unasked: `failed: exited with status 3 after 0.2 s`.

    The first word is always one of the bus's words for a state.
    """
    state: str = service["state"]
    reason = without_words(service["reason"])[0].replace(f"{service['name']} ", "", 1)
    again = f"; starts again in {duration(service['due'])}" if service["due"] is not None else ""
    return f"{state}: {reason}{again}" if reason else state
