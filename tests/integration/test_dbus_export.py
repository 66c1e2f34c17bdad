"""org.pybus.Bus1 on real buses of D-Bus: what is published, heard, called and told there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

import pybus
from pybus.protocol.frames import SIGNAL, frame
from tests.bench.buses import NotAvailable
from tests.bench.peers import KINDS
from tests.daemon import PATIENCE
from tests.raw import RawPeer

from .bridge import BUS1, NAME, PATH, PROPERTIES, Applet, Bridge, applets
from .hal_scene import needs

pytestmark = needs("busctl", "gdbus")

ERROR = "org.pybus.Error."


@pytest.fixture(scope="module", params=["dbus-daemon", "dbus-broker"])
def bridge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    try:
        dbus = KINDS[request.param](tmp_path_factory.mktemp("dbus"))
    except NotAvailable as reason:
        pytest.skip(str(reason))
    try:
        with Bridge(dbus.address) as running:
            yield running
            assert running.stop() == ""  # nothing has gone wrong in it
    finally:
        dbus.stop()


async def wait_for(condition: Any) -> None:
    """Until an async condition holds, asking again and again."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            pass


# --- signals --------------------------------------------------------------------------------------


async def test_kept_values_come_first_and_then_news(bridge: Bridge) -> None:
    async with applets(bridge, 1) as [alice], pybus.aio.connect(bridge.daemon.address) as bob:
        await bob.publish("one.power.ac", "plugged", retain=True, confirm=True)
        number = await alice.subscribe("one.#")
        await bob.publish("one.door", {"open": True})
        await bob.clear("one.power.ac")
        assert [await alice.next() for _ in range(3)] == [
            ["one.power.ac", "plugged", bob.name, {"id": number, "retained": True}],
            ["one.door", {"open": True}, bob.name, {"id": number}],
            ["one.power.ac", "", bob.name, {"id": number, "cleared": True}],
        ]


async def test_each_subscriber_gets_its_own_and_nobody_else_any(bridge: Bridge) -> None:
    async with applets(bridge, 3) as [alice, bob, carol], pybus.aio.connect(bridge.daemon.address) as dave:
        numbers = [await alice.subscribe("two.a"), await alice.subscribe("two.*"), await bob.subscribe("two.*")]
        other = await carol.subscribe("two.b")
        await dave.publish("two.a", 1)
        await dave.publish("two.b", 2)
        heard = [await alice.next() for _ in range(3)]
        assert sorted((one[3]["id"], one[0]) for one in heard) == [
            (numbers[0], "two.a"),
            (numbers[1], "two.a"),
            (numbers[1], "two.b"),
        ]
        assert [(await bob.next())[1] for _ in range(2)] == [1, 2]
        assert await carol.next() == ["two.b", 2, dave.name, {"id": other}]
        assert len({*numbers, other}) == 4
        assert await patterns(dave) == {"two.a", "two.*", "two.b"}  # each once on pybus


async def test_kept_values_come_first_where_others_hear_the_topic_already(bridge: Bridge) -> None:
    async with applets(bridge, 2) as [alice, bob], pybus.aio.connect(bridge.daemon.address) as carol:
        await alice.subscribe("first.#")
        await carol.publish("first.n", -1, retain=True, confirm=True)

        async def publish_on_and_on() -> None:
            for number in range(100_000):
                await carol.publish("first.n", number, retain=True, confirm=True)

        publishing = asyncio.ensure_future(publish_on_and_on())
        for _ in range(20):
            number = await bob.subscribe("first.*")
            while (first := await bob.next())[3]["id"] != number:
                pass  # of the one before
            assert first[3] == {"id": number, "retained": True}
            assert (await bob.next())[1] == first[1] + 1
            await bob.call("Unsubscribe", "u", number)
        publishing.cancel()


