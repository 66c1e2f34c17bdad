"""What is offered on D-Bus: who calls what, and what callers are told. Each is a fault of dbus-next's own services."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pybus_services.dbus.bus import MOST_WAITING, Bus, DBusError, Signal
from pybus_services.dbus.introspection import Interface, Method, Property, arguments, method_signature
from pybus_services.dbus.objects import MOST_CALLS, Objects, Offer
from pybus_services.dbus.reading import Incoming
from pybus_services.dbus.stream import CHUNK
from pybus_services.dbus.writing import NO_REPLY
from tests.integration.private_dbus import PrivateDBus, needs_dbus

from .peer import Peer, call

pytestmark = needs_dbus

DOOR = "org.example.Door"
PROPERTIES = "org.freedesktop.DBus.Properties"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
PEER = "org.freedesktop.DBus.Peer"
ERROR = "org.freedesktop.DBus.Error."
PATIENCE = 20.0


class Door:
    """A door at two paths. entered: told when somebody waits in it; leave: lets them go on."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.leave = asyncio.Event()

    async def open(self, call: Incoming, by: str) -> tuple[str, str]:
        return (call.sender, f"{call.path} {by}")

    async def wait(self, _call: Incoming) -> tuple[()]:
        self.entered.set()
        await self.leave.wait()
        return ()

    async def kick(self, _call: Incoming, how: str) -> tuple[object]:
        if how == "planned":
            raise DBusError("org.example.Error.Closed", "not today\0\udc80")
        if how == "unsayable":
            return ({b"key": 1},)
        raise RuntimeError("a secret of the house")


def offer(door: Door) -> Offer:
    methods = (
        Method("Open", arguments("s by"), arguments("s who, s where"), "Open <it> & go."),
        Method("Wait", (), (), ""),
        Method("Kick", arguments("s how"), arguments("v what"), ""),
    )
    properties = (Property("Width", "u", "In cm."), Property("Name", "s", ""))
    signals = (Method("Opened", arguments("s by"), (), ""),)
    carried_out = {"Open": door.open, "Wait": door.wait, "Kick": door.kick}
    read = {"Width": lambda: 90, "Name": lambda: "front"}
    return Offer(Interface(DOOR, "A door.", methods, properties, signals), carried_out, read)


def door_objects(door: Door) -> Objects:
    objects = Objects()
    made = offer(door)
    for path in ("/org/example/front", "/org/example/back"):
        objects.add(path, made)
    return objects


@pytest.fixture
def dbus(tmp_path: Path) -> Iterator[PrivateDBus]:
    with PrivateDBus(tmp_path) as running:
        yield running


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def alice(dbus: PrivateDBus, door: Door) -> AsyncIterator[Bus]:
    """Who has the door."""
    bus = await Bus.connect(dbus.address)
    bus.serve(functools.partial(door_objects(door).take, bus))
    yield bus
    bus.close()


@pytest.fixture
async def bob(dbus: PrivateDBus) -> AsyncIterator[Bus]:
    bus = await Bus.connect(dbus.address)
    yield bus
    bus.close()


async def ask(bob: Bus, alice: Bus, path: str, method: str, signature: str = "", *body: object) -> Any:
    """Call a method. method: with its interface, which may be empty."""
    interface, _, member = method.rpartition(".")
    return await bob.call(alice.name, path, interface, member, signature, body)


async def refusal(bob: Bus, alice: Bus, path: str, method: str, signature: str = "", *body: object) -> tuple[str, str]:
    with pytest.raises(DBusError) as refused:
        await ask(bob, alice, path, method, signature, *body)
    return refused.value.name, refused.value.message


# --- calls ----------------------------------------------------------------------------------------


async def test_a_method_knows_who_calls_it_and_where(alice: Bus, bob: Bus) -> None:
    for path in ("/org/example/front", "/org/example/back"):
        assert await ask(bob, alice, path, f"{DOOR}.Open", "s", "key") == [bob.name, f"{path} key"]
    assert await ask(bob, alice, "/org/example/front", "Open", "s", "foot") == [bob.name, "/org/example/front foot"]


