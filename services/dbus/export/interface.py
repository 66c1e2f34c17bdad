"""org.pybus.Bus1: the bus as a program on D-Bus sees it."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pybus

from ..bus import DBusError
from ..introspection import Interface, Method, Property, arguments
from ..names import check_interface
from ..objects import Offer
from ..reading import Incoming
from ..values import Signature
from .peers import INTERFACE, Gone, Peers
from .upstream import BUS_NAME, PROGRAM, Upstream

ERROR = "org.pybus.Error."
"""What pybus's own errors begin with."""

_OF_A_CONNECTION = {
    *("request_name", "release_name", "subscribe", "unsubscribe", "set_will", "clear_will", "monitor", "traffic")
}
"""Methods of the bus that change, or count for, the connection of whoever calls."""

LONGEST_CALL = 3600.0
"""Seconds that a call may take, if its caller wants more."""

Answer = tuple[object, ...]


class Bus1:
    """The methods of org.pybus.Bus1, which `_METHODS` documents. caller: who calls, by its unique name on D-Bus.

    peers: those of the D-Bus connection that there is now. leaving: whether this program is about to end.
    """

    def __init__(self, upstream: Upstream) -> None:
        self.peers: Peers | None = None
        self.leaving = False
        self._upstream = upstream
        self._casting = asyncio.Lock()

    # --- signals ----------------------------------------------------------------------------------

    async def publish(self, caller: str, topic: str, body: object, options: dict[str, object]) -> Answer:
        chosen = _options(options, retain=bool, ephemeral=bool, on_change=bool, clear=bool)
        bus = await self._upstream.ready()
        peer = self._peers.find(caller)
        if chosen.get("ephemeral") or (peer is not None and peer.own_wanted):
            bus = await self._own(caller)
        if not chosen.pop("clear", False):
            await bus.publish(topic, natural(body), confirm=True, **chosen)
        elif any(chosen.values()):
            raise pybus.InvalidArguments("the option clear can't be together with another: it forgets the value")
        else:
            await bus.clear(topic, confirm=True)
        return ()

    async def subscribe(self, caller: str, pattern: str) -> Answer:
        pybus.check_pattern(pattern)
        self._refuse_if_leaving()
        peers = self._peers
        peer = await peers.come(caller)
        subscription = peers.subscribe(peer, pattern)
        if self._upstream.bus is not None:
            subscription.listen(self._upstream.bus)
        if subscription.source is not None and self._upstream.up:
            try:
                await subscription.source
            except pybus.CallError:
                if subscription.number in peer.subscriptions:
                    peers.unsubscribe(peer, subscription.number)
                raise
        asyncio.get_running_loop().call_soon(subscription.open)  # behind the answer
        return (subscription.number,)

    async def unsubscribe(self, caller: str, number: int) -> Answer:
        peer = self._peers.find(caller)
        if peer is None or number not in peer.subscriptions:
            raise pybus.InvalidArguments(f"{caller} has no subscription {number}")
        self._peers.unsubscribe(peer, number)
        return ()

    async def get(self, _caller: str, topic: str) -> Answer:
        return (await (await self._upstream.ready()).get(topic),)

    async def topics(self, _caller: str, pattern: str) -> Answer:
        found = await (await self._upstream.ready()).call(BUS_NAME, "topics", pattern)
        left_out = ("body", "raw")
        shown = [{key: what for key, what in one.items() if key not in left_out and what is not None} for one in found]
        return (shown,)

    # --- calls ------------------------------------------------------------------------------------

    async def call(self, caller: str, name: str, method: str, args: list[object], options: dict[str, object]) -> Answer:
        chosen = _options(options, timeout=_NUMBER, named=dict, no_reply=bool)
        named = natural(chosen.get("named", {}))
        if not all(isinstance(key, str) for key in named):
            raise pybus.InvalidArguments("the keys of the option named must be texts: the names of arguments")
        if name == BUS_NAME and method in _OF_A_CONNECTION:
            text = f"{method} is about its caller's connection, which a program on D-Bus has through Bus1 alone"
            raise pybus.AccessDenied(text)
        await self._upstream.ready()
        try:
            bus = await self._own(caller)
        except Gone:
            await self._cast_for_gone(caller, name, method, natural(args), named)
            return (None,)
        if chosen.get("no_reply"):
            await bus.cast(name, method, *natural(args), **named)
            return (None,)
        if method.startswith("_") or "timeout" not in chosen:
            return (await bus.call(name, method, *natural(args), **named),)
        timeout = min(chosen["timeout"], LONGEST_CALL)
        return (await getattr(bus.proxy(name, timeout=timeout), method)(*natural(args), **named),)

    async def _cast_for_gone(
        self, caller: str, name: str, method: str, args: list[object], named: dict[str, object]
    ) -> None:
        """Make a call of a program that left right behind it, as `dbus-send` does that waits for no answer.

        It has its own connection, for what such a call does may end with its caller. There is one at a time.
        """
        async with self._casting, pybus.aio.connect(program=f"{PROGRAM} {caller}") as bus:
            await bus.cast(name, method, *args, **named)

    async def names(self, _caller: str) -> Answer:
        found = await (await self._upstream.ready()).call(BUS_NAME, "names")
        return ([one["name"] for one in found],)

    async def introspect(self, _caller: str, name: str) -> Answer:
        return (await (await self._upstream.ready()).call(name, "introspect"),)

    # --- what peers hold --------------------------------------------------------------------------

    @property
    def _peers(self) -> Peers:
        assert self.peers is not None  # a call came over the connection whose peers these are
        return self.peers

    def _refuse_if_leaving(self) -> None:
        if self.leaving:
            raise DBusError(f"{ERROR}Shutdown", "this program is ending, as nobody had called for long; call again")

    async def _own(self, caller: str) -> pybus.aio.Bus:
        """The connection to pybus of a peer's own, whose values and calls end with it. Raises `Gone`."""
        self._refuse_if_leaving()
        peers = self._peers
        peer = await peers.come(caller, own_wanted=True)
        async with peer.coming:
            if peer.own is None:
                own = await pybus.aio.connect(program=f"{PROGRAM} {caller}")
                if peers.find(caller) is not peer:
                    await own.close()
                    raise Gone(caller)
                peer.own = own
        return peer.own


