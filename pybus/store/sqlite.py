"""A store in one SQLite file, with a write-ahead log that is synchronous at each commit (sqlite.org/wal.html).

Two connections: one writes, in the thread that commits, and one reads, in the thread of the bus; the log lets
neither wait for the other. Statements take many rows each: sqlite3 gives up the interpreter's lock at each step, and
getting it back from a busy bus is what would cost the time (see `pybus.store.rows`).

Points in time are kept as seconds since 1970, and come and go in the bus's own, monotonic time. What lies between the
two is looked up at each commit: it grows whenever the machine sleeps.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from pybus.storage import (
    Batch,
    Contents,
    StoredBinding,
    StoredExchange,
    StoredMessage,
    StoredQueue,
    StoreError,
    place_of,
)
from pybus.store.log_file import LONG, copy_of, lengthen, lost_commits
from pybus.store.reserve import BYTES as RESERVE
from pybus.store.reserve import Reserve, free_bytes
from pybus.store.rows import parts, write_batch
from pybus.store.schema import NewerVersion, migrate, version_of

_LOOK_AGAIN = 0.05
"""Seconds between attempts to get a store that another bus still has."""
_CHECKPOINT = 1024
"""Pages of the log, 4 KiB each, past which it is written back to the tables."""
_LOG_BYTES = 16 * 1024 * 1024
"""What the log is cut to, once it was written back."""
_LARGE = RESERVE // 2
"""Bytes of messages from which a batch is looked at whether it fits the disk, in the log and in the file."""
_LOOK_EACH = 64
"""Commits after which it is seen to it that the log's file is longer than the log. Each time would cost the bus some
microseconds, in which the interpreter's lock goes to and fro."""
_SPARE = 4096
"""Free pages past which the file shrinks while it is in use, by at most _SLICE pages after each batch.

While there is no reserve there is nothing to spare."""
_SLICE = 1024
_LAST_SLICE = 65536
"""Pages that it shrinks by at the end, at most: nobody is to wait long for that."""
_STATEMENTS = 16
"""Statements that stay prepared. One that puts hundreds of rows takes half a megabyte, and each number is one of its
own, so that more of them would take more memory than they are worth."""
_COLUMNS = "place, returns, priority, since, due, size, volatile"
_DATA = "iif(frame IS NULL, data, (SELECT frame.data FROM frame WHERE number = message.frame))"
_FRAMELESS = "SELECT place FROM message WHERE frame IS NOT NULL AND frame NOT IN (SELECT number FROM frame) LIMIT 1"
_FULL = "the disk is nearly full"


def _midnight() -> float:
    """What makes a time of day, in seconds since 1970, of the bus's own time."""
    return time.time() - time.monotonic()


