"""D-Bus as topics: real players, and dbusmock's logind, NetworkManager and screensaver, heard with `pybus-listen`."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.cli.programs import run
from tests.daemon import PATIENCE

from .dbus_desk import Desk, DeskScene, Listener, desk, needs_dbusmock, needs_players
from .private_dbus import needs_dbus

pytestmark = needs_dbus

LOGIN = "org.freedesktop.login1"
AUTO = "/org/freedesktop/login1/session/auto"
NETWORK = "org.freedesktop.NetworkManager"
MOCK = "org.freedesktop.DBus.Mock"


@pytest.fixture(scope="module")
def desktop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


@pytest.fixture
async def people(desktop: Desk) -> AsyncIterator[DeskScene]:
    desktop.rules.unlink(missing_ok=True)
    async with desktop.scene() as scene:
        yield scene


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of a test card, with a title."""
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    card = ("-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=3", "-c:v", "mpeg4")
    facts = ("-metadata", "title=Lunch", "-metadata", "artist=Alice", "-metadata", "album=Noon")
    subprocess.run(["ffmpeg", "-v", "error", *card, *facts, str(path)], check=True)
    return path


# --- players --------------------------------------------------------------------------------------


@needs_players
async def test_a_player_from_its_start_to_its_death(people: DeskScene, film: Path) -> None:
    listener = await people.listen("media.*.status")
    tracks = people.alice.subscribe("media.mpv.track")
    player = await people.play(film)
    await listener.hear_until("media.mpv.status playing")
    facts = {"title": "Lunch", "artist": ["Alice"], "album": "Noon", "url": film.as_uri(), "length": 3.0}
    async with asyncio.timeout(PATIENCE):
        async for track in tracks:  # its length is known after the first frames
            if track.body == facts:
                break
    await people.control("mpv", "pause")
    await listener.hear("media.mpv.status paused")
    await people.control("mpv", "play")
    await listener.hear("media.mpv.status playing")
    await player.end(signal.SIGKILL)
    await listener.hear("media.mpv.status (cleared)")
    assert await people.alice.call("org.pybus.Bus", "topics", "media.#") == []


@needs_players
async def test_who_plays_already_is_told_to_who_asks(people: DeskScene, desktop: Desk, film: Path) -> None:
    """The first who asks starts the service, and its answer waits for that of the players."""
    await people.play(film, "--pause")
    witness = Listener(await people.start("playerctl", "--follow", "status"))
    await witness.hear_until("Paused")
    asking = asyncio.to_thread(run, desktop.daemon, "pybus", "get", "media.mpv.status")
    assert await asking == (0, "paused\n", "")


@needs_players
async def test_two_players_and_one_that_stops(people: DeskScene, film: Path) -> None:
    listener = await people.listen("media.*.status")
    first = await people.play(film, "--pause")
    await listener.hear_until("media.mpv.status paused")
    second = await people.play(film, "--idle=yes")
    name = f"mpv_instance{second.process.pid}"
    await listener.hear_until(f"media.{name}.status playing")
    await people.control("mpv", "play")
    await listener.hear("media.mpv.status playing")
    await people.control(f"mpv.instance{second.process.pid}", "stop")
    await listener.hear(f"media.{name}.status stopped")
    await second.end(signal.SIGKILL)
    await listener.hear(f"media.{name}.status (cleared)")
    await first.end(signal.SIGTERM)
    await listener.hear_until("media.mpv.status (cleared)")


# --- the session, the network ---------------------------------------------------------------------


@needs_dbusmock
async def test_the_screensaver_of_one_who_is_there_and_of_one_who_comes(people: DeskScene) -> None:
    listener = await people.listen("session.#")
    saver = await people.mock("gnome_screensaver")
    await listener.hear("session.screensaver off")
    for active in (True, False, True):
        path, method = "/org/gnome/ScreenSaver", "org.gnome.ScreenSaver.SetActive"
        await people.on_dbus("session", "org.gnome.ScreenSaver", path, method, active)
        await listener.hear(f"session.screensaver {'on' if active else 'off'}")
    await saver.end(signal.SIGKILL)
    await listener.hear("session.screensaver (cleared)")
    await people.mock("gnome_screensaver")
    await listener.hear("session.screensaver off")


@needs_dbusmock
async def test_sleep_and_lock_by_logind(people: DeskScene) -> None:
    listener = await people.listen("session.#")
    logind = await people.mock("logind")
    await people.until_owned("system", LOGIN)
    emit = (LOGIN, "/org/freedesktop/login1", f"{MOCK}.EmitSignal")
    for sleeps in (True, False):
        await people.on_dbus("system", *emit, f"{LOGIN}.Manager", "PrepareForSleep", "b", [sleeps])
    await listener.hear("session.sleep sleep", "session.sleep wake")
    add = (LOGIN, "/org/freedesktop/login1", f"{MOCK}.AddObject")
    await people.on_dbus("system", *add, AUTO, f"{LOGIN}.Session", {"LockedHint": False}, [])
    for locked in (True, False):
        changed = (f"{LOGIN}.Session", {"LockedHint": locked})
        await people.on_dbus("system", LOGIN, AUTO, f"{MOCK}.UpdateProperties", *changed)
        await listener.hear_until(f"session.lock {'locked' if locked else 'unlocked'}")
    await logind.end(signal.SIGKILL)
    await listener.hear("session.lock (cleared)")


@needs_dbusmock
async def test_the_network(people: DeskScene) -> None:
    listener = await people.listen("network.state")
    manager = await people.mock("networkmanager")
    await listener.hear("network.state online")
    set_state = (NETWORK, "/org/freedesktop/NetworkManager", f"{MOCK}.SetGlobalConnectionState")
    for state, word in ((20, "offline"), (60, "limited"), (70, "online")):
        await people.on_dbus("system", *set_state, state, signature="u")
        await listener.hear(f"network.state {word}")
    await manager.end(signal.SIGTERM)
    await listener.hear("network.state (cleared)")