async def patterns(bus: pybus.aio.Bus) -> set[str]:
    """What the exporter is subscribed to, beside the news of names."""
    found = [one["patterns"] for one in await bus.call("org.pybus.Bus", "subscriptions")]
    assert len(found) == 1
    return set(found[0]) - {"bus.name.#"}


async def test_a_subscription_ends_when_its_owner_says_so_or_leaves(bridge: Bridge) -> None:
    async with applets(bridge, 2) as [alice, bob], pybus.aio.connect(bridge.daemon.address) as carol:
        first, second = await alice.subscribe("three.a"), await bob.subscribe("three.b")
        assert await bob.refusal("Unsubscribe", "u", first) == (
            f"{ERROR}InvalidArguments",
            f"{bob.name} has no subscription {first}",
        )
        await bob.call("Unsubscribe", "u", second)
        await carol.publish("three.b", "unheard")
        await carol.publish("three.a", "heard", confirm=True)
        assert (await alice.next())[1] == "heard"
        assert bob.heard_nothing_more()
        alice.bus.close()

        async def gone() -> bool:
            return not await patterns(carol)

        await wait_for(gone)


async def test_who_leaves_while_its_calls_are_being_taken_leaves_nothing_behind(bridge: Bridge) -> None:
    async with applets(bridge, 1) as [alice], pybus.aio.connect(bridge.daemon.address) as bob:
        for number in range(10):
            async with applets(bridge, 1) as [carol]:
                calls = [asyncio.ensure_future(carol.subscribe(f"leave.{number}.{one}")) for one in "ab"]
                await asyncio.sleep(0)  # both are sent
            await asyncio.gather(*calls, return_exceptions=True)

            async def gone(name: str = carol.name) -> bool:
                return not await alice.bus.owner(name)

            await wait_for(gone)
        await alice.subscribe("leave.end")  # which is taken after all of carol's

        async def nothing_else() -> bool:
            return await patterns(bob) == {"leave.end"}

        await wait_for(nothing_else)


async def test_an_ephemeral_value_ends_with_the_peer_that_said_it(bridge: Bridge) -> None:
    async with applets(bridge, 2) as [alice, bob], pybus.aio.connect(bridge.daemon.address) as carol:
        number = await bob.subscribe("four.#")
        await alice.publish("four.state", "busy", ephemeral=True)
        await alice.publish("four.other", "stays", retain=True)
        await alice.publish("four.taken", "mine", ephemeral=True)
        await carol.publish("four.taken", "yours", ephemeral=True)
        heard = [await bob.next() for _ in range(4)]
        assert [one[1] for one in heard] == ["busy", "stays", "mine", "yours"]
        alice.bus.close()
        assert await bob.next() == ["four.state", "", heard[0][2], {"id": number, "cleared": True}]
        assert [await carol.get(f"four.{name}") for name in ("other", "taken")] == ["stays", "yours"]


async def test_what_one_peer_publishes_keeps_its_order(bridge: Bridge) -> None:
    async with applets(bridge, 2) as [alice, bob]:
        await bob.subscribe("order.*")
        options = [{"retain": True}, {"ephemeral": True}, {"retain": True}, {}, {"ephemeral": True}, {}]
        await asyncio.gather(*(alice.publish("order.n", number, **one) for number, one in enumerate(options)))
        assert [(await bob.next())[1] for _ in options] == list(range(len(options)))


