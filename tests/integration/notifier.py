# dbus-next reads D-Bus types from annotations, which are no Python types, and methods have their D-Bus names.
# mypy: ignore-errors
# ruff: noqa: F722, F821, N802
"""org.freedesktop.Notifications as a desktop has it, with dbus-next's own service: `python notifier.py ADDRESS`.

It prints a JSON line when it is ready, and one with the arguments of each Notify. A notification
with the summary "slow" is never answered.
"""

import asyncio
import json
import sys

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import PropertyAccess
from dbus_next.errors import DBusError
from dbus_next.service import ServiceInterface, dbus_property, method, signal
from dbus_next.signature import Variant

NAME = "org.freedesktop.Notifications"


def _say(what: object) -> None:
    plain = json.dumps(what, default=lambda variant: [variant.signature, variant.value])
    print(plain, flush=True)


class Notifications(ServiceInterface):
    def __init__(self) -> None:
        super().__init__(NAME)
        self._last = 0

    @method()
    async def Notify(
        self,
        app_name: "s",
        replaces_id: "u",
        app_icon: "s",
        summary: "s",
        body: "s",
        actions: "as",
        hints: "a{sv}",
        expire_timeout: "i",
    ) -> "u":
        _say([app_name, replaces_id, app_icon, summary, body, actions, hints, expire_timeout])
        if summary == "slow":
            await asyncio.Event().wait()
        self._last = replaces_id or self._last + 1
        return self._last

    @method()
    def CloseNotification(self, number: "u") -> None:
        if number > self._last:
            raise DBusError(NAME + ".Error.NoSuchNotification", f"there is no notification {number}")
        self.NotificationClosed(number)

    @signal()
    def NotificationClosed(self, number: int) -> "uu":
        return [number, 3]

    @method()
    def GetServerInformation(self) -> "ssss":
        return ["notifier", "example", "1", "1.2"]

    @method()
    def Everything(self) -> "(oga{sv}v)":
        inner = Variant("a{us}", {1: "one"})
        return ["/a/b", "a{sv}", {"bytes": Variant("ay", b"\0\xff"), "deep": Variant("v", inner)}, Variant("d", 0.5)]

    @dbus_property(access=PropertyAccess.READ)
    def Last(self) -> "u":
        return self._last


async def _serve(address: str) -> None:
    bus = await MessageBus(address).connect()
    bus.export("/org/freedesktop/Notifications", Notifications())
    await bus.request_name(NAME)
    _say("ready")
    await asyncio.Event().wait()  # until it is killed


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
