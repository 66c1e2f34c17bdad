"""The opening: both sides' first bytes, and who is turned away with which words."""

import pytest

from pybus.errors import ProtocolError
from pybus.protocol.codec import pack
from pybus.protocol.frames import CALL, HELLO, PREAMBLE, WELCOME, FrameReader, frame
from pybus.protocol.handshake import MAX_HELLO, Greeter, Welcome, greeting, welcome


def hello(body: bytes, sender: int = 0) -> bytes:
    return PREAMBLE + frame(HELLO, 0, sender, 0, 0, b"", body)


def refused(data: bytes) -> str:
    with pytest.raises(ProtocolError) as caught:
        Greeter().feed(data)
    return str(caught.value)


def test_a_client_opens_with_these_bytes() -> None:
    assert greeting("ls") == bytes.fromhex(
        "5059425553000001 20000000 01 00 0000 00000000 00000000 00000000 81 a770726f6772616d a26c73"
    )


def test_the_bus_opens_with_these_bytes() -> None:
    assert welcome(7, "ab", "1", 4096) == bytes.fromhex(
        "5059425553000001 37000000 02 00 0000 00000000 07000000 00000000"
        "84 a66e756d626572 07 a3627573 a26162 a776657273696f6e a131 a56672616d65 cd1000"
    )


# --- the bus's side -------------------------------------------------------------------------------


def test_a_greeting_tells_the_program() -> None:
    assert Greeter().feed(greeting("ls")) == "ls"


@pytest.mark.parametrize("body", [{}, {"more": 1}])
def test_a_program_need_not_tell_its_name(body: dict[str, object]) -> None:
    assert Greeter().feed(hello(pack(body))) == ""


def test_a_greeting_may_come_byte_by_byte() -> None:
    greeter = Greeter()
    data = greeting("ls")
    assert [greeter.feed(data[at : at + 1]) for at in range(len(data))] == [None] * (len(data) - 1) + ["ls"]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"PYBUS\x00\x00\x02", "this bus speaks version 1 of the protocol only"),
        (b"PYBUS\x00\x01", "this bus speaks version 1 of the protocol only"),
        (b"GET / HTTP/1.1\r\n", "this is a pybus socket, and the first bytes are HTTP"),
        (b"POST /", "this is a pybus socket, and the first bytes are HTTP"),
        (b"\x16\x03\x01\x02\x00", "this is a pybus socket, and the first bytes are TLS"),
        (b"AMQP\x00\x00\x09\x01", "this is a pybus socket, and the first bytes are AMQP"),
        (b"\x00AUTH EXTERNAL", "this is a pybus socket, and the first bytes are D-Bus"),
        (b"l\x01\x00\x01", "this is a pybus socket, and the first bytes are D-Bus"),
        (b"\x00", "this is a pybus socket, and the first bytes are not PYBUS but b'\\x00'"),
        (b"hello, bus", "this is a pybus socket, and the first bytes are not PYBUS but b'hello, b'"),
        (PREAMBLE + frame(CALL, 0, 0, 0, 1, b"a.b c"), "the first frame is not HELLO"),
        (hello(pack({}), sender=1), "the first frame is not HELLO"),
        (hello(b"\xc1"), "HELLO can't be read: the body is not valid msgpack: FormatError"),
        (hello(pack(["ls"])), "the body of HELLO must be a map, with 'program' as text"),
        (hello(pack({"program": 1})), "the body of HELLO must be a map, with 'program' as text"),
        (greeting("ls") + b"\x00", "frames came before the welcome"),
        (greeting("ls") + frame(CALL, 0, 1, 0, 1, b"a.b c"), "frames came before the welcome"),
        (PREAMBLE + bytes(4) + b"\x01" + bytes(15), "a frame of 0 bytes can't hold its header and key (20 bytes)"),
    ],
)
def test_anything_else_is_refused_with_the_reason(data: bytes, complaint: str) -> None:
    assert refused(data) == complaint


def test_a_greeting_may_be_as_large_as_its_limit() -> None:
    program = "x" * (MAX_HELLO - 20 - 1 - 8 - 3)
    assert len(greeting(program)) == len(PREAMBLE) + MAX_HELLO
    assert Greeter().feed(greeting(program)) == program
    assert refused(greeting(program + "x")) == "a frame of 4097 bytes is over the limit of 4096"


# --- the client's side ----------------------------------------------------------------------------


def welcomed(data: bytes) -> Welcome:
    (run,) = FrameReader(1000).feed(data)
    return Welcome(run)


def test_a_client_learns_its_number_and_about_the_bus() -> None:
    told = welcomed(welcome(7, "ab", "1", 4096)[len(PREAMBLE) :])
    assert (told.number, told.bus, told.version, told.frame) == (7, "ab", "1", 4096)


@pytest.mark.parametrize(
    ("kind", "body", "complaint"),
    [
        (HELLO, pack({}), "the bus's first frame is not a welcome"),
        (WELCOME, pack([]), "the bus's first frame is not a welcome"),
        (WELCOME, pack({}), "the bus's welcome is incomplete"),
        (WELCOME, pack({"number": "7", "bus": "ab", "version": "1", "frame": 1}), "the bus's welcome is incomplete"),
        (WELCOME, pack({"number": 0, "bus": "ab", "version": "1", "frame": 1}), "the bus's welcome is incomplete"),
        (
            WELCOME,
            pack({"number": 1 << 32, "bus": "ab", "version": "1", "frame": 1}),
            "the bus's welcome is incomplete",
        ),
        (
            WELCOME,
            pack({"number": 7, "bus": "ab", "version": "1", "frame": 1 << 63}),
            "the bus's welcome is incomplete",
        ),
        (
            WELCOME,
            b"",
            "the bus's welcome can't be read: the body is not valid msgpack: Unpack failed: incomplete input",
        ),
    ],
)
def test_a_welcome_that_is_none_is_refused(kind: int, body: bytes, complaint: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        welcomed(frame(kind, 0, 0, 7, 0, b"", body))
    assert str(caught.value) == complaint