async def test_options_of_publish(bridge: Bridge) -> None:
    async with applets(bridge, 2) as [alice, bob]:
        await alice.subscribe("five.#")
        for value in ("open", "open", "shut"):
            await bob.publish("five.door", value, retain=True, on_change=True)
        assert [(await alice.next())[1] for _ in range(2)] == ["open", "shut"]
        await bob.publish("five.door", "", clear=True)
        assert (await alice.next())[3]["cleared"] is True
        wrong: list[tuple[str, dict[str, object]]] = [
            ("five.door", {"retained": True}),
            ("five.door", {"retain": 1}),
            ("five.door", {"on_change": True}),
            ("five.door", {"clear": True, "retain": True}),
        ]
        assert [await bob.refusal("Publish", "sva{sv}", topic, "x", options) for topic, options in wrong] == [
            (
                f"{ERROR}InvalidArguments",
                "there is no option 'retained'; there are: retain, ephemeral, on_change, clear",
            ),
            (f"{ERROR}InvalidArguments", "the option retain must be a boolean, not 1"),
            (
                f"{ERROR}InvalidArguments",
                "on_change compares with the value that the bus keeps, so it needs retain=True",
            ),
            (f"{ERROR}InvalidArguments", "the option clear can't be together with another: it forgets the value"),
        ]


async def test_what_is_kept_is_shown(bridge: Bridge) -> None:
    async with applets(bridge, 1) as [alice], pybus.aio.connect(bridge.daemon.address, program="bob") as bob:
        await bob.publish("six.door", "open", ephemeral=True, confirm=True)
        [shown] = await alice.call("Topics", "s", "six.#")
        assert shown.pop("age") < PATIENCE
        assert shown.pop("program").startswith("bob")
        assert shown == {"topic": "six.door", "sender": bob.name, "ephemeral": True, "holder": bob.name}


# --- values ---------------------------------------------------------------------------------------

VALUES: list[tuple[Any, Any]] = [
    (None, {"type": "g", "data": ""}),
    (True, {"type": "b", "data": True}),
    (2**31 - 1, {"type": "i", "data": 2**31 - 1}),
    (2**31, {"type": "x", "data": 2**31}),
    (-(2**63), {"type": "x", "data": -(2**63)}),
    (2**64 - 1, {"type": "t", "data": 2**64 - 1}),
    (0.5, {"type": "d", "data": 0.5}),
    ("ü", {"type": "s", "data": "ü"}),
    (b"\0\xff", {"type": "ay", "data": [0, 255]}),
    ([], {"type": "av", "data": []}),
    (["a", "b"], {"type": "as", "data": ["a", "b"]}),
    ([1, 2**40], {"type": "ax", "data": [1, 2**40]}),
    (
        [1, "a", None],
        {"type": "av", "data": [{"type": "i", "data": 1}, {"type": "s", "data": "a"}, {"type": "g", "data": ""}]},
    ),
    ({}, {"type": "a{sv}", "data": {}}),
    (
        {"signature": "u", "value": 1},
        {"type": "a{sv}", "data": {"signature": {"type": "s", "data": "u"}, "value": {"type": "i", "data": 1}}},
    ),
    ({1: "a", 2: None}, {"type": "a{iv}", "data": {"1": {"type": "s", "data": "a"}, "2": {"type": "g", "data": ""}}}),
    ({True: 1}, {"type": "a{bv}", "data": {"true": {"type": "i", "data": 1}}}),
    ({"deep": [[{"x": b"y"}]]}, None),
]


@pytest.mark.parametrize(("value", "wanted"), VALUES)
async def test_values_travel_without_loss_both_ways(bridge: Bridge, value: Any, wanted: Any) -> None:
    async with applets(bridge, 1) as [alice], pybus.aio.connect(bridge.daemon.address) as bob:
        await bob.publish("seven.value", value, retain=True, confirm=True)
        if wanted is not None and not (isinstance(value, dict) and True in value):  # which busctl's JSON can't have
            assert await asyncio.to_thread(bridge.busctl, "Get", "s", "seven.value") == [wanted]
        await alice.subscribe("seven.value")
        message = await alice.next()
        # What came can be sent back as it is, and is the same again.
        back = _as_sent(message[1], value)
        await alice.call("Publish", "sva{sv}", "seven.back", back, {"retain": True})
        found = await bob.get("seven.back")
        assert (found, type(found)) == (value, type(value))


