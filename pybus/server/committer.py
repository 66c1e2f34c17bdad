"""Batches to the disk, in a thread of its own, one after the other.

A batch that can't be written is tried without the messages that come in, so that a full disk can be emptied. What is
left of it becomes a part of the next one, so nothing overtakes it, and that is tried after a rest. The bus is told each
time, and told when it is safe.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from pybus.server.log import Log
from pybus.server.loop import READ, Loop
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
        self._work = threading.Condition()
        self._batch: Batch | None = None
        self._stopping = False
        self._news: deque[_News] = deque()
        self._resting = False
        self._reading = self._writing = -1

    @property
    def busy(self) -> bool:
        """Whether a batch is on its way, or nothing is to be tried for now."""
        return self._batch is not None or self._resting

    def look(self) -> None:
        """If the disk is free, take what has gathered."""
        if not self.busy:
            batch = self._disk.take()
            if batch is not None:
                self._begin(batch)

    def _begin(self, batch: Batch) -> None:
        if self._thread is None:
            self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            self._loop.watch(self._reading, READ, self._heard)
            self._thread = threading.Thread(target=self._run, name="pybus-committer", daemon=True)
            self._thread.start()
        with self._work:
            self._batch = batch
            self._work.notify()

    def _run(self) -> None:
        while True:
            with self._work:
                self._work.wait_for(lambda: self._batch is not None or self._stopping)
                batch = self._batch
            if batch is None or self._stopping:
                return
            self._tell(self._commit(batch))
            with self._work:
                rested = self._resting
                self._work.wait_for(lambda: self._stopping or not self._resting, _TRY_AGAIN)
                self._resting = False
            if rested:
                os.write(self._writing, b"\0")

    def _commit(self, batch: Batch) -> _News:
        try:
            self._store.commit(batch)
        except StoreError as error:
            return _News(str(error), self._commit_rest(batch))
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

    def _tell(self, news: _News) -> None:
        """Let the loop know how it went."""
        with self._work:
            self._news.append(news)
            self._batch = None
            self._resting = bool(news.failure)
            self._work.notify_all()
        os.write(self._writing, b"\0")

    def _heard(self, _events: int) -> None:
        os.read(self._reading, 4096)
        try:
            self._pass_on()
        except Exception as error:  # a bug of ours, which must not take the bus along
            self._log.bug("bug while telling of what was written", error)
        self._after()

    def _pass_on(self) -> None:
        while self._news:
            news = self._news.popleft()
            if failure := news.failure:
                self._log.warning("queues not written", f"the queues can't be written to disk, trying again: {failure}")
                self._disk.failed(failure, puts_only=news.puts_only)
            else:
                if self._failed:
                    self._log.info("the queues can be written to disk again")
                self._disk.committed()
            self._failed = bool(failure)

    def close(self, patience: float) -> None:
        """Try no more, and end the thread; wait so many seconds at most for a write that hangs."""
        with self._work:
            self._stopping = True
            self._work.notify_all()
        if self._thread is not None:
            self._thread.join(patience)

    def finish(self, patience: float) -> bool:
        """Write all that there is, waiting so many seconds at most; whether all is on the disk.

        Confirms that follow are in the outboxes then.
        """
        with self._work:
            self._resting = False
            self._work.notify_all()
        while True:
            self.look()
            if self._batch is None and not self._news:
                return True
            with self._work:
                if not self._work.wait_for(lambda: bool(self._news), patience):
                    return False
            failed = any(news.failure for news in self._news)
            self._pass_on()
            if failed:
                return False
