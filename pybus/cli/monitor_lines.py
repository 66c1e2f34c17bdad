"""What `pybus monitor` shows, as lines: for people, for a pipe, and as JSON."""

from __future__ import annotations

import shutil
from datetime import datetime
from time import monotonic, time
from typing import NamedTuple

from pybus.cli.directory import Directory
from pybus.cli.text import paint, plain, safe, to_json
from pybus.cli.traffic import Piece, Routing
from pybus.protocol.codec import unpack_or_keep
from pybus.protocol.frames import CLEAR, NO_REPLY, PERSISTENT, REDELIVERED, RETAIN

SETTLED = ("ack", "nack", "reject")

_SHOWN_RECEIVERS = 3
_LEAST_VALUE = 20
"""Columns that a value gets even on a narrow terminal."""


class Message(NamedTuple):
    """One message. topic: of a signal, or of the signal that the bus refuses.

    place: the exchange and the routing key of a message of a queue, or of one that the bus refuses; the exchange is
    None for one that died and goes nowhere. call: name and method of a call, or of the call that is answered. All
    three are None for the answer to a call from before the monitor began. seconds: from the call to its answer, or
    since the message came into its queue. size: bytes.
    """

    piece: Piece
    topic: str | None
    place: tuple[str | None, str] | None
    call: tuple[str, str] | None
    seconds: float | None
    body: bytes
    size: int

    @property
    def value(self) -> object:
        return None if self.piece.kind in SETTLED else unpack_or_keep(self.piece.flags, self.body)

    @property
    def about(self) -> str:
        """The topic, NAME.METHOD, or the routing key, of which the exchange is part of the way."""
        if self.topic is not None:
            return safe(self.topic)
        if self.place is not None:
            return safe(self.place[1])
        return safe(".".join(self.call)) if self.call is not None else "(an earlier call)"


# --- for programs -------------------------------------------------------------------------------------


def as_json(message: Message, directory: Directory) -> str:
    """The message for programs. Connections come as JSON text already, as making it takes longer than all the rest."""
    piece = message.piece
    fields = {
        "time": f'"{_when(piece).isoformat(timespec="microseconds")}"',
        "kind": f'"{piece.kind}"',
        "sender": directory.who(piece.sender).json,
        "receivers": _json_of(piece.receivers, directory),
        "missed": _json_of(piece.missed, directory),
    }
    if message.topic is not None:
        fields["topic"] = to_json(message.topic)
    elif message.place is not None:
        fields["exchange"], fields["key"] = map(to_json, message.place)
    else:
        fields["name"], fields["method"] = map(to_json, message.call or (None, None))
    fields["body"] = to_json(message.value)
    if piece.kind == "signal":
        fields["retain"] = "true" if piece.flags & RETAIN else "false"
        fields["ephemeral"] = "true" if piece.ephemeral else "false"
        fields["cleared"] = "true" if piece.flags & CLEAR else "false"
        fields["queues"] = to_json(piece.queues)
    elif piece.kind == "call":
        fields["reply"] = "false" if piece.flags & NO_REPLY else "true"
    else:
        fields["ms"] = "null" if message.seconds is None else f"{message.seconds * 1000:.3f}"
    if piece.routing is not None:
        fields |= _json_of_routing(piece, piece.routing)
    fields["size"], fields["serial"] = str(message.size), str(piece.serial)
    return "{" + ", ".join([f'"{name}": {text}' for name, text in fields.items()]) + "}"


def _json_of(numbers: list[int], directory: Directory) -> str:
    return f"[{', '.join([directory.who(number).json for number in numbers])}]"


def _json_of_routing(piece: Piece, routing: Routing) -> dict[str, str]:
    fields: dict[str, object] = {"queues": piece.queues, "queue": routing.queue, "service": routing.service}
    fields |= {"consumer": routing.consumer, "reason": routing.reason or None, "properties": routing.properties}
    flags = {"persistent": bool(piece.flags & PERSISTENT), "redelivered": bool(piece.flags & REDELIVERED)}
    return {name: to_json(value) for name, value in {**fields, **flags}.items()}


def as_columns(message: Message, directory: Directory) -> str:
    """The message for a pipe, tabs between: time, kind, from, to, topic, method or key, value, bytes, ms.

    From whom and to whom are connections, and for messages of queues exchanges and queues as well.
    """
    piece = message.piece
    took = "" if message.seconds is None else f"{message.seconds * 1000:.3f}"
    begin, *rest = _way(message, directory, len(piece.receivers))
    cells = [_clock(piece), piece.kind, begin, " → ".join(rest), message.about]
    return "\t".join([*cells, _value(message), str(message.size), took])


# --- for people ---------------------------------------------------------------------------------------


