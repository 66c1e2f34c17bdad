"""Batches to the disk in a thread of their own, and the news back in the loop."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator

import pytest

from pybus.protocol.frames import CONFIRM, DELIVER, ERROR, PERSISTENT
from pybus.server.committer import Committer
from pybus.server.log import Log
from pybus.server.loop import Loop
from pybus.storage import Batch
from tests.broker.queues.shelf import Durable, Shelf
from tests.daemon import PATIENCE


class SlowShelf(Shelf):
    """A shelf whose door has to be opened for each batch. threads: which of them wrote. clumsy: it tidies up badly."""

    def __init__(self) -> None:
        super().__init__()
        self.door = threading.Semaphore(0)
        self.threads: set[threading.Thread] = set()
        self.clumsy = False

    def commit(self, batch: Batch) -> None:
        assert self.door.acquire(timeout=PATIENCE)
        self.threads.add(threading.current_thread())
        super().commit(batch)

    def tidy(self) -> None:
        if self.clumsy:
            raise RuntimeError("something fell down")


class Desk:
    """A bus, a committer and a loop that runs until the bus was told something."""

    def __init__(self) -> None:
        self.shelf = SlowShelf()
        self.scene = Durable(self.shelf)
        self.loop = Loop()
        self.words = io.StringIO()
        self.log = Log(self.loop, self.words, {})
        disk = self.scene.broker.queueing.disk
        self.committer = Committer(self.loop, self.log, disk, self.shelf, self._told)
        self.alice = self.scene.user("alice")
        self.alice.call("org.pybus.Bus", "declare_queue", "jobs", False, True)
        self.write()
        assert len(self.alice.heard()) == 1

    def _told(self) -> None:
        self.scene.finish()
        self.committer.look()
        self.loop.stop()

    def wait(self) -> None:
        """Until the bus is told of one batch."""
        self.loop.running = True
        self.loop.run()

    def write(self) -> None:
        """One batch."""
        self.shelf.door.release()
        self.committer.look()
        self.wait()

    def publish(self, *numbers: int) -> None:
        for number in numbers:
            self.alice.tell("", "jobs", number, PERSISTENT | CONFIRM, number)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    for _ in range(10):
        made.shelf.door.release()
    made.committer.close(PATIENCE)
    assert made.committer._thread is not None
    assert not made.committer._thread.is_alive()


def test_one_batch_is_written_while_the_next_gathers(desk: Desk) -> None:
    desk.publish(1)
    desk.committer.look()
    assert desk.committer.busy
    desk.publish(2, 3)
    desk.committer.look()
    assert desk.alice.told() == []
    desk.shelf.door.release()
    desk.wait()
    assert desk.alice.told() == [("confirmed", 1)]
    desk.shelf.door.release()
    desk.wait()
    assert desk.alice.told() == [("confirmed", 3, "multiple")]
    assert len(desk.shelf.threads) == 1
    assert threading.main_thread() not in desk.shelf.threads


def test_a_batch_that_can_t_be_written_is_tried_again(desk: Desk) -> None:
    desk.shelf.full = "no room"
    desk.publish(1)
    desk.write()
    assert [one[:2] for one in desk.alice.told()] == [("StoreFailed", 1)]
    desk.shelf.full = ""
    desk.shelf.door.release()
    desk.wait()
    assert desk.committer.busy  # it has rested, and tries again
    desk.wait()
    desk.publish(2)
    desk.write()
    assert desk.alice.told() == [("confirmed", 2)]
    assert len(desk.shelf.messages) == 2
    assert desk.words.getvalue().count("can't be written to disk, trying again: no room") == 1
    assert "the queues can be written to disk again" in desk.words.getvalue()


def test_a_batch_that_meets_a_bug_is_told_as_one_that_can_t_be_written(desk: Desk) -> None:
    desk.publish(1)
    desk.write()
    desk.alice.told()
    desk.shelf.messages.clear()
    desk.publish(2)
    desk.scene.broker.queueing.journal._batch.returned[1] = 1  # a message that the shelf does not have: a KeyError
    desk.write()
    assert [one[:2] for one in desk.alice.told()] == [("StoreFailed", 2)]
    assert "trying again: bug: KeyError: 1" in desk.words.getvalue()
    assert desk.committer._thread is not None
    assert desk.committer._thread.is_alive()


def test_a_bug_after_a_batch_is_told_and_the_next_one_is_written(desk: Desk) -> None:
    desk.shelf.clumsy = True
    desk.publish(1)
    desk.write()
    assert desk.alice.told() == [("confirmed", 1)]
    desk.publish(2)
    desk.shelf.door.release()
    desk.committer.look()
    while not (told := desk.alice.told()):
        desk.wait()
    assert told == [("confirmed", 2)]
    assert "bug while tidying up after a batch" in desk.words.getvalue()
    assert "RuntimeError: something fell down" in desk.words.getvalue()


def test_what_leaves_gets_to_a_disk_that_takes_no_messages(desk: Desk) -> None:
    desk.publish(1, 2)
    desk.write()
    desk.alice.consume("jobs", prefetch=2)
    desk.write()
    assert [one.value for one in desk.alice.heard() if one.kind == DELIVER] == [1, 2]
    before = list(desk.shelf.messages)
    desk.shelf.crowded = "no room"
    desk.publish(3)
    desk.alice.ack(2)
    desk.shelf.door.release()
    desk.write()
    assert list(desk.shelf.messages) == before[:1]
    heard = desk.alice.heard()
    assert sorted((one.kind, one.value if one.kind == DELIVER else one.serial) for one in heard) == [
        (ERROR, 3),
        (DELIVER, 3),
    ]
    desk.shelf.crowded = ""
    desk.shelf.door.release()
    desk.wait()
    desk.wait()
    assert len(desk.shelf.messages) == 2


def test_the_end_waits_for_what_there_is(desk: Desk) -> None:
    assert desk.committer.finish(PATIENCE)
    desk.publish(1)
    desk.committer.look()
    desk.publish(2)
    for _ in range(2):
        desk.shelf.door.release()
    assert desk.committer.finish(PATIENCE)
    desk.scene.finish()
    assert desk.alice.told() == [("confirmed", 2, "multiple")]
    assert len(desk.shelf.messages) == 2


def test_the_end_waits_no_longer_than_it_may(desk: Desk) -> None:
    desk.publish(1)
    assert not desk.committer.finish(0.01)
    desk.shelf.full = "no room"
    desk.shelf.door.release()
    assert not desk.committer.finish(PATIENCE)