def natural(value: Any) -> Any:
    """A value that came over D-Bus as it goes on pybus: the empty signature is None, see `Encoder`'s exact."""
    if isinstance(value, Signature):
        return str(value) or None
    if isinstance(value, list):
        return [natural(one) for one in value]
    if isinstance(value, dict):
        return {natural(key): natural(one) for key, one in value.items()}
    return value


_NUMBER = (int, float)
_NAMED: dict[type | tuple[type, ...], str] = {bool: "a boolean", dict: "a map of text to variant", _NUMBER: "a number"}


def _options(given: dict[str, object], **known: type | tuple[type, ...]) -> dict[str, Any]:
    """The options, each of its type. Raises `InvalidArguments`."""
    for key, value in given.items():
        if key not in known:
            raise pybus.InvalidArguments(f"there is no option {key!r}; there are: {', '.join(known)}")
        if not isinstance(value, known[key]) or (isinstance(value, bool) and known[key] is not bool):
            raise pybus.InvalidArguments(f"the option {key} must be {_NAMED[known[key]]}, not {value!r}")
    return dict(given)


def as_dbus_error(error: pybus.PybusError) -> DBusError:
    """An error of pybus for a caller on D-Bus, under its own name where D-Bus can have that."""
    if isinstance(error, pybus.CallError):
        try:
            return DBusError(check_interface(error.name), error.message)
        except ValueError:
            return DBusError(f"{ERROR}Failed", f"{error.name}: {error.message}")
    if isinstance(error, pybus.InvalidName):
        return DBusError(f"{ERROR}BadName", str(error))
    if isinstance(error, pybus.UsageError):
        return DBusError(f"{ERROR}InvalidArguments", str(error))
    return DBusError(ERROR + type(error).__name__, str(error))


