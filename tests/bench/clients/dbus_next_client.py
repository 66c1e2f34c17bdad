"""dbus-next, and with it a call from D-Bus into pybus."""

from dbus_next.aio.message_bus import MessageBus
from dbus_next.message import Message
from dbus_next.service import ServiceInterface, method
from dbus_next.signature import Variant

from tests.bench.clients import dbus
from tests.bench.clients.pybus_aio import NAME
from tests.bench.crew import Failure

_LIBRARY = dbus.Library("Next", MessageBus, Message, ServiceInterface, method)


class Signals(dbus.Signals):
    def __init__(self) -> None:
        super().__init__(_LIBRARY)


class Calls(dbus.Calls):
    def __init__(self) -> None:
        super().__init__(_LIBRARY)


class ExportedCalls(Calls):
    """The caller of a service on pybus, through org.pybus.Bus1."""

    async def call(self) -> None:
        message = Message(
            destination="org.pybus.Bus",
            path="/org/pybus/Bus",
            interface="org.pybus.Bus1",
            member="Call",
            signature="ssava{sv}",
            body=[NAME, "scale", [Variant("s", "front"), Variant("d", 0.5)], {}],
        )
        answer = await self.bus.call(message)
        if answer.body[0].value != "front":
            raise Failure(f"the answer was {answer.body!r}")
