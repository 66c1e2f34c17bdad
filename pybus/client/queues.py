"""The program's side of queuing, without its socket: what it declared, consumes, and awaits confirms for.

A connection that ends takes along what the bus knew of it. `connected` declares again, on the next one, what this
program had declared, and consumes again; what was delivered and not settled comes again by itself.
"""

from __future__ import annotations

from functools import partial

from pybus.client.calls import MAX_TIMEOUT
from pybus.client.declared import Declared, Wanted
from pybus.client.publishing import Publishing
from pybus.client.replies import REPLY_TO, Replies
from pybus.errors import CallError, ConsumerCancelled, UsageError
from pybus.names import BUS_NAME
from pybus.protocol.frames import (
    DELIVER,
    NACK,
    REQUEUE,
    RETURN,
    SETTLE,
    UNTAKEN,
    Run,
    frame,
    frames_of,
    serial_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from pybus.client.core import Core, Steps
    from pybus.client.messages import Delivered, Tray
    from pybus.client.pending import Pending

_ACK, _REJECT, _GIVE_BACK, _PUT_BACK = 0, NACK, NACK | REQUEUE, NACK | REQUEUE | UNTAKEN


class Queues(Publishing):
    """What one program has to do with queues. stream: stands for the connection, which delivery tags belong to."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.stream = object()
        self._tag = 0
        self._gets: dict[int, bool] = {}  # by serial: whether the message is to be put back when it comes
        self._replies: Replies | None = None
        self._consumers: dict[int, Wanted] = {}
        self._exchanges: dict[str, dict[str, object]] = {}
        self._queues: dict[str, Declared] = {}

    # --- what comes -------------------------------------------------------------------------------

    def receive(self, run: Run) -> None:
        """A frame of queues came."""
        if run[0] == DELIVER:
            for data in frames_of(run[6], run[7]):
                self._tag += 1
                wanted = self._consumers.get(serial_of(data))
                if wanted is None:
                    self._send_settle(self._tag, _PUT_BACK)
                else:
                    wanted.tray.put(data, self._tag)
        elif run[0] == RETURN:
            self._came_back(run)
        else:
            self._confirmed(run[1], run[4])

    def answered(self, serial: int, value: object, error: CallError | None) -> None:
        """An answer or error came, whatever it was for."""
        if serial in self._gets:
            unwanted = self._gets.pop(serial)
            if value is not None and error is None:
                self._tag += 1
                if unwanted:
                    self._send_settle(self._tag, _PUT_BACK)
        elif serial in self._consumers:
            wanted = self._consumers[serial]
            if error is not None:
                if isinstance(error, ConsumerCancelled):  # somebody deleted the queue: it is not declared again
                    self._queues.pop(wanted.queue.name, None)
                del self._consumers[serial]
                wanted.tray.close(error)
            elif wanted.tray.closed:
                self._leave(serial, str(value))
        elif error is not None:
            self.forget(serial)

    # --- settling ---------------------------------------------------------------------------------

    def ack(self, message: Delivered) -> bool:
        """The message is done. False if the bus does not wait for that any more."""
        return self._settle(message, _ACK)

    def nack(self, message: Delivered, *, requeue: bool) -> bool:
        """The message is given back, or up. False as above."""
        return self._settle(message, _GIVE_BACK if requeue else _REJECT)

    def _settle(self, message: Delivered, flags: int) -> bool:
        if message.settled or message.stream is not self.stream or self._core.welcome is None:
            return False
        message.settled = True
        self._send_settle(message.tag, flags)
        return True

    def _send_settle(self, tag: int, flags: int) -> None:
        self._core.output.put(frame(SETTLE, flags, self._core.number, tag >> 32, tag & 0xFFFFFFFF))

    # --- declaring --------------------------------------------------------------------------------

    def declare_exchange(self, name: str, how: dict[str, object]) -> Steps[None]:
        """Declare an exchange."""
        yield self._core.call_bus("declare_exchange", name, **how)
        if not how.get("passive"):
            self._exchanges[name] = how

    def delete_exchange(self, name: str, if_unused: bool) -> Steps[None]:
        """Delete an exchange."""
        yield self._core.call_bus("delete_exchange", name, if_unused)
        self._exchanges.pop(name, None)

    def declare_queue(self, name: str, how: dict[str, object]) -> Steps[Declared]:
        """Declare a queue."""
        answer: dict[str, Any] = yield self._core.call_bus("declare_queue", name, **how)
        found = answer["queue"]
        declared = self._queues.get(found) or Declared(found, not name, how)
        if not how.get("passive"):
            declared.how = how
            self._queues[found] = declared
        return declared

    def delete_queue(self, queue: Declared, if_unused: bool, if_empty: bool) -> Steps[int]:
        """Delete a queue; how many messages it had."""
        pending = self._core.call_bus("delete_queue", queue.name, if_unused, if_empty)
        declared = self._queues.pop(queue.name, None)
        try:
            count: int = yield pending
        except CallError:
            if declared is not None:
                self._queues[queue.name] = declared
            raise
        return count

    def bind(self, queue: Declared, exchange: str, key: str, arguments: Mapping[str, object]) -> Steps[None]:
        """Bind a queue to an exchange."""
        binding = exchange, key, dict(arguments)
        yield self._core.call_bus("bind_queue", queue.name, *binding)
        if binding not in queue.bindings:
            queue.bindings.append(binding)

    def unbind(self, queue: Declared, exchange: str, key: str, arguments: Mapping[str, object]) -> Steps[None]:
        """Undo a binding."""
        binding = exchange, key, dict(arguments)
        yield self._core.call_bus("unbind_queue", queue.name, *binding)
        if binding in queue.bindings:
            queue.bindings.remove(binding)

    # --- consuming --------------------------------------------------------------------------------

    def consume(self, queue: Declared, tray: Tray, how: dict[str, object]) -> Steps[None]:
        """Let a tray get a queue's messages."""
        pending = self._ask(Wanted(queue, tray, how), queue.name)
        try:
            tray.tag = yield pending
        except BaseException:
            tray.close()
            if pending.done and pending.error is None:
                self._leave(pending.serial, str(pending.value))
            raise

    def cancel(self, tray: Tray) -> Steps[None]:
        """Let it get no more. What is in it goes back to the queue."""
        pending = self._core.call_bus("cancel", tray.tag)
        for serial in [serial for serial, wanted in self._consumers.items() if wanted.tray is tray]:
            del self._consumers[serial]
        self._empty(tray)  # after the call, else it would come again
        tray.close()
        yield pending

    def _leave(self, serial: int, tag: str) -> None:
        """The bus has made a consumer that nobody wants any more: let it get no more."""
        self._core.cast(BUS_NAME, "cancel", (tag,), {})
        self._empty(self._consumers.pop(serial).tray)

    def end_consumers(self, then: Callable[[], None]) -> None:
        """Put back to their queues what consumers did not take, before the connection ends. then: called after that."""
        trays = [wanted.tray for wanted in self._consumers.values()]
        if not trays:
            then()
            return
        last = [self._core.call_bus("cancel", tray.tag) for tray in trays][-1]

        def cancelled(_value: object, _error: Exception | None) -> None:
            for tray in trays:
                self._empty(tray)
            then()

        last.notify = cancelled

    def _empty(self, tray: Tray) -> None:
        """Put back what the program did not take."""
        while tray.messages:
            self._settle(tray.messages.popleft(), _PUT_BACK)

    def get(self, queue: Declared, no_ack: bool) -> Steps[tuple[bytes, int] | None]:
        """The next message of a queue, as a frame and its tag; None if there is none.

        If nobody waits for it any more when it comes it is put back. no_ack: it is acked here, once it is taken.
        """
        if any(self._gets.values()):  # what an earlier one got and nobody took is to be put back before
            yield self._core.flush()
        pending = self._core.call_bus("get_message", queue.name)
        stream = self.stream
        self._gets[pending.serial] = False
        found: dict[str, Any] | None
        try:
            found = yield pending
        except BaseException:
            if pending.serial in self._gets:
                self._gets[pending.serial] = True
            elif isinstance(pending.value, dict) and stream is self.stream:
                self._send_settle(pending.value["tag"], _PUT_BACK)
            raise
        if found is None or not no_ack:
            return None if found is None else (found["message"], found["tag"])
        if stream is self.stream:
            self._send_settle(found["tag"], _ACK)
        return found["message"], 0

    # --- requests ---------------------------------------------------------------------------------

    def request(
        self,
        exchange: str,
        key: str,
        body: object,
        properties: dict[str, object],
        *,
        persistent: bool,
        timeout: float,
    ) -> Steps[Pending]:
        """Publish a message that is to be answered. Returns what to wait for: the reply, as a frame.

        `abandon` it in the end. timeout: seconds until the message expires, if its properties do not say.
        Raises what publishing does, `Unroutable` if it reaches no queue.
        """
        if not 0 < timeout <= MAX_TIMEOUT:
            raise UsageError(f"a timeout must be more than 0 and at most {MAX_TIMEOUT} seconds, not {timeout}")
        for name in ("reply_to", "correlation_id"):
            if name in properties:
                raise UsageError(f"a request has a {name} of its own")
        if self._replies is None or self._replies.closed:
            self._replies = Replies()
            self._ask(Wanted(Declared(REPLY_TO, False, {}), self._replies, {"no_ack": True}), REPLY_TO)
        reply = self._replies.expect(self._core.await_reply())
        own = {"reply_to": REPLY_TO, "correlation_id": str(reply.serial)}
        properties = {"expiration": timeout, **properties, **own}
        try:
            sent = self.publish(exchange, key, body, properties, persistent=persistent, mandatory=True, confirm=True)
            assert sent is not None
            yield sent
        except BaseException:
            self.abandon(reply)
            raise
        return reply

    def abandon(self, reply: Pending) -> None:
        """Nobody waits for this reply any more; it is dropped when it comes."""
        if self._replies is not None:
            self._replies.forget(reply)
        self._core.abandon(reply)

    def _ask(self, wanted: Wanted, name: str) -> Pending:
        pending = self._core.call_bus("consume", name, wanted.tray.tag, **wanted.how)
        self._consumers[pending.serial] = wanted
        return pending

    # --- the connection ---------------------------------------------------------------------------

    def disconnected(self) -> None:
        """The connection has ended: what it delivered will come again, from the queues."""
        self.stream = object()
        self._tag = 0
        self.forget_all()
        self._gets.clear()
        for wanted in self._consumers.values():
            wanted.tray.messages.clear()

    def connected(self) -> None:
        """There is another connection: declare and consume again. What the bus has against it is told."""
        core = self._core
        for name, how in self._exchanges.items():
            _watch(core.call_bus("declare_exchange", name, **how), f"exchange {name!r}")
        consumers = [wanted for wanted in self._consumers.values() if not wanted.tray.closed]
        self._consumers = {}
        queues = dict.fromkeys([*self._queues.values(), *(wanted.queue for wanted in consumers)])
        for queue in queues:
            name = "" if queue.generated else queue.name
            if self._queues.get(queue.name) is queue:
                pending = core.call_bus("declare_queue", name, **queue.how)
                _watch(pending, f"queue {queue.name!r}", partial(self._named, queue))
            for binding in queue.bindings:
                _watch(core.call_bus("bind_queue", name, *binding), f"the binding of queue {queue.name!r}")
            for wanted in consumers:
                if wanted.queue is queue:
                    self._ask(wanted, name)

    def _named(self, queue: Declared, answer: dict[str, Any]) -> None:
        """A queue has been declared again; if its name is the bus's choice, it has another one now."""
        if self._queues.get(queue.name) is queue:
            del self._queues[queue.name]
            queue.name = answer["queue"]
            self._queues[queue.name] = queue

    def finish(self, failure: Exception | None) -> None:
        """Nothing will come any more."""
        for wanted in self._consumers.values():
            wanted.tray.close(failure)


def _watch(pending: Pending, what: str, then: Callable[[dict[str, Any]], None] | None = None) -> None:
    """Tell of what could not be declared again, where a program that does not ask will be heard of.

    then: called with the answer.
    """

    def settled(value: object, error: Exception | None) -> None:
        if isinstance(error, CallError):
            import logging

            logging.getLogger("pybus").warning("%s could not be declared again: %s", what, error.message)
        elif then is not None and isinstance(value, dict):
            then(value)

    pending.notify = settled
