"""The D-Bus peers that hold something here: subscriptions, and values and calls that are to end with them."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import pybus

from ..bus import Bus, DBusError
from ..watches import DBUS, DBUS_PATH, Signal, Watch
from .messages import SIGNATURE, Message, message_of
from .outgoing import MOST_MISSED_TOPICS, Outgoing, Pump

PATH = "/org/pybus/Bus"
INTERFACE = "org.pybus.Bus1"

MOST_SUBSCRIPTIONS = 1024
"""Subscriptions of one peer. All peers together may have 16384, the patterns of a connection to pybus."""

_PAUSE = 0.1
"""Seconds until a bus is asked again that had no room for the question."""

_PEER = "org.freedesktop.DBus.Peer"
_NO_REPLY = "org.freedesktop.DBus.Error.NoReply"
_GONE = {f"org.freedesktop.DBus.Error.{name}" for name in ("ServiceUnknown", "NameHasNoOwner")}

_log = logging.getLogger("pybus.dbus")


class Gone(DBusError):
    """A peer has left D-Bus."""

    def __init__(self, name: str) -> None:
        super().__init__("org.freedesktop.DBus.Error.NameHasNoOwner", f"{name} has gone")


class Subscription:
    """What a peer wants to hear. Signals wait until `open`, so that none comes before the peer knows the number."""

    def __init__(self, number: int, pattern: str, peer: "Peer") -> None:
        self.number = number
        self.pattern = pattern
        self.source: pybus.aio.Subscription | None = None
        self._peer = peer
        self._early: list[pybus.Signal] | None = []
        self._missed: dict[str, int] = {}

    def listen(self, bus: pybus.aio.Bus) -> None:
        """Get signals over this connection."""
        self.source = bus.on(self.pattern, self._hear)

    def open(self) -> None:
        """The peer knows of it.

        What came before the kept values came as others listen to the same topics: it is older than the subscription.
        """
        early, self._early = self._early or [], None
        kept = next((at for at, signal in enumerate(early) if signal.retained), 0)
        for signal in early[kept:]:
            self._hear(signal)
        self.tell_missed()

    def miss(self, topic: str, count: int) -> None:
        """Signals were lost, which the peer is told when there is room."""
        if topic not in self._missed and len(self._missed) >= MOST_MISSED_TOPICS:
            topic = "#"
        self._missed[topic] = self._missed.get(topic, 0) + count

    def tell_missed(self) -> None:
        """Let the peer know what it has missed until now."""
        if self._missed and self._early is None:
            missed, self._missed = self._missed, {}
            self._peer.outgoing.put(0, (self, missed))

    def _hear(self, signal: pybus.Signal) -> None:
        if self._early is not None:
            self._early.append(signal)
        elif self._peer.outgoing.full:
            self.miss(signal.topic, 1)
        else:
            self.tell_missed()
            self._peer.outgoing.put(signal.size, (self, message_of(signal)))

    def send(self, what: Message | dict[str, int]) -> int:
        """Send a message, or what was missed; returns the bytes."""
        if isinstance(what, dict):
            return self._peer.emit_missed(self.number, what)
        return self._peer.emit_message(what.body_for(self.number))


class Peer:
    """A D-Bus peer. name: its unique name on D-Bus.

    own: a connection to pybus of its own, if it has one. own_wanted: whether it is to have one. coming: held while
    it is made known to the bus of D-Bus, or to pybus, so that its calls go on in their order.
    """

    def __init__(self, name: str, bus: Bus, pump: Pump) -> None:
        self.name = name
        self.bus = bus
        self.subscriptions: dict[int, Subscription] = {}
        self.outgoing: Outgoing[tuple[Subscription, Message | dict[str, int]]]
        self.outgoing = Outgoing(self._send, self._ping, pump.ready, self._tell_missed)
        self.own: pybus.aio.Bus | None = None
        self.own_wanted = False
        self.coming = asyncio.Lock()
        self.watch: Watch | None = None

    @property
    def holds_something(self) -> bool:
        return bool(self.subscriptions) or self.own_wanted

    def emit_message(self, body: bytes) -> int:
        """Send a Message to this peer alone; returns its bytes."""
        return self.bus.emit_encoded(PATH, INTERFACE, "Message", SIGNATURE, body, self.name)

    def emit_missed(self, number: int, topics: dict[str, int]) -> int:
        """The same with Missed."""
        return self.bus.emit(PATH, INTERFACE, "Missed", "ua{st}", (number, topics), self.name)

    def _send(self, message: tuple[Subscription, Message | dict[str, int]]) -> int:
        subscription, what = message
        return subscription.send(what) if subscription.number in self.subscriptions else 0

    def _tell_missed(self) -> None:
        for subscription in self.subscriptions.values():
            subscription.tell_missed()

    async def _ping(self) -> bool:
        """Whether it has read what it was sent; False if it has gone, or the bus. It has all the time that it wants."""
        while True:
            try:
                await self.bus.call(self.name, "/", _PEER, "Ping", timeout=None, autostart=False)
            except DBusError as error:
                if error.name in _GONE:
                    return False
                if error.name == _NO_REPLY:  # a bus may have a limit of its own
                    continue
            except ConnectionError:
                if self.bus.ended:
                    return False
                await asyncio.sleep(_PAUSE)  # the bus itself does not read
                continue
            return True


class Peers:
    """Those of one D-Bus connection. none_holds: set while there are none."""

    def __init__(self, bus: Bus) -> None:
        self.none_holds = asyncio.Event()
        self.none_holds.set()
        self._bus = bus
        self._pump = Pump()
        self._peers: dict[str, Peer] = {}
        self._last = 0

    def subscriptions(self) -> Iterator[Subscription]:
        for peer in self._peers.values():
            yield from peer.subscriptions.values()

    def find(self, name: str) -> Peer | None:
        return self._peers.get(name)

    async def come(self, name: str, own_wanted: bool = False) -> Peer:
        """The peer of this unique name, to hold something until it leaves. Raises `Gone`, `DBusError`, `OSError`."""
        while True:
            peer = self._peers.get(name)
            if peer is None:
                peer = self._peers[name] = Peer(name, self._bus, self._pump)
                self.none_holds.clear()
            peer.own_wanted |= own_wanted
            async with peer.coming:
                if peer.watch is None and self._peers.get(name) is peer:
                    await self._watch(peer)
            if self._peers.get(name) is peer:  # else another call of it has failed meanwhile, and it has left
                return peer

    async def _watch(self, peer: Peer) -> None:
        """Get to know when it leaves."""
        rule = {"path": DBUS_PATH, "interface": DBUS, "member": "NameOwnerChanged", "arg0": peer.name}
        try:
            peer.watch = await self._bus.watch(self._note_owner, sender=DBUS, **rule)
            if not await self._bus.owner(peer.name):  # it has gone before anybody watched
                raise Gone(peer.name)
        except BaseException:
            self._leave(peer)
            raise

    def subscribe(self, peer: Peer, pattern: str) -> Subscription:
        """A new subscription, which hears nothing yet. Raises `DBusError`."""
        if len(peer.subscriptions) >= MOST_SUBSCRIPTIONS:
            text = f"{peer.name} has {MOST_SUBSCRIPTIONS} subscriptions, as many as one may have"
            raise DBusError("org.pybus.Error.LimitExceeded", text)
        self._last += 1
        subscription = peer.subscriptions[self._last] = Subscription(self._last, pattern, peer)
        return subscription

    def unsubscribe(self, peer: Peer, number: int) -> None:
        """No more of this subscription. Raises `KeyError`."""
        _close(peer.subscriptions.pop(number))
        self.forget_idle(peer)

    def forget_idle(self, peer: Peer) -> None:
        """Don't watch a peer that holds nothing any more."""
        if not peer.holds_something and self._peers.get(peer.name) is peer:
            self._leave(peer)

    def close(self) -> None:
        """The D-Bus connection has ended, and all of them with it."""
        self._pump.close()
        for peer in list(self._peers.values()):
            self._leave(peer)

    def miss(self, topics: dict[str, int]) -> None:
        """Pybus dropped signals, as this program was too slow."""
        for subscription in self.subscriptions():
            for topic, count in topics.items():
                if topic == "#" or pybus.matches(subscription.pattern, topic):
                    subscription.miss(topic, count)
            subscription.tell_missed()

    def _note_owner(self, signal: Signal) -> None:
        name, _, owner = signal.body
        peer = self._peers.get(name)
        if peer is not None and not owner:
            self._leave(peer)

    def _leave(self, peer: Peer) -> None:
        if peer.watch is not None:
            self._bus.unwatch(peer.watch)
        if self._peers.get(peer.name) is not peer:
            return
        del self._peers[peer.name]
        if not self._peers:
            self.none_holds.set()
        peer.outgoing.close()
        for subscription in peer.subscriptions.values():
            _close(subscription)
        peer.subscriptions.clear()
        if peer.own is not None:
            own, peer.own = peer.own, None
            _start(own.close())


_closing: set[asyncio.Task[Any]] = set()


def _close(subscription: Subscription) -> None:
    if subscription.source is not None:
        _start(subscription.source.close())


def _start(work: Any) -> None:
    """Let something happen which nobody waits for, and which may fail with the connection."""

    async def carry_out() -> None:
        with contextlib.suppress(pybus.PybusError):
            await work

    task = asyncio.ensure_future(carry_out())
    _closing.add(task)
    task.add_done_callback(_closing.discard)
