"""Moving messages from queue to queue: above all dead letters back to where they died."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybus.broker.queues.message import Content, Message, parse
from pybus.errors import StoreFailed

if TYPE_CHECKING:
    from pybus.broker.queues.queue import Queue
    from pybus.broker.queues.queueing import Queueing


def move(queueing: Queueing, source: Queue, destination: Queue | None, most: int) -> int:
    """Move messages from the head of a queue to the end of another one; how many were moved.

    destination: None for the queue in which each one died last; who did not die, or has no such queue any more,
    stays. most: how many at most, 0 for all. Without its deaths a message is new there. Ends with the first that its
    queue does not take. Raises `StoreFailed`.
    """
    taken = [source.take() for _ in range(min(most or len(source), source.deliverable))]
    moved = 0
    for place, message in enumerate(taken):
        try:
            queueing.disk.page_in(source, message)
        except StoreFailed:
            for rest in taken[place:]:
                source.put_back(rest)
            raise
        content = parse(message.data)
        target = queueing.vhost.queues.get(_died_in(content)) if destination is None else destination
        if target is not None and target is not source:
            if queueing.publishing.enqueue(target, _anew(message, content, target)) is not None:
                for rest in taken[place:]:
                    source.put_back(rest)
                break
            queueing.release(source, message)
            moved += 1
        else:
            source.put_back(message)
    queueing.consuming.look_after(source)
    return moved


def _died_in(content: Content) -> str:
    deaths = content.headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths else None
    queue = last.get("queue") if isinstance(last, dict) else None
    return queue if isinstance(queue, str) else ""


def _anew(message: Message, content: Content, target: Queue) -> Message:
    headers = {name: value for name, value in content.headers.items() if not _tells_of_death(name)}
    properties = {name: value for name, value in content.properties.items() if name != "headers"}
    if headers:
        properties["headers"] = headers
    moved = Message(content._replace(properties=properties).frame(), message.size, message.since)
    moved.due = message.due
    moved.priority = min(message.priority, target.policy.max_priority)
    return moved


def _tells_of_death(header: str) -> bool:
    return header == "x-death" or header.startswith(("x-first-death-", "x-last-death-"))