class SqliteStore:
    """The store at one path. Its folder and file are made at the first commit, readable by their owner only.

    set_aside: the new name of a former file that could not be read; "" mostly. damaged: what can be said of a log
    that has lost something; "" mostly.
    """

    def __init__(self, path: str, midnight: Callable[[], float] = _midnight) -> None:
        """midnight: returns what makes a time of day of the bus's own time."""
        self._path = path
        self._midnight = midnight
        self._reserve = Reserve(f"{path}.reserve")
        self._freed = False
        self._commits = self._log_size = 0
        self._lock: int | None = None
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._is_new = True
        self._refused = ""
        self.set_aside = self.damaged = ""

    # --- at the start -------------------------------------------------------------------------------

    def load(self, patience: float = 0.0) -> Contents | None:
        """What is there; None if nothing is. What is no store, or a damaged one, is set aside under another name.

        patience: seconds to wait, at most, for another bus that is about to end to let go of it.

        Raises `StoreError` if the store can't be used and is not to be touched: another bus has it, it is of a
        newer version, or the system refuses. Then nothing is written to it, either.
        """
        if self._refused:
            raise StoreError(self._refused)
        if not os.path.exists(self._path):
            return None
        self._is_new = False
        try:
            self._take_lock(patience)
            try:
                return self._load()
            except sqlite3.OperationalError as error:
                if _is_damage(error) or not self._give_up_reserve():
                    raise
                return self._load()  # which takes some room, too
        except (sqlite3.DatabaseError, OSError, StoreError) as error:
            if not _is_damage(error):
                self._let_go()
                self._refused = str(error)
            elif self.put_aside():
                return None
            raise StoreError(self._refused) from None

    def _load(self) -> Contents:
        writer = self._open()
        (state,) = writer.execute("PRAGMA quick_check(1)").fetchone()
        if state != "ok":
            raise sqlite3.DatabaseError(state)
        writer.execute(f"SELECT {_COLUMNS}, {_DATA} FROM message LIMIT 0")
        for (place,) in writer.execute(_FRAMELESS):
            raise sqlite3.DatabaseError(f"the frame of message {place} is missing")
        with suppress(sqlite3.OperationalError):  # a full disk: they are left out below as well
            writer.execute("DELETE FROM message WHERE volatile")
        _let_shrink(writer)
        exchanges = [
            StoredExchange(name, kind, bool(auto_delete), bool(internal), arguments)
            for name, kind, auto_delete, internal, arguments in writer.execute("SELECT * FROM exchange")
        ]
        queues = [
            StoredQueue(number, name, bool(auto_delete), arguments, marked)
            for number, name, auto_delete, arguments, marked in writer.execute("SELECT * FROM queue ORDER BY number")
        ]
        bindings = [
            StoredBinding(source, destination, bool(to_exchange), key, arguments)
            for source, destination, to_exchange, key, arguments in writer.execute("SELECT * FROM binding")
        ]
        return Contents(exchanges, queues, bindings, self._messages)

    def _messages(self, queue: int, memory: int) -> Iterator[StoredMessage]:
        begin, end = place_of(queue, 0), place_of(queue + 1, 0)
        for message in self._rows(_DATA, begin, end):
            begin = message.place
            memory -= len(message.data)
            yield message
            if memory < 0:
                break
        else:
            return
        yield from self._rows("x''", begin, end)

    def _rows(self, data: str, begin: int, end: int) -> Iterator[StoredMessage]:
        """The messages between two places. data: SQL for what is to be there as their frames."""
        assert self._writer is not None
        midnight = self._midnight()
        where = "FROM message WHERE place > ? AND place < ? AND NOT volatile ORDER BY place"
        for row in self._writer.execute(f"SELECT {_COLUMNS}, {data} {where}", (begin, end)):
            place, returns, priority, since, due, size, volatile, frame = row
            if due is not None:
                due -= midnight
            yield StoredMessage(place, returns, priority, since - midnight, due, size, bool(volatile), frame)

    def put_aside(self) -> bool:
        """Move the file away, never delete it: it can't be understood. False if the system does not let it be moved."""
        self._let_go()
        number = 1
        while os.path.exists(f"{self._path}.unreadable-{number}"):
            number += 1
        aside = f"{self._path}.unreadable-{number}"
        try:
            for suffix in ("-wal", "-shm", ""):  # SQLite deletes a log without its file
                with suppress(FileNotFoundError):
                    os.rename(self._path + suffix, aside + suffix)
        except OSError as error:
            self._refused = f"{self._path} can't be read, nor moved away: {error.strerror}; move or delete it"
            return False
        self._is_new = True
        self.set_aside = aside
        return True

    # --- the interface ------------------------------------------------------------------------------

    def commit(self, batch: Batch) -> None:
        """Write a batch, see `pybus.storage.Store`."""
        try:
            if batch.put:
                self._check_room(batch)
            try:
                self._commit(batch)
            except (sqlite3.Error, OSError):
                if batch.put or not self._give_up_reserve():
                    raise
                self._commit(batch)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(str(error)) from None
        self._freed = self._freed or bool(batch.gone or batch.definitions)

    def _check_room(self, batch: Batch) -> None:
        """See that messages leave room for their deletion. Raises `StoreError`, OSError, and what sqlite3 raises."""
        self._open()
        size = sum([len(message.data) for message in batch.put.values()])
        large = size > _LARGE and free_bytes(os.path.dirname(self._path)) < 2 * size
        if large or not self._reserve.take():
            raise StoreError(_FULL)

    def _commit(self, batch: Batch) -> None:
        writer = self._open()
        writer.execute("BEGIN IMMEDIATE")
        try:
            write_batch(writer, batch, self._midnight())
            writer.execute("COMMIT")
        except BaseException:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
            raise

    def _give_up_reserve(self) -> bool:
        """Let the log be written back with the room of the reserve; whether there was one."""
        if not self._reserve.give_up():
            return False
        if self._writer is not None:
            with suppress(sqlite3.Error):
                _write_back(self._writer)
        return True

    def tidy(self) -> None:
        """Give free room back to the disk, and the log's file its length; see `pybus.storage.Store`."""
        writer = self._writer
        if writer is None:
            return
        spare = _SPARE if self._reserve.held else 0
        self._commits += 1
        if self._commits % _LOOK_EACH == 1 and self._log_size < LONG and self._reserve.held:
            with suppress(OSError):
                self._log_size = lengthen(f"{self._path}-wal", self._log_size)
        with suppress(sqlite3.Error):  # another time, then
            if self._freed or not spare:
                (free,) = writer.execute("PRAGMA freelist_count").fetchone()
                if free > spare:
                    _shrink(writer, min(free - spare, _SLICE))
                self._freed = free > spare + _SLICE
            if not spare:
                _write_back(writer)
                self._reserve.take()

    def read(self, places: list[int]) -> dict[int, bytes]:
        """The frames of messages, see `pybus.storage.Store`."""
        try:
            if self._reader is None:
                self._reader = self._connect()
            found: dict[int, bytes] = {}
            for part in parts(places):
                marks = ",".join("?" * len(part))
                found.update(self._reader.execute(f"SELECT place, {_DATA} FROM message WHERE place IN ({marks})", part))
            return found
        except (sqlite3.Error, OSError) as error:
            raise StoreError(str(error)) from None

    def close(self) -> None:
        """Let go of the file, written back from the log and without free room. What was committed is there."""
        if self._writer is not None:
            with suppress(sqlite3.Error):
                _shrink(self._writer, _LAST_SLICE)
        self._let_go()

    def _let_go(self) -> None:
        for connection in (self._reader, self._writer):
            if connection is not None:
                with suppress(sqlite3.Error):
                    connection.close()
        self._reader = self._writer = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # --- the file -----------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        """The writing connection, made when first needed. Raises `StoreError`, OSError and what sqlite3 raises."""
        if self._refused:
            raise StoreError(self._refused)
        if self._writer is None:
            self._take_lock()
            writer = self._connect()
            try:
                self._check_log(writer)
                if not version_of(writer):
                    writer.execute("PRAGMA auto_vacuum = INCREMENTAL")  # can be told before anything is in it only
                writer.execute("PRAGMA secure_delete = OFF")  # to delete what is large would take as much of the log
                writer.execute("PRAGMA recursive_triggers = ON")  # rows that are replaced let go of their frames, too
                writer.execute("PRAGMA journal_mode = WAL")
                writer.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
                writer.execute("PRAGMA synchronous = FULL")
                writer.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
                migrate(writer)
            except NewerVersion as error:
                writer.close()
                raise StoreError(f"{self._path}: {error}") from None
            except BaseException:
                writer.close()
                raise
            self._writer = writer
            self._reserve.take()
        return self._writer

    def _check_log(self, writer: sqlite3.Connection) -> None:
        """See whether the log has lost anything, before it is written over."""
        log = f"{self._path}-wal"
        with suppress(sqlite3.OperationalError, OSError):  # a full disk, where a log can't be written back
            if not os.path.getsize(log):
                return
            frames = 0
            if os.path.getsize(self._path):  # else SQLite deletes the log
                version_of(writer)
                _, frames, _ = _write_back(writer)
            if lost := lost_commits(log, frames):
                self.damaged = f"{log} is damaged, and the last {lost} commits of the queues are lost"
                self.damaged += f"; a copy of it is {copy_of(log)}"

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS)

    def _take_lock(self, patience: float = 0.0) -> None:
        """See that no other bus uses the store. patience: how many seconds that may take."""
        if self._lock is not None:
            return
        os.makedirs(os.path.dirname(self._path), 0o700, exist_ok=True)
        lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _lock(lock, time.monotonic() + patience)
            if self._is_new and os.path.exists(self._path):
                raise StoreError(f"another bus has made {self._path} meanwhile; restart this one")
            self._is_new = False
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except BlockingIOError:
            os.close(lock)
            raise StoreError(f"another bus uses {self._path}; restart this one when that has ended") from None
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock


