"""The opening of a connection, for both sides (section 2 of the specification).

`greeting` and `Welcome.parse` are the client's part, `Greeter` is the bus's. Neither does I/O.
"""

from pybus.errors import BodyError, ProtocolError
from pybus.protocol.codec import pack, unpack, unpack_map
from pybus.protocol.frames import BUS, HELLO, PREAMBLE, WELCOME, FrameReader, Run, body_of, frame

_PROGRAM = b"\x81\xa7program"
"""A map with one key, whose value follows."""

MAX_HELLO = 4096
"""A greeting is small; a peer that is not welcome yet gets no more room than this."""

_NO_NUMBER = 1 << 32
"""The first number that a frame has no room for."""

_OTHERS = (
    (b"GET ", "HTTP"),
    (b"POST ", "HTTP"),
    (b"\x16\x03", "TLS"),
    (b"AMQP", "AMQP"),
    (b"\x00AUTH", "D-Bus"),
    (b"l\x01", "D-Bus"),
)


def greeting(program: str) -> bytes:
    """What a client writes first. program: its name, for people to read."""
    return PREAMBLE + frame(HELLO, 0, 0, 0, 0, b"", _PROGRAM + pack(program))


def welcome(number: int, bus: str, version: str, most: int) -> bytes:
    """What the bus writes to a client that it accepts."""
    body = pack({"number": number, "bus": bus, "version": version, "frame": most})
    return PREAMBLE + frame(WELCOME, 0, BUS, number, 0, b"", body)


class Welcome:
    """What a client learns from WELCOME.

    number: its own number. bus: the daemon's identity. version: the daemon's version.
    frame: the largest frame that the bus takes, bytes.
    """

    __slots__ = ("bus", "frame", "number", "version")

    def __init__(self, run: Run) -> None:
        """Raises `ProtocolError` if the run is not a well-formed WELCOME."""
        try:
            body = unpack_map(body_of(run))
        except BodyError as error:
            raise ProtocolError(f"the bus's welcome can't be read: {error}") from None
        if run[0] != WELCOME or not isinstance(body, dict):
            raise ProtocolError("the bus's first frame is not a welcome")
        match body:
            case {"number": int(number), "bus": str(bus), "version": str(version), "frame": int(most)} if (
                0 < number < _NO_NUMBER and 0 < most < _NO_NUMBER
            ):
                self.number = number
                self.bus = bus
                self.version = version
                self.frame = most
            case _:
                raise ProtocolError("the bus's welcome is incomplete")


class Greeter:
    """The bus's side: takes a connection's first bytes until its greeting is complete.

    A client sends nothing after its greeting before it is welcome, as it does not know its number;
    so whatever follows is a violation, and no bytes have to be handed over.
    """

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> str | None:
        """Take bytes. Returns None while more are needed, then the program's name ("" if not told).

        Raises `ProtocolError` if this is no greeting; the message names the protocol that it seems
        to be.
        """
        self._data += data
        got = self._data[: len(PREAMBLE)]
        if not PREAMBLE.startswith(got):
            raise ProtocolError(_foreign(self._data))
        reader = FrameReader(MAX_HELLO)
        runs = reader.feed(self._data[len(PREAMBLE) :])
        if reader.failure is not None:
            raise reader.failure
        if not runs:
            return None
        if len(runs) > 1 or reader.partial:
            raise ProtocolError("frames came before the welcome")
        return _program(runs[0])


def _program(run: Run) -> str:
    if run[0] != HELLO or run[2] != 0:
        raise ProtocolError("the first frame is not HELLO")
    try:
        body = unpack(body_of(run))
    except BodyError as error:
        raise ProtocolError(f"HELLO can't be read: {error}") from None
    program = body.get("program", "") if isinstance(body, dict) else None
    if not isinstance(program, str):
        raise ProtocolError("the body of HELLO must be a map, with 'program' as text")
    return program


def _foreign(data: bytes) -> str:
    if data.startswith(PREAMBLE[:6]):
        return f"this bus speaks version {PREAMBLE[-1]} of the protocol only"
    for start, protocol in _OTHERS:
        if data.startswith(start):
            return f"this is a pybus socket, and the first bytes are {protocol}"
    return f"this is a pybus socket, and the first bytes are not PYBUS but {data[:8]!r}"
