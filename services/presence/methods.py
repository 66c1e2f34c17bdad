"""What `org.pybus.Presence` offers to callers."""

from collections.abc import Awaitable, Callable
from typing import Any

import pybus

from .presence import Presence, check_presence


class Chat:
    """Whether you are there for your chat contacts. What their server knows is on `chat.status` and `chat.message`."""

    def __init__(self, ask: Callable[[Presence], Awaitable[None]], state: Callable[[], dict[str, Any]]) -> None:
        self._ask = ask
        self._state = state

    async def set(self, status: str, message: str = "") -> None:
        """Let your contacts know how things are with you; returns when the server knows.

        status: "available", "away", "dnd" (do not disturb) or "offline".
        message: text beside it, such as "in a meeting".

        It stands until the next one, over restarts, too. The error org.pybus.Presence.Error.NotTold says why the
        server can't be told now; what was asked for stays wanted, and is told when the server is back. It says so,
        too, if something else was set before this was told.
        """
        try:
            presence = check_presence(status, message)
        except ValueError as error:
            raise pybus.InvalidArguments(str(error)) from None
        await self._ask(presence)

    def get(self) -> dict[str, Any]:
        """How things are: status and message, as the server knows them; account; connected; wanted and error.

        wanted: the status that was asked for last. error: why that is not told, empty if it is.
        """
        return self._state()
