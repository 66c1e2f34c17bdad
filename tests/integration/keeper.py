"""Somebody on D-Bus who keeps a screensaver off, as a process driven over its standard streams.

Arguments: the name it owns, org.freedesktop.ScreenSaver or org.gnome.SessionManager, and how it answers:
`at once`; `when told`, which is when a line comes in; or `no`, with an error. It says "ready" when it has
the name. Then each line out is what was asked of it, as [who, method, arguments], where who is a number
for each connection in the order of their coming; and [who, "left", []] when that one has gone.
"""

import asyncio
import json
import sys
from typing import Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import MessageType
from dbus_next.message import Message

_METHODS = {
    "org.freedesktop.ScreenSaver": ("/org/freedesktop/ScreenSaver", "ss", "UnInhibit"),
    "org.gnome.SessionManager": ("/org/gnome/SessionManager", "susu", "Uninhibit"),
}
"""The path, the signature of Inhibit, and the opposite of that; as GNOME 43 has them."""

_NEWS = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'"


class Keeper:
    """Its first cookie is 1."""

    def __init__(self, name: str, manner: str) -> None:
        self._interface = name
        self._path, self._signature, self._opposite = _METHODS[name]
        self._manner = manner
        self._who: list[str] = []
        self._waiting: list[Message] = []
        self._cookies = 0
        self._before: list[Any] = []
        self._is_ready = False

    def answer(self, message: Message) -> Message | bool:
        if message.member == "NameOwnerChanged" and message.body[0] in self._who and not message.body[2]:
            self._say(message.body[0], "left", [])
        if message.message_type is not MessageType.METHOD_CALL or message.path != self._path:
            return False
        if message.interface != self._interface:
            return False
        if message.sender not in self._who:
            self._who.append(message.sender)
        self._say(message.sender, message.member, message.body)
        if (message.member, message.signature) == (self._opposite, "u"):
            return Message.new_method_return(message)
        if (message.member, message.signature) != ("Inhibit", self._signature):
            return False
        if self._manner == "no":
            return Message.new_error(message, f"{self._interface}.Error.Never", "it may not be inhibited")
        if self._manner == "when told":
            self._waiting.append(message)
            return True
        return self.grant(message)

    def grant(self, message: Message) -> Message:
        self._cookies += 1
        return Message.new_method_return(message, "u", [self._cookies])

    async def grant_all(self, bus: MessageBus) -> None:
        """What waits gets its answers."""
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            await bus.send(self.grant(message))

    def ready(self) -> None:
        """It has the name. What was asked of it meanwhile comes after this."""
        self._is_ready = True
        for line in ["ready", *self._before]:
            print(json.dumps(line), flush=True)

    def _say(self, sender: str, what: str, arguments: list[Any]) -> None:
        self._before.append([self._who.index(sender) + 1, what, arguments])
        if self._is_ready:
            print(json.dumps(self._before.pop()), flush=True)


async def main(name: str, manner: str) -> None:
    bus = await MessageBus().connect()
    keeper = Keeper(name, manner)
    bus.add_message_handler(keeper.answer)
    await bus.call(
        Message("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "AddMatch", signature="s", body=[_NEWS])
    )
    await bus.request_name(name)
    keeper.ready()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while await lines.readline():
        await keeper.grant_all(bus)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
