"""examples/no_screensaver_while_video.py, with the real service; what players do is said by alice."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import pybus
from tests.daemon import PATIENCE, BusDaemon

from .hal_scene import Program, Scene
from .private_dbus import PrivateDBus, needs_dbus
from .screensaver_scene import Desktops, Keeper, offer_the_service

pytestmark = needs_dbus

EXAMPLE = Path(__file__).parents[2] / "examples/no_screensaver_while_video.py"

INHIBIT, RELEASE = "Inhibit", "UnInhibit"
FILM = {"url": "file:///home/alice/a%20film.mkv"}
SONG = {"url": "file:///home/alice/song.ogg"}


@pytest.fixture
def daemon(session_bus: PrivateDBus) -> Iterator[BusDaemon]:
    """A bus that offers the shipped service."""
    with BusDaemon() as running:
        offer_the_service(running)
        yield running


@pytest.fixture
async def keeper(people: Scene, session_bus: PrivateDBus) -> Keeper:
    return await Desktops(people, session_bus).keeper()


@asynccontextmanager
async def example(people: Scene, alice: pybus.aio.Bus, *options: str) -> AsyncIterator[Program]:
    """The example, once it listens. It ends as by Ctrl-C."""
    running = Program(await people.start(sys.executable, "-W", "error", str(EXAMPLE), *options))
    while not await alice.publish("media.nobody.status", "stopped", confirm=True):
        pass
    yield running
    assert await running.end(signal.SIGINT) == 0


async def say(alice: pybus.aio.Bus, player: str, status: str, track: dict[str, str] | None = None) -> None:
    """What a player does, as services/dbus tells it."""
    if track is not None:
        await alice.publish(f"media.{player}.track", track, ephemeral=True)
    await alice.publish(f"media.{player}.status", status, ephemeral=True)


async def heard(keeper: Keeper) -> str:
    """What the desktop was asked for next."""
    what: str = (await keeper.heard())[1]
    return what


async def test_a_film_counts_while_it_plays(people: Scene, alice: pybus.aio.Bus, keeper: Keeper) -> None:
    async with example(people, alice):
        await say(alice, "mpv", "playing", FILM)
        assert (await keeper.heard())[2][1] == "a video plays"
        await say(alice, "mpv", "paused")
        assert await heard(keeper) == RELEASE
        await say(alice, "mpv", "playing")
        assert await heard(keeper) == INHIBIT
        await say(alice, "mpv", "stopped")
        assert await heard(keeper) == RELEASE
        await say(alice, "mpv", "playing")
        assert await heard(keeper) == INHIBIT
        await alice.clear("media.mpv.status")  # it has gone
        assert await heard(keeper) == RELEASE


async def test_who_plays_already_counts(people: Scene, alice: pybus.aio.Bus, keeper: Keeper) -> None:
    await say(alice, "mpv", "playing", FILM)
    async with example(people, alice):
        assert await heard(keeper) == INHIBIT
    assert await heard(keeper) == RELEASE


async def test_music_does_not_count_nor_what_nobody_knows(people: Scene, alice: pybus.aio.Bus, keeper: Keeper) -> None:
    async with example(people, alice):
        await say(alice, "mpv", "playing", SONG)
        await say(alice, "spotify", "playing", {"url": "https://music.example.org/track/7"})
        await say(alice, "firefox_instance_1_7", "playing", {"title": "a talk"})
        await say(alice, "vlc", "playing")
        assert "org.pybus.Screensaver" not in [one["name"] for one in await alice.call("org.pybus.Bus", "names")]
        await say(alice, "mpv", "playing", {"url": "https://films.example.org/trailer.mp4?size=large"})
        assert await heard(keeper) == INHIBIT
        await say(alice, "mpv", "playing", SONG)
        assert await heard(keeper) == RELEASE


async def test_films_by_their_endings(people: Scene, alice: pybus.aio.Bus, keeper: Keeper) -> None:
    """Whatever the system's own list makes of them: Debian's says that .ts is a text, and .mts a model."""
    async with example(people, alice):
        for film in ("a.mkv", "a.ts", "A.MTS", "a.m2ts", "a.3gp", "a.asf", "a.mp4"):
            await say(alice, "mpv", "playing", {"url": f"file:///home/alice/{film}"})
            assert (film, await heard(keeper)) == (film, INHIBIT)
            await say(alice, "mpv", "stopped")
            assert (film, await heard(keeper)) == (film, RELEASE)


async def test_a_url_that_is_none_ends_nothing(people: Scene, alice: pybus.aio.Bus, keeper: Keeper) -> None:
    async with example(people, alice):
        await say(alice, "celluloid", "playing", {"url": "http://[x/film.mkv"})
        await say(alice, "mpv", "playing", FILM)
        assert await heard(keeper) == INHIBIT


async def test_players_whose_playing_counts_whatever_it_is(people: Scene, alice: pybus.aio.Bus, keeper: Keeper) -> None:
    async with example(people, alice, "--players", "chromium,firefox"):
        await say(alice, "firefox_instance_1_7", "playing", {"title": "a talk"})
        assert await heard(keeper) == INHIBIT
        await say(alice, "firefox_instance_1_7", "paused")
        assert await heard(keeper) == RELEASE
        await say(alice, "firefoxes", "playing", SONG)
        await say(alice, "chromium", "playing", SONG)
        assert await heard(keeper) == INHIBIT


async def test_two_films_are_one_inhibition(people: Scene, alice: pybus.aio.Bus, keeper: Keeper) -> None:
    async with example(people, alice):
        await say(alice, "mpv", "playing", FILM)
        assert await heard(keeper) == INHIBIT
        await say(alice, "vlc", "playing", FILM)
        await say(alice, "mpv", "paused")
        await say(alice, "vlc", "paused")
        assert await heard(keeper) == RELEASE


async def test_after_a_restart_of_the_service_it_asks_again(
    people: Scene, alice: pybus.aio.Bus, keeper: Keeper
) -> None:
    async with example(people, alice):
        await say(alice, "mpv", "playing", FILM)
        assert await heard(keeper) == INHIBIT
        os.kill((await alice.call("org.pybus.Bus", "peer", "org.pybus.Screensaver"))["pid"], signal.SIGKILL)
        assert [await heard(keeper), await heard(keeper)] == ["left", INHIBIT]
        await say(alice, "mpv", "paused")
        assert await heard(keeper) == RELEASE


async def test_after_a_restart_of_the_bus_what_plays_then_counts(
    people: Scene, daemon: BusDaemon, alice: pybus.aio.Bus, keeper: Keeper
) -> None:
    """alice comes back by herself with what she said; carol, whose film it was, does not."""
    back = asyncio.Event()
    alice.on_reconnect(back.set)
    async with example(people, alice):
        async with pybus.aio.connect(daemon.address, program="carol", reconnect=False) as carol:
            await say(carol, "vlc", "playing", FILM)
            await carol.flush()
            assert await heard(keeper) == INHIBIT
            daemon.kill()
            while await heard(keeper) != "left":
                pass  # it may have had the time to release it
            daemon.restart()
        async with asyncio.timeout(PATIENCE):
            await back.wait()
        await alice.subscribe("media.#")
        while not await alice.publish("media.nobody.status", "stopped", confirm=True):
            pass
        state = await alice.call("org.pybus.Screensaver", "state")
        assert state == {"state": "allowed", "inhibitions": []}
        await say(alice, "mpv", "playing", FILM)
        assert await heard(keeper) == INHIBIT


async def test_without_a_desktop_it_says_so_and_tries_again(
    people: Scene, alice: pybus.aio.Bus, session_bus: PrivateDBus
) -> None:
    async with example(people, alice) as running:
        await say(alice, "mpv", "playing", FILM)
        assert "nobody on the session bus of D-Bus keeps a screensaver off" in await running.line()
        keeper = await Desktops(people, session_bus).keeper()
        assert await heard(keeper) == INHIBIT
