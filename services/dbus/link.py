"""The one connection to a bus of D-Bus, and what was learned over it."""

import asyncio
from typing import Any

import pybus

from .bus import Bus, DBusError
from .introspection import method_signature

NO_BUS = "org.pybus.DBus.Error.NoBus"
"""The error's name if the D-Bus bus can't be reached: nothing has happened."""

UNKNOWN_METHOD = "org.freedesktop.DBus.Error.UnknownMethod"
"""The error's name if the object does not know the method, whether asked before or by the call."""

REMEMBERED = 1000
"""Methods whose signatures are kept, of each bus."""

INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"


class Link:
    """The one connection to a bus of D-Bus. which: "session" or "system"."""

    def __init__(self, which: str) -> None:
        self._which = which
        self._bus: Bus | None = None
        self._connecting = asyncio.Lock()
        self._signatures: dict[tuple[str, ...], str] = {}

    async def call(
        self, destination: str, path: str, interface: str, member: str, args: list[Any], signature: str
    ) -> list[Any]:
        """As `Bus.call`. signature: if empty, the object is asked. Raises `ServiceError` if there is no bus, too."""
        bus = await self._connected()
        method = (destination, path, interface, member)
        if args and not signature:
            signature = await self._signature(bus, method)
        try:
            return await bus.call(*method, signature, args, timeout=None)
        except (DBusError, ValueError):
            self._signatures.pop(method, None)  # somebody else may own the name by now
            raise

    def close(self) -> None:
        if self._bus is not None:
            self._bus.close()

    async def _connected(self) -> Bus:
        async with self._connecting:
            if self._bus is None or self._bus.ended:
                self._signatures.clear()
                try:
                    self._bus = await Bus.connect(self._which)
                except OSError as error:
                    text = f"the {self._which} bus of D-Bus can't be reached: {error}"
                    raise pybus.ServiceError(NO_BUS, text) from None
            return self._bus

    async def _signature(self, bus: Bus, method: tuple[str, str, str, str]) -> str:
        known = self._signatures.get(method)
        if known is None:
            known = await self._introspect(bus, *method)
            if len(self._signatures) >= REMEMBERED:
                self._signatures.clear()
            self._signatures[method] = known
        return known

    async def _introspect(self, bus: Bus, destination: str, path: str, interface: str, member: str) -> str:
        answer = await bus.call(destination, path, INTROSPECTABLE, "Introspect", timeout=None)
        found = method_signature(answer[0], interface, member) if answer and isinstance(answer[0], str) else None
        if found is None:
            text = f"{destination} does not say that {path} has a method {interface}.{member}"
            raise pybus.ServiceError(UNKNOWN_METHOD, f"{text}; to call it all the same, give its signature")
        return found
