"""The one connection to a bus of D-Bus, and what was learned over it."""

import asyncio
from typing import Any

import pybus

from .bus import Bus, DBusError
from .introspection import method_signature
from .writing import types_of

NO_BUS = "org.pybus.DBus.Error.NoBus"
"""The error's name if the D-Bus bus can't be reached, or does not read: nothing has happened."""

MISDESCRIBED = "org.pybus.DBus.Error.Misdescribed"
"""The error's name if what the object says about its method is malformed: the method was not called."""

UNKNOWN_METHOD = "org.freedesktop.DBus.Error.UnknownMethod"
"""The error's name if the object does not know the method, whether asked before or by the call."""

_MISFITS = {f"org.freedesktop.DBus.Error.{name}" for name in ("InvalidArgs", "InvalidSignature", "UnknownMethod")}
"""What libraries of D-Bus answer to arguments of other types than the method's, which then has not run."""

REMEMBERED = 1000
"""Methods whose signatures are kept, of each bus."""

INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"

Method = tuple[str, str, str, str]
"""Destination, path, interface and member."""


class Link:
    """The one connection to a bus of D-Bus. which: "session" or "system"."""

    def __init__(self, which: str) -> None:
        self._which = which
        self._bus: Bus | None = None
        self._connecting: asyncio.Task[Bus] | None = None
        self._signatures: dict[Method, str] = {}

    async def call(self, method: Method, args: list[Any], signature: str, timeout: float) -> list[Any]:
        """As `Bus.call`. signature: if empty, the object is asked. timeout: seconds, the connecting among them.

        Raises `ServiceError` if there is no bus, or if the object does not say what it takes, too.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        bus = await self._connected(timeout)
        async with asyncio.timeout_at(deadline):
            if signature or not args:
                return await bus.call(*method, signature, args, timeout=None)
            return await self._call_described(bus, method, args)

    def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        if self._bus is not None:
            self._bus.close()

    async def _connected(self, timeout: float) -> Bus:
        """The bus. Connecting is everybody's who waits for it, and goes on when one of them gives up."""
        if self._bus is not None and not self._bus.ended:
            return self._bus
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(Bus.connect(self._which))
            self._connecting.add_done_callback(self._note_connected)
        connecting = self._connecting
        await asyncio.wait([connecting], timeout=timeout)
        try:
            if not connecting.done():
                raise TimeoutError(f"no answer in {timeout:g} s")
            return connecting.result()
        except OSError as error:
            text = f"the {self._which} bus of D-Bus can't be reached: {error}"
            raise pybus.ServiceError(NO_BUS, text) from None

    def _note_connected(self, connecting: asyncio.Task[Bus]) -> None:
        self._connecting = None
        if not connecting.cancelled() and connecting.exception() is None:
            self._signatures.clear()
            self._bus = connecting.result()

    async def _call_described(self, bus: Bus, method: Method, args: list[Any]) -> list[Any]:
        """Call it by the signature that the object gave, which is asked anew once if the arguments don't fit it."""
        known = self._signatures.get(method)
        signature = await self._describe(bus, method) if known is None else known
        try:
            return await bus.call(*method, signature, args, timeout=None)
        except (DBusError, ValueError) as error:
            self._signatures.pop(method, None)
            if known is None or (isinstance(error, DBusError) and error.name not in _MISFITS):
                raise
            signature = await self._describe(bus, method)  # somebody else may own the name by now
            if signature == known:
                raise
        return await bus.call(*method, signature, args, timeout=None)

    async def _describe(self, bus: Bus, method: Method) -> str:
        """The signature of what a method takes, as its object says."""
        found = await self._introspect(bus, method)
        if len(self._signatures) >= REMEMBERED:
            self._signatures.clear()
        self._signatures[method] = found
        return found

    async def _introspect(self, bus: Bus, method: Method) -> str:
        destination, path, interface, member = method
        answer = await bus.call(destination, path, INTROSPECTABLE, "Introspect", timeout=None)
        advice = "to call it all the same, give its signature"
        try:
            found = method_signature(answer[0], interface, member) if answer and isinstance(answer[0], str) else None
            types_of(found or "")
        except ValueError as error:
            text = f"{destination} describes {interface}.{member} of {path} wrongly: {error}"
            raise pybus.ServiceError(MISDESCRIBED, f"{text}; {advice}") from None
        if found is None:
            text = f"{destination} does not say that {path} has a method {interface}.{member}"
            raise pybus.ServiceError(UNKNOWN_METHOD, f"{text}; {advice}")
        return found