def _write_back(writer: sqlite3.Connection) -> tuple[int, int, int]:
    """Write the log back to the tables, so that it begins anew in the room that it has.

    Returns whether something was in the way, and how many frames it has and how many of them were written back.
    """
    found: tuple[int, int, int] = writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return found


def _let_shrink(writer: sqlite3.Connection) -> None:
    """Make free pages of a store of the first version such that can be given back, if there is room for that."""
    (mode,) = writer.execute("PRAGMA auto_vacuum").fetchone()
    if not mode:
        with suppress(sqlite3.OperationalError):
            writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
            writer.execute("VACUUM")


def _shrink(writer: sqlite3.Connection, pages: int) -> None:
    """Give free pages back to the file system."""
    writer.executescript(f"PRAGMA incremental_vacuum({pages})")  # `execute` would take one step, which frees one page


def _is_damage(error: Exception) -> bool:
    """Whether it is the file that can't be understood, rather than the system that refuses.

    That a table or column is not there is `SQLITE_ERROR`, an error of the statement (sqlite.org/rescode.html).
    """
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return isinstance(error, sqlite3.DatabaseError)


def _lock(descriptor: int, until: float) -> None:
    """Lock a file. until: monotonic time up to which it is tried. Raises BlockingIOError."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise
            time.sleep(_LOOK_AGAIN)
        else:
            return
