"""Publishing: from a PUBLISH frame, or a signal that queues are bound to, to the queues (AMQP's `basic.publish`)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pybus.broker.exchanges.exchange import Exchange, Headers
from pybus.broker.exchanges.routing import Route, Step, find_route
from pybus.broker.queues import replies
from pybus.broker.queues.arguments import DROP_HEAD, REJECT_DLX
from pybus.broker.queues.message import Content, Message, expiration, parse
from pybus.broker.queues.vhost import check_key
from pybus.broker.topics import check_publishable, decode_key
from pybus.errors import BusError, InvalidName, LimitExceeded, Nacked, StoreFailed, TooLarge
from pybus.names import AMQ_TOPIC, is_own
from pybus.protocol.codec import pack
from pybus.protocol.frames import (
    BUS,
    CAUSED,
    CONFIRM,
    ERROR,
    HEADER_SIZE,
    MANDATORY,
    PERSISTENT,
    PUBLISH,
    RAW,
    Run,
    frame,
    frames_of,
    largest_message,
    message_target,
    properties_size,
    sender_of,
    serial_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pybus.broker.exchanges.exchange import Destination
    from pybus.broker.peer import Peer
    from pybus.broker.queues.channel import Channel, Transaction
    from pybus.broker.queues.queue import Queue
    from pybus.broker.queues.queueing import Queueing

_NONE: Headers = MappingProxyType({})
_RUN_OVERHEAD = 200
"""About what messages that wait for a commit cost beside their frames, bytes."""


class Publishing:
    """Routes messages and puts them into queues. Routes that were looked up are kept until something changes."""

    def __init__(self, queueing: Queueing) -> None:
        self._queueing = queueing
        self._broker = queueing.broker
        self._vhost = queueing.vhost
        self._routes: dict[bytes, Route] = {}

    # --- from a program ---------------------------------------------------------------------------

    def receive(self, peer: Peer, run: Run) -> None:
        """PUBLISH frames came, all to the same exchange with the same key."""
        channel = self._queueing.channel(peer)
        try:
            if run[1] & CAUSED:
                self._broker.storms.check_chain(peer, run)
            route = self._route(run[5])
            if channel.transaction is not None:
                if run[1] & CONFIRM:
                    raise replies.failed("cannot switch from tx to confirm mode")
                self._hold(channel.transaction, run)
                return
            if run[1] & CONFIRM:
                channel.confirming = True
        except (InvalidName, BusError) as error:
            self._refuse(peer, run, frames_of(run[6], run[7]), error)
            return
        self.publish(channel, run, route)

    def _hold(self, transaction: Transaction, run: Run) -> None:
        """Keep messages until a transaction is committed. Raises `LimitExceeded`."""
        limit, size = self._broker.limits.uncommitted, len(run[6]) + _RUN_OVERHEAD
        if transaction.bytes + size > limit:
            raise LimitExceeded(f"a transaction holds {limit} bytes of messages at most; commit it more often")
        transaction.bytes += size
        transaction.publishes.append(run)

    def commit(self, channel: Channel, runs: Iterable[Run]) -> None:
        """Publish what has waited for the end of a transaction. Exchanges that went meanwhile refuse their messages."""
        for run in runs:
            try:
                route = self._route(run[5])
            except (InvalidName, BusError) as error:
                self._refuse(channel.peer, run, frames_of(run[6], run[7]), error)
            else:
                self.publish(channel, run, route)

    def publish(self, channel: Channel, run: Run, route: Route) -> None:
        """Put messages into the queues that they are routed to, and answer their publisher as it wants."""
        _, flags, _, target, _, key, data, count = run
        properties = properties_size(target)
        skip = HEADER_SIZE + len(key) + properties
        now = self._broker.now
        plain = bool(route.queues) and not (properties or route.reads_headers or route.signal)
        route.exchange.published += count
        self._broker.effort = count * (1 + len(route.queues))
        journal = self._queueing.journal
        most = largest_message(self._broker.limits.frame)
        if plain and self._broker.watchers:
            self._queueing.observing.run_published(run, route)
        frames = frames_of(data, count)
        if plain and len(data) <= most and self._take_all(channel, route.queues, frames, flags, skip, len(data)):
            return
        for one in frames:
            failure: BusError | InvalidName | None = None
            before = journal.changes
            if len(one) > most:
                failure = TooLarge(f"a message of {len(one)} bytes is over the bus's limit of {most}")
            elif plain:
                for queue in route.queues:
                    failure = self.enqueue(queue, Message(one, len(one) - skip, now)) or failure
            else:
                try:
                    failure = self._publish_one(channel, one, route)
                except (InvalidName, BusError) as error:
                    failure = error
            if failure is not None and not isinstance(failure, Nacked):
                self._refuse(channel.peer, run, [one], failure)
            elif flags & CONFIRM:
                batch = journal.current if journal.changes != before else 0
                if failure is not None and self._broker.observers:
                    self._broker.observe_answer(self._error(channel.peer, run, one, failure), channel.peer, None)
                channel.confirms.add([one], taken=failure is None, batch=batch)
                self._queueing.finish_later(channel)
            if journal.changes != before:
                self._queueing.disk.writes(channel.peer, len(one))

    def _take_all(
        self, channel: Channel, queues: tuple[Queue, ...], frames: list[bytes], flags: int, skip: int, size: int
    ) -> bool:
        """Put messages without properties into queues, all at once; False if they have to be looked at one by one.

        They have if a queue says what becomes of each, or if there is not room for all of them: the one that finds
        none is to be told. skip: bytes before the payload; size: of all frames.
        """
        count = len(frames)
        queueing, journal = self._queueing, self._queueing.journal
        to_disk = bool(flags & PERSISTENT) and journal.keeps
        for queue in queues:
            if queue.bounded or queue.policy.ttl is not None or (to_disk and journal.broken and queue.kept):
                return False
            if not queueing.takes_all(queue, count, size, len(queues)):
                return False
        before = journal.changes
        payloads = size - skip * count
        now = self._broker.now
        for queue in queues:
            messages = [Message(one, len(one) - skip, now) for one in frames]
            queue.put_all(messages, payloads)
            queueing.entered_all(queue, messages, size, lasting=to_disk and queue.kept)
            if len(queue.consumers) and not queue.stuck:
                queueing.consuming.pump(queue)
            if queue.timed:
                queueing.overdue.look_after(queue)
        changed = journal.changes != before
        if flags & CONFIRM:
            channel.confirms.add(frames, taken=True, batch=journal.current if changed else 0)
            queueing.finish_later(channel)
        if changed:
            queueing.disk.writes(channel.peer, size)
        return True

    def _publish_one(self, channel: Channel, data: bytes, route: Route) -> BusError | None:
        """Publish a message that is looked into. Returns why a queue did not take it. Raises what is wrong with it."""
        given = parse(data)
        content = self._check(channel, given)
        copies = _copies(given.headers)
        if route.reads_headers or copies:
            route = find_route(route.exchange, (route.key, *copies), given.headers, self._vhost.exchanges)
        calls = not (route.queues or given.exchange) and self._queueing.replying.knows(given.key)
        if self._broker.watchers:
            self._queueing.observing.published(content, len(data), route, calls=calls)
        if calls:
            self._queueing.replying.call(channel, content)
            return None
        failure, reached = self.distribute(route, content, data if content is given else content.frame())
        if not reached and given.flags & MANDATORY:
            channel.outlet.give_back(data)
            if self._broker.watchers:
                self._queueing.observing.returned(content, len(data))
        return failure

    def distribute(self, route: Route, content: Content, data: bytes) -> tuple[BusError | None, int]:
        """Hand a message to all to whom its route leads. Returns why one did not take it, and how many there are."""
        failure: BusError | None = None
        ttl = expiration(content.properties)
        priority = content.properties.get("priority")
        now = self._broker.now
        for queue in route.queues:
            message = Message(data, len(content.payload), now)
            if ttl is not None:
                message.due = now + ttl
            if isinstance(priority, int):
                message.priority = min(priority, queue.policy.max_priority)
            failure = self.enqueue(queue, message) or failure
        reached = len(route.queues)
        if route.signal:
            reached += self._broker.signals.offer_message(content)
        return failure, reached

    def _check(self, channel: Channel, content: Content) -> Content:
        """Check a message's properties. Returns it as its receivers are to see it."""
        properties = content.properties
        if not properties:
            return content
        expiration(properties)
        content = self._queueing.replying.prepare(channel, content)
        properties = content.properties
        user = properties.get("user_id")
        if user is not None and user != channel.user:
            raise replies.failed(f"user_id property set to '{user}' but authenticated user was '{channel.user}'")
        if "BCC" in content.headers:
            headers = {name: value for name, value in content.headers.items() if name != "BCC"}
            return content._replace(properties={**properties, "headers": headers})
        return content

    # --- from signals -----------------------------------------------------------------------------

    def take_signals(self, destination: Destination, data: bytes, count: int, key: bytes) -> int:
        """Signals to one topic came to a destination that is bound to it. They are transient messages.

        Returns how many queues took all of them.
        """
        queues = (destination,) if not isinstance(destination, Exchange) else self._beyond(destination, key.decode())
        skip = HEADER_SIZE + len(key)
        flags = data[5] & (RAW | CAUSED)
        target = message_target(int.from_bytes(data[12:16], "little"), 0) if flags & CAUSED else 0
        where = AMQ_TOPIC.encode() + b"\0" + key
        sender = sender_of(data)
        refused: set[Queue] = set()
        for body in frames_of(data, count, skip):
            made = frame(PUBLISH, flags, sender, target, 0, where, body)
            for queue in queues:
                if self.enqueue(queue, Message(made, len(body), self._broker.now)) is not None:
                    refused.add(queue)
        return len(queues) - len(refused)

    def _beyond(self, exchange: Exchange, key: str) -> tuple[Queue, ...]:
        """The queues behind the exchanges that are bound to a topic, for the first of these; the others add nothing.

        A queue that is bound to the topic itself, or is behind several of them, gets each signal once.
        """
        topics = self._vhost.exchanges[AMQ_TOPIC]
        bound = topics.match(key, {})
        first, *others = (one for one in bound if isinstance(one, Exchange))
        if first is not exchange:
            return ()
        found: dict[Queue, None] = {}
        for one in (first, *others):
            found.update(dict.fromkeys(find_route(one, (key,), {}, self._vhost.exchanges, [topics]).queues))
        return tuple(queue for queue in found if queue not in bound)

    # --- into a queue -----------------------------------------------------------------------------

    def enqueue(self, queue: Queue, message: Message) -> BusError | None:
        """Put a message into a queue, and hand it on if a consumer can take it. Returns why it was not taken, if so."""
        lasting = queue.kept and message.persistent and self._queueing.journal.keeps
        obstacle = self.obstacle(queue, lasting=lasting)
        if obstacle is not None:
            queue.dropped += 1
            return obstacle
        policy = queue.policy
        rejection = self.rejection(queue, message.size) if queue.bounded else None
        if rejection is not None:
            if policy.overflow == REJECT_DLX:
                self._queueing.dead_letters.forward(queue, message, "maxlen")
            elif self._broker.watchers:
                self._queueing.observing.died(queue, message, "maxlen", None, ())
            queue.dropped += 1
            return rejection
        if policy.ttl is not None:
            due = message.since + policy.ttl
            message.due = due if message.due is None else min(message.due, due)
        queue.put(message)
        self._queueing.entered(queue, message, lasting=lasting)
        if queue.consumers and not queue.stuck:
            self._queueing.consuming.pump(queue)
        if queue.bounded:
            self._queueing.consuming.shorten(queue)
        if queue.timed:
            self._queueing.overdue.look_after(queue)
        return None

    def rejection(self, queue: Queue, size: int) -> Nacked | None:
        """Why a queue takes no new message with a payload of that size, if it is full and does not drop old ones."""
        if queue.policy.overflow == DROP_HEAD or not queue.would_overflow(size):
            return None
        return Nacked(f"queue '{queue.name}' has {len(queue)} messages and takes no more")

    def obstacle(self, queue: Queue, *, lasting: bool) -> BusError | None:
        """Why a queue can take no message now, whatever it was declared with. lasting: one that goes to disk."""
        limits, journal = self._broker.limits, self._queueing.journal
        if len(queue) >= limits.queue_length or self._queueing.bytes >= limits.queued_bytes:
            return LimitExceeded(
                f"queue '{queue.name}' has {len(queue)} messages, all queues {self._queueing.bytes} bytes;"
                f" the limits are {limits.queue_length} and {limits.queued_bytes}"
            )
        if lasting and journal.keeps and journal.broken:
            return StoreFailed(f"the message can't be written to disk: {journal.broken}")
        return None

    # --- routes and refusals ----------------------------------------------------------------------

    def _route(self, key: bytes) -> Route:
        """Where messages with this key go. Raises `InvalidName`, `NotFound`, `AccessRefused`, `AccessDenied`."""
        if self._vhost.changed:
            self._routes.clear()
            self._vhost.changed = False
        found = self._routes.get(key)
        if found is not None:
            return found
        name, divider, routing_key = decode_key(key).partition("\0")
        if not divider:
            raise InvalidName(f"the key {key[:40]!r} of a message must be an exchange, a NUL and a routing key")
        route = self._find(name, routing_key)
        if len(self._routes) >= self._broker.limits.routes:
            self._routes.clear()
        self._routes[key] = route
        return route

    def _find(self, name: str, key: str, headers: Headers = _NONE, steps: list[Step] | None = None) -> Route:
        exchange = self._vhost.exchange(name)
        if exchange.properties.internal:
            raise replies.internal_exchange(name)
        route = find_route(exchange, (check_key(key),), headers, self._vhost.exchanges, steps=steps)
        if route.signal and is_own(key):
            check_publishable(key)
        return route

    def trace(self, exchange: str, key: str, headers: Headers) -> tuple[Route, list[Step]]:
        """Where a message would go, and its way there. Raises as publishing it does."""
        steps: list[Step] = []
        return self._find(exchange, key, headers, steps), steps

    def _refuse(self, peer: Peer, run: Run, frames: list[bytes], error: InvalidName | BusError) -> None:
        """Tell a publisher that its messages are not taken: each one that was to be confirmed, others together."""
        more = ""
        if not run[1] & CONFIRM:
            more = f" ({len(frames)} messages)" if len(frames) > 1 else ""
            frames = frames[-1:]
        for one in frames:
            data = self._error(peer, run, one, error, more)
            self._broker.observe_answer(data, peer, None)
            peer.owe(data)

    def _error(self, peer: Peer, run: Run, one: bytes, error: InvalidName | BusError, more: str = "") -> bytes:
        name, message = self._broker.as_answer(error)
        return frame(ERROR, 0, BUS, peer.number, serial_of(one), run[5], pack([name, message + more]))


def _copies(headers: dict[str, object]) -> list[str]:
    """The further routing keys that a message names: RabbitMQ's sender-selected distribution."""
    found: list[str] = []
    for name in ("CC", "BCC"):
        keys = headers.get(name, [])
        if not isinstance(keys, list):
            kind = replies.type_name(keys)
            raise replies.failed(f'invalid message: {{unacceptable_type_in_header,"{name}",{kind}}}')
        found += [key for key in keys if isinstance(key, str)]
    return found
