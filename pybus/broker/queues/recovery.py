"""From the disk: what the bus had when it ended, in whatever way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pybus.broker.exchanges import exchange as exchanges
from pybus.broker.exchanges.exchange import Binding
from pybus.broker.queues.arguments import Policy, read_policy
from pybus.broker.queues.message import Message
from pybus.broker.queues.queue import Properties, Queue
from pybus.errors import PreconditionFailed
from pybus.protocol.codec import unpack

if TYPE_CHECKING:
    from pybus.broker.queues.queueing import Queueing
    from pybus.storage import Contents, StoredMessage


def restore(queueing: Queueing, contents: Contents) -> None:
    """Take over what a store has. To be called once, before anybody is here; `Overdue.begin` comes next.

    Raises what comes of it if something else than a bus wrote it.
    """
    vhost = queueing.vhost
    for name, kind, auto_delete, internal, arguments in contents.exchanges:
        vhost.restore_exchange(name, kind, exchanges.Properties(True, auto_delete, internal, _map(arguments)))
    for stored in contents.queues:
        given = _map(stored.arguments)
        properties = Properties(True, stored.auto_delete, None, given)
        queue = Queue(stored.name, properties, _policy(queueing, stored.name, given), queueing.broker.now)
        queueing.journal.restored(queue, stored)
        vhost.restore_queue(queue)
    for source, destination, to_exchange, key, arguments in contents.bindings:
        there = vhost.exchanges.get(destination) if to_exchange else vhost.queues.get(destination)
        if source in vhost.exchanges and there is not None:
            vhost.restore_binding(Binding(vhost.exchanges[source], there, key, _map(arguments)))
    for stored in contents.queues:
        queue = vhost.queues[stored.name]
        for row in contents.messages(stored.number, queueing.broker.limits.queue_memory):
            _restore_message(queueing, queue, row)
        queue.published = 0


def _policy(queueing: Queueing, name: str, arguments: Mapping[str, object]) -> Policy:
    """The policy of a queue. An argument that is not accepted any more costs neither messages nor the other arguments.

    They are looked at by name, so that a routing key for dead letters comes after its exchange.
    """
    try:
        return read_policy(name, arguments)
    except PreconditionFailed:
        pass
    policy, accepted = Policy(), dict[str, object]()
    for key, value in sorted(arguments.items()):
        try:
            policy = read_policy(name, {**accepted, key: value})
            accepted[key] = value
        except PreconditionFailed as error:
            queueing.faults.append((f"queue '{name}' goes on without its argument {key}", error))
    return policy


def _restore_message(queueing: Queueing, queue: Queue, row: StoredMessage) -> None:
    journal = queueing.journal
    if row.data and int.from_bytes(row.data[:4], "little") != len(row.data):
        raise ValueError("a message on disk is damaged")
    message = Message(row.data, row.size, row.since)
    message.position = row.place - journal.start(queue)
    message.returns = row.returns or int(message.position <= queue.marked)
    message.redelivered = message.returns > 0
    message.priority = min(row.priority, queue.policy.max_priority)  # whose arguments may not be accepted any more
    message.batch = journal.safe
    message.due = row.due
    queue.put(message)
    queue.memory += len(row.data)
    queueing.bytes += message.weight


def _map(packed: bytes) -> Mapping[str, object]:
    found = unpack(packed)
    assert isinstance(found, dict)
    return found
