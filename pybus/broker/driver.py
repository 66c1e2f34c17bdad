"""The bus's own object, `org.pybus.Bus`: all administration, as method calls.

`Driver` serves the methods listed in `METHODS`, which are described and checked from their Python
signatures like any service's. While one runs, `_caller` and `_serial` are those of the call in hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybus.broker.descriptions import describe_bus, describe_peer, describe_service, owned_by
from pybus.broker.life import STARTING, STOPPING
from pybus.broker.observers import Meter, Monitor
from pybus.broker.peer import Peer, Will
from pybus.broker.queues import methods as queue_methods
from pybus.broker.queues.methods import QueueMethods
from pybus.broker.topics import check_publishable
from pybus.errors import AccessDenied, BodyError, InvalidArguments, LimitExceeded, NameHasNoOwner, NoSuchValue
from pybus.interface import INTROSPECT, Interface, arguments
from pybus.names import (
    BUS_NAME,
    check_destination,
    check_name,
    check_pattern,
    check_topic,
    unique_name,
    unique_number,
)
from pybus.protocol.codec import pack, unpack
from pybus.protocol.frames import CLEAR, RAW, RETAIN, RETAINED, SIGNAL, frame

if TYPE_CHECKING:
    from pybus.broker.broker import Broker
    from pybus.broker.retained import Retained

METHODS = (
    "request_name",
    "release_name",
    "owner",
    "names",
    "subscribe",
    "unsubscribe",
    "get",
    "topics",
    "set_will",
    "clear_will",
    "peers",
    "peer",
    "subscriptions",
    "stats",
    "monitor",
    "traffic",
    "services",
    "service",
    "start_service",
    "stop_service",
    "restart_service",
    "service_log",
    "ping",
)


_QUICK = {"request_name", "release_name", "owner", "get", "set_will", "clear_will", "peer", "service", "ping"}
_QUICK |= queue_methods.QUICK
"""Methods that take a moment. Any other may look at much, so it ends its caller's turn."""


