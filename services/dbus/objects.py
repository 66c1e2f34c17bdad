"""What this program offers on D-Bus: objects at paths, with interfaces, and what every object has.

The specification's "Standard Interfaces" are here, too: Introspectable, Properties and Peer. dbus-next's
own services are not used, for these faults of them: a method does not get to know who called it; an
exception, even a planned one, is sent to the caller with its traceback; one object at two paths emits
its signals at the last one only; Introspect succeeds at paths where nothing is; and a flood of calls is
carried out before anything else gets a turn.
"""

import asyncio
import functools
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from .bus import INVALID_ARGS, Bus, DBusError
from .introspection import Argument, Interface, Method, describe, signature_of
from .reading import Incoming
from .values import Typed

MOST_CALLS = 1024
"""Calls of one caller that are carried out at once. Who makes more without waiting for answers is refused."""

UNSAYABLE = "org.pybus.DBus.Error.Unsayable"
"""The error's name if the method has run, and D-Bus has no way to say its answer."""

_ERROR = "org.freedesktop.DBus.Error."
_INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_PEER = "org.freedesktop.DBus.Peer"
_MACHINE = ("/etc/machine-id", "/var/lib/dbus/machine-id")

_log = logging.getLogger("pybus.dbus")


Function = Callable[..., Awaitable[tuple[object, ...]]]
"""What stands behind a method."""


class Offer(NamedTuple):
    """An interface and what stands behind it.

    methods: for each, a coroutine function of the call and its arguments, which returns the answer's values
    and raises `DBusError`. properties: for each, a function that returns its value.
    """

    interface: Interface
    methods: dict[str, Function]
    properties: dict[str, Callable[[], object]]

    def value(self, name: str) -> Typed:
        """The value of a property, of the type that it is said to have."""
        [kind] = [prop.type for prop in self.interface.properties if prop.name == name]
        return Typed(kind, self.properties[name]())


