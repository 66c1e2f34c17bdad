"""The store in SQLite: batches in, contents out, and what a disk can do to them."""

from __future__ import annotations

import ctypes
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

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
from pybus.store.schema import VERSION
from pybus.store.sqlite import SqliteStore
from tests.daemon import PATIENCE

JOBS = StoredQueue(1, "jobs", False, b"\x80", 0)
LOGS = StoredExchange("logs", "fanout", True, False, b"\x81\xa1a\x01")
BINDING = StoredBinding("logs", "jobs", False, "k", b"\x80")


def message(position: int, data: bytes = b"frame", *, queue: int = 1, volatile: bool = False) -> StoredMessage:
    return StoredMessage(place_of(queue, position), 0, 0, 1.5, None, len(data), volatile, data)


def batch(*messages: StoredMessage, define: tuple[StoredExchange | StoredQueue | StoredBinding, ...] = ()) -> Batch:
    made = Batch(1)
    made.definitions = [(one, True) for one in define]
    made.put = {one.place: one for one in messages}
    return made


def at(path: str, midnight: float = 0.0) -> SqliteStore:
    """The store there. midnight: what makes a time of day of the bus's time."""
    return SqliteStore(path, lambda: midnight)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "state" / "pybus" / "queues.db")


@pytest.fixture
def store(path: str) -> Iterator[SqliteStore]:
    made = at(path)
    yield made
    made.close()


def reopened(store: SqliteStore, path: str) -> SqliteStore:
    store.close()
    return at(path)


def loaded(store: SqliteStore) -> Contents:
    contents = store.load()
    assert contents is not None
    return contents


def messages(contents: Contents, queue: int = 1, memory: int = 10**9) -> list[StoredMessage]:
    return list(contents.messages(queue, memory))


def test_what_was_committed_comes_back(store: SqliteStore, path: str) -> None:
    assert store.load() is None
    due = message(3)._replace(due=99.5, priority=4, returns=2)
    store.commit(batch(message(1), message(2, b""), due, define=(LOGS, JOBS, BINDING)))
    again = reopened(store, path)
    contents = loaded(again)
    assert contents[:3] == ([LOGS], [JOBS], [BINDING])
    assert messages(contents) == [message(1), message(2, b""), due]
    again.close()


def test_definitions_come_and_go_in_their_order(store: SqliteStore, path: str) -> None:
    store.commit(batch(message(1), define=(LOGS, JOBS, BINDING)))
    change = Batch(2)
    newer = StoredQueue(2, "jobs", True, b"\x80", 0)
    change.definitions = [(BINDING, False), (LOGS, False), (JOBS, False), (newer, True)]
    change.put = {place_of(2, 1): message(1, queue=2)}
    store.commit(change)
    again = reopened(store, path)
    contents = loaded(again)
    assert contents[:3] == ([], [newer], [])
    assert (messages(contents, 1), messages(contents, 2)) == ([], [message(1, queue=2)])
    again.close()


def test_marks_returns_and_acks(store: SqliteStore, path: str) -> None:
    store.commit(batch(*[message(position) for position in range(1, 11)], define=(JOBS,)))
    change = Batch(2)
    change.marked = {1: 7}
    change.returned = {place_of(1, 9): 3}
    change.gone = [place_of(1, position) for position in (5, 1, 2, 3, 8, 99)]
    store.commit(change)
    again = reopened(store, path)
    contents = loaded(again)
    assert contents.queues == [JOBS._replace(marked=7)]
    assert [(one.place - place_of(1, 0), one.returns) for one in messages(contents)] == [
        (4, 0),
        (6, 0),
        (7, 0),
        (9, 3),
        (10, 0),
    ]
    again.close()


def test_many_messages_in_one_batch(store: SqliteStore) -> None:
    many = [message(position, b"%d" % position) for position in range(1, 1001)]
    store.commit(batch(*many, define=(JOBS,)))
    places = [one.place for one in many]
    assert store.read(places) == {one.place: one.data for one in many}
    assert store.read([place_of(7, 7)]) == {}


