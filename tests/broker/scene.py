"""People on a bus without sockets: a real `Broker`, frames in, the bytes of outboxes out."""

from collections.abc import Sequence
from typing import NamedTuple

from pybus.broker.broker import Broker
from pybus.broker.life import Ending, Order, Service
from pybus.broker.peer import Credentials
from pybus.errors import PREFIX, BusError, error_answer
from pybus.limits import Limits
from pybus.names import BUS_NAME
from pybus.protocol.codec import encode, pack, unpack, unpack_or_keep
from pybus.protocol.frames import (
    ANSWER,
    BYE,
    CALL,
    DELIVER,
    ERROR,
    MISSED,
    NO_REPLY,
    PEER,
    PREAMBLE,
    RETURN,
    SIGNAL,
    FrameReader,
    Run,
    body_of,
    frame,
    properties_size,
)
from pybus.protocol.handshake import Welcome
from pybus.storage import Store
from tests.protocol.singles import singles

IDENTITY = "0123456789abcdef0123456789abcdef"


class Heard(NamedTuple):
    """One frame as a person gets it, its body decoded."""

    kind: int
    flags: int
    sender: int
    target: int
    serial: int
    key: str
    value: object


class Scene:
    """A bus, and its clock, which stands still until `wait`."""

    def __init__(self, limits: Limits | None = None, store: Store | None = None) -> None:
        self.now = 1000.0
        self.broker = Broker(
            limits or Limits(), IDENTITY, "1.2.3", self.now, wall_time=lambda: self.broker.now, store=store
        )

    def join(self, program: str) -> "Person":
        """Somebody comes."""
        return Person(self, program)

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.broker.expire(self.now)

    def finish(self) -> None:
        """The turn is over."""
        self.broker.queueing.finish()
        while self.broker.queueing.hungry:
            self.broker.queueing.consuming.feed(self.broker.queueing.hungry.pop())

    # --- the shell's part, for services -----------------------------------------------------------

    def offer(self, *services: Service) -> None:
        """These are the services that have a file."""
        self.broker.offer({service.name: service for service in services}, self.now)

    def orders(self) -> list[tuple[str, str]]:
        """What the shell was asked to do since the last time, as (action, name). News are published."""
        return [(one.action, one.service.name) for one in self.broker.settle() if isinstance(one, Order)]

    def start(self, name: str, pid: int = 500) -> None:
        """Carry out the one order there is, which is to start this service."""
        assert self.orders() == [("start", name)]
        self.broker.services.started(name, pid, self.now)

    def end(
        self, name: str, status: int | None = 0, signal: str | None = None, pid: int = 500, words: str = ""
    ) -> None:
        """The service's process ends."""
        ending = Ending(status, signal)
        self.broker.service_ended(name, pid, ending, [words] if words else [], 1.5, self.now)


