"""Connections to a real D-Bus daemon: signals by their senders, and what the daemon would not forgive."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pybus_services.dbus.bus import Bus, DBusError, Signal
from pybus_services.dbus.writing import LARGEST_SENT

from .hal_scene import PATIENCE
from .private_dbus import PrivateDBus, needs_dbus, notifier

pytestmark = needs_dbus

DBUS = "org.freedesktop.DBus"
DBUS_PATH = "/org/freedesktop/DBus"
NOTIFICATIONS = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"


HEADERS = 148
"""Bytes around the only argument of a call of GetNameOwner, of type ay."""


@pytest.fixture
def dbus(tmp_path: Path) -> Iterator[PrivateDBus]:
    with PrivateDBus(tmp_path) as running:
        yield running


@pytest.fixture
async def alice(dbus: PrivateDBus) -> AsyncIterator[Bus]:
    bus = await Bus.connect(dbus.address)
    yield bus
    bus.close()


@pytest.fixture
async def bob(dbus: PrivateDBus) -> AsyncIterator[Bus]:
    bus = await Bus.connect(dbus.address)
    yield bus
    bus.close()


class Ear:
    """Signals as they come."""

    def __init__(self) -> None:
        self._signals: asyncio.Queue[Signal] = asyncio.Queue()

    def __call__(self, signal: Signal) -> None:
        self._signals.put_nowait(signal)

    async def next(self) -> Signal:
        async with asyncio.timeout(PATIENCE):
            return await self._signals.get()

    def nothing_more(self) -> bool:
        return self._signals.empty()


async def ask(bus: Bus, member: str, signature: str = "", *body: object) -> list[Any]:
    """Call the D-Bus daemon itself. Its answer comes after all that it sent before."""
    return list(await bus.call(DBUS, DBUS_PATH, DBUS, member, signature, body))


async def own(bus: Bus, name: str) -> None:
    assert await ask(bus, "RequestName", "su", name, 0) == [1]


# --- signals --------------------------------------------------------------------------------------


async def test_each_watcher_gets_what_it_asked_for_once(alice: Bus, dbus: PrivateDBus) -> None:
    by_path, by_interface, by_member, by_text, broken = Ear(), Ear(), Ear(), Ear(), Ear()
    await alice.watch(lambda signal: 1 / 0)  # somebody's bug, which is nobody else's
    await alice.watch(by_path, path="/door")
    await alice.watch(by_interface, interface="org.example.Door")
    await alice.watch(by_interface, interface="org.example.Door")
    await alice.watch(by_member, member="Opened")
    await alice.watch(by_text, arg0="it's the \\ back 'door'")
    await alice.watch(broken, path="/nowhere")
    dbus.emit("/door", "org.example.Bell.Rang", "uint32:2")
    dbus.emit("/house", "org.example.Door.Closed", "string:it's the \\ back 'door'", "string:now")
    dbus.emit("/house", "org.example.Gate.Opened", "objpath:/gate")
    rang = (await by_path.next())[1:]
    assert rang == ("/door", "org.example.Bell", "Rang", "u", [2])
    closed = ("/house", "org.example.Door", "Closed", "ss", ["it's the \\ back 'door'", "now"])
    assert [(await by_interface.next())[1:] for _ in range(2)] == [closed, closed]
    assert (await by_text.next())[1:] == closed
    assert (await by_member.next())[1:] == ("/house", "org.example.Gate", "Opened", "o", ["/gate"])
    assert all(ear.nothing_more() for ear in (by_path, by_interface, by_member, by_text, broken))


async def test_a_well_known_sender_is_followed_from_owner_to_owner(alice: Bus, dbus: PrivateDBus) -> None:
    ear = Ear()
    await alice.watch(ear, sender=NOTIFICATIONS, member="NotificationClosed")
    owners = []
    for _ in range(2):
        async with notifier(dbus.address):
            owners += await ask(alice, "GetNameOwner", "s", NOTIFICATIONS)
            await alice.call(NOTIFICATIONS, PATH, NOTIFICATIONS, "CloseNotification", "u", [0])
            dbus.emit(PATH, f"{NOTIFICATIONS}.NotificationClosed", "uint32:666", "uint32:1")  # by somebody else
    assert [await ear.next() for _ in range(2)] == [
        (owner, PATH, NOTIFICATIONS, "NotificationClosed", "uu", [0, 3]) for owner in owners
    ]
    assert ear.nothing_more()
    assert owners[0] != owners[1]


async def test_an_owner_who_is_there_already_is_heard(alice: Bus, dbus: PrivateDBus) -> None:
    async with notifier(dbus.address):
        ear = Ear()
        await alice.watch(ear, sender=NOTIFICATIONS)
        await alice.call(NOTIFICATIONS, PATH, NOTIFICATIONS, "CloseNotification", "u", [0])
        assert (await ear.next()).body == [0, 3]


async def test_a_unique_sender(alice: Bus, bob: Bus, dbus: PrivateDBus) -> None:
    async with notifier(dbus.address):
        [owner] = await ask(alice, "GetNameOwner", "s", NOTIFICATIONS)
        right, wrong = Ear(), Ear()
        await alice.watch(right, sender=owner)
        await alice.watch(wrong, sender=bob.name)
        await alice.call(NOTIFICATIONS, PATH, NOTIFICATIONS, "CloseNotification", "u", [0])
        assert (await right.next()).sender == owner
        assert wrong.nothing_more()


async def test_who_ended_a_watch_hears_no_more(alice: Bus, bob: Bus) -> None:
    ended, going_on, other = Ear(), Ear(), Ear()
    rule = {"sender": DBUS, "member": "NameOwnerChanged", "arg0": "org.example.Bob"}
    watch = await alice.watch(ended, **rule)
    await alice.watch(going_on, **rule)
    follower = await alice.watch(other, sender="org.example.Bob")
    alice.unwatch(watch)
    alice.unwatch(watch)
    alice.unwatch(follower)
    await own(bob, "org.example.Bob")
    assert (await going_on.next()).body == ["org.example.Bob", "", bob.name]
    assert ended.nothing_more()
    assert other.nothing_more()


async def test_the_bus_forgets_the_rules_of_an_ended_watch(alice: Bus) -> None:
    alice.unwatch(await alice.watch(Ear(), sender="org.example.Bob"))
    about_owner = f"sender='{DBUS}',path='{DBUS_PATH}',interface='{DBUS}',member='NameOwnerChanged'"
    for rule in ("sender='org.example.Bob'", f"{about_owner},arg0='org.example.Bob'"):
        await ask(alice, "AddMatch", "s", f"type='signal',{rule}")
        await ask(alice, "RemoveMatch", "s", f"type='signal',{rule}")
        with pytest.raises(DBusError) as refused:
            await ask(alice, "RemoveMatch", "s", f"type='signal',{rule}")
        assert refused.value.name == "org.freedesktop.DBus.Error.MatchRuleNotFound"


async def test_a_watch_that_is_cancelled_leaves_no_rule_behind(alice: Bus, bob: Bus) -> None:
    rules = [
        f"type='signal',sender='{DBUS}',path='{DBUS_PATH}',interface='{DBUS}',member='NameOwnerChanged',arg0='a.b'",
        "type='signal',sender='a.b'",
    ]
    for turns in range(12):  # in any of these the answer to the first rule may have come, or to the second
        watching = asyncio.ensure_future(alice.watch(Ear(), sender="a.b"))
        for _ in range(turns):
            await ask(bob, "GetId")
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            alice.unwatch(await watching)
        await ask(alice, "GetId")  # a rule that was asked for is granted by then,
        await ask(alice, "GetId")  # and taken back by then
        assert [await _rules_of(alice, rule) for rule in rules] == [0, 0]


async def _rules_of(bus: Bus, rule: str) -> int:
    """How many such rules the daemon has for it; they are gone then."""
    for count in range(10):
        try:
            await ask(bus, "RemoveMatch", "s", rule)
        except DBusError as refused:
            assert refused.name == "org.freedesktop.DBus.Error.MatchRuleNotFound"  # noqa: PT017
            return count
    raise AssertionError("so many")


# --- calls ----------------------------------------------------------------------------------------


async def test_values_come_plain(alice: Bus, dbus: PrivateDBus) -> None:
    async with notifier(dbus.address):
        assert await alice.call(NOTIFICATIONS, PATH, NOTIFICATIONS, "Everything") == [
            ["/a/b", "a{sv}", {"bytes": b"\0\xff", "deep": {1: "one"}}, 0.5]
        ]
        assert await alice.call(NOTIFICATIONS, PATH, NOTIFICATIONS, "GetServerInformation") == [
            "notifier",
            "example",
            "1",
            "1.2",
        ]
    assert await alice.call(DBUS, DBUS_PATH, "", "NameHasOwner", "s", [alice.name]) == [True]


async def test_an_error_has_its_name_and_message(alice: Bus) -> None:
    with pytest.raises(DBusError) as refused:
        await ask(alice, "GetNameOwner", "s", "org.example.Nobody")
    assert (refused.value.name, refused.value.message) == (
        "org.freedesktop.DBus.Error.NameHasNoOwner",
        "Could not get owner of name 'org.example.Nobody': no such name",
    )


async def test_who_calls_this_program_is_told_that_it_has_no_methods(alice: Bus, bob: Bus) -> None:
    with pytest.raises(DBusError) as refused:
        await bob.call(alice.name, "/", "org.example.Door", "Open")
    assert (refused.value.name, refused.value.message) == (
        "org.freedesktop.DBus.Error.UnknownMethod",
        "no method 'Open' here",
    )


async def test_nothing_is_started_if_the_caller_does_not_want_that(alice: Bus) -> None:
    for autostart, error in ((True, "ServiceUnknown"), (False, "NameHasNoOwner")):
        with pytest.raises(DBusError) as refused:
            await alice.call("org.example.Nobody", "/", "a.b", "C", autostart=autostart)
        assert refused.value.name == f"org.freedesktop.DBus.Error.{error}"


MALFORMED: list[tuple[tuple[Any, ...], str]] = [
    ((DBUS, "/a/", DBUS, "GetId"), "'/a/' is no object path"),
    ((DBUS, "/a\n", DBUS, "GetId"), r"'/a\\n' is no object path"),
    ((":1", "/", DBUS, "GetId"), "':1' is no bus name"),
    ((":1.x\n", "/", DBUS, "GetId"), "is no bus name"),
    (("org.example", "/", "org.example-", "GetId"), "'org.example-' is no interface"),
    (("org.example", "/", "org.example\n", "GetId"), "is no interface"),
    (("org.example", "/", "a.b" * 100, "GetId"), "of 255 characters at most"),
    ((DBUS, "/org/freedesktop/DBus/Local", DBUS, "GetId"), "the object path .* is reserved"),
    (("org.example", "/", "org.freedesktop.DBus.Local", "GetId"), "the interface .* is reserved"),
    ((DBUS, "/", DBUS, "Get Id"), "'Get Id' is no member"),
    ((DBUS, "/", DBUS, "GetId\n"), "is no member"),
    ((DBUS, "/", DBUS, "GetId", "s", ["a\0b"]), "argument 1 has a character"),
    ((DBUS, "/", DBUS, "GetId", "s", ["\udc80"]), "argument 1 has a character"),
    ((DBUS, "/", DBUS, "GetId", "o", ["/a\n"]), "argument 1: '/a.n' is no object path"),
    ((DBUS, "/", DBUS, "GetId", "g", ["a"]), "argument 1: "),
    ((DBUS, "/", DBUS, "GetId", "{ss}", [{}]), "a dict entry"),
    ((DBUS, "/", DBUS, "GetId", "a{vs}", [{}]), "a key can't be of type 'v'"),
    ((DBUS, "/", DBUS, "GetId", "a" * 33 + "s", [[]]), "a signature can have 32 arrays"),
    ((DBUS, "/", DBUS, "GetId", "()", [[]]), "unexpected token"),
    ((DBUS, "/", DBUS, "GetId", "a", [[]]), "missing type for array"),
    ((DBUS, "/", DBUS, "GetId", "h", [0]), "argument 1 would be a file descriptor"),
]


@pytest.mark.parametrize(("call", "complaint"), MALFORMED)
async def test_what_would_end_the_connection_is_refused_before(
    alice: Bus, call: tuple[Any, ...], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        await alice.call(*call)
    assert await ask(alice, "NameHasOwner", "s", alice.name) == [True]


async def test_the_largest_message_passes_and_a_larger_one_is_refused_before(alice: Bus) -> None:
    with pytest.raises(DBusError) as refused:
        await ask(alice, "GetNameOwner", "ay", bytes(LARGEST_SENT - HEADERS))
    assert refused.value.name == "org.freedesktop.DBus.Error.InvalidArgs"
    with pytest.raises(ValueError, match="a message of 33554433 bytes is too large for D-Bus: 33554432 are allowed"):
        await ask(alice, "GetNameOwner", "ay", bytes(LARGEST_SENT - HEADERS + 1))
    assert await ask(alice, "NameHasOwner", "s", alice.name) == [True]


def _nested(levels: int) -> object:
    """Lists in lists as a variant has them: two levels each, the variant's own among them."""
    value: object = []
    for _ in range(levels // 2 - 1):
        value = [value]
    return value


async def test_the_deepest_value_passes_and_a_deeper_one_is_refused_before(alice: Bus) -> None:
    with pytest.raises(DBusError) as refused:
        await ask(alice, "GetNameOwner", "v", _nested(64))
    assert refused.value.name == "org.freedesktop.DBus.Error.InvalidArgs"
    with pytest.raises(ValueError, match="argument 1 has more than 64 levels"):
        await ask(alice, "GetNameOwner", "v", _nested(66))
    with pytest.raises(ValueError, match="argument 1 has more than 64 levels"):
        await ask(alice, "GetNameOwner", "av", [_nested(64)])


async def test_the_deepest_signature_passes(alice: Bus) -> None:
    for signature, value in (("a" * 32 + "s", []), ("(" * 32 + "s" + ")" * 32, _struct(32))):
        with pytest.raises(DBusError) as refused:
            await ask(alice, "GetNameOwner", signature, value)
        assert refused.value.name == "org.freedesktop.DBus.Error.InvalidArgs"


def _struct(depth: int) -> object:
    return [_struct(depth - 1)] if depth else "x"
