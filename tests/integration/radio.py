"""A program on D-Bus that does what it is told: `python radio.py ADDRESS`, then a JSON list a line; each is answered.

With a name behind the address it owns that, and is not told anything, as when the bus starts it.

It has the property Station of org.example.Radio at /org/example/Radio, and can be asked with
GetStation, too. It does what no library lets it: it floods, it keeps silent, and tells what is not so.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from typing import Any

from dbus_next.constants import MessageFlag, MessageType
from dbus_next.message import Message
from dbus_next.signature import Variant

from pybus_services.dbus.bus import types_of
from pybus_services.dbus.reading import CALL, RETURN, Incoming, read

PATH = "/org/example/Radio"
INTERFACE = "org.example.Radio"
PROPERTIES = "org.freedesktop.DBus.Properties"
DBUS = "org.freedesktop.DBus"


class Radio:
    """The program. asked: how often it was asked for its station."""

    def __init__(self, path: str) -> None:
        self.asked = 0
        self._station: object = "news"
        self._mute = False
        self._serial = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._socket.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        assert self._socket.recv(4096).startswith(b"OK")
        self._socket.sendall(b"BEGIN\r\n")
        self._bus("Hello")

    # --- what it can be told ------------------------------------------------------------------------

    def own(self, name: str) -> None:
        """Own a name in anybody's place, and let others take it, until they are gone."""
        assert self._bus("RequestName", "su", name, 1 | 2) == [1]

    def release(self, name: str) -> None:
        self._bus("ReleaseName", "s", name)

    def set(self, station: object) -> None:
        """Have another station, and tell nobody."""
        self._station = station

    def tell(self, station: object, path: str = PATH) -> None:
        """Have another station, and tell it."""
        self._station = station
        self._emit(path, [INTERFACE, {"Station": _variant(station)}, []])

    def invalidate(self, path: str = PATH) -> None:
        """Tell that there is another one, and not which."""
        self._emit(path, [INTERFACE, {}, ["Station"]])

    def flood(self, number: int) -> None:
        """Change the station so often, from "0" on."""
        for station in range(number):
            self.tell(str(station))

    def emit(self, member: str, signature: str, args: list[Any], path: str = PATH, interface: str = INTERFACE) -> None:
        self._send(
            message_type=MessageType.SIGNAL,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=args,
        )

    def mute(self, mute: bool) -> None:
        """Answer nobody."""
        self._mute = mute

    def count(self) -> int:
        """How often it was asked since the last time."""
        asked, self.asked = self.asked, 0
        return asked

    # --- the connection -----------------------------------------------------------------------------

    def serve(self) -> None:
        """Do what comes on standard input, until that ends, and answer calls."""
        commands = open(0, "rb", buffering=0)  # noqa: SIM115 - what a buffer has read select doesn't see
        while True:
            ready, _, _ = select.select([self._socket.fileno(), commands.fileno()], [], [])
            if self._socket.fileno() in ready:
                self._take(self._read())
            else:
                line = commands.readline()
                if not line:
                    return
                method, *args = json.loads(line)
                print(json.dumps(getattr(self, method)(*args)), flush=True)

    def answer(self) -> None:
        """Answer calls for ever."""
        while True:
            self._take(self._read())

    def _take(self, message: Incoming) -> None:
        if message.kind == CALL and message.member in ("Get", "GetStation"):
            self.asked += 1
            if not self._mute:
                signature = "v" if message.member == "Get" else _variant(self._station).signature
                value = _variant(self._station) if message.member == "Get" else self._station
                self._send(
                    message_type=MessageType.METHOD_RETURN,
                    destination=message.sender,
                    reply_serial=message.serial,
                    signature=signature,
                    body=[value],
                )

    def _emit(self, path: str, body: list[Any]) -> None:
        self.emit("PropertiesChanged", "sa{sv}as", body, path, PROPERTIES)

    def _bus(self, member: str, signature: str = "", *body: object) -> Any:
        """Call the bus, and take what comes before its answer."""
        serial = self._send(
            destination=DBUS,
            path="/org/freedesktop/DBus",
            interface=DBUS,
            member=member,
            signature=signature,
            body=list(body),
        )
        while True:
            message = self._read()
            if message.kind == RETURN and message.reply_to == serial:
                return message.body
            self._take(message)

    def _send(self, **fields: Any) -> int:
        self._serial += 1
        flags = MessageFlag.NONE if "member" in fields and "destination" in fields else MessageFlag.NO_REPLY_EXPECTED
        message = Message(serial=self._serial, flags=flags, **fields)
        self._socket.sendall(bytes(message._marshall()))  # type: ignore[no-untyped-call]
        return self._serial

    def _read(self) -> Incoming:
        head = self._socket.recv(16, socket.MSG_WAITALL)
        if len(head) < 16:
            sys.exit("the bus has ended the connection")
        body, fields = (int.from_bytes(head[at : at + 4], "little") for at in (4, 12))
        rest = self._socket.recv((fields + 7) // 8 * 8 + body, socket.MSG_WAITALL)
        return read(head + rest, types_of)


def _variant(value: object) -> Variant:
    return Variant({bool: "b", str: "s", int: "i"}[type(value)], value)


if __name__ == "__main__":
    radio = Radio(sys.argv[1].removeprefix("unix:path="))
    if sys.argv[2:]:
        radio.own(sys.argv[2])
        radio.answer()
    else:
        print(json.dumps("ready"), flush=True)
        radio.serve()