async def test_what_is_not_there_is_named(alice: Bus, bob: Bus) -> None:
    front = "/org/example/front"
    assert [
        await refusal(bob, alice, "/org/example/side", f"{DOOR}.Open", "s", "key"),
        await refusal(bob, alice, "/org/example", f"{DOOR}.Open", "s", "key"),
        await refusal(bob, alice, front, "org.example.Window.Open", "s", "key"),
        await refusal(bob, alice, front, f"{DOOR}.Close"),
        await refusal(bob, alice, front, "Close"),
        await refusal(bob, alice, front, f"{DOOR}.Open", "u", 7),
    ] == [
        (f"{ERROR}UnknownObject", "there is no object /org/example/side"),
        (f"{ERROR}UnknownInterface", f"/org/example has no interface {DOOR}"),
        (f"{ERROR}UnknownInterface", f"{front} has no interface org.example.Window"),
        (f"{ERROR}UnknownMethod", f"{DOOR} has no method Close"),
        (f"{ERROR}UnknownMethod", f"{front} has no method Close"),
        (f"{ERROR}InvalidArgs", "Open takes the arguments by (s), not those of the signature 'u'"),
    ]


async def test_a_planned_error_is_told_and_an_unplanned_one_is_logged(
    alice: Bus, bob: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    kick = ("/org/example/front", f"{DOOR}.Kick", "s")
    assert await refusal(bob, alice, *kick, "planned") == ("org.example.Error.Closed", "not today\\0\\udc80")
    assert await refusal(bob, alice, *kick, "unsayable") == (
        "org.pybus.DBus.Error.Unsayable",
        "the answer: the keys of a dict must be all texts, all integers, all numbers or all bools",
    )
    assert caplog.records == []
    text = "Kick failed: RuntimeError; the log of this service has more"
    assert await refusal(bob, alice, *kick, "unplanned") == (f"{ERROR}Failed", text)
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "Kick failed")
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "a secret of the house"


async def test_a_slow_method_keeps_nobody_waiting(alice: Bus, bob: Bus, door: Door) -> None:
    waiting = asyncio.ensure_future(ask(bob, alice, "/org/example/front", f"{DOOR}.Wait"))
    await door.entered.wait()
    assert len(await ask(bob, alice, "/org/example/front", f"{DOOR}.Open", "s", "key")) == 2
    assert not waiting.done()
    door.leave.set()
    assert await waiting == []


async def test_who_calls_without_end_is_refused_and_nobody_else(peer: Peer, door: Door) -> None:
    bus, _ = await asyncio.gather(Bus.connect(peer.address), peer.welcome())
    bus.serve(functools.partial(door_objects(door).take, bus))
    front = "/org/example/front"
    await peer.send(b"".join(call("Wait", serial, front) for serial in range(1, MOST_CALLS + 2)))
    refused = await peer.heard(b"not answered yet\0")
    assert refused.count(f"{MOST_CALLS} calls of yours are not answered yet\0".encode()) == 1
    await peer.send(call("Ping", 7000, sender=":1.2"))
    await peer.heard(struct.pack("<I", 7000))
    door.leave.set()
    await peer.heard(struct.pack("<I", MOST_CALLS))
    await peer.send(call("Wait", 8000, front))
    assert b"LimitsExceeded" not in await peer.heard(struct.pack("<I", 8000))
    bus.close()


async def test_a_flood_of_calls_leaves_others_their_turns(peer: Peer) -> None:
    turn = 0
    called_in: list[int] = []
    all_called = asyncio.Event()

    def take(_call: Incoming) -> None:
        called_in.append(turn)
        if len(called_in) == 300:
            all_called.set()

    async def take_turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    bus, _ = await asyncio.gather(Bus.connect(peer.address), peer.welcome())
    bus.serve(take)
    flood = [call("Open", serial) for serial in range(1, 301)]
    await peer.send(b"".join(flood))
    bob = asyncio.ensure_future(take_turns())
    await all_called.wait()
    bob.cancel()
    bus.close()
    assert max(Counter(called_in).values()) <= CHUNK // len(flood[0]) + 1


async def test_descriptors_that_come_with_calls_are_closed(peer: Peer, door: Door) -> None:
    bus, _ = await asyncio.gather(Bus.connect(peer.address), peer.welcome())
    bus.serve(functools.partial(door_objects(door).take, bus))
    for member, path, error in (("Nothing", "/", b"UnknownMethod"), ("Wait", "/org/example/front", b"InvalidArgs")):
        reading, writing = os.pipe()
        socket.send_fds(peer.to_client, [call(member, 7, path, descriptors=1)], [writing])
        os.close(writing)
        await peer.heard(error)
        os.set_blocking(reading, False)
        assert os.read(reading, 1) == b""  # nobody has the other end
        os.close(reading)
    bus.close()


