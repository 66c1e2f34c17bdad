"""A disk that is really full: what makes room can be written still."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pybus.storage import Batch, StoredMessage, StoredQueue, StoreError, place_of
from pybus.store.reserve import BYTES, Reserve
from pybus.store.sqlite import SqliteStore
from tests.disks import fill

JOBS = StoredQueue(1, "jobs", False, b"\x80", 0)


def message(position: int) -> StoredMessage:
    data = position.to_bytes(4, "little") * 2500
    return StoredMessage(place_of(1, position), 0, 0, 1.5, None, len(data), False, data)


def puts(*positions: int) -> Batch:
    batch = Batch(1)
    batch.put = {one.place: one for one in map(message, positions)}
    return batch


def gone(*positions: int) -> Batch:
    batch = Batch(1)
    batch.gone = [place_of(1, position) for position in positions]
    return batch


def fill_queue(store: SqliteStore, disk: Path) -> int:
    """Put messages into a queue until the disk takes no more, not for others either; how many there are."""
    declared = Batch(1)
    declared.definitions = [(JOBS, True)]
    store.commit(declared)
    count = 0
    while True:
        try:
            store.commit(puts(*range(count + 1, count + 51)))
        except StoreError:
            break
        count += 50
        store.tidy()
    fill(disk)
    return count


def left(store: SqliteStore) -> list[int]:
    contents = store.load()
    assert contents is not None
    return [one.place - place_of(1, 0) for one in contents.messages(1, 10**9)]


def crash(store: SqliteStore) -> None:
    """As if its process had been killed: the reserve and the log stay as they are."""
    assert store._lock is not None
    os.close(store._lock)
    store._lock = None


def test_a_full_disk_can_be_emptied_message_by_message(small_disk: Path) -> None:
    path = str(small_disk / "queues.db")
    store = SqliteStore(path)
    count = fill_queue(store, small_disk)
    assert count > 100
    for position in range(1, count, 2):
        store.commit(gone(position))
        store.tidy()
        fill(small_disk)  # whatever comes free, others take it
    assert not os.path.exists(f"{path}.reserve")
    crash(store)
    again = SqliteStore(path)
    assert left(again) == list(range(2, count + 1, 2))
    again.close()
    store.close()


def test_a_full_disk_does_not_keep_a_store_from_being_opened(small_disk: Path) -> None:
    path = str(small_disk / "queues.db")
    store = SqliteStore(path)
    count = fill_queue(store, small_disk)
    store.close()
    fill(small_disk)
    again = SqliteStore(path)
    assert left(again) == list(range(1, count + 1))
    for position in range(1, count):
        again.commit(gone(position))
    crash(again)
    third = SqliteStore(path)
    assert left(third) == [count]
    third.close()
    again.close()


def test_what_was_given_up_is_taken_again_before_messages_are_let_in(small_disk: Path) -> None:
    store = SqliteStore(str(small_disk / "queues.db"))
    count = fill_queue(store, small_disk)
    kept = Path(f"{small_disk}/queues.db.reserve")
    assert kept.stat().st_size == BYTES
    for position in range(1, 6):
        store.commit(gone(position))
    store._give_up_reserve()
    with pytest.raises(StoreError) as caught:
        store.commit(puts(count + 1))
    assert (str(caught.value), kept.exists()) == ("the disk is nearly full", False)
    os.unlink(small_disk / "eaten")
    store.commit(gone(*range(6, count)))
    for _ in range(10):
        store.tidy()
    store.commit(puts(count + 1))
    assert kept.stat().st_size == BYTES
    store.close()


def test_what_can_neither_be_read_nor_moved_away_is_left_alone(small_disk: Path) -> None:
    path = small_disk / "queues.db"
    path.write_bytes(b"what a disk may make of a file")
    subprocess.run(["mount", "--bind", path, path], check=True)  # a mount point can't be renamed
    store = SqliteStore(str(path))
    for attempt in (store.load, store.load, lambda: store.commit(puts(1))):
        with pytest.raises(StoreError) as caught:
            attempt()
        assert str(caught.value) == (
            f"{path} can't be read, nor moved away: Device or resource busy; move or delete it"
        )
    assert path.read_bytes() == b"what a disk may make of a file"
    subprocess.run(["umount", path], check=True)


def test_a_batch_that_does_not_fit_twice_is_refused(small_disk: Path) -> None:
    store = SqliteStore(str(small_disk / "queues.db"))
    store.commit(gone(1))
    room = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    with pytest.raises(StoreError) as caught:
        store.commit(puts(*range(1, room // 10_000 * 2 // 3)))
    assert str(caught.value) == "the disk is nearly full"
    store.commit(puts(1))
    store.close()


def test_a_reserve_needs_as_much_again(small_disk: Path) -> None:
    reserve = Reserve(str(small_disk / "reserve"))
    (small_disk / "other").write_bytes(bytes(26 * 1024 * 1024))
    assert (reserve.take(), reserve.held, os.listdir(small_disk)) == (False, False, ["other"])
    os.unlink(small_disk / "other")
    assert (reserve.take(), reserve.take(), os.listdir(small_disk)) == (True, True, ["reserve"])
    assert Reserve(str(small_disk / "reserve")).held
    assert (reserve.give_up(), reserve.give_up(), os.listdir(small_disk)) == (True, False, [])
