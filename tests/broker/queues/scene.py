"""People who use queues, on the bus of `tests/broker/scene.py`."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from pybus.errors import BusError, error_answer
from pybus.limits import Limits
from pybus.protocol.codec import encode, pack
from pybus.protocol.frames import (
    CONFIRMED,
    DELIVER,
    ERROR,
    MULTIPLE,
    NACK,
    PUBLISH,
    REDELIVERED,
    REQUEUE,
    RETURN,
    SETTLE,
    frame,
)
from tests.broker.scene import Person, Scene


class Got(NamedTuple):
    """A message as somebody gets it."""

    exchange: str
    key: str
    value: object
    redelivered: bool = False


class User(Person):
    """One connection that uses queues. consumers: the serials of its own, by tag."""

    def __init__(self, scene: Scene, program: str) -> None:
        super().__init__(scene, program)
        self.consumers: dict[str, int] = {}

    def tell(
        self, exchange: str, key: str, value: object = None, flags: int = 0, serial: int = 0, **properties: object
    ) -> None:
        """Publish a message."""
        self.send(self.message(exchange, key, value, flags, serial, **properties))

    def message(
        self, exchange: str, key: str, value: object, flags: int = 0, serial: int = 0, **properties: object
    ) -> bytes:
        """The bytes of a message."""
        raw, body = encode(value)
        packed = pack(properties) if properties else b""
        where = f"{exchange}\0{key}".encode()
        return frame(PUBLISH, flags | raw, self.number, len(packed), serial, where, packed + body)

    def queue(self, name: str = "", /, *bindings: tuple[str, str], **how: object) -> str:
        """Declare a queue and bind it to exchanges by keys; its name."""
        answer = self.ask("declare_queue", name, **how)
        assert isinstance(answer, dict)
        for exchange, key in bindings:
            self.ask("bind_queue", answer["queue"], exchange, key)
        return str(answer["queue"])

    def consume(self, queue: str, tag: str = "", **how: object) -> str:
        """Get a queue's messages; the consumer's tag."""
        found = self.ask("consume", queue, tag, **how)
        assert isinstance(found, str)
        self.consumers[found] = self._serial
        return found

    def settle(self, tag: int, flags: int = 0) -> None:
        """Say what became of a delivery."""
        self.send(frame(SETTLE, flags, self.number, tag >> 32, tag & 0xFFFFFFFF))

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        self.settle(tag, MULTIPLE if multiple else 0)

    def reject(self, tag: int, *, multiple: bool = False) -> None:
        self.settle(tag, NACK | (MULTIPLE if multiple else 0))

    def requeue(self, tag: int, *, multiple: bool = False) -> None:
        self.settle(tag, NACK | REQUEUE | (MULTIPLE if multiple else 0))

    def refused(self, method: str, *args: object, **named: object) -> str:
        """The error of a call to the bus, as its class and text."""
        with pytest.raises(BusError) as caught:
            self.ask(method, *args, **named)
        return f"{type(caught.value).__name__}: {caught.value.message}"

    # --- what it gets -----------------------------------------------------------------------------

    def got(self) -> list[Got]:
        """The messages that came since the last time; anything else is an error."""
        found = []
        for one in self.heard():
            assert one.kind == DELIVER, one
            exchange, _, key = one.key.partition("\0")
            found.append(Got(exchange, key, one.value, bool(one.flags & REDELIVERED)))
        return found

    def values(self) -> list[Any]:
        """The values of the messages that came since the last time."""
        return [one.value for one in self.got()]

    def told(self) -> list[tuple[Any, ...]]:
        """What the bus said to a publisher since the last time."""
        found: list[tuple[Any, ...]] = []
        for one in self.heard():
            if one.kind == CONFIRMED:
                words = ["nacked" if one.flags & NACK else "confirmed", one.serial]
                found.append((*words, "multiple") if one.flags & MULTIPLE else tuple(words))
            elif one.kind == RETURN:
                found.append(("returned", one.serial, one.value))
            else:
                assert one.kind == ERROR, one
                assert isinstance(one.value, list)
                error = error_answer(*one.value)
                found.append((type(error).__name__, one.serial, error.message))
        return found


def office(limits: Limits | None = None) -> tuple[Scene, User, User, User]:
    """A scene with alice, bob and carol."""
    scene = Scene(limits)
    return scene, User(scene, "alice"), User(scene, "bob"), User(scene, "carol")
