"""What a chat network has to offer to be used here. `xmpp` is one; another is another file with a `connect`."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from .account import Account
from .presence import Presence


class Refused(Exception):
    """To try the same again would not help: says for a person what is wrong, and what to do."""


class Session(Protocol):
    """A login that lasts until `close`, or until it ends by itself."""

    async def tell(self, presence: Presence) -> None:
        """Let the contacts know; returns when the server has it. presence: any but offline.

        Cancelled, the server may have it or not. Raises `ConnectionError` if the session has ended, or ends.
        """

    async def ended(self) -> Exception:
        """Wait until it has ended, and return why: `Refused`, or `ConnectionError` if it helps to come again."""

    async def close(self, message: str = "") -> None:
        """Go offline with this message, and say goodbye, which takes a few seconds at most. Raises nothing."""


Connect = Callable[[Account, str], Awaitable[Session]]
"""Log in with a password. Contacts are told nothing yet. Cancel-safe: nothing is left of it.

Raises `Refused`; `ConnectionError`, with a text for a person, if it may help to try again.
"""
