"""What dbus-next and dbus-fast do in the same way, as one is the other's child; they differ in what is imported.

The caller uses `MessageBus.call`, which is quicker than the libraries' proxies. The body of a signal is an array of
bytes, which both pass on as `bytes`.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.bench.client import BODY, Countdown
from tests.bench.crew import Failure

_PATH = "/org/example/Bench"

_BATCH = 150
"""Signals after which the publisher waits until the bus has taken them; see `Signals.publish`."""


class Library(NamedTuple):
    """What is imported of a library. name: one word, for names on the bus. method: decorates a service's method."""

    name: str
    connection: Any
    message: Any
    interface: Any
    method: Any


class Connected:
    """A connection to a D-Bus message bus."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._name = f"org.example.{library.name}"

    async def open(self, address: str) -> None:
        self.bus = await self._library.connection(address).connect()

    async def call_bus(self, member: str, *rules: str) -> None:
        """Call a method of the bus itself."""
        bus = "org.freedesktop.DBus"
        where = {"destination": bus, "path": "/org/freedesktop/DBus", "interface": bus, "member": member}
        await self.bus.call(self._library.message(**where, signature="s" * len(rules), body=list(rules)))


class Signals(Connected):
    """A message handler, which both call for each message that comes."""

    async def publish(self, times: int) -> None:
        """Both libraries close the connection when the socket is full, so the bus is called now and then.

        The call returns when the bus has read all before it. It costs a few percent of the time.
        """
        new_signal, send, name = self._library.message.new_signal, self.bus.send, self._library.name
        for sent in range(times):
            send(new_signal("/a", "a.b", name, "ay", [BODY]))
            if sent % _BATCH == _BATCH - 1:
                await self.call_bus("GetId")
        await self.call_bus("GetId")

    async def subscribe(self, countdown: Countdown) -> None:
        self._ended = asyncio.Event()
        countdown.ended = self._ended.set

        def handle(message: Any) -> None:
            if message.member == self._library.name:
                countdown.count(message.body[0])

        self.bus.add_message_handler(handle)
        await self.call_bus("AddMatch", f"type='signal',interface='a.b',member='{self._library.name}'")

    async def receive(self) -> None:
        await self._ended.wait()
        self._ended.clear()


class Calls(Connected):
    """A text and a float as arguments; the text is the answer."""

    async def serve(self, ready: Callable[[], None]) -> None:
        """The service is written as the libraries' documentation shows it: the D-Bus types are annotations."""
        library = self._library

        class Scale(library.interface):  # type: ignore[name-defined, misc]
            @library.method()  # type: ignore[untyped-decorator]
            def Scale(self, name: "s", factor: "d") -> "s":  # type: ignore[name-defined]  # noqa: F821, N802
                return name

        self.bus.export(_PATH, Scale(self._name))
        await self.bus.request_name(self._name)
        ready()
        await asyncio.Event().wait()  # until the harness ends this process

    async def call(self) -> None:
        message = self._library.message(
            destination=self._name,
            path=_PATH,
            interface=self._name,
            member="Scale",
            signature="sd",
            body=["front", 0.5],
        )
        answer = await self.bus.call(message)
        if answer.body != ["front"]:
            raise Failure(f"the answer was {answer.body!r}")