async def test_who_wants_no_answer_gets_none_not_even_an_error(peer: Peer, door: Door) -> None:
    bus, _ = await asyncio.gather(Bus.connect(peer.address), peer.welcome())
    bus.serve(functools.partial(door_objects(door).take, bus))
    for serial, member in ((7001, "Ping"), (7002, "Nothing")):
        unanswered = bytearray(call(member, serial))
        unanswered[2] = NO_REPLY
        await peer.send(bytes(unanswered))
    await peer.send(call("Ping", 7003))
    heard = await peer.heard(struct.pack("<I", 7003))
    assert [struct.pack("<I", serial) in heard for serial in (7001, 7002)] == [False, False]
    bus.close()


async def test_a_call_that_cannot_be_read_is_answered(peer: Peer, door: Door) -> None:
    bus, _ = await asyncio.gather(Bus.connect(peer.address), peer.welcome())
    bus.serve(functools.partial(door_objects(door).take, bus))
    await peer.send(call("Open", 7, "/org/example/front", signature="s"))
    assert b"the call can't be read: it is cut short\0" in await peer.heard(b"short\0")
    bus.close()


# --- signals and properties -----------------------------------------------------------------------


async def test_one_object_at_two_paths_tells_its_changes_at_the_right_one(alice: Bus, bob: Bus, door: Door) -> None:
    heard: asyncio.Queue[Signal] = asyncio.Queue()
    await bob.watch(heard.put_nowait, sender=alice.name)
    objects = door_objects(door)
    for path in ("/org/example/front", "/org/example/back"):
        objects.changed(alice, path, DOOR, "Width")
        alice.emit(path, DOOR, "Opened", "s", ["key"])
    async with asyncio.timeout(PATIENCE):
        signals = [await heard.get() for _ in range(4)]
    assert [(one.path, one.member, one.body) for one in signals] == [
        ("/org/example/front", "PropertiesChanged", [DOOR, {"Width": 90}, []]),
        ("/org/example/front", "Opened", ["key"]),
        ("/org/example/back", "PropertiesChanged", [DOOR, {"Width": 90}, []]),
        ("/org/example/back", "Opened", ["key"]),
    ]


async def test_a_signal_for_one_is_heard_by_nobody_else(alice: Bus, bob: Bus, dbus: PrivateDBus) -> None:
    carol = await Bus.connect(dbus.address)
    heard: dict[str, asyncio.Queue[Signal]] = {"bob": asyncio.Queue(), "carol": asyncio.Queue()}
    await bob.watch(heard["bob"].put_nowait)
    await carol.watch(heard["carol"].put_nowait, interface=DOOR)
    size = alice.emit("/org/example/front", DOOR, "Opened", "s", ["to bob"], carol.name)
    assert size > 100
    alice.emit("/org/example/front", DOOR, "Opened", "s", ["to all"])
    async with asyncio.timeout(PATIENCE):
        assert [(await heard["carol"].get()).body for _ in range(2)] == [["to bob"], ["to all"]]
        while (signal := await heard["bob"].get()).member != "Opened":
            pass
    assert signal.body == ["to all"]
    carol.close()
    alice.close()
    assert alice.emit("/org/example/front", DOOR, "Opened", "s", ["late"]) == 0