def _translating(method: Callable[..., Awaitable[Answer]]) -> Callable[..., Awaitable[Answer]]:
    @functools.wraps(method)
    async def translated(call: Incoming, *arguments: object) -> Answer:
        try:
            return await method(call.sender, *arguments)
        except pybus.PybusError as error:
            raise as_dbus_error(error) from None

    return translated


def _method(name: str, takes: str, gives: str, doc: str) -> Method:
    return Method(name, arguments(takes), arguments(gives), doc)


_METHODS = (
    _method(
        "Publish",
        "s topic, v body, a{sv} options",
        "",
        "Publish a signal. options: retain (b) keeps it as the topic's value; ephemeral (b) keeps it until the caller "
        "leaves D-Bus; on_change (b), with one of these, sends it only if that changes the value; clear (b) forgets "
        "the value instead.",
    ),
    _method(
        "Subscribe",
        "s pattern",
        "u id",
        "Get a signal Message for each signal on a topic that matches, and first for each kept value, until "
        "Unsubscribe or until the caller leaves D-Bus. In a pattern * is exactly one word, # is any number of words.",
    ),
    _method("Unsubscribe", "u id", "", "End a subscription of the caller."),
    _method("Get", "s topic", "v value", "The kept value of a topic, whose service is started if need be."),
    _method(
        "Topics",
        "s pattern",
        "aa{sv} topics",
        "The kept values that match, without the values: topic (s), sender (s), program (s), age (d, seconds), "
        "ephemeral (b), holder (s, with whose end it is forgotten).",
    ),
    _method(
        "Call",
        "s name, s method, av args, a{sv} options",
        "v result",
        "Call a method of a service on the bus, which is started if need be. To the service the caller is a program of "
        "its own: what the call has it hold ends when the caller leaves D-Bus. options: timeout (d, seconds, at most "
        "3600), named (a{sv}, arguments by name), no_reply (b, do not wait). Errors come under their own names.",
    ),
    _method("Names", "", "as names", "All well-known names on the bus."),
    _method("Introspect", "s name", "a{sv} description", "What a service offers: doc (s), methods (av)."),
)
_SIGNALS = (
    _method(
        "Message",
        "s topic, v body, s sender, a{sv} info",
        "",
        "A signal on the bus, for the subscriber alone. None is the empty signature (g), a point in time its text in "
        "ISO 8601. info: id (u, the subscription), retained (b, a kept value), cleared (b, the kept value was "
        "forgotten), raw (b, the body is no value, and its bytes are here), unsayable (s, why the body is not here).",
    ),
    _method(
        "Missed",
        "u id, a{st} topics",
        "",
        "So many signals on these topics did not get to a subscription, as its program did not read. Sent to the "
        "subscriber alone. # stands for topics that were not told apart.",
    ),
)
_PROPERTIES = (
    Property("Version", "s", "The version of the bus."),
    Property("NumberOfNames", "u", "How many well-known names are on the bus."),
    Property("Up", "b", "Whether the bus is there."),
)
_DOC = "The user's message bus, pybus: signals with topics, kept values, and calls. See pybus(1)."
PROPERTY_OF = {"version": "Version", "names": "NumberOfNames", "up": "Up"}
"""The property for each thing that `Upstream` says has changed."""


def offer(bus1: Bus1, upstream: Upstream) -> Offer:
    """The interface and what stands behind it."""
    methods = {method.name: _translating(getattr(bus1, method.name.lower())) for method in _METHODS}
    properties: dict[str, Callable[[], object]] = {
        "Version": lambda: upstream.version,
        "NumberOfNames": lambda: upstream.names,
        "Up": lambda: upstream.up,
    }
    return Offer(Interface(INTERFACE, _DOC, _METHODS, _PROPERTIES, _SIGNALS), methods, properties)
