"""Values that a program's connection holds: their bytes, and how they come back with it."""

from __future__ import annotations

import pytest

import pybus
from pybus.client.cause import cause
from pybus.client.core import Core
from pybus.client.pending import Pending
from pybus.protocol.codec import pack
from pybus.protocol.frames import (
    CALL,
    CAUSED,
    CLEAR,
    EPHEMERAL,
    ERROR,
    ON_CHANGE,
    RAW,
    RETAIN,
    SIGNAL,
    caused_target,
    frame,
    key_of,
)
from pybus.protocol.handshake import welcome
from tests.daemon import PATIENCE, BusDaemon

AC = "hal.power.ac"


def publish(core: Core, topic: str, body: object, **options: bool) -> Pending | None:
    """Publish, as a face does."""
    usual = {"retain": False, "ephemeral": False, "confirm": False, "on_change": False}
    return core.publish(topic, body, **{**usual, **options})


def connect(core: Core, number: int, bus: str = "one") -> list[bytes]:
    """A connection to the bus of that identity begins; the frames that the program then sends, their serials as 0."""
    core.open()
    core.receive(welcome(number, bus, "1.2.3", 65536))
    return [one[:16] + bytes(4) + one[20:] for one in core.output.take_all()]


def connected() -> Core:
    """A program on the bus `one`, as number 7."""
    core = Core("program")
    assert connect(core, 7) == []
    return core


def state(
    number: int, topic: str, body: object, flags: int = RETAIN, target: int = EPHEMERAL, serial: int = 0
) -> bytes:
    return frame(SIGNAL, flags, number, target, serial, topic.encode(), pack(body))


def cut(core: Core) -> None:
    """The connection ends after all has been written."""
    core.output.take_all()
    core.disconnected(pybus.ConnectionLost(""))


# --- the wire -----------------------------------------------------------------------------------------


def test_the_bytes() -> None:
    core = connected()
    publish(core, "a", "off", ephemeral=True)
    assert core.output.take_all() == [b"\x19\0\0\0\x03\x02\x01\0\x07\0\0\0\x01\0\0\0\x01\0\0\0a\xa3off"]


@pytest.mark.parametrize(
    ("options", "flags", "target"),
    [
        ({"ephemeral": True}, RETAIN, EPHEMERAL),
        ({"ephemeral": True, "retain": True}, RETAIN, EPHEMERAL),
        ({"ephemeral": True, "on_change": True}, RETAIN | ON_CHANGE, EPHEMERAL),
        ({"retain": True}, RETAIN, 0),
    ],
)
def test_to_be_ephemeral_is_to_be_kept(options: dict[str, bool], flags: int, target: int) -> None:
    core = connected()
    publish(core, AC, "plugged", **options)
    assert core.output.take_all() == [state(7, AC, "plugged", flags, target, serial=1)]


def test_it_is_said_beside_the_depth_of_a_chain_but_not_when_it_comes_back() -> None:
    core = connected()
    token = cause.set(3)
    publish(core, AC, "plugged", ephemeral=True)
    cause.reset(token)
    flags, target = RETAIN | CAUSED, caused_target(3, EPHEMERAL)
    assert core.output.take_all() == [state(7, AC, "plugged", flags, target, serial=1)]
    cut(core)
    assert connect(core, 8) == [state(8, AC, "plugged")]


# --- coming back --------------------------------------------------------------------------------------


def test_the_same_bus_gets_the_ephemeral_values_and_another_one_gets_all() -> None:
    core = connected()
    publish(core, "a", 1, ephemeral=True)
    publish(core, "b", 2, retain=True)
    publish(core, "c", 3)
    publish(core, "d", b"\xff", ephemeral=True, on_change=True)
    raw = frame(SIGNAL, RAW | RETAIN | ON_CHANGE, 8, EPHEMERAL, 0, b"d", b"\xff")
    cut(core)
    assert connect(core, 8) == [state(8, "a", 1), raw]
    cut(core)
    assert connect(core, 8, "two") == [state(8, "a", 1), state(8, "b", 2, target=0), raw]
    cut(core)
    assert connect(core, 8, "two") == [state(8, "a", 1), raw]


def test_what_was_published_last_says_whether_it_is_ephemeral() -> None:
    core = connected()
    for first, second, topic in ((True, False, "lasting"), (False, True, "ephemeral")):
        publish(core, topic, 1, retain=True, ephemeral=first)
        publish(core, topic, 2, retain=True, ephemeral=second)
    cut(core)
    assert connect(core, 8) == [state(8, "ephemeral", 2)]


def test_a_cleared_value_does_not_come_back() -> None:
    core = connected()
    publish(core, AC, "plugged", ephemeral=True)
    core.clear(AC, confirm=False)
    cut(core)
    assert connect(core, 8) == []


