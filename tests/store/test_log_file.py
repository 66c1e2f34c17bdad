"""Logs that a disk has damaged, and those that only a crash has cut off."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pybus.storage import Batch, StoredMessage, StoredQueue, place_of
from pybus.store.log_file import lengthen
from pybus.store.sqlite import SqliteStore

COMMITS = 10
JOBS = StoredQueue(1, "jobs", False, b"\x80", 0)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A store whose daemon was killed after some commits, all of which are in its log still."""
    store = SqliteStore(str(tmp_path / "queues.db"))
    batch = Batch(1)
    batch.definitions = [(JOBS, True)]
    for position in range(1, COMMITS + 1):
        row = StoredMessage(place_of(1, position), 0, 0, 1.5, None, 3, False, bytes(3000))
        batch.put = {row.place: row}
        store.commit(batch)
        batch = Batch(1)
    os.mkdir(tmp_path / "later")
    for name in ("queues.db", "queues.db-wal"):
        shutil.copy(tmp_path / name, tmp_path / "later")
    store.close()
    return str(tmp_path / "later" / "queues.db")


def change(path: str, place: int) -> bytes:
    """Let a disk change one byte, seen from the end if the place is negative; the file as it is then."""
    data = bytearray(Path(path).read_bytes())
    data[place] ^= 1
    Path(path).write_bytes(data)
    return bytes(data)


def survivors(path: str) -> tuple[int, str]:
    """How many messages are there still, and what is said of the log."""
    store = SqliteStore(path)
    contents = store.load()
    assert (store.set_aside, contents is None) == ("", False)
    assert contents is not None
    found = sum(len(list(contents.messages(queue.number, 10**9))) for queue in contents.queues)
    store.close()
    return found, store.damaged


def said(path: str, lost: int, copy: int = 1) -> str:
    return (
        f"{path}-wal is damaged, and the last {lost} commits of the queues are lost;"
        f" a copy of it is {path}-wal.damaged-{copy}"
    )


def test_a_log_that_is_whole(path: str) -> None:
    assert survivors(path) == (COMMITS, "")
    assert sorted(os.listdir(os.path.dirname(path))) == ["queues.db", "queues.db.lock", "queues.db.reserve"]


@pytest.mark.parametrize("place", [20, 28, 60])
def test_damage_at_the_beginning_is_told(path: str, place: int) -> None:
    damaged = change(f"{path}-wal", place)
    found, words = survivors(path)
    assert (found, words) == (0, said(path, COMMITS + 1))  # the first commit made the tables
    assert Path(f"{path}-wal.damaged-1").read_bytes() == damaged


def test_damage_in_the_middle_is_told_and_what_lies_before_it_is_there(path: str) -> None:
    size = os.path.getsize(f"{path}-wal")
    change(f"{path}-wal", size // 2)
    found, words = survivors(path)
    assert 0 < found < COMMITS
    assert words == said(path, COMMITS - found)


def test_damage_in_the_last_commit_looks_like_a_crash(path: str) -> None:
    change(f"{path}-wal", -1)
    assert survivors(path) == (COMMITS - 1, "")


def test_a_crash_in_the_middle_of_a_commit(path: str) -> None:
    os.truncate(f"{path}-wal", os.path.getsize(f"{path}-wal") - 2000)
    assert survivors(path) == (COMMITS - 1, "")


def test_a_log_may_be_longer_than_what_is_written_in_it(path: str) -> None:
    log = f"{path}-wal"
    size = os.path.getsize(log)
    longer = lengthen(log, 0)
    assert (longer, os.path.getsize(log)) == (size + 1024 * 1024, longer)
    assert lengthen(log, longer) == os.path.getsize(log) == longer  # as SQLite has not come to its end
    assert survivors(path) == (COMMITS, "")


def test_a_log_is_lengthened_up_to_a_size(path: str) -> None:
    log = f"{path}-wal"
    sizes = [os.path.getsize(log)]
    while lengthen(log, 0) > sizes[-1]:
        sizes.append(os.path.getsize(log))
    assert sizes == [sizes[0] + step * 1024 * 1024 for step in range(5)]
    change(log, sizes[0] // 2)
    found, words = survivors(path)
    assert 0 < found < COMMITS
    assert words == said(path, COMMITS - found)


def test_a_log_whose_file_is_empty_is_told(path: str) -> None:
    os.truncate(path, 0)
    Path(f"{path}-wal.damaged-1").write_text("from another time")
    assert survivors(path) == (0, said(path, COMMITS + 1, 2))
