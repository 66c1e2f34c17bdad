"""dbus-fast, which is compiled where a wheel for this Python is."""

from dbus_fast.aio.message_bus import MessageBus
from dbus_fast.message import Message
from dbus_fast.service import ServiceInterface, dbus_method

from tests.bench.clients import dbus

_LIBRARY = dbus.Library("Fast", MessageBus, Message, ServiceInterface, dbus_method)


class Signals(dbus.Signals):
    def __init__(self) -> None:
        super().__init__(_LIBRARY)


class Calls(dbus.Calls):
    def __init__(self) -> None:
        super().__init__(_LIBRARY)