def test_a_newer_value_that_waits_takes_its_place() -> None:
    core = connected()
    publish(core, "a", 1, ephemeral=True)
    publish(core, "b", 1, ephemeral=True)
    publish(core, "c", 1, ephemeral=True)
    cut(core)
    publish(core, "b", 2, ephemeral=True)
    core.clear("c", confirm=False)
    gone = frame(SIGNAL, CLEAR, 8, 0, 0, b"c", pack(None))
    assert connect(core, 8) == [state(8, "a", 1), state(8, "b", 2), gone]


def test_a_value_whose_confirmation_failed_comes_after_the_older_one_that_waits() -> None:
    core = connected()
    cut(core)
    for topic in ("a", "b"):
        publish(core, topic, 2, ephemeral=True)
    core.clear("b", confirm=False)
    lost = publish(core, "a", 3, ephemeral=True, confirm=True), publish(core, "b", 3, retain=True, confirm=True)
    core.disconnected(pybus.ConnectionLost(""))
    assert [one.done and type(one.error) for one in lost if one] == [pybus.ConnectionLost, pybus.ConnectionLost]
    gone = frame(SIGNAL, CLEAR, 8, 0, 0, b"b", pack(None))
    waited = [state(8, "a", 2), state(8, "b", 2), gone]
    assert connect(core, 8) == [*waited, state(8, "a", 3), state(8, "b", 3, target=0)]


def refuse(core: Core, topic: str, serial: int) -> None:
    body = pack(["org.pybus.Error.LimitExceeded", "too large"])
    core.receive(frame(ERROR, 0, 0, core.number, serial, topic.encode(), body))


def test_the_refusal_of_an_older_value_leaves_the_newer_one() -> None:
    core = connected()
    publish(core, "a", "large", ephemeral=True)
    publish(core, "a", "small", ephemeral=True)
    refuse(core, "a", 1)
    assert [one.message for one in core.refusals] == ["too large"]
    core.refusals.clear()
    cut(core)
    assert connect(core, 8) == [state(8, "a", "small")]
    refuse(core, "a", 3)  # the one that came back
    cut(core)
    assert connect(core, 9) == []


@pytest.mark.parametrize("bus", ["one", "two"])
def test_the_values_are_there_before_the_name_is_claimed(bus: str) -> None:
    """As whoever asked for one of them is answered then."""
    core = connected()
    steps = core.services.register("org.example.Hal", {"ping": lambda: None}, is_async=False)
    next(steps).settle("owner")
    with pytest.raises(StopIteration):
        steps.send("owner")
    publish(core, "a", 1, ephemeral=True)
    cut(core)
    publish(core, "b", 2, ephemeral=True)
    sent = connect(core, 8, bus)
    assert sent[:2] == [state(8, "a", 1), state(8, "b", 2)]
    assert [(one[4], key_of(one)) for one in sent[2:]] == [(CALL, b"org.pybus.Bus request_name")]


# --- both faces, on a real bus ------------------------------------------------------------------------


def test_it_is_forgotten_with_the_connection(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as bob:
        signals = bob.subscribe("hal.#")
        with pybus.connect(daemon.address) as alice:
            name = alice.name
            assert alice.publish(AC, "plugged", ephemeral=True, confirm=True) == 1
            assert alice.publish(AC, "plugged", ephemeral=True, on_change=True, confirm=True) == 0
            assert bob.get(AC) == "plugged"
        heard = [signals.receive(PATIENCE) for _ in range(2)]
        assert [(one.topic, one.body, one.sender, one.cleared) for one in heard if one is not None] == [
            (AC, "plugged", name, False),
            (AC, None, name, True),
        ]
        with pytest.raises(pybus.NoSuchValue):
            bob.get(AC)


async def test_asyncio_says_it_too(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    signals = await bob.subscribe("hal.#")
    await alice.publish(AC, "plugged", ephemeral=True)
    await alice.publish("hal.lasting", 1, retain=True)
    await alice.flush()
    found = await bob.call("org.pybus.Bus", "topics", "hal.#")
    assert [(one["topic"], one["ephemeral"]) for one in found] == [("hal.lasting", False), (AC, True)]
    await alice.close()
    heard = [await anext(signals) for _ in range(3)]
    assert [(one.topic, one.body, one.cleared) for one in heard] == [
        (AC, "plugged", False),
        ("hal.lasting", 1, False),
        (AC, None, True),
    ]


def test_a_refused_one_does_not_come_back(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as alice:
        with pytest.raises(pybus.LimitExceeded, match="at most 65536 are retained"):
            alice.publish(AC, bytes(65 * 1024), ephemeral=True, confirm=True)
        alice.publish(AC, bytes(65 * 1024), ephemeral=True)
        with pytest.raises(pybus.LimitExceeded, match="at most 65536 are retained"):
            alice.flush()
        alice.publish("kept", 1, ephemeral=True)
        assert list(alice._core._kept._values) == [b"kept"]