def _as_sent(heard: Any, value: Any) -> Any:
    """What the exporter said, for the sending side of this program's own library: it has no exact None."""
    if value is None:
        return {"signature": "g", "value": heard}
    if isinstance(value, list) and None in value:
        return [_as_sent(one, other) for one, other in zip(heard, value, strict=True)]
    if isinstance(value, dict) and value.keys() == {"signature", "value"}:
        return {"signature": "a{sv}", "value": heard}
    if isinstance(value, dict):
        return {key: _as_sent(heard[key], one) for key, one in value.items()}
    return heard


async def test_a_point_in_time_is_its_text(bridge: Bridge) -> None:
    async with applets(bridge, 1) as [alice], pybus.aio.connect(bridge.daemon.address) as bob:
        await bob.publish("seven.time", [datetime(2026, 11, 28, 18, 30, tzinfo=UTC)], retain=True, confirm=True)
        assert await alice.call("Get", "s", "seven.time") == ["2026-11-28T18:30:00+00:00"]


TYPED = [
    ("<byte 7>", 7),
    ("<int16 -7>", -7),
    ("<uint16 7>", 7),
    ("<uint32 7>", 7),
    ("<int64 7>", 7),
    ("<objectpath '/a/b'>", "/a/b"),
    ("<signature 'a{sv}'>", "a{sv}"),
    ("<signature ''>", None),
    ("<('a', 7, true)>", ["a", 7, True]),
    ("<{'a': 'b'}>", {"a": "b"}),
    ("<{uint32 1: <'a'>}>", {1: "a"}),
    ("<[<1>, <'a'>, <signature ''>]>", [1, "a", None]),
    ("<<<7>>>", 7),
    ("<b'ab'>", b"ab\0"),
]


def test_every_type_of_dbus_arrives_as_the_natural_value(bridge: Bridge) -> None:
    with pybus.connect(bridge.daemon.address) as alice:
        signals = alice.subscribe("eight.#")
        for text, _ in TYPED:
            assert bridge.gdbus("Publish", "eight.typed", text, "{}") == "()"
        heard = [signals.receive(PATIENCE) for _ in TYPED]
        found = [signal.body for signal in heard if signal is not None]
    assert found == [value for _, value in TYPED]


UNSAYABLE: list[tuple[Any, str]] = [
    ({"a": [{1: "x", "b": "y"}]}, "the keys of a dict must be all texts, all integers, all numbers or all bools"),
    ({b"a": 1}, "the keys of a dict must be all texts, all integers, all numbers or all bools"),
    ("a\0b", "has a character that no text of D-Bus can have: NUL or a lone surrogate"),
    ([1] * 50_001, "a message can have 50000 values here, and this one has more"),
]


@pytest.mark.parametrize(("value", "why"), UNSAYABLE)
async def test_what_dbus_cannot_say_is_told_in_its_place(bridge: Bridge, value: Any, why: str) -> None:
    async with applets(bridge, 1) as [alice], pybus.aio.connect(bridge.daemon.address) as bob:
        await alice.subscribe("nine.#")
        await bob.publish("nine.odd", value, retain=True)
        await bob.publish("nine.good", 1)
        topic, body, _, info = await alice.next()
        assert (topic, body) == ("nine.odd", "")
        assert info["unsayable"].endswith(why)
        assert (await alice.next())[:2] == ["nine.good", 1]
        name, message = await alice.refusal("Get", "s", "nine.odd")
        assert (name, message.endswith(why)) == ("org.pybus.DBus.Error.Unsayable", True)
        await bob.clear("nine.odd")


async def test_a_body_that_is_no_value_comes_as_its_bytes(bridge: Bridge) -> None:
    async with applets(bridge, 1) as [alice]:
        number = await alice.subscribe("raw.#")
        with RawPeer(bridge.daemon.path) as bob:
            bob.sock.sendall(frame(SIGNAL, 0, bob.number, 0, 0, b"raw.odd", b"\xc1"))
            topic, body, _, info = await alice.next()
        assert (topic, body, info) == ("raw.odd", b"\xc1", {"id": number, "raw": True})


