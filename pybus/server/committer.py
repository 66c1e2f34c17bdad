"""Batches to the disk, in a thread of its own, one after the other.

A batch that can't be written is tried without the messages that come in, so that a full disk can be emptied. What is
left of it becomes a part of the next one, so nothing overtakes it, and that is tried after a rest. The bus is told each
time, and told when it is safe.

Whoever waits for a confirm waits for both hand-overs, so they are the cheapest that there are: a queue in C to the
thread, an eventfd(2) back, and what need not be done before the bus is told is done after.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from pybus.server.log import Log
from pybus.server.loop import READ, Loop, Timer
from pybus.storage import Batch, Store, StoreError

if TYPE_CHECKING:
    from pybus.broker.queues.disk import Disk

_TRY_AGAIN = 1.0
"""Seconds between attempts to write a batch."""


class _News(NamedTuple):
    """How a batch went. failure: why it could not be written, "" if it was; puts_only: but all but its messages was."""

    failure: str = ""
    puts_only: bool = False


class Committer:
    """Takes the broker's batches to a store. The thread begins with the first one.

    after: called in the loop when the broker was told something.
    """

    def __init__(self, loop: Loop, log: Log, disk: Disk, store: Store, after: Callable[[], None]) -> None:
        self._loop = loop
        self._log = log
        self._failed = False
        self._disk = disk
        self._store = store
        self._after = after
        self._thread: threading.Thread | None = None
        self._batches: SimpleQueue[Batch | None] = SimpleQueue()
        self._flying = False
        self._news: _News | None = None
        self._bug: Exception | None = None
        self._event = -1
        self._rest: Timer | None = None

    @property
    def busy(self) -> bool:
        """Whether a batch is on its way, or nothing is to be tried for now."""
        return self._flying or self._rest is not None

    def look(self) -> None:
        """If the disk is free, take what has gathered."""
        if not self.busy:
            batch = self._disk.take()
            if batch is not None:
                self._begin(batch)

    def _begin(self, batch: Batch) -> None:
        if self._thread is None:
            self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._loop.watch(self._event, READ, self._heard)
            self._thread = threading.Thread(target=self._run, name="pybus-committer", daemon=True)
            self._thread.start()
        self._flying = True
        self._batches.put(batch)

    # --- in the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            self._news = self._commit(batch)
            os.eventfd_write(self._event, 1)
            try:
                self._store.tidy()
            except Exception as error:  # a bug of ours: the thread goes on, for who waits for the next batch
                self._bug = error
                os.eventfd_write(self._event, 1)

    def _commit(self, batch: Batch) -> _News:
        try:
            self._store.commit(batch)
        except StoreError as error:
            return _News(str(error), self._commit_rest(batch))
        except Exception as error:  # a bug of ours: nobody is to wait for good for a thread that has ended
            return _News(f"bug: {type(error).__name__}: {error}")
        return _News()

    def _commit_rest(self, batch: Batch) -> bool:
        """Write all but the messages that come in; whether there was any such thing, and it could be written."""
        rest = batch.without_puts()
        if not rest or not batch.put:
            return False
        try:
            self._store.commit(rest)
        except StoreError:
            return False
        return True

    # --- in the loop --------------------------------------------------------------------------------

    def _heard(self, _events: int) -> None:
        bug, self._bug = self._bug, None
        if bug is not None:
            self._log.bug("bug while tidying up after a batch", bug)
        try:
            self._pass_on()
        except Exception as error:  # a bug of ours, which must not take the bus along
            self._log.bug("bug while telling of what was written", error)
        self._after()

    def _pass_on(self) -> bool:
        """Tell the broker how a batch went, if that is known by now. Returns False if it could not be written."""
        with suppress(BlockingIOError):  # `finish` may have been here first
            os.eventfd_read(self._event)
        news, self._news = self._news, None
        if news is None:
            return True
        self._flying = False
        was_failed, self._failed = self._failed, bool(news.failure)
        if news.failure:
            text = f"the queues can't be written to disk, trying again: {news.failure}"
            self._log.warning("queues not written", text)
            self._rest = self._loop.after(_TRY_AGAIN, self._rested)
            self._disk.failed(news.failure, puts_only=news.puts_only)
        else:
            if was_failed:
                self._log.info("the queues can be written to disk again")
            self._disk.committed()
        return not news.failure

    def _rested(self) -> None:
        self._rest = None
        self._after()

    # --- the end ------------------------------------------------------------------------------------

    def close(self, patience: float) -> None:
        """End the thread; wait so many seconds at most for a write that hangs."""
        if self._rest is not None:
            self._rest.cancel()
        self._batches.put(None)
        if self._thread is not None:
            self._thread.join(patience)

    def finish(self, patience: float) -> bool:
        """Write all that there is, waiting so many seconds at most; whether all is on the disk.

        Confirms that follow are in the outboxes then.
        """
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        waiting = select.poll()
        while True:
            self.look()
            if not self._flying:
                return True
            waiting.register(self._event, select.POLLIN)
            if not waiting.poll(patience * 1000):
                return False
            if not self._pass_on():
                return False
