"""The store of the queues as the daemon has it: SQLite is loaded when there is, or is to be, something in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pybus.broker.queues.recovery import restore
from pybus.server.log import ERROR, Log
from pybus.storage import Batch, Contents, StoreError
from pybus.xdg import state_home

if TYPE_CHECKING:
    from pybus.broker.queues.queueing import Queueing
    from pybus.store.sqlite import SqliteStore

_PATIENCE = 5.0
"""Seconds to wait for a bus that has given up its socket and still says farewell, before this one is ready."""


def store_path(environ: Mapping[str, str]) -> str:
    """Where the queues of this user's bus are kept."""
    return f"{state_home(environ)}/pybus/queues.db"


class QueueStore:
    """A `pybus.storage.Store` that becomes one when it is first needed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._opened: SqliteStore | None = None

    def recover(self, queueing: Queueing, log: Log) -> bool:
        """Take over what is there; False if that can't be understood. It is set aside then, and said loudly.

        A bus that has taken over a part of it by then is not to be used.
        """
        if not os.path.exists(self._path):
            return True
        contents: Contents | None = None
        damaged = False
        try:
            contents = self._store.load(_PATIENCE)
            if contents is not None:
                restore(queueing, contents)
        except StoreError as error:
            log.write(ERROR, f"durable queues can't be used: {error}")
            queueing.journal.broken = str(error)
        except Exception as error:  # whatever it is that such a file has in it
            log.write(ERROR, f"what {self._path} holds is damaged: {type(error).__name__}: {error}")
            self._store.put_aside()
            damaged = True
        if self._store.damaged:
            log.write(ERROR, self._store.damaged)
        if self._store.set_aside:
            log.write(ERROR, f"{self._path} can't be read and was moved to {self._store.set_aside}")
        if contents is None:
            return True
        if damaged:
            return False
        queueing.overdue.begin()
        return True

    def commit(self, batch: Batch) -> None:
        """Write a batch, see `pybus.storage.Store`."""
        self._store.commit(batch)

    def tidy(self) -> None:
        """Tidy up after a batch, see `pybus.storage.Store`."""
        self._store.tidy()

    def read(self, places: list[int]) -> dict[int, bytes]:
        """Read messages, see `pybus.storage.Store`."""
        return self._store.read(places)

    def close(self) -> None:
        """Let go of it."""
        if self._opened is not None:
            self._opened.close()

    @property
    def _store(self) -> SqliteStore:
        if self._opened is None:
            from pybus.store.sqlite import SqliteStore

            self._opened = SqliteStore(self._path)
        return self._opened