def test_rows_have_the_same_types_whatever_a_message_is(store: SqliteStore, path: str) -> None:
    shared = bytes(600)
    due = message(3)._replace(due=99.5)
    store.commit(batch(message(1), message(2, volatile=True), due, message(4, shared), message(5, shared)))
    store.close()
    with closing(sqlite3.connect(path)) as reader:
        columns = [name for _, name, *_ in reader.execute("PRAGMA table_info(message)")]
        types = ", ".join(f"typeof({name})" for name in columns)
        found = reader.execute(f"SELECT {types} FROM message ORDER BY place").fetchall()
    usual = ("integer", "integer", "integer", "real", "null", "integer", "integer", "blob", "null")
    assert found == [usual, usual, (*usual[:4], "real", *usual[5:]), (*usual[:8], "integer"), (*usual[:8], "integer")]


def test_batches_of_many_sizes_leave_little_in_memory(store: SqliteStore) -> None:
    store.commit(batch(message(1)))
    ctypes.CDLL(None).malloc_trim(0)  # else it goes into what other tests have left
    before = resident()
    for count in range(448, 512):
        store.commit(batch(*[message(position) for position in range(count)]))
    assert resident() - before < 10 * 1024 * 1024


def resident() -> int:
    """The bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_past_the_memory_frames_stay_on_disk(store: SqliteStore, path: str) -> None:
    store.commit(batch(*[message(position, b"x" * 100) for position in range(1, 6)], define=(JOBS,)))
    again = reopened(store, path)
    found = messages(loaded(again), memory=250)
    assert [(len(one.data), one.size) for one in found] == [(100, 100)] * 3 + [(0, 100)] * 2
    again.close()


def test_what_is_there_for_want_of_memory_only_does_not_come_back(store: SqliteStore, path: str) -> None:
    store.commit(batch(message(1), message(2, volatile=True), message(1, queue=9, volatile=True), define=(JOBS,)))
    assert len(store.read([place_of(1, 2), place_of(9, 1)])) == 2
    again = reopened(store, path)
    assert messages(loaded(again)) == [message(1)]
    assert again.read([place_of(1, 2), place_of(9, 1)]) == {}
    again.close()


def test_nobody_else_can_read_it(store: SqliteStore, path: str) -> None:
    store.commit(batch(message(1), define=(JOBS,)))
    folder = os.path.dirname(path)
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    modes = {name: stat.S_IMODE(os.stat(f"{folder}/{name}").st_mode) for name in os.listdir(folder)}
    assert modes == dict.fromkeys(
        ("queues.db", "queues.db-shm", "queues.db-wal", "queues.db.lock", "queues.db.reserve"), 0o600
    )


def test_the_file_shrinks_when_messages_go(store: SqliteStore, path: str) -> None:
    store.commit(batch(define=(JOBS,)))
    for first in range(1, 601, 100):
        store.commit(batch(*[message(position, bytes(50_000)) for position in range(first, first + 100)]))
    change = Batch(2)
    change.gone = [place_of(1, position) for position in range(1, 600)]
    store.commit(change)
    (before,) = store._open().execute("PRAGMA freelist_count").fetchone()
    store.tidy()
    store.commit(batch(message(601)))
    (after,) = store._open().execute("PRAGMA freelist_count").fetchone()
    assert 4096 <= after < before
    again = reopened(store, path)
    assert os.path.getsize(path) < 200_000
    assert messages(loaded(again)) == [message(600, bytes(50_000)), message(601)]
    again.close()


# --- what goes wrong ----------------------------------------------------------------------------------


def test_a_second_bus_can_t_use_it(store: SqliteStore, path: str) -> None:
    store.commit(batch(define=(JOBS,)))
    second = at(path)
    for attempt in (second.load, lambda: second.commit(batch(define=(LOGS,)))):
        with pytest.raises(StoreError) as caught:
            attempt()
        assert str(caught.value) == f"another bus uses {path}; restart this one when that has ended"
    store.close()
    with pytest.raises(StoreError):
        second.commit(batch(define=(LOGS,)))
    third = at(path)
    assert loaded(third).exchanges == []
    third.close()


def test_a_store_whose_bus_is_about_to_end_is_waited_for(store: SqliteStore, path: str) -> None:
    store.commit(batch(message(1), define=(JOBS,)))
    second = at(path)
    found: list[Contents | None] = []
    waiting = threading.Thread(target=lambda: found.append(second.load(PATIENCE)))
    waiting.start()
    store.commit(batch(message(2)))
    store.close()
    waiting.join(PATIENCE)
    assert [one and one.queues for one in found] == [[JOBS]]
    assert messages(loaded(second)) == [message(1), message(2)]
    second.close()


def test_a_store_that_another_bus_made_meanwhile_is_not_touched(path: str) -> None:
    first, second = at(path), at(path)
    assert (first.load(), second.load()) == (None, None)
    first.commit(batch(define=(JOBS,)))
    first.close()
    with pytest.raises(StoreError) as caught:
        second.commit(batch(define=(LOGS,)))
    assert str(caught.value) == f"another bus has made {path} meanwhile; restart this one"


@pytest.mark.parametrize("kind", ["no database", "empty page", "cut off"])
def test_what_can_t_be_read_is_set_aside_and_not_deleted(store: SqliteStore, path: str, kind: str) -> None:
    store.commit(batch(*[message(position, b"x" * 500) for position in range(1, 200)], define=(JOBS,)))
    store.close()
    with open(path, "r+b") as file:
        if kind == "no database":
            file.write(b"this is not what you are looking for")
        elif kind == "empty page":
            file.seek(3 * 4096)
            file.write(bytes(2 * 4096))
        else:
            file.truncate(5 * 4096)
    with open(path, "rb") as file:
        damaged = file.read()
    again = at(path)
    assert again.load() is None
    assert again.set_aside == f"{path}.unreadable-1"
    with open(again.set_aside, "rb") as file:
        assert file.read() == damaged
    again.commit(batch(message(1), define=(JOBS,)))
    again.close()
    third = at(path)
    assert messages(loaded(third)) == [message(1)]
    third.put_aside()
    assert third.set_aside == f"{path}.unreadable-2"


@pytest.mark.parametrize("table", ["exchange", "queue", "binding", "message"])
def test_a_store_that_lacks_a_table_is_set_aside(store: SqliteStore, path: str, table: str) -> None:
    store.commit(batch(message(1), define=(JOBS,)))
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"DROP TABLE {table}")
    connection.close()
    again = at(path)
    assert again.load() is None
    assert again.set_aside == f"{path}.unreadable-1"
    again.commit(batch(message(2), define=(JOBS,)))
    again.close()
    third = at(path)
    assert messages(loaded(third)) == [message(2)]
    third.close()


def test_a_store_of_a_newer_version_is_left_alone(store: SqliteStore, path: str) -> None:
    store.commit(batch(message(1), define=(JOBS,)))
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    again = at(path)
    with pytest.raises(StoreError) as caught:
        again.load()
    assert str(caught.value) == (
        f"{path}: it has version {VERSION + 1}, and this pybus knows versions up to {VERSION};"
        " start the newer pybus again, or move the file away"
    )
    with pytest.raises(StoreError):
        again.commit(batch(define=(LOGS,)))
    assert os.listdir(os.path.dirname(path)).count("queues.db") == 1


def test_a_full_disk_refuses_a_batch_as_a_whole(store: SqliteStore, path: str) -> None:
    store.commit(batch(message(1), define=(JOBS,)))
    writer = store._open()
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreError) as caught:
        store.commit(batch(*[message(position, bytes(900 + position)) for position in range(2, 100)]))
    assert str(caught.value) == "database or disk is full"
    writer.execute("PRAGMA max_page_count = 1000000")
    store.commit(batch(message(2)))
    again = reopened(store, path)
    assert messages(loaded(again)) == [message(1), message(2)]
    again.close()


def test_a_full_disk_takes_what_makes_room(store: SqliteStore, path: str) -> None:
    store.commit(batch(*[message(position, b"x" * 1000) for position in range(1, 50)], define=(JOBS,)))
    writer = store._open()
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages}")
    change = batch(*[message(position, bytes(900 + position)) for position in range(50, 200)])
    change.marked = {1: 40}
    change.gone = [place_of(1, position) for position in range(1, 41)]
    with pytest.raises(StoreError):
        store.commit(change)
    store.commit(change.without_puts())
    again = reopened(store, path)
    contents = loaded(again)
    assert contents.queues == [JOBS._replace(marked=40)]
    assert messages(contents) == [message(position, b"x" * 1000) for position in range(41, 50)]
    again.close()


def test_a_store_that_the_system_refuses_is_left_where_it_is(store: SqliteStore, path: str) -> None:
    store.commit(batch(message(1), define=(JOBS,)))
    store.close()
    os.mkdir(f"{path}-wal")  # SQLite can't open its log then, whoever runs this
    again = at(path)
    with pytest.raises(StoreError):
        again.load()
    assert (again.set_aside, os.path.exists(path)) == ("", True)
    os.rmdir(f"{path}-wal")
    third = at(path)
    assert messages(loaded(third)) == [message(1)]
    third.close()


def test_a_folder_that_can_t_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = SqliteStore(str(tmp_path / "file" / "queues.db"))
    assert store.load() is None
    with pytest.raises(StoreError):
        store.commit(batch(define=(JOBS,)))


FIRST_VERSION = """
CREATE TABLE exchange (
    name TEXT PRIMARY KEY, type TEXT NOT NULL, auto_delete INTEGER NOT NULL, internal INTEGER NOT NULL,
    arguments BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE queue (
    number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, auto_delete INTEGER NOT NULL, arguments BLOB NOT NULL,
    marked INTEGER NOT NULL
);
CREATE TABLE binding (
    source TEXT NOT NULL, destination TEXT NOT NULL, to_exchange INTEGER NOT NULL, key TEXT NOT NULL,
    arguments BLOB NOT NULL, PRIMARY KEY (source, destination, to_exchange, key, arguments)
) WITHOUT ROWID;
CREATE TABLE message (
    place INTEGER PRIMARY KEY, returns INTEGER NOT NULL, priority INTEGER NOT NULL, since REAL NOT NULL, due REAL,
    size INTEGER NOT NULL, volatile INTEGER NOT NULL, data BLOB NOT NULL
);
INSERT INTO exchange VALUES ('logs', 'fanout', 1, 0, x'81a16101');
INSERT INTO queue VALUES (1, 'jobs', 0, x'80', 7);
INSERT INTO binding VALUES ('logs', 'jobs', 0, 'k', x'80');
INSERT INTO message VALUES (1099511627777, 0, 0, 1.5, NULL, 5, 0, CAST('frame' AS BLOB));
INSERT INTO message VALUES (1099511627778, 2, 4, 1.5, 99.5, 2, 0, CAST('ab' AS BLOB));
INSERT INTO message VALUES (1099511627779, 0, 0, 1.5, NULL, 2, 1, CAST('no' AS BLOB));
INSERT INTO message SELECT 2199023255552 + value, 0, 0, 1.5, NULL, 50000, 1, zeroblob(50000)
    FROM (WITH RECURSIVE one(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM one WHERE value < 100)
          SELECT value FROM one);
PRAGMA user_version = 1;
"""


@pytest.mark.parametrize("shrinks", [False, True])
def test_a_store_of_the_first_version_is_migrated(path: str, shrinks: bool) -> None:
    """shrinks: later pybuses of that version made files that can."""
    os.makedirs(os.path.dirname(path))
    connection = sqlite3.connect(path)
    if shrinks:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(FIRST_VERSION)
    connection.close()
    assert os.path.getsize(path) > 5_000_000
    store = at(path)
    contents = loaded(store)
    assert contents[:3] == ([LOGS], [JOBS._replace(marked=7)], [BINDING])
    returned = StoredMessage(place_of(1, 2), 2, 4, 1.5, 99.5, 2, False, b"ab")
    assert messages(contents) == [message(1), returned]
    data = bytes(1000)
    store.commit(batch(message(3, data), message(4, data)))
    again = reopened(store, path)
    assert os.path.getsize(path) < 100_000
    assert messages(loaded(again)) == [message(1), returned, message(3, data), message(4, data)]
    (version,) = again._open().execute("PRAGMA user_version").fetchone()
    assert version == VERSION == 2
    again.close()


# --- frames that are in several queues -----------------------------------------------------------------


def frames(store: SqliteStore) -> list[bytes]:
    """What is there in one piece for several messages."""
    return [data for (data,) in store._open().execute("SELECT data FROM frame ORDER BY number")]


def test_a_frame_in_several_queues_is_there_once(store: SqliteStore, path: str) -> None:
    queues = [StoredQueue(number, f"jobs.{number}", False, b"\x80") for number in range(1, 11)]
    big, other, small = b"b" * 600, b"o" * 600, b"s" * 50
    rows = [message(position, data, queue=one.number) for one in queues for position, data in ((1, big), (2, small))]
    store.commit(batch(*rows, message(3, other), define=tuple(queues)))
    assert frames(store) == [big]
    assert store.read([row.place for row in rows]) == {row.place: row.data for row in rows}
    again = reopened(store, path)
    contents = loaded(again)
    assert messages(contents) == [message(1, big), message(2, small), message(3, other)]
    for number in range(2, 11):
        assert messages(contents, number) == [message(1, big, queue=number), message(2, small, queue=number)]
    again.close()


def test_a_frame_goes_with_the_last_message_that_has_it(store: SqliteStore) -> None:
    big, other = b"b" * 600, b"o" * 600
    rows = [message(position, data, queue=queue) for queue in (1, 2) for position, data in ((1, big), (2, other))]
    second = StoredQueue(2, "more", False, b"\x80")
    store.commit(batch(*rows, define=(JOBS, second)))
    change = Batch(2)
    change.gone = [place_of(1, 1), place_of(1, 2)]
    store.commit(change)
    assert frames(store) == [big, other]
    store.commit(batch(message(1, b"new", queue=2)))  # in the place of what was there, for whatever reason
    assert frames(store) == [other]
    change = Batch(3)
    change.definitions = [(second, False)]
    store.commit(change)
    assert frames(store) == []


def test_a_store_that_lacks_a_frame_is_set_aside(store: SqliteStore, path: str) -> None:
    data = bytes(1000)
    store.commit(batch(message(1, data), message(2, data), define=(JOBS,)))
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM frame")
    connection.close()
    again = at(path)
    assert again.load() is None
    assert again.set_aside == f"{path}.unreadable-1"
    again.close()


# --- time ----------------------------------------------------------------------------------------------


def test_times_are_kept_as_times_of_day(path: str) -> None:
    store = at(path, midnight=1000.0)
    store.commit(batch(message(1)._replace(due=10.0), define=(JOBS,)))
    store._midnight = lambda: 1500.0  # the machine slept
    store.commit(batch(message(2)._replace(due=20.0)))
    store.close()
    again = at(path, midnight=2000.0)
    found = [(one.since, one.due) for one in messages(loaded(again))]
    assert found == [(-998.5, -990.0), (-498.5, -480.0)]
    again.close()


def test_the_usual_time_of_day_is_that_of_the_machine(path: str) -> None:
    store = SqliteStore(path)
    before = time.time()
    store.commit(batch(message(1)._replace(since=time.monotonic()), define=(JOBS,)))
    after = time.time()
    (since,) = store._open().execute("SELECT since FROM message").fetchone()
    assert before - 1 < since < after + 1
    store.close()
