"""An answer that a task awaits, and with which the task goes on in the same turn of the loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any


class Turn:
    """A connection's turn of the loop.

    at_once: whether a task whose answer comes now goes on in this turn. answers: those that came so.
    """

    __slots__ = ("answers", "at_once")

    def __init__(self) -> None:
        self.at_once = False
        self.answers: deque[Answer] = deque()

    def wake(self, arrived: asyncio.Event) -> None:
        """Wake by an event who waits for signals or messages: in the next turn, and so whose answers come after them.

        Else a task would hear of the end of what it called for before another one hears of its beginning.
        """
        self.at_once = False
        arrived.set()

    def go_on(self) -> None:
        """Let the tasks go on whose answers have come. To be called by a callback of the loop, and not by a task."""
        while self.answers:
            self.answers.popleft().go_on()

    def end(self) -> None:
        """The turn is over. If something raised what ends it early, or the loop, asyncio lets the tasks go on."""
        self.at_once = False
        while self.answers:
            self.answers.popleft().leave()


class Answer(asyncio.Future[object]):
    """A future whose first callback, which is that of the task that awaits it, is called at the end of the turn.

    asyncio's own futures have it called in the loop's next turn, which is 5 us of the 40 that a call takes its caller.
    All else is as with those: what cancels it, or settles it outside of a turn, has all callbacks called in the next.
    """

    __slots__ = ("_first", "_turn")

    def __init__(self, loop: asyncio.AbstractEventLoop, turn: Turn) -> None:
        super().__init__(loop=loop)
        self._first: tuple[Callable[..., object], Context] | None = None
        self._turn = turn

    def settle(self, value: object, error: Exception | None) -> None:
        """The answer, or the error in its place, is here."""
        if self.done():
            return
        if self._turn.at_once:
            self._turn.answers.append(self)
        else:
            self.leave()
        settle(self, value, error)

    def add_done_callback(self, fn: Callable[..., object], /, *, context: Context | None = None) -> None:
        """As asyncio's."""
        if self._first is None and context is not None and not self.done():
            self._first = fn, context
        else:
            super().add_done_callback(fn, context=context)

    def remove_done_callback(self, fn: Callable[..., object], /) -> int:
        """As asyncio's."""
        self.leave()
        return super().remove_done_callback(fn)

    def cancel(self, msg: Any = None) -> bool:
        """As asyncio's."""
        if not self.done():
            self.leave()
        return super().cancel(msg)

    def go_on(self) -> None:
        """Let the task go on."""
        if self._first is not None:
            fn, context = self._first
            self._first = None
            context.run(fn, self)

    def leave(self) -> None:
        """Leave it to asyncio to let the task go on, in the next turn after this is done."""
        if self._first is not None:
            fn, context = self._first
            self._first = None
            super().add_done_callback(fn, context=context)


def settle(future: asyncio.Future[object], value: object, error: Exception | None) -> None:
    """Give a future its value, or the error in its place, unless it has been cancelled."""
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