# --- calls ----------------------------------------------------------------------------------------


class Player:
    """Plays."""

    def __init__(self) -> None:
        self.casts: asyncio.Queue[str] = asyncio.Queue()
        self.waiting = asyncio.Event()

    async def play(self, uri: str, volume: float = 1.0) -> list[Any]:
        """Start playing."""
        self.casts.put_nowait(uri)
        return [uri, volume, pybus.caller().program]

    def who(self) -> str:
        return pybus.caller().name

    async def wait(self) -> None:
        self.waiting.set()
        await asyncio.Event().wait()

    def fail(self, name: str) -> None:
        if name:
            raise pybus.ServiceError(name, "no film\0")
        raise RuntimeError("unplanned")


async def test_a_service_is_called_and_described(bridge: Bridge) -> None:
    async with applets(bridge, 1) as [alice], pybus.aio.connect(bridge.daemon.address) as bob:
        player = Player()
        await bob.register("org.example.Player", player)
        assert await alice.call("Names") == ["org.example.Player"]

        async def call(method: str, *args: object, **options: object) -> Any:
            return await alice.call("Call", "ssava{sv}", "org.example.Player", method, list(args), options)

        program = f"pybus-dbus-export {alice.name} [pybus_services.dbus.export]"
        assert await call("play", "a.mkv") == ["a.mkv", 1.0, program]
        assert await call("play", "b.mkv", named={"volume": 0.5}, timeout=1e9) == ["b.mkv", 0.5, program]
        assert await call("play", "c.mkv", no_reply=True) == ""
        async with asyncio.timeout(PATIENCE):
            assert [await player.casts.get() for _ in range(3)] == ["a.mkv", "b.mkv", "c.mkv"]
        described = await alice.call("Introspect", "s", "org.example.Player")
        assert described["doc"] == "Plays."
        assert described["methods"][1] == {
            "name": "play",
            "doc": "Start playing.",
            "parameters": [
                {"name": "uri", "type": "str", "kind": "plain"},
                {"name": "volume", "type": "float", "kind": "plain", "default": 1.0},
            ],
            "returns": "list",
        }


async def test_each_caller_is_a_program_of_its_own_whose_calls_end_with_it(bridge: Bridge) -> None:
    async with applets(bridge, 2) as [alice, bob], pybus.aio.connect(bridge.daemon.address) as carol:
        player = Player()
        await carol.register("org.example.Player", player)

        async def open_calls() -> int:
            return int((await carol.call("org.pybus.Bus", "stats"))["open_calls"])

        before = await open_calls()

        async def call(applet: Applet, method: str) -> Any:
            return await applet.call("Call", "ssava{sv}", "org.example.Player", method, [], {})

        first, second = await call(alice, "who"), await call(bob, "who")
        assert first != second == await call(bob, "who")
        waiting = asyncio.ensure_future(call(alice, "wait"))
        async with asyncio.timeout(PATIENCE):
            await player.waiting.wait()
        assert await open_calls() == before + 1
        alice.bus.close()
        await asyncio.gather(waiting, return_exceptions=True)

        async def ended() -> bool:
            names = [one["name"] for one in await carol.call("org.pybus.Bus", "peers")]
            return first not in names and second in names and await open_calls() == before

        await wait_for(ended)


async def test_a_call_of_one_who_wants_no_answer_and_leaves_is_made(bridge: Bridge) -> None:
    async with pybus.aio.connect(bridge.daemon.address) as carol:
        player = Player()
        await carol.register("org.example.Player", player)
        async with applets(bridge, 1) as [alice]:
            play: list[object] = ["org.example.Player", "play", ["a.mkv"], {}]
            calling = [asyncio.ensure_future(alice.call("Call", "ssava{sv}", *play)) for _ in range(3)]
            await asyncio.sleep(0)  # they are sent
        await asyncio.gather(*calling, return_exceptions=True)
        async with asyncio.timeout(PATIENCE):
            assert [await player.casts.get() for _ in calling] == ["a.mkv"] * 3