class Person:
    """One connection, from the side of its client."""

    def __init__(self, scene: Scene, program: str) -> None:
        self.scene = scene
        self.broker = scene.broker
        number = scene.broker._last_number + 1
        self.peer = scene.broker.join(Credentials(1000, 100 + number, program, f"/bin/{program}"), scene.now)
        self.number = self.peer.number
        self.name = self.peer.name
        self._reader = FrameReader(scene.broker.limits.frame, scene.broker.signals.routes.ways)
        self._serial = 0
        self._letters: list[Heard] = []
        data = self._take()
        assert data.startswith(PREAMBLE)
        self.welcome = Welcome(FrameReader(len(data)).feed(data[len(PREAMBLE) :])[0])

    # --- what it says -----------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Any bytes. Raises `ProtocolError` where the bus would end the connection."""
        runs = self._reader.feed(data)
        self.broker.receive(self.peer, runs, self.scene.now)
        self.scene.finish()
        if self._reader.failure is not None:
            raise self._reader.failure

    def signal(self, topic: str, value: object, flags: int = 0, serial: int = 0, target: int = 0) -> bytes:
        """The bytes of a signal."""
        raw, body = encode(value)
        return frame(SIGNAL, flags | raw, self.number, target, serial, topic.encode(), body)

    def publish(self, topic: str, value: object, flags: int = 0, serial: int = 0, target: int = 0) -> None:
        """A signal."""
        self.send(self.signal(topic, value, flags, serial, target))

    def call(self, name: str, method: str, *args: object, allowed: int = 0, reply: bool = True) -> int:
        """A call; returns its serial. allowed: milliseconds."""
        self._serial += 1
        flags = 0 if reply else NO_REPLY
        self.send(frame(CALL, flags, self.number, allowed, self._serial, f"{name} {method}".encode(), body(*args)))
        return self._serial

    def answer(self, call: Heard, value: object) -> None:
        """The answer to a call that was heard."""
        self.send(frame(ANSWER, 0, self.number, call.sender, call.serial, b"", pack(value)))

    def fail(self, call: Heard, name: str, message: str) -> None:
        """An error in place of the answer."""
        self.send(frame(ERROR, 0, self.number, call.sender, call.serial, b"", pack([name, message])))

    def ask(self, method: str, *args: object, **named: object) -> object:
        """A call to the bus itself: its answer's value, or the error raised. Other frames stay unheard."""
        self._serial += 1
        serial = self._serial
        self.send(frame(CALL, 0, self.number, 0, serial, f"{BUS_NAME} {method}".encode(), body(*args, **named)))
        self._listen()
        found = [one for one in self._letters if one.kind in (ANSWER, ERROR) and one.serial == serial]
        assert len(found) == 1
        self._letters.remove(found[0])
        if found[0].kind == ERROR:
            assert isinstance(found[0].value, list)
            raise error_answer(*found[0].value)
        return found[0].value

    def subscribe(self, *patterns: str) -> None:
        """Ask for signals, and hear the kept ones."""
        assert self.ask("subscribe", list(patterns)) is None

    def leave(self, *, goodbye: bool = False) -> None:
        """The connection ends."""
        self.broker.leave(self.peer, self.scene.now, goodbye=goodbye)

    # --- what it hears ----------------------------------------------------------------------------

    def heard(self) -> list[Heard]:
        """All that came since the last time."""
        self._listen()
        letters, self._letters = self._letters, []
        return letters

    def _listen(self) -> None:
        data = self._take()
        reader = FrameReader(max(len(data), 1))
        for run in singles(reader.feed(data)):
            kind, flags, sender, target, serial, key, _, _ = run
            value = content_of(run) if kind in (DELIVER, RETURN) else unpack_or_keep(flags, body_of(run))
            self._letters.append(Heard(kind, flags, sender, target, serial, key.decode(errors="replace"), value))
        assert reader.failure is None
        assert reader.partial == 0

    def _take(self) -> bytes:
        parts = []
        while self.peer.outbox:
            parts.append(self.take_one())
        return b"".join(parts)

    def take_one(self) -> bytes:
        """The first bytes that wait, as one write of the shell would take them."""
        data = self.peer.outbox.pop(0)
        self.peer.taken(len(data))
        return data


def content_of(run: Run) -> object:
    """The value of a message's body; with its properties before it, if it has any."""
    size = properties_size(run[3])
    data = body_of(run)
    value = unpack_or_keep(run[1], data[size:])
    return (unpack(data[:size]), value) if size else value


def trio(limits: Limits | None = None) -> tuple[Scene, Person, Person, Person]:
    """A bus with alice, bob and carol on it."""
    scene = Scene(limits)
    return scene, scene.join("alice"), scene.join("bob"), scene.join("carol")


def body(*args: object, **named: object) -> bytes:
    """The body of a call."""
    return pack([list(args), named])


# --- what one expects to hear -------------------------------------------------------------------------


def signal(sender: Person, topic: str, value: object, flags: int = 0, target: int = 0, serial: int = 0) -> Heard:
    """A signal from somebody."""
    return Heard(SIGNAL, flags, sender.number, target, serial, topic, value)


def name_change(name: str, old: Person | None, new: Person | None) -> Heard:
    """The bus's own signal that a name changed hands."""
    value = {"name": name, "old": old.name if old else None, "new": new.name if new else None}
    return Heard(SIGNAL, 0, 0, 0, 0, f"bus.name.{name}", value)


def call(sender: Person, serial: int, key: str, *args: object, allowed: int = 0, flags: int = 0) -> Heard:
    """A call from somebody."""
    return Heard(CALL, flags, sender.number, allowed, serial, key, [list(args), {}])


def acquaintance(to: Person, caller: Person) -> Heard:
    """The bus telling `to` who the caller is."""
    uid, pid, program, executable = caller.peer.credentials
    value = {"number": caller.number, "uid": uid, "pid": pid, "program": program, "executable": executable}
    return Heard(PEER, 0, 0, to.number, 0, "", value)


def answer(sender: Person | None, to: Person, serial: int, value: object) -> Heard:
    """An answer from somebody, or from the bus."""
    return Heard(ANSWER, 0, sender.number if sender else 0, to.number, serial, "", value)


def refusal(to: Person, serial: int, error: type[BusError], message: str, topic: str = "") -> Heard:
    """An error from the bus."""
    return Heard(ERROR, 0, 0, to.number, serial, topic, [PREFIX + error.__name__, message])


def missed(to: Person, topics: dict[str, int]) -> Heard:
    """The bus telling of a gap."""
    return Heard(MISSED, 0, 0, to.number, 0, "", topics)


def goodbye(reason: Sequence[str] | None = None) -> Heard:
    """The bus's last word."""
    return Heard(BYE, 0, 0, 0, 0, "", list(reason) if reason else None)
