"""Every error of pybus, and the names under which errors travel.

Three families, as an error is somebody's to handle:

* `CallError`: an error answer. It has a `name` (`org.pybus.Error.NameHasNoOwner`, or one that the
  service chose) and a `message`. The bus's own names each have a class here, so that a program can
  write `except pybus.NameHasNoOwner`.
* `NotConnected` and its children: there is no bus, or it went away.
* `UsageError` children: the program used the library in a way that can't work.

All derive from `PybusError`. This file imports nothing, so that a small command starts fast.
"""

PREFIX = "org.pybus.Error."


class PybusError(Exception):
    """The root of all errors that pybus raises on purpose."""


# --- what a program did wrong ---------------------------------------------------------------------


class UsageError(PybusError):
    """The library was used in a way that can't work: after close, from another thread, after a fork."""


class InvalidName(PybusError, ValueError):
    """A topic, pattern, service name or method name breaks the grammar in `pybus.names`."""


class BodyError(PybusError, ValueError):
    """A value can't be written as a body, or a body that arrived can't be read."""


# --- the connection -------------------------------------------------------------------------------


class AddressError(PybusError):
    """No usable address: nothing says where the bus is, or what says so is malformed."""


class ProtocolError(PybusError):
    """The other side broke the wire protocol; the connection can't go on."""


class NotConnected(PybusError):
    """There is no connection to a bus now."""


class NoBus(NotConnected):
    """Nobody listens at the bus's address."""


class ConnectionRefused(NotConnected):
    """The bus is there and refused this program, giving its reason."""


class ConnectionLost(NotConnected):
    """The connection ended; calls in flight may or may not have been carried out."""


# --- error answers --------------------------------------------------------------------------------


class CallError(PybusError):
    """An error in place of an answer.

    name: the error's name, dotted, as the wire carries it.
    message: one sentence for a person.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{message} ({name})" if message else name)
        self.name = name
        self.message = message

    def __reduce__(self) -> tuple[object, ...]:
        return error_answer, (self.name, self.message)


class ServiceError(CallError):
    """An error that a service's own method raised, as its caller sees it.

    A method raises it to choose the name: `raise pybus.ServiceError("org.example.NoSuchFile", uri)`.
    """


class BusError(CallError):
    """An error answer whose name is one of the bus's own; each has its class below."""

    def __init__(self, message: str) -> None:
        super().__init__(PREFIX + type(self).__name__, message)


class NameHasNoOwner(BusError):
    """Nobody owns the name that was called."""


class NameTaken(BusError):
    """Somebody else owns the name that was to be registered."""


class UnknownMethod(BusError):
    """The service has no method of that name."""


class InvalidArguments(BusError):
    """An argument is missing, superfluous or of the wrong type; the message says which."""


class ServiceDied(BusError):
    """The service's connection ended before it answered."""


class DeadlinePassed(BusError):
    """No answer came in the time that the caller allowed."""


class ReceiverFull(BusError):
    """The receiver does not read, or has too many calls waiting; the call was not delivered."""


class TooLarge(BusError):
    """A frame, most often an answer, is over the bus's frame limit."""


class LimitExceeded(BusError):
    """The connection is at one of its limits (`pybus.limits`); the message says which."""


class AccessDenied(BusError):
    """This peer may not do that."""


class NoSuchValue(BusError):
    """No value is retained under that topic."""


class NoSuchService(BusError):
    """No service file describes that name, so the bus can't start, stop or show it."""


class StartFailed(BusError):
    """The service could not be started, or ended before it claimed its name; the message has the reason."""


class LoopCut(BusError):
    """Programs keep triggering each other: a message that others had caused, one by one, was refused."""


class NotFound(BusError):
    """AMQP 404: there is no such exchange, queue or consumer."""


class AccessRefused(BusError):
    """AMQP 403: a reserved name, the default or a system exchange, an internal one, or a queue in exclusive use."""


class ResourceLocked(BusError):
    """AMQP 405: the queue is exclusive to another connection."""


class PreconditionFailed(BusError):
    """AMQP 406: it exists with other properties, is in use or not empty, or an argument can't be right."""


class NotAllowed(BusError):
    """AMQP 530: a consumer tag that the connection uses already."""


class ConsumerCancelled(BusError):
    """The bus has ended a consumer, because its queue was deleted. AMQP's consumer cancel notification."""


class StoreFailed(BusError):
    """What has to be durable can't be written to disk, or read from it; the message has the reason."""


class Nacked(BusError):
    """A published message was refused by a queue (`x-overflow`, `reject-publish`): AMQP's negative confirm."""


class Unroutable(BusError):
    """A message that was published as mandatory reached no queue, and came back. AMQP 312."""


class BadName(BusError):
    """The bus found a name, topic or pattern malformed: `InvalidName` seen from the other side."""


class Failed(BusError):
    """A method failed in a way that its author did not plan; its log has the traceback."""


class Violation(BusError):
    """The reason of a goodbye: this peer broke the protocol."""


class Shutdown(BusError):
    """The reason of a goodbye: the bus is stopping."""


def _leaves(family: type[BusError]) -> dict[str, type[BusError]]:
    return {PREFIX + child.__name__: child for child in family.__subclasses__()}


_BY_NAME = _leaves(BusError)


def error_answer(name: str, message: str) -> CallError:
    """The exception for an error answer: the bus's own class where it has one, else `ServiceError`."""
    known = _BY_NAME.get(name)
    return known(message) if known is not None else ServiceError(name, message)