class NotYet(NoSuchValue):
    """No value is retained there, but a service declares the topic and does not run: the answer waits for it."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"no value is retained under {topic} until a service has started")
        self.topic = topic


class Driver:
    """The bus itself: names, subscriptions, retained values, wills, queues, and who is here."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._caller: Peer
        self._serial = 0
        self._queues = QueueMethods(broker)
        functions = {name: getattr(self, name) for name in METHODS}
        self._interface = Interface(type(self).__doc__ or "", {**functions, **self._queues.functions()})

    def call(self, caller: Peer, serial: int, method: bytes, body: bytes) -> bytes:
        """Carry out one call and return its answer's body. Raises `BusError` or `InvalidName` to refuse it.

        `NotYet` is no refusal: the answer is that of `get_now` as soon as there is one.
        """
        self._caller = self._queues.caller = caller
        self._serial = self._queues.serial = serial
        try:
            args, named = arguments(unpack(body))
        except BodyError as error:
            raise InvalidArguments(str(error)) from None
        name = method.decode(errors="replace")
        if name == INTROSPECT:
            return pack(self._interface.describe())
        found = self._interface.method(name)
        if name not in _QUICK:
            self._broker.effort = self._broker.limits.turn
        bound = found.bind(args, named)
        return pack(found.function(*bound.args, **bound.kwargs))

    # --- names ------------------------------------------------------------------------------------

    def request_name(
        self, name: str, allow_replacement: bool = False, replace: bool = False, queue: bool = True
    ) -> str:
        """Claim a well-known name: "owner", "already owner", "queued" or "taken".

        allow_replacement lets another peer take it that asks with replace; queue waits in line.
        """
        caller, registry = self._caller, self._broker.registry
        if check_name(name) == BUS_NAME:
            raise AccessDenied(f"{BUS_NAME} is the bus's own name")
        if name not in caller.names and len(caller.names) >= self._broker.limits.names:
            raise LimitExceeded(f"this connection has {len(caller.names)} names, its limit")
        outcome, change = registry.request(
            name, caller, allow_replacement=allow_replacement, replace=replace, queue=queue
        )
        if outcome == "queued":
            caller.names[name] = None
        elif outcome == "taken":
            caller.names.pop(name, None)
        self._broker.announce(change)
        return outcome

    def release_name(self, name: str) -> str:
        """Give up a name, or the wait for it: "released", "not owner" or "no such name"."""
        outcome, change = self._broker.registry.release(check_name(name), self._caller)
        if outcome == "released":
            self._caller.names.pop(name, None)
        self._broker.announce(change)
        return outcome

    def owner(self, name: str) -> str:
        """The unique name of the one who owns this name."""
        return self._find(name).name

    def names(self) -> list[dict[str, object]]:
        """All well-known names: name, owner, waiting (unique names, next in line first)."""
        registry = self._broker.registry
        found: list[dict[str, object]] = []
        for name in sorted(registry.names()):
            owner = registry.owner(name)
            assert owner is not None
            found.append({"name": name, "owner": owner.name, "waiting": [peer.name for peer in registry.waiting(name)]})
        return found

    # --- signals ----------------------------------------------------------------------------------

    def subscribe(self, patterns: list[str], retained: bool = True) -> None:
        """Get the signals that match one of the patterns, and first the retained values that do."""
        caller, broker = self._caller, self._broker
        new = [pattern for pattern in dict.fromkeys(self._check_patterns(patterns)) if pattern not in caller.patterns]
        if len(caller.patterns) + len(new) > broker.limits.patterns:
            raise LimitExceeded(
                f"this connection has {len(caller.patterns)} of at most {broker.limits.patterns} patterns"
            )
        for pattern in new:
            broker.signals.add(pattern, caller)
            caller.patterns[pattern] = None
            for service in broker.listen(caller, pattern, 1):
                broker.services.need(service.name, f"{self._caller} subscribed to {pattern}", broker.now)
        if retained:
            self._hand_out(patterns)

    def unsubscribe(self, patterns: list[str]) -> None:
        """Stop getting the signals of these patterns; those that were not subscribed to are ignored."""
        caller, broker = self._caller, self._broker
        for pattern in dict.fromkeys(self._check_patterns(patterns)):
            if pattern in caller.patterns:
                broker.signals.remove(pattern, caller)
                del caller.patterns[pattern]
                broker.listen(caller, pattern, -1)

    def _hand_out(self, patterns: list[str]) -> None:
        retained = self._broker.signals.retained
        found = {value.topic: value for pattern in dict.fromkeys(patterns) for value in retained.matching(pattern)}
        for topic, value in sorted(found.items()):
            key = topic.encode()
            if self._caller.full:
                self._caller.offer(b"", 1, key)  # which counts it as missed
                continue
            flags = value.flags | RETAINED
            data = frame(SIGNAL, flags, value.publisher, self._caller.number, self._serial, key, value.body)
            self._caller.offer(data, 1, key)

    def get(self, topic: str) -> dict[str, object]:
        """The retained value of a topic: topic, body (as published), raw, sender, age (seconds), ephemeral, holder.

        ephemeral: whether it is forgotten when its holder's connection ends. holder: that one's unique name, if so;
        the sender is another one where somebody stands in for it. If there is no value, a service that declares
        the topic is started, and the answer waits until there is one, or the service has claimed its name.
        """
        absent = self.ask_services(check_topic(topic), self._caller)
        value = self._broker.signals.retained.get(topic)
        if absent and (value is None or self._is_dying(value)):
            raise NotYet(topic)
        if value is None:
            raise no_value(topic)
        return self._describe(value)

    def get_now(self, topic: str) -> bytes | None:
        """What `get` answers one who waits for it, as a body; None if that has to go on waiting."""
        value = self._broker.signals.retained.get(topic)
        return None if value is None or self._is_dying(value) else pack(self._describe(value))

    def _describe(self, value: Retained) -> dict[str, object]:
        return {
            "topic": value.topic,
            "body": value.body,
            "raw": bool(value.flags & RAW),
            "sender": unique_name(value.publisher),
            "age": self._broker.now - value.since,
            "ephemeral": bool(value.holder),
            "holder": unique_name(value.holder) if value.holder else None,
        }

    def ask_services(self, topic: str, caller: Peer) -> list[str]:
        """Note that the services which declare the topic are in use. Returns those that would have to start first.

        One that asks for its own topic, be it before it has claimed its name, neither uses nor awaits itself.
        """
        broker = self._broker
        absent = []
        for service in broker.services.declaring(topic):
            if self._is_of(service.name, caller):
                continue
            serving = broker.registry.owners.get(service.name.encode())
            if serving is not None:
                serving.called = broker.now
            elif service.calls:
                absent.append(service.name)
        return absent

    def _is_dying(self, value: Retained) -> bool:
        """Whether it is about to be forgotten, as it is held by a service that was told to end."""
        holder = self._broker.peers.get(value.holder)
        if holder is None:
            return False
        services = self._broker.services
        declaring = [one.name for one in services.declaring(value.topic) if one.calls]
        return any(services.find(name).state == STOPPING and self._is_of(name, holder) for name in declaring)

    def _is_of(self, service: str, peer: Peer) -> bool:
        """Whether a connection is a service's own, be it before the service has claimed its name."""
        life, pid = self._broker.services.find(service), peer.credentials.pid
        if self._broker.registry.owner(service) is peer or (life.pid and life.pid == pid):
            return True
        return life.state in (STARTING, STOPPING) and self._broker.services.belongs(service, pid)

    def topics(self, pattern: str = "#") -> list[dict[str, object]]:
        """The retained topics that match, each as `get` has it, and program (None if gone)."""
        values = sorted(self._broker.signals.retained.matching(check_pattern(pattern)), key=lambda value: value.topic)
        found = []
        for value in values:
            publisher = self._broker.peers.get(value.publisher)
            program = publisher.credentials.program if publisher is not None else None
            found.append({**self._describe(value), "program": program})
        return found

    def set_will(self, topic: str, body: bytes, raw: bool = False, retain: bool = False, clear: bool = False) -> None:
        """Leave a signal that the bus publishes if this connection ends without a goodbye.

        clear: it makes the bus forget the topic's retained value.
        """
        check_publishable(topic)
        if len(body) > self._broker.limits.retained_value:
            raise LimitExceeded(f"the will has {len(body)} bytes; the limit is {self._broker.limits.retained_value}")
        flags = (RAW if raw else 0) | (RETAIN if retain else 0) | (CLEAR if clear else 0)
        self._caller.will = Will(topic, flags, body)

    def clear_will(self) -> None:
        """Take the will back."""
        self._caller.will = None

    # --- who is here ------------------------------------------------------------------------------

    def peers(self) -> list[dict[str, object]]:
        """All connections, in the order in which they came; each as `peer` has it."""
        return [describe_peer(self._broker, peer) for peer in self._broker.peers.values()]

    def peer(self, name: str) -> dict[str, object]:
        """One connection: who it is, what it holds, and its counters. Times in seconds, queued in bytes."""
        return describe_peer(self._broker, self._find(name))

    def stats(self) -> dict[str, object]:
        """The bus in numbers: uptime (seconds), what there is, and frames since it started."""
        return describe_bus(self._broker)

    # --- what passes ------------------------------------------------------------------------------

    def subscriptions(self) -> list[dict[str, object]]:
        """Who subscribes to what: name, names, program, pid, patterns."""
        return [
            {
                "name": peer.name,
                "names": owned_by(self._broker, peer),
                "program": peer.credentials.program,
                "pid": peer.credentials.pid,
                "patterns": list(peer.patterns),
            }
            for peer in self._broker.peers.values()
            if peer.patterns
        ]

    def monitor(self, patterns: list[str] | None = None, calls: bool = True, messages: bool = True) -> None:
        """Send the caller a record of all that passes, as signals to `bus.monitor`.

        patterns: of the signals to show, all if left out; calls: show calls, answers and errors; messages: show
        what becomes of messages of queues. Once more replaces it.
        """
        wanted = dict.fromkeys(self._check_patterns(["#", "bus.#"] if patterns is None else patterns))
        for observer in [one for one in self._broker.observers if one.peer is self._caller]:
            if isinstance(observer, Monitor):
                self._broker.ignore(observer)
        self._broker.observe(Monitor(self._broker, self._caller, tuple(wanted), calls=calls, messages=messages))

    def traffic(self) -> dict[str, object]:
        """What passed by topic and by method since the caller asked first: seconds, topics, methods."""
        for observer in self._broker.observers:
            if isinstance(observer, Meter) and observer.peer is self._caller:
                return observer.describe()
        meter = Meter(self._broker, self._caller)
        self._broker.observe(meter)
        return meter.describe()

    # --- services that start when needed ------------------------------------------------------------

    def services(self) -> list[dict[str, object]]:
        """All services that have a file, by name; each as `service` has it."""
        return [describe_service(self._broker, life) for life in self._broker.services.all()]

    def service(self, name: str) -> dict[str, object]:
        """One service: what its file says, its state, its process, how the last one ended, who listens.

        listeners: how many patterns of others ask for its topics.
        """
        return describe_service(self._broker, self._broker.services.find(name))

    def start_service(self, name: str) -> str:
        """Start a service, even one that was given up; its state. What becomes of it is on `bus.service.NAME`."""
        self._broker.services.start(name, f"{self._caller} asked for it", self._broker.now)
        return self._broker.services.find(name).state

    def stop_service(self, name: str) -> str:
        """End a service; its state. Those who wait for it get an error."""
        self._broker.stop_service(name)
        return self._broker.services.find(name).state

    def restart_service(self, name: str) -> str:
        """End a service if it runs, and start it; its state."""
        self._broker.services.restart(name, f"{self._caller} asked for it", self._broker.now)
        return self._broker.services.find(name).state

    def service_log(self, name: str) -> list[str]:
        """The lines that a service wrote lately, oldest first."""
        self._broker.services.find(name)
        return self._broker.services.output(name)

    def ping(self) -> None:
        """Answer, and nothing else."""

    def _find(self, name: str) -> Peer:
        check_destination(name)
        number = unique_number(name)
        found = self._broker.registry.owner(name) if number is None else self._broker.peers.get(number)
        if found is None:
            raise NameHasNoOwner(f"nobody owns the name {name}")
        return found

    def _check_patterns(self, patterns: list[str]) -> list[str]:
        most = self._broker.limits.patterns
        if len(patterns) > most:
            raise LimitExceeded(f"{len(patterns)} patterns in one call; a connection may have {most}")
        for pattern in patterns:
            if not isinstance(pattern, str):
                raise InvalidArguments(f"patterns must be text, and {pattern!r} is not")
            check_pattern(pattern)
        return patterns


def no_value(topic: str) -> NoSuchValue:
    """What `get` is refused with."""
    return NoSuchValue(f"no value is retained under {topic}")