def as_text(message: Message, directory: Directory) -> str:
    """The message for a person.

    If it does not fit on the line, it goes without the programs' names, and then its value is cut. An
    error is always shown whole.
    """
    piece = message.piece
    about = message.about
    gap = "" if piece.kind == "call" else " "
    took = "" if message.seconds is None else f", {message.seconds * 1000:.1f} ms"
    end = f"  {message.size} B{took}"
    value = _value(message)
    columns = shutil.get_terminal_size().columns - len(f"{_clock(piece)}  {piece.kind:<7}    {about}{gap}{end}")
    way = " → ".join(_way(message, directory, _SHOWN_RECEIVERS))
    if len(way + value) > columns:
        way = " → ".join(_way(message, directory, _SHOWN_RECEIVERS, short=True))
    room = max(columns - len(way), _LEAST_VALUE)
    if len(value) > room and piece.kind != "error":
        value = value[: room - 1] + "…"
    kind = paint(f"{piece.kind:<7}", "title" if piece.kind in ("error", "return") or piece.missed else "dim")
    return f"{_clock(piece)}  {kind}  {way}  {paint(about, 'topic')}{gap}{value}{paint(end, 'dim')}"


# --- who, where and what --------------------------------------------------------------------------------


def _way(message: Message, directory: Directory, most: int, *, short: bool = False) -> list[str]:
    """From whom to whom, by which exchange. most: receivers that are named. short: without their programs."""
    piece, routing = message.piece, message.piece.routing
    who = directory.who(piece.sender)
    sender, receivers = who.short if short else who.label, _receivers(piece, directory, most, short=short)
    if routing is None:
        return [sender, receivers]
    exchange = [f"exchange {safe(routing.exchange)}"] if routing.exchange else []
    queue = f"queue {safe(routing.queue or '')}"
    if piece.kind == "deliver":
        return [queue, receivers]
    if piece.kind in SETTLED:
        return [sender, queue]
    if piece.kind == "return":
        return [*(exchange or ["exchange (default)"]), receivers]
    return [queue if piece.kind == "died" else sender, *exchange, receivers]


def _receivers(piece: Piece, directory: Directory, most: int, *, short: bool = False) -> str:
    """Who got it, queues and a service among them, and who should have and did not."""

    def people(numbers: list[int]) -> list[str]:
        if len(numbers) > most:
            return [f"{len(numbers)} receivers"]
        found = [directory.who(number) for number in numbers]
        return [one.short if short else one.label for one in found]

    got = people([number for number in piece.receivers if number not in piece.missed])
    got += [f"queue {safe(name)}" for name in piece.queues[:_SHOWN_RECEIVERS]]
    if len(piece.queues) > _SHOWN_RECEIVERS:
        got.append(f"{len(piece.queues) - _SHOWN_RECEIVERS} more queues")
    if piece.routing is not None and piece.routing.service is not None:
        got.append(f"service {safe(piece.routing.service)}")
    shown = ", ".join(got) or "nobody"
    return f"{shown}; missed by {', '.join(people(piece.missed))}" if piece.missed else shown


def _value(message: Message) -> str:
    kind, flags, routing = message.piece.kind, message.piece.flags, message.piece.routing
    if routing is not None:
        return _value_of_message(message, routing)
    if kind == "signal":
        if flags & CLEAR:
            return "(cleared)"
        kept = " (retained, ephemeral)" if message.piece.ephemeral else " (retained)" if flags & RETAIN else ""
        return plain(message.value) + kept
    match kind, message.value:
        case "call", [list(args), dict(named)]:
            shown = [to_json(one) for one in args] + [f"{plain(key)}={to_json(one)}" for key, one in named.items()]
            return f"({', '.join(shown)})"
        case "error", [str(name), str(text)]:
            return safe(f"{text or name} ({name.removeprefix('org.pybus.Error.')})")
        case _, value:
            return to_json(value)


def _value_of_message(message: Message, routing: Routing) -> str:
    flags = message.piece.flags
    words = ["persistent"] * bool(flags & PERSISTENT) + ["redelivered"] * bool(flags & REDELIVERED)
    words += [safe(routing.reason)] if routing.reason else []
    marks = f"({', '.join(words)})" if words else ""
    if message.piece.kind in SETTLED:
        return marks
    headers = to_json(routing.properties["headers"]) if routing.properties.get("headers") else ""
    return " ".join([one for one in (plain(message.value), headers, marks) if one])


def _when(piece: Piece) -> datetime:
    return datetime.fromtimestamp(time() - monotonic() + piece.at).astimezone()


def _clock(piece: Piece) -> str:
    return _when(piece).strftime("%H:%M:%S.%f")[:-3]
