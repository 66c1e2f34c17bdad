"""The store in SQLite: batches in, contents out, and what a disk can do to them."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
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


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "state" / "pybus" / "queues.db")


@pytest.fixture
def store(path: str) -> Iterator[SqliteStore]:
    made = SqliteStore(path)
    yield made
    made.close()


def reopened(store: SqliteStore, path: str) -> SqliteStore:
    store.close()
    return SqliteStore(path)


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
    assert modes == dict.fromkeys(("queues.db", "queues.db-shm", "queues.db-wal", "queues.db.lock"), 0o600)


def test_the_file_shrinks_when_messages_go(store: SqliteStore, path: str) -> None:
    store.commit(batch(define=(JOBS,)))
    for first in range(1, 601, 100):
        store.commit(batch(*[message(position, bytes(50_000)) for position in range(first, first + 100)]))
    change = Batch(2)
    change.gone = [place_of(1, position) for position in range(1, 600)]
    store.commit(change)
    (before,) = store._open().execute("PRAGMA freelist_count").fetchone()
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
    second = SqliteStore(path)
    for attempt in (second.load, lambda: second.commit(batch(define=(LOGS,)))):
        with pytest.raises(StoreError) as caught:
            attempt()
        assert str(caught.value) == f"another bus uses {path}; restart this one when that has ended"
    store.close()
    with pytest.raises(StoreError):
        second.commit(batch(define=(LOGS,)))
    third = SqliteStore(path)
    assert loaded(third).exchanges == []
    third.close()


def test_a_store_whose_bus_is_about_to_end_is_waited_for(store: SqliteStore, path: str) -> None:
    store.commit(batch(message(1), define=(JOBS,)))
    second = SqliteStore(path)
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
    first, second = SqliteStore(path), SqliteStore(path)
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
    again = SqliteStore(path)
    assert again.load() is None
    assert again.set_aside == f"{path}.unreadable-1"
    with open(again.set_aside, "rb") as file:
        assert file.read() == damaged
    again.commit(batch(message(1), define=(JOBS,)))
    again.close()
    third = SqliteStore(path)
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
    again = SqliteStore(path)
    assert again.load() is None
    assert again.set_aside == f"{path}.unreadable-1"
    again.commit(batch(message(2), define=(JOBS,)))
    again.close()
    third = SqliteStore(path)
    assert messages(loaded(third)) == [message(2)]
    third.close()


def test_a_store_of_a_newer_version_is_left_alone(store: SqliteStore, path: str) -> None:
    store.commit(batch(message(1), define=(JOBS,)))
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    again = SqliteStore(path)
    with pytest.raises(StoreError) as caught:
        again.load()
    assert str(caught.value) == (f"{path}: it has version {VERSION + 1}, and this pybus knows versions up to {VERSION}")
    with pytest.raises(StoreError):
        again.commit(batch(define=(LOGS,)))
    assert os.listdir(os.path.dirname(path)).count("queues.db") == 1


def test_a_full_disk_refuses_a_batch_as_a_whole(store: SqliteStore, path: str) -> None:
    store.commit(batch(message(1), define=(JOBS,)))
    writer = store._open()
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreError) as caught:
        store.commit(batch(*[message(position, b"x" * 1000) for position in range(2, 100)]))
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
    change = batch(*[message(position, b"x" * 1000) for position in range(50, 200)])
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
    again = SqliteStore(path)
    with pytest.raises(StoreError):
        again.load()
    assert (again.set_aside, os.path.exists(path)) == ("", True)
    os.rmdir(f"{path}-wal")
    third = SqliteStore(path)
    assert messages(loaded(third)) == [message(1)]
    third.close()


def test_a_folder_that_can_t_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = SqliteStore(str(tmp_path / "file" / "queues.db"))
    assert store.load() is None
    with pytest.raises(StoreError):
        store.commit(batch(define=(JOBS,)))


def test_a_store_of_an_older_version_is_migrated(path: str) -> None:
    os.makedirs(os.path.dirname(path))
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 0")
    connection.close()
    store = SqliteStore(path)
    assert loaded(store)[:3] == ([], [], [])
    store.commit(batch(message(1), define=(JOBS,)))
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    connection.close()