async def test_errors_keep_their_names(bridge: Bridge) -> None:
    async with applets(bridge, 1) as [alice], pybus.aio.connect(bridge.daemon.address) as bob:
        await bob.register("org.example.Player", Player())

        async def refused(name: str, method: str, *args: object, **options: object) -> tuple[str, str]:
            return await alice.refusal("Call", "ssava{sv}", name, method, list(args), options)

        player = "org.example.Player"
        assert [
            await refused("org.example.Nobody", "play"),
            await refused(player, "stop"),
            await refused(player, "play", 7),
            await refused(player, "fail", "org.example.NoFilm"),
            await refused(player, "fail", "no film"),
            await refused(player, "fail", ""),
            await refused(player, "play", timeout=0),
            await refused(player, "play", speed=2),
            await refused("nobody", "play"),
        ] == [
            (f"{ERROR}NameHasNoOwner", "nobody owns the name org.example.Nobody"),
            (f"{ERROR}UnknownMethod", "no method 'stop'; there are: fail, play, wait, who, introspect"),
            (f"{ERROR}InvalidArguments", "play(): argument 'uri' must be str, not int"),
            ("org.example.NoFilm", "no film\\0"),
            (f"{ERROR}Failed", "no film: no film\\0"),
            (f"{ERROR}Failed", "fail() failed: RuntimeError: unplanned"),
            (f"{ERROR}InvalidArguments", "a timeout must be more than 0 and at most 4000000 seconds, not 0"),
            (f"{ERROR}InvalidArguments", "there is no option 'speed'; there are: timeout, named, no_reply"),
            (
                f"{ERROR}BadName",
                "name 'nobody' has one word; a service name has two or more, such as org.example.nobody",
            ),
        ]
        assert await refused(NAME, "unsubscribe", ["bus.name.#"]) == (
            f"{ERROR}AccessDenied",
            "unsubscribe is about its caller's connection, which a program on D-Bus has through Bus1 alone",
        )
        assert (await refused(player, "wait", timeout=0.05))[0] == f"{ERROR}DeadlinePassed"
        assert (await alice.refusal("Get", "s", "ten.none"))[0] == f"{ERROR}NoSuchValue"
        assert (await alice.refusal("Publish", "sva{sv}", "ten.*", 1, {}))[0] == f"{ERROR}BadName"
        assert (await alice.refusal("Subscribe", "s", "ten.a*"))[0] == f"{ERROR}BadName"


# --- what others use ------------------------------------------------------------------------------


def test_gdbus_and_busctl_show_and_call_it(bridge: Bridge) -> None:
    shown = bridge.run("gdbus", "introspect", "--session", "--dest", NAME, "--object-path", PATH).stdout
    for line in ("Publish(in  s topic,", "Message(s topic,", "readonly b Up = true;", "The kept values that match"):
        assert line in shown
    busctl = ("busctl", "--user", f"--address={bridge.dbus}")
    tree = bridge.run(*busctl, "tree", "--list", NAME).stdout.split()
    assert tree == ["/", "/org", "/org/pybus", "/org/pybus/Bus"]
    table = bridge.run(*busctl, "introspect", NAME, PATH, BUS1).stdout.splitlines()[1:]
    assert [line.split()[:3] for line in table if "method" in line] == [
        [".Call", "method", "ssava{sv}"],
        [".Get", "method", "s"],
        [".Introspect", "method", "s"],
        [".Names", "method", "-"],
        [".Publish", "method", "sva{sv}"],
        [".Subscribe", "method", "s"],
        [".Topics", "method", "s"],
        [".Unsubscribe", "method", "u"],
    ]
    assert bridge.gdbus("Publish", "gdbus.door", "<'open'>", "{'retain': <true>}") == "()"
    assert bridge.gdbus("Get", "gdbus.door") == "(<'open'>,)"
    assert bridge.gdbus("Get", "gdbus.none") == (
        "Error: GDBus.Error:org.pybus.Error.NoSuchValue: no value is retained under gdbus.none"
    )


