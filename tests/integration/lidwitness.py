"""Somebody on D-Bus who knows a lid, as a process driven over its standard streams: logind or UPower.

Arguments: `logind` or `upower`, then `open` or `closed`, and `secretly` for one who tells no changes. It
says `ready` when it has its name. Then each line in is the lid's new state. What it says about itself
is what the real ones say, of the part that matters here (systemd 252 and 256, UPower 0.99.20).
"""

import asyncio
import sys
from typing import Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import MessageType
from dbus_next.message import Message
from dbus_next.signature import Variant

_KNOWN = {
    "logind": ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "LidClosed"),
    "upower": ("org.freedesktop.UPower", "/org/freedesktop/UPower", "org.freedesktop.UPower", "LidIsClosed"),
}

_XML = """<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
 <interface name="{interface}">
  <property name="OnExternalPower" type="b" access="read">
   <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
  </property>
  <property name="{closed}" type="b" access="read">{annotation}</property>
  <property name="LidIsPresent" type="b" access="read"/>
 </interface>
</node>
"""

_SECRETLY = '<annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>'


class Witness:
    """One of the two. UPower's lid can be `absent`, too."""

    def __init__(self, bus: MessageBus, who: str, state: str, *, secretly: bool) -> None:
        self._bus = bus
        self.name, self._path, self._interface, self._closed = _KNOWN[who]
        self._state = state
        self._secretly = secretly

    def answer(self, message: Message) -> Message | None:
        """Introspection, and each property."""
        if message.message_type is not MessageType.METHOD_CALL or message.path != self._path:
            return None
        if message.member == "Introspect":
            return Message.new_method_return(message, "s", [self._describe()])
        if message.member == "Get":
            return Message.new_method_return(message, "v", [self._properties()[message.body[1]]])
        return None

    async def turn(self, state: str) -> None:
        """The lid is moved; that it is told, unless secretly."""
        self._state = state
        if not self._secretly:
            body: list[Any] = [self._interface, self._properties(), []]
            await self._bus.send(
                Message.new_signal(self._path, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", body)
            )

    def _describe(self) -> str:
        annotation = _SECRETLY if self._secretly else ""
        return _XML.format(interface=self._interface, closed=self._closed, annotation=annotation)

    def _properties(self) -> dict[str, Variant]:
        return {
            self._closed: Variant("b", self._state == "closed"),
            "LidIsPresent": Variant("b", self._state != "absent"),
        }


async def main(who: str, state: str, *secretly: str) -> None:
    bus = await MessageBus().connect()
    witness = Witness(bus, who, state, secretly=bool(secretly))
    bus.add_message_handler(witness.answer)
    await bus.request_name(witness.name)
    print("ready", flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        await witness.turn(line.decode().strip())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