async def test_properties_have_their_own_types_and_cannot_be_set(alice: Bus, bob: Bus) -> None:
    front = "/org/example/front"
    assert await ask(bob, alice, front, f"{PROPERTIES}.Get", "ss", DOOR, "Width") == [90]
    assert await ask(bob, alice, front, f"{PROPERTIES}.Get", "ss", "", "Name") == ["front"]
    assert await ask(bob, alice, front, f"{PROPERTIES}.GetAll", "s", DOOR) == [{"Width": 90, "Name": "front"}]
    assert await ask(bob, alice, front, f"{PROPERTIES}.GetAll", "s", PEER) == [{}]
    get, put = f"{PROPERTIES}.Get", f"{PROPERTIES}.Set"
    assert [
        await refusal(bob, alice, front, get, "ss", DOOR, "Height"),
        await refusal(bob, alice, front, get, "ss", "", "Height"),
        await refusal(bob, alice, front, get, "ss", "org.example.Window", "Width"),
        await refusal(bob, alice, front, f"{PROPERTIES}.GetAll", "s", "org.example.Window"),
        await refusal(bob, alice, front, put, "ssv", DOOR, "Width", 80),
        await refusal(bob, alice, front, put, "ssv", DOOR, "Height", 80),
    ] == [
        (f"{ERROR}UnknownProperty", f"{DOOR} has no property Height"),
        (f"{ERROR}UnknownProperty", f"{front} has no property Height"),
        (f"{ERROR}UnknownInterface", f"{front} has no interface org.example.Window"),
        (f"{ERROR}UnknownInterface", f"{front} has no interface org.example.Window"),
        (f"{ERROR}PropertyReadOnly", "the property Width can't be set"),
        (f"{ERROR}UnknownProperty", f"{DOOR} has no property Height"),
    ]


# --- what every object has ------------------------------------------------------------------------


async def test_what_an_object_says_about_itself(alice: Bus, bob: Bus) -> None:
    [xml] = await ask(bob, alice, "/org/example/front", f"{INTROSPECTABLE}.Introspect")
    assert method_signature(xml, DOOR, "Open") == "s"
    assert method_signature(xml, PROPERTIES, "Set") == "ssv"
    annotation = '<annotation name="org.gtk.GDBus.DocString" value="Open &lt;it&gt; &amp; go." />'
    assert f'<method name="Open">\n      {annotation}\n      <arg name="by" type="s" direction="in" />' in xml
    assert '<property name="Width" type="u" access="read">' in xml


@pytest.mark.parametrize(
    ("path", "below"), [("/", ["org"]), ("/org", ["example"]), ("/org/example", ["back", "front"])]
)
async def test_what_leads_to_objects_names_them(alice: Bus, bob: Bus, path: str, below: list[str]) -> None:
    [xml] = await ask(bob, alice, path, f"{INTROSPECTABLE}.Introspect")
    assert [line.split('"')[1] for line in xml.splitlines() if line.startswith("  <node ")] == below
    assert DOOR not in xml


@pytest.mark.parametrize("path", ["/nothing", "/org/example/front/knob", "/org/exam"])
async def test_nothing_pretends_to_be_where_nothing_is(alice: Bus, bob: Bus, path: str) -> None:
    for interface in (INTROSPECTABLE, ""):
        refused = await refusal(bob, alice, path, f"{interface}.Introspect".lstrip("."))
        assert refused == (f"{ERROR}UnknownObject", f"there is no object {path}")


async def test_a_ping_is_answered_at_any_path_as_the_specification_has_it(alice: Bus, bob: Bus) -> None:
    assert await ask(bob, alice, "/org/example/front", f"{PEER}.Ping") == []
    assert await ask(bob, alice, "/nothing", f"{PEER}.Ping") == []
    places = [place for place in (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id")) if place.exists()]
    if places:
        wanted = [places[0].read_text().strip()]
        assert await ask(bob, alice, "/", f"{PEER}.GetMachineId") == wanted


async def test_while_answers_wait_for_a_bus_that_does_not_read_no_more_calls_are_read(peer: Peer) -> None:
    taken: list[Incoming] = []
    some = asyncio.Event()
    bus, _ = await asyncio.gather(Bus.connect(peer.address), peer.welcome())
    answer = bytes(MOST_WAITING // 20)

    def take(one: Incoming) -> None:
        taken.append(one)
        bus.answer(one, "ay", [answer])
        some.set()

    bus.serve(take)
    calls = [call("Open", serial) for serial in range(1, 201)]
    await peer.send(b"".join(calls))
    await some.wait()
    for _ in range(100):  # in which all of them would be read
        await asyncio.sleep(0)
    assert 20 < len(taken) <= CHUNK // len(calls[0]) + 1
    data = 0
    while data < len(calls) * len(answer):
        data += len(await asyncio.get_running_loop().sock_recv(peer.to_client, 2**22))
    assert [one.serial for one in taken] == list(range(1, 201))
    bus.close()
