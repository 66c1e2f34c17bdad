"""The same roles as in `calls` and `python`, with dbus-next on a D-Bus daemon."""

import asyncio
from time import monotonic

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import MessageType
from dbus_next.message import Message
from dbus_next.service import ServiceInterface, method
from dbus_next.signature import Variant

from tests.bench.calls import time_calls
from tests.bench.crew import Pipe
from tests.bench.python import Countdown

_NAME = "org.example.Bench"
_PATH = "/org/example/Bench"

_BATCH = 150
"""Signals after which the publisher waits until the bus has taken them; see `_publish`."""


class _Scale(ServiceInterface):
    """The service. dbus-next reads D-Bus types from annotations."""

    def __init__(self) -> None:
        super().__init__(_NAME)

    @method()  # type: ignore[untyped-decorator]
    def Scale(self, name: "s", factor: "d") -> "s":  # type: ignore[name-defined]  # noqa: F821, N802
        return name


def serve(pipe: Pipe, address: str) -> None:
    """Role: the service."""
    asyncio.run(_serve(pipe, address))


async def _serve(pipe: Pipe, address: str) -> None:
    bus = await MessageBus(address).connect()
    bus.export(_PATH, _Scale())
    await bus.request_name(_NAME)
    pipe.send("ready")
    await asyncio.Event().wait()  # until the harness ends this process


def call(pipe: Pipe, address: str) -> None:
    """Role: the caller."""
    asyncio.run(_call(pipe, address))


async def _call(pipe: Pipe, address: str) -> None:
    bus = await MessageBus(address).connect()

    async def once() -> object:
        answer = await bus.call(
            Message(destination=_NAME, path=_PATH, interface=_NAME, member="Scale", signature="sd", body=["front", 0.5])
        )
        assert answer is not None
        return answer.body[0]

    await time_calls(pipe, once)


def call_exported(pipe: Pipe, address: str) -> None:
    """Role: the caller of a service on pybus, through org.pybus.Bus1."""
    asyncio.run(_call_exported(pipe, address))


async def _call_exported(pipe: Pipe, address: str) -> None:
    bus = await MessageBus(address).connect()

    async def once() -> object:
        answer = await bus.call(
            Message(
                destination="org.pybus.Bus",
                path="/org/pybus/Bus",
                interface="org.pybus.Bus1",
                member="Call",
                signature="ssava{sv}",
                body=[_NAME, "scale", [Variant("s", "front"), Variant("d", 0.5)], {}],
            )
        )
        assert answer is not None
        return answer.body[0].value

    await time_calls(pipe, once)


def publish(pipe: Pipe, address: str) -> None:
    """Role: the publisher."""
    asyncio.run(_publish(pipe, address))


async def _publish(pipe: Pipe, address: str) -> None:
    """dbus-next 0.2.3 closes its connection when the socket is full, so it is given a call now and then.

    The call returns when the bus has read all before it. It costs a few percent of the time.
    """
    bus = await MessageBus(address).connect()
    pipe.send("ready")
    while True:
        times: int = pipe.recv()
        started = monotonic()
        for sent in range(times):
            bus.send(Message.new_signal("/a", "a.b", "Python", "s", ["unplugged"]))
            if sent % _BATCH == _BATCH - 1:
                await _call_bus(bus, "GetId")
        await _call_bus(bus, "GetId")
        pipe.send(started)


async def _call_bus(bus: MessageBus, member: str, *rules: str) -> None:
    await bus.call(
        Message(
            destination="org.freedesktop.DBus",
            path="/org/freedesktop/DBus",
            interface="org.freedesktop.DBus",
            member=member,
            signature="s" * len(rules),
            body=list(rules),
        )
    )


def subscribe(pipe: Pipe, address: str) -> None:
    """Role: the subscriber."""
    asyncio.run(_subscribe(pipe, address))


async def _subscribe(pipe: Pipe, address: str) -> None:
    bus = await MessageBus(address).connect()
    countdown = Countdown()

    def handle(message: Message) -> None:
        if message.message_type is MessageType.SIGNAL and message.member == "Python":
            countdown.count()

    bus.add_message_handler(handle)
    await _call_bus(bus, "AddMatch", "type='signal',interface='a.b',member='Python'")
    pipe.send("ready")
    await countdown.rounds(pipe)