class Objects:
    """What is offered. It outlives connections: `take` is what each of them serves by.

    calls: how many have come that could be carried out.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._offers: dict[str, dict[str, Offer]] = {}
        self._serving: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._standard = _standard(self)

    @property
    def busy(self) -> bool:
        """Whether a call is being carried out."""
        return bool(self._tasks)

    def add(self, path: str, offer: Offer) -> None:
        """Offer an interface at a path; one offer may be at several."""
        self._offers.setdefault(path, {})[offer.interface.name] = offer

    def take(self, bus: Bus, call: Incoming) -> None:
        """Carry out a call that came over a connection, and see that it gets its answer."""
        try:
            offer, method = self._find(call)
            if call.descriptors:
                raise DBusError(INVALID_ARGS, f"{method.name} takes no file descriptors; what came was closed")
            if call.signature != signature_of(method.takes):
                raise DBusError(INVALID_ARGS, _misfit(method, call.signature))
            if self._serving[call.sender] >= MOST_CALLS:
                raise DBusError(f"{_ERROR}LimitsExceeded", f"{MOST_CALLS} calls of yours are not answered yet")
        except DBusError as error:
            bus.refuse(call, error)
            return
        self.calls += 1
        self._serving[call.sender] += 1
        task = asyncio.ensure_future(_carry_out(bus, call, method, offer.methods[method.name]))
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._done, call.sender))

    async def finish(self) -> None:
        """Wait until all calls that came are answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def changed(self, bus: Bus, path: str, interface: str, *names: str) -> None:
        """Tell everybody the new values of properties."""
        offer = self._offers[path][interface]
        values = {name: offer.value(name) for name in names}
        bus.emit(path, _PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, values, []])

    def _done(self, sender: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._serving[sender] -= 1
        if not self._serving[sender]:
            del self._serving[sender]

    # --- who is called ----------------------------------------------------------------------------

    def _find(self, call: Incoming) -> tuple[Offer, Method]:
        offers = self._at(call.path)
        if offers is None and call.interface != _PEER:  # which answers at any path, says the specification
            raise DBusError(f"{_ERROR}UnknownObject", f"there is no object {call.path}")
        found = {**(offers or {}), **self._standard}
        if call.interface and call.interface not in found:
            raise DBusError(f"{_ERROR}UnknownInterface", f"{call.path} has no interface {call.interface}")
        for offer in [found[call.interface]] if call.interface else found.values():
            for method in offer.interface.methods:
                if method.name == call.member:
                    return offer, method
        raise DBusError(f"{_ERROR}UnknownMethod", f"{call.interface or call.path} has no method {call.member}")

    def _at(self, path: str) -> dict[str, Offer] | None:
        """The interfaces at a path, none if it only leads to others; None if nothing is there."""
        if path in self._offers:
            return self._offers[path]
        return {} if self._below(path) else None

    def _below(self, path: str) -> list[str]:
        """The names of what is right below a path."""
        start = path.rstrip("/") + "/"
        found = {other[len(start) :].partition("/")[0] for other in self._offers if other.startswith(start)}
        return sorted(found)

    # --- what every object has --------------------------------------------------------------------

    async def introspect(self, call: Incoming) -> tuple[str]:
        """The object's description, as XML."""
        offers = [*(self._at(call.path) or {}).values(), *self._standard.values()]
        return (describe([offer.interface for offer in offers], self._below(call.path)),)

    async def get(self, call: Incoming, interface: str, name: str) -> tuple[object]:
        """The value of a property."""
        return (self._with(call.path, interface, name).value(name),)

    async def get_all(self, call: Incoming, interface: str) -> tuple[dict[str, object]]:
        """The values of all properties of an interface."""
        offer = self._offered(call.path, interface)
        return ({name: offer.value(name) for name in offer.properties},)

    async def set(self, call: Incoming, interface: str, name: str, _value: object) -> tuple[()]:
        """No property here can be set."""
        self._with(call.path, interface, name)
        raise DBusError(f"{_ERROR}PropertyReadOnly", f"the property {name} can't be set")

    def _with(self, path: str, interface: str, name: str) -> Offer:
        """Whose property it is."""
        for offer in [self._offered(path, interface)] if interface else (self._at(path) or {}).values():
            if name in offer.properties:
                return offer
        raise DBusError(f"{_ERROR}UnknownProperty", f"{interface or path} has no property {name}")

    def _offered(self, path: str, interface: str) -> Offer:
        found = {**(self._at(path) or {}), **self._standard}.get(interface)
        if found is None:
            raise DBusError(f"{_ERROR}UnknownInterface", f"{path} has no interface {interface}")
        return found


async def _ping(_call: Incoming) -> tuple[()]:
    return ()


async def _machine_id(_call: Incoming) -> tuple[str]:
    for place in map(Path, _MACHINE):
        if place.exists():
            return (place.read_text().strip(),)
    raise DBusError(f"{_ERROR}Failed", f"this machine has no id: there is neither {' nor '.join(_MACHINE)}")


def _standard(objects: Objects) -> dict[str, Offer]:
    """What the specification gives to every object."""
    introspect = Method("Introspect", (), (Argument("s", "xml_data"),), "")
    get = Method(
        "Get", (Argument("s", "interface_name"), Argument("s", "property_name")), (Argument("v", "value"),), ""
    )
    get_all = Method("GetAll", (Argument("s", "interface_name"),), (Argument("a{sv}", "properties"),), "")
    put = Method("Set", (*get.takes, Argument("v", "value")), (), "")
    changed = Method(
        "PropertiesChanged",
        (
            Argument("s", "interface_name"),
            Argument("a{sv}", "changed_properties"),
            Argument("as", "invalidated_properties"),
        ),
        (),
        "",
    )
    ping, machine = Method("Ping", (), (), ""), Method("GetMachineId", (), (Argument("s", "machine_uuid"),), "")
    offers = [
        Offer(Interface(_INTROSPECTABLE, "", (introspect,)), {"Introspect": objects.introspect}, {}),
        Offer(
            Interface(_PROPERTIES, "", (get, get_all, put), (), (changed,)),
            {"Get": objects.get, "GetAll": objects.get_all, "Set": objects.set},
            {},
        ),
        Offer(Interface(_PEER, "", (ping, machine)), {"Ping": _ping, "GetMachineId": _machine_id}, {}),
    ]
    return {offer.interface.name: offer for offer in offers}


async def _carry_out(bus: Bus, call: Incoming, method: Method, function: Function) -> None:
    """Do it and answer. What nobody planned goes to the log, whole, and not to the caller."""
    try:
        values = await function(call, *call.body)
        try:
            bus.answer(call, signature_of(method.gives), values)
        except ValueError as error:
            raise DBusError(UNSAYABLE, str(error)) from None
    except DBusError as error:
        bus.refuse(call, error)
    except Exception as error:
        if bus.ended:
            return  # that is why, and nobody waits
        _log.exception("%s failed", method.name)
        text = f"{method.name} failed: {type(error).__name__}; the log of this service has more"
        bus.refuse(call, DBusError(f"{_ERROR}Failed", text))


def _misfit(method: Method, given: str) -> str:
    wanted = ", ".join(f"{one.name} ({one.type})" for one in method.takes) or "none"
    return f"{method.name} takes the arguments {wanted}, not those of the signature {given!r}"