_GJS = """
const {Gio, GLib} = imports.gi;
const loop = GLib.MainLoop.new(null, false);
const [described] = Gio.DBus.session.call_sync('org.pybus.Bus', '/org/pybus/Bus',
    'org.freedesktop.DBus.Introspectable', 'Introspect', null, null, Gio.DBusCallFlags.NONE, -1, null).deepUnpack();
const Bus1 = Gio.DBusProxy.makeProxyWrapper(described);
const bus = new Bus1(Gio.DBus.session, 'org.pybus.Bus', '/org/pybus/Bus');
print(bus.Up, bus.Version.length > 0);
bus.connectSignal('Message', (proxy, owner, [topic, body, sender, info]) => {
    print(topic, JSON.stringify(body.recursiveUnpack()), info.retained ? info.retained.deepUnpack() : false);
    if (topic === 'gjs.end')
        loop.quit();
});
bus.PublishSync('gjs.door', new GLib.Variant('s', 'open'), {retain: GLib.Variant.new_boolean(true)});
bus.SubscribeSync('gjs.#');
bus.PublishSync('gjs.map', new GLib.Variant('a{sv}', {n: GLib.Variant.new_int32(3)}), {});
bus.PublishSync('gjs.end', new GLib.Variant('as', ['a', 'b']), {});
loop.run();
try {
    bus.GetSync('gjs.none');
} catch (error) {
    print(Gio.DBusError.get_remote_error(error));
}
"""


@needs("gjs")
def test_a_proxy_of_gjs_works(bridge: Bridge) -> None:
    done = bridge.run("gjs", "-c", _GJS)
    assert (done.stdout.splitlines(), done.returncode) == (
        [
            "true true",
            'gjs.door "open" true',
            'gjs.map {"n":3} false',
            'gjs.end ["a","b"] false',
            "org.pybus.Error.NoSuchValue",
        ],
        0,
    ), done.stderr


# --- news of the bus ------------------------------------------------------------------------------


async def test_changes_of_properties_are_told(bridge: Bridge) -> None:
    async with applets(bridge, 1) as [alice]:
        await alice.hear(PROPERTIES)
        if await alice.property("NumberOfNames"):  # somebody of another scene may be about to leave
            await alice.has_become("NumberOfNames", 0)
        async with pybus.aio.connect(bridge.daemon.address) as bob:
            await bob.register("org.example.Bob", Player())
            await alice.has_become("NumberOfNames", 1)
        await alice.has_become("NumberOfNames", 0)
        assert [await alice.property(name) for name in ("NumberOfNames", "Up", "Version")] == [
            0,
            True,
            pybus.__version__,
        ]


async def test_the_bus_goes_and_comes_back_with_all_that_was_held(bridge: Bridge) -> None:
    async with applets(bridge, 1) as [alice]:
        await alice.hear(PROPERTIES)
        number = await alice.subscribe("back.#")
        await alice.publish("back.mine", "kept", ephemeral=True)
        assert (await alice.next())[1] == "kept"
        bridge.daemon.kill()
        await alice.has_become("Up", False)
        second = await alice.subscribe("back.*")  # which begins when the bus is there again
        bridge.daemon.restart()
        await alice.has_become("Up", True)
        heard = [await alice.next() for _ in range(2)]
        assert sorted(one[3]["id"] for one in heard) == [number, second]
        assert {one[1] for one in heard} == {"kept"}
        async with pybus.aio.connect(bridge.daemon.address) as bob:
            await bob.publish("back.news", 1)
            assert {(await alice.next())[0] for _ in range(2)} == {"back.news"}
