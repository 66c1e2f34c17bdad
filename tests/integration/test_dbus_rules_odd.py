"""The user's own rules, and what D-Bus can do to them: other owners, floods, silence, restarts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pybus_services.dbus.rules.owners import MOST_NAMES
from tests.cli.programs import run
from tests.daemon import PATIENCE

from .dbus_desk import NAME, Desk, DeskScene, desk
from .private_dbus import needs_dbus

pytestmark = needs_dbus

RADIO = "org.example.Radio"
DBUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus")

RULES = """\
[[rule]]
name = "station"
sender = "org.example.Radio"
path = "/org/example/Radio"
interface = "org.example.Radio"
property = "Station"
topic = "desk.station"

[[rule]]
name = "asked"
sender = "org.example.radios.*"
path = "/org/example/Radio"
interface = "org.example.Radio"
method = "GetStation"
signal = "Tuned"
topic = "desk.{name}.asked"
words = { news = "the news", music = "music", true = "yes" }

[[rule]]
name = "jingle"
sender = "org.example.radios.*"
path = "/org/example/*"
interface = "org.example.Radio"
signal = "Jingle"
topic = "desk.{name}.{path}.{arg0}"
arg = 1

[[rule]]
name = "alarm"
interface = "org.example.Radio"
signal = "Alarm"
topic = "desk.alarm"
map = { what = "arg1", loud = { key = "arg0", kind = "number", divisor = 10 }, why = { key = "arg1", kind = "number" } }
"""


@pytest.fixture(scope="module")
def desktop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk")) as running:
        running.daemon.offer(NAME, 'topics = ["desk.#", "media.#", "session.#", "network.#"]\n')
        running.daemon.reload()
        yield running


@pytest.fixture
async def people(desktop: Desk) -> AsyncIterator[DeskScene]:
    desktop.rules.write_text(RULES)
    async with desktop.scene() as scene:
        yield scene


async def test_a_property_of_one_who_comes_and_goes(people: DeskScene) -> None:
    listener = await people.listen("desk.#")
    radio = await people.radio(RADIO)
    await listener.hear("desk.station news")
    await radio.do("tell", "music")
    await listener.hear("desk.station music")
    await radio.do("tell", "music")  # no news
    await radio.do("set", "sports")
    await radio.do("invalidate")
    await listener.hear("desk.station sports")
    await radio.do("set", "weather")
    await radio.do("invalidate", "/org/example/alias")  # an object under another path
    await listener.hear("desk.station weather")
    await radio.do("tell", "hits", "/org/example/alias")
    await listener.hear("desk.station hits")
    await radio.do("set", "talk")
    await radio.do("emit", "InterfacesAdded", "o", ["/org/example/Radio"], "/", "org.freedesktop.DBus.ObjectManager")
    await listener.hear("desk.station talk")
    await radio.do("release", RADIO)
    await listener.hear("desk.station (cleared)")
    await radio.do("tell", "nobody's")
    await radio.do("own", RADIO)
    await listener.hear("desk.station nobody's")


async def test_another_owner_takes_over_without_a_false_edge(people: DeskScene) -> None:
    listener = await people.listen("desk.#")
    first, second = await people.radio(RADIO), await people.radio()
    await listener.hear("desk.station news")
    await second.do("own", RADIO)
    await first.do("tell", "the first one's")
    await second.do("tell", "the second one's")
    await listener.hear("desk.station the second one's")
    await second.process.communicate(b"")  # the first one was waiting for it
    await listener.hear("desk.station the first one's")


async def test_a_family_of_names_and_a_method(people: DeskScene) -> None:
    listener = await people.listen("desk.#")
    one = await people.radio("org.example.radios.kitchen", "org.example.radios.a.b")
    await listener.hear_all("desk.kitchen.asked the news", "desk.a_b.asked the news")
    await one.do("emit", "Tuned", "s", ["music"])
    await listener.hear_all("desk.kitchen.asked music", "desk.a_b.asked music")
    await one.do("release", "org.example.radios.a.b")
    await listener.hear("desk.a_b.asked (cleared)")
    await one.do("set", True)
    await one.do("emit", "Tuned", "", [])  # does not say what it is
    await listener.hear("desk.kitchen.asked yes")
    await one.do("emit", "Tuned", "s", ["static"])  # there is no word for that
    await listener.hear("desk.kitchen.asked (cleared)")


async def test_signals_with_arguments(people: DeskScene) -> None:
    listener = await people.listen("desk.#")
    radio = await people.radio("org.example.radios.kitchen")
    await listener.hear("desk.kitchen.asked the news")
    await radio.do("emit", "Jingle", "sai", ["a.b", [1, 2]], "/org/example/speakers/left")
    await radio.do("emit", "Jingle", "s", ["it lacks one"])
    await radio.do("emit", "Jingle", "si", ["elsewhere", 1], "/org/elsewhere")
    await radio.do("emit", "Alarm", "ds", [25.0, "fire"])
    await radio.do("emit", "Alarm", "", [])
    await radio.do("emit", "Jingle", "bi", [True, 3], "/org/example/x")
    await listener.hear(
        "desk.kitchen.speakers/left.a_b [1, 2]",
        'desk.alarm {"what": "fire", "loud": 2.5}',
        "desk.kitchen.x.true 3",
    )


async def test_wrong_rules_are_named_and_the_others_work(people: DeskScene, desktop: Desk) -> None:
    wrong = '\n[[rule]]\nname = "wrong"\ninterface = "Radio"\ntopic = "desk.{nam}"\nsignal = "X"\n'
    desktop.rules.write_text(f'disabled = ["network", "nothing"]\n{RULES}{wrong}')
    await people.radio(RADIO)
    assert await people.alice.get("desk.station") == "news"
    code, log, _ = await asyncio.to_thread(run, desktop.daemon, "pybus", "service", NAME, "logs")
    line = RULES.count("\n") + 6
    shipped = "media-track, media-status, screensaver-shell, screensaver-gnome, screensaver, lock, sleep, network"
    told = [one.partition(": ")[2] for one in log.splitlines() if str(desktop.rules) in one]
    assert (code, told) == (
        0,
        [
            f"{desktop.rules}:{line - 1}: [[rule]] interface: 'Radio' is no interface:"
            " it must be like org.example.Player, of 255 characters at most",
            f"{desktop.rules}:{line}: [[rule]] topic: has the unknown field {{nam}};"
            " there are {name}, {path}, {arg0}, {arg1}, ...",
            f"{desktop.rules}:1: disabled: there is no shipped rule 'nothing'; there are: {shipped}",
        ],
    )


async def test_who_does_not_answer_holds_up_nobody_and_is_asked_again(people: DeskScene, desktop: Desk) -> None:
    radio = await people.radio(RADIO)
    await radio.do("mute", True)
    await people.radio("org.example.radios.kitchen")
    assert await people.alice.get("desk.kitchen.asked") == "the news"
    await radio.do("mute", False)
    async with people.alice.subscribe("desk.station") as stations:
        said = await stations.receive(PATIENCE)
    assert said is not None
    assert said.body == "news"
    assert await radio.do("count") == 2


async def test_a_flood_of_changes_ends_with_the_last_and_holds_up_no_call(people: DeskScene) -> None:
    radio = await people.radio(RADIO)
    stations = people.alice.subscribe("desk.station")
    first = await stations.receive(PATIENCE)
    assert first is not None
    flooding = asyncio.ensure_future(radio.do("flood", 10_000))
    heard = ["0"]
    while heard[-1] != "9999":
        assert RADIO in await people.on_dbus("session", *DBUS, "org.freedesktop.DBus.ListNames")
        while (one := await stations.receive(0)) is not None:
            heard.append(one.body)
    await flooding
    assert [*map(int, heard)] == sorted(map(int, heard))  # each is newer than the one before it
    assert stations.missed == {}


async def test_the_bus_restarts_time_and_again(people: DeskScene, desktop: Desk) -> None:
    listener = await people.listen("desk.station", "session.#")
    pid = (await people.alice.call("org.pybus.Bus", "service", NAME))["pid"]
    open_files: list[int] = []
    for _ in range(10):
        radio = await people.radio(RADIO)
        await listener.hear("desk.station news")
        open_files.append(len(os.listdir(f"/proc/{pid}/fd")))
        desktop.session.kill()
        await listener.hear("desk.station (cleared)")
        await radio.process.communicate()
        desktop.session.restart()
    assert len({*open_files}) == 1


async def test_a_crash_of_the_service_leaves_no_value_behind(people: DeskScene) -> None:
    listener = await people.listen("desk.station")
    await people.radio(RADIO)
    await listener.hear("desk.station news")
    os.kill((await people.alice.call("org.pybus.Bus", "service", NAME))["pid"], signal.SIGKILL)
    await listener.hear_until("desk.station (cleared)")  # among what it says of the crash itself
    await listener.hear_until("desk.station news")


async def test_nobody_is_started_to_be_watched(people: DeskScene, desktop: Desk) -> None:
    """The bus could start a radio, and does when somebody calls it."""
    aid = Path(__file__).with_name("radio.py")
    command = f"{sys.executable} {aid} {desktop.session.address} {RADIO}"
    file = desktop.session.folder / f"{RADIO}.service"
    file.write_text(f"[D-BUS Service]\nName={RADIO}\nExec={command}\n")
    try:
        await people.on_dbus("session", *DBUS, "org.freedesktop.DBus.ReloadConfig")
        listener = await people.listen("desk.#")
        other = await people.radio("org.example.radios.kitchen")
        await listener.hear("desk.kitchen.asked the news")  # all states have been looked at
        assert await people.on_dbus("session", *DBUS, "org.freedesktop.DBus.NameHasOwner", RADIO) is False
        assert await people.on_dbus("session", RADIO, "/org/example/Radio", f"{RADIO}.GetStation") == "news"
        await listener.hear("desk.station news")
        assert await other.do("count") == 1
    finally:
        file.unlink()


async def test_a_bus_that_is_not_there_comes_late(people: DeskScene, desktop: Desk) -> None:
    desktop.session.kill()
    listener = await people.listen("desk.#")
    desktop.session.restart()
    await people.radio(RADIO)
    await listener.hear("desk.station news")


async def test_a_bus_that_says_nothing_holds_up_no_start(people: DeskScene, desktop: Desk) -> None:
    """Its socket takes whoever comes, and nobody answers there, as when a bus is stopped."""
    os.kill(desktop.session.pid, signal.SIGSTOP)
    try:
        await people.listen("desk.#")
    finally:
        os.kill(desktop.session.pid, signal.SIGCONT)


async def test_more_names_of_a_family_than_are_looked_at(people: DeskScene, desktop: Desk) -> None:
    radio = await people.radio(*(f"org.example.radios.n{number}" for number in range(MOST_NAMES + 1)))
    await people.alice.call(NAME, "introspect")
    topics = {kept["topic"] for kept in await people.alice.call("org.pybus.Bus", "topics", "desk.*.asked")}
    [left_out] = {f"desk.n{number}.asked" for number in range(MOST_NAMES + 1)} - topics
    _, log, _ = await asyncio.to_thread(run, desktop.daemon, "pybus", "service", NAME, "logs")
    assert log.count(f" is not looked at: there are {MOST_NAMES} such names, the limit\n") == 1
    listener = await people.listen(left_out)
    await radio.do("release", f"org.example.radios.{min(topics).split('.')[1]}")
    await listener.hear(f"{left_out} the news")


async def test_a_second_service_says_nothing_and_ends(people: DeskScene, desktop: Desk) -> None:
    listener = await people.listen("desk.station")
    await people.radio(RADIO)
    await listener.hear("desk.station news")
    second = await people.start(sys.executable, "-m", "pybus_services.dbus")
    output, _ = await second.communicate()
    assert second.returncode == 5
    assert output.startswith(b"pybus-dbus: org.pybus.DBus is owned by pybus-dbus [pybus_services.dbus] (pid ")
    [kept] = await people.alice.call("org.pybus.Bus", "topics", "desk.#")
    assert kept["sender"] == await people.alice.call("org.pybus.Bus", "owner", NAME)
