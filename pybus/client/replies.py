"""Replies to messages: RabbitMQ's direct reply-to, from the side of who asks."""

from __future__ import annotations

from pybus.client.messages import Delivered, Tray
from pybus.errors import UsageError, error_answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pybus.client.pending import Pending

REPLY_TO = "amq.rabbitmq.reply-to"
"""The queue that stands for one of the connection's own, which the bus makes for its replies."""


class Replies(Tray):
    """Takes the messages that come as replies, and hands each to who awaits it. Others are dropped: they come late."""

    __slots__ = ("_expected",)

    def __init__(self) -> None:
        super().__init__(REPLY_TO, lambda data, _: Delivered(data, 0, None))
        self._expected: dict[str, Pending] = {}

    def expect(self, reply: Pending) -> Pending:
        """A reply is awaited whose correlation_id is the serial."""
        self._expected[str(reply.serial)] = reply
        return reply

    def forget(self, reply: Pending) -> None:
        """It is not awaited any more."""
        self._expected.pop(str(reply.serial), None)

    def close(self, failure: Exception | None = None) -> None:
        super().close(failure)
        for reply in list(self._expected.values()):
            if failure is not None and not reply.done:
                reply.settle(None, failure)

    def put(self, data: bytes, tag: int) -> None:
        message = self.make(data, tag)
        awaited = self._expected.pop(str(message.properties.get("correlation_id")), None)
        if awaited is None or awaited.done:
            return
        match message.headers.get("error"), message.body:
            case str(name), [str(_), str(text)]:  # a service that was called by the message has answered by an error
                awaited.settle(None, error_answer(name, text))
            case _:
                awaited.settle(data)


def reply_properties(message: Delivered, properties: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The queue that a reply goes to, and its properties. Raises `UsageError` if nobody asked for one."""
    queue = message.properties.get("reply_to")
    if not isinstance(queue, str):
        raise UsageError("the message has no reply_to, so nobody awaits a reply to it")
    correlation = message.properties.get("correlation_id")
    return queue, properties if correlation is None else {"correlation_id": correlation, **properties}
