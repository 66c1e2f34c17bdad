"""What the queues leave to the disk, and what waits for it: confirms, answers, publishers, and bodies in memory."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from pybus.errors import DeadlinePassed, StoreFailed
from pybus.protocol.frames import NO_REPLY, Run, serial_of

if TYPE_CHECKING:
    from pybus.broker.peer import Peer
    from pybus.broker.queues.channel import Channel
    from pybus.broker.queues.message import Message
    from pybus.broker.queues.queue import Queue
    from pybus.broker.queues.queueing import Queueing
    from pybus.storage import Batch

_READ_AHEAD = 64
_READ_BYTES = 1024 * 1024


class NotReady(Exception):
    """A call can't be carried out before what it needs is on disk, or what has expired in its queue is gone."""


class Disk:
    """Carries batches to the shell and back.

    What waits for a batch waits by its number: answers of the bus, publishers that wrote too much, and messages whose
    frames need not be in memory once they are on disk. Confirms wait in their channels. Calls that could not be
    carried out yet are tried again after each batch, and when very much has expired.
    """

    def __init__(self, queueing: Queueing) -> None:
        self._queueing = queueing
        self._channels: dict[Channel, None] = {}
        self._answers: deque[tuple[int, Peer, bytes]] = deque()
        self._calls: list[tuple[Peer, Run, float]] = []
        self._unsafe: deque[tuple[int, Peer, int]] = deque()
        self._paging: deque[tuple[int, Queue, Message]] = deque()

    # --- what waits -------------------------------------------------------------------------------

    def awaited(self, channel: Channel) -> None:
        """A channel has confirms that wait for the disk."""
        self._channels[channel] = None

    def answer_later(self, peer: Peer, data: bytes) -> None:
        """Give an answer when what the call did is on disk."""
        self._answers.append((self._queueing.journal.current, peer, data))

    def call_later(self, peer: Peer, run: Run, deadline: float) -> None:
        """Carry out a call when what it needs is ready, unless that is after its deadline."""
        self._calls.append((peer, run, deadline))

    def writes(self, peer: Peer, size: int) -> None:
        """A peer's message goes to disk."""
        batch = self._queueing.journal.current
        peer.unsafe += size
        if self._unsafe and self._unsafe[-1][:2] == (batch, peer):
            size += self._unsafe.pop()[2]
        self._unsafe.append((batch, peer, size))

    def page_out_later(self, queue: Queue, message: Message) -> None:
        """Forget a message's frame once it is on disk."""
        self._paging.append((message.batch, queue, message))

    # --- batches ----------------------------------------------------------------------------------

    def take(self) -> Batch | None:
        """The batch to commit now, if there is one. One that has come to nothing is done at once."""
        batch = self._queueing.journal.take()
        if batch is not None and not batch:
            self.committed()
            return None
        return batch

    def end(self) -> None:
        """Everybody has gone, as the bus ends as planned."""
        self._queueing.journal.end(self._queueing.vhost.queues.values())

    def committed(self) -> None:
        """The batch that was taken is on disk: let go on what waited for that."""
        queueing = self._queueing
        stalled = queueing.journal.committed()
        safe = queueing.journal.safe
        while self._answers and self._answers[0][0] <= safe:
            _, peer, data = self._answers.popleft()
            queueing.broker.observe_answer(data, peer, None)
            peer.owe(data)
        self._let_go(safe)
        queueing.works.on_disk(safe)
        while self._paging and self._paging[0][0] <= safe:
            _, queue, message = self._paging.popleft()
            self._page_out(queue, message)
        channels, self._channels = list(self._channels), {}
        for channel in channels:
            queueing.finish_later(channel)
        self._go_on(stalled)

    def _go_on(self, stalled: list[Queue]) -> None:
        """Try the calls and the queues that wait."""
        self.call_again()
        for queue in stalled:
            if not queue.deleted:
                self._queueing.consuming.pump(queue)

    def call_again(self) -> None:
        """Try the calls that wait. Nothing is taken for who is gone or does not wait any more."""
        broker = self._queueing.broker
        calls, self._calls = self._calls, []
        for peer, run, deadline in calls:
            if peer.number not in broker.peers:
                continue
            if broker.now < deadline:
                broker.dispatch.call_bus(peer, run, deadline)
            elif not run[1] & NO_REPLY:
                broker.dispatch.refuse(peer, run[4], DeadlinePassed("the queue was not ready in time"))

    def _let_go(self, batch: int) -> None:
        """Publishers need not wait for this batch any more."""
        while self._unsafe and self._unsafe[0][0] <= batch:
            _, peer, size = self._unsafe.popleft()
            peer.unsafe -= size
            if not peer.outbox:
                peer.ready.append(peer)  # for the shell to see that it may read from it again

    def failed(self, reason: str, *, puts_only: bool = False) -> None:
        """The batch that was taken can't be written for now: tell who waits for it. It is a part of the next one.

        puts_only: all but its messages could be written.
        """
        journal = self._queueing.journal
        stalled = journal.failed(reason, puts_only=puts_only)
        error = StoreFailed(f"it can't be written to disk for now: {reason}")
        last = journal.current - 1
        self._let_go(last)
        self._queueing.works.on_disk(last)
        channels, self._channels = list(self._channels), {}
        for channel in channels:
            channel.confirms.fail(channel.outlet, last, error)
            self._queueing.finish_later(channel)
        while self._answers and self._answers[0][0] <= last:
            _, peer, data = self._answers.popleft()
            self._queueing.broker.dispatch.refuse(peer, serial_of(data), error)
        self._go_on(stalled)

    # --- memory -----------------------------------------------------------------------------------

    def _page_out(self, queue: Queue, message: Message) -> None:
        if message.batch and message.data:
            queue.memory -= len(message.data)
            self._queueing.bytes -= len(message.data)
            message.data = b""

    def page_in(self, queue: Queue, message: Message) -> None:
        """Read the frame of a message that is on disk only, and those of the next ones. Raises `StoreFailed`."""
        if message.data:
            return
        wanted = {message.position: message}
        size = message.size
        for one in islice(queue, _READ_AHEAD):
            size += one.size
            if size > _READ_BYTES:
                break
            if not one.data:
                wanted[one.position] = one
        found = self._queueing.journal.read(queue, list(wanted))
        for position, data in found.items():
            wanted[position].data = data
            queue.memory += len(data)
            self._queueing.bytes += len(data)
        if not message.data:
            raise StoreFailed(f"a message of queue '{queue.name}' is not on disk any more")
