"""The screensaver of a real GNOME session, and a real mpv: off while a video plays, and only then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .film_scene import EXAMPLE, control, install_example, kill, kill_player, make_clips, play
from .film_scene import NEEDS as NEEDS_FILM
from .gnome_session import NEEDS, GnomeSession, Signals
from .service_scene import eventually
from .user_session import BIN

pytestmark = [*NEEDS, *NEEDS_FILM, pytest.mark.usefixtures("only_desktop"), pytest.mark.timeout(900)]

DELAY = 3.0
"""Seconds without input after which the session counts as idle, and the screen is blanked."""

BLANK, WAKE = "ActiveChanged (true", "ActiveChanged (false"
INHIBIT, RELEASE = "InhibitorAdded", "InhibitorRemoved"


@contextmanager
def told(signals: Signals, text: str, times: int = 1) -> Iterator[None]:
    """What happens within is told, if only a moment later."""
    before = signals.count(text)
    yield
    signals.wait_for(text, before + times)


class Desk:
    """A GNOME session in which the example runs, as its docstring installs it.

    screen: what the screensaver tells. inhibitors: what the session tells of those who hold it off.
    """

    def __init__(self, gnome: GnomeSession, clips: Path) -> None:
        self.gnome = gnome
        self._clips = clips
        self.screen = gnome.signals("org.gnome.ScreenSaver")
        self.inhibitors = gnome.signals("org.gnome.SessionManager")
        install_example(gnome)

    def play(self, clip: str) -> None:
        play(self.gnome, self._clips / clip)

    @contextmanager
    def film(self) -> Iterator[None]:
        """A film plays, and somebody is there to see its begin. At the end its player is killed with -9."""
        with told(self.inhibitors, INHIBIT):
            self.play("film.mkv")
        self.press_key()
        yield
        with told(self.inhibitors, RELEASE):
            kill_player(self.gnome)

    def press_key(self) -> None:
        """Come back to the desk, whether the screen is blank or not."""
        active = self.gnome.call("org.gnome.ScreenSaver", "/org/gnome/ScreenSaver", "org.gnome.ScreenSaver.GetActive")
        if active == "(true,)":
            with told(self.screen, WAKE):
                self.gnome.press_key()
        else:
            self.gnome.press_key()

    def stays_lit(self, delays: float) -> None:
        """Nobody touches anything for so many delays, and the screen is not blanked."""
        self.screen.stays_without(BLANK, self.screen.count(BLANK), delays * DELAY)

    def inhibitors_now(self) -> int:
        """How many the session has."""
        manager = ("org.gnome.SessionManager", "/org/gnome/SessionManager")
        answer = self.gnome.call(*manager, "org.gnome.SessionManager.GetInhibitors")
        return answer.count("/org/gnome/SessionManager/Inhibitor")

    def inhibitions(self) -> list[tuple[str, str, str]]:
        """What our service holds: for which program, why, and by whom."""
        state = json.loads(self.gnome.run(str(BIN / "pybus"), "call", "org.pybus.Screensaver", "state"))
        return [(one["program"], one["reason"], one["by"]) for one in state["inhibitions"]]

    def kill_on_dbus(self, name: str) -> None:
        """Kill with -9 who has a name on D-Bus."""
        dbus = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.GetConnectionUnixProcessID")
        pid = self.gnome.call(*dbus, name).removeprefix("(uint32 ").removesuffix(",)")
        self.gnome.run("kill", "-9", pid)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One desk for all scenes, as a desktop takes seconds to come up."""
    clips = tmp_path_factory.mktemp("clips")
    make_clips(clips)
    with GnomeSession({"org.gnome.desktop.session idle-delay": f"{DELAY:.0f}"}) as gnome:
        yield Desk(gnome, clips)


def test_a_film_holds_the_screensaver_and_a_pause_lets_it_come(desk: Desk) -> None:
    with desk.film():
        desk.stays_lit(3)
        with told(desk.screen, BLANK):
            with told(desk.inhibitors, RELEASE):
                control(desk.gnome, "pause")
        with told(desk.inhibitors, INHIBIT):
            control(desk.gnome, "play")
        desk.press_key()
        desk.stays_lit(1.5)


def test_music_does_not_count(desk: Desk) -> None:
    listener = desk.gnome.session.start(str(BIN / "pybus-listen"), "media.mpv.status")
    try:
        desk.play("song.flac")
        assert listener.stdout is not None
        while listener.stdout.readline() != "media.mpv.status playing\n":
            assert listener.poll() is None
        desk.press_key()
        with told(desk.screen, BLANK):
            pass
        assert desk.inhibitors_now() == 0
    finally:
        kill_player(desk.gnome)
        desk.gnome.session.end(listener)


def test_a_player_that_is_killed_lets_the_screensaver_come(desk: Desk) -> None:
    with told(desk.screen, BLANK), desk.film():
        pass
    assert desk.inhibitors_now() == 0


def test_whoever_of_ours_is_killed_comes_back_and_goes_on(desk: Desk) -> None:
    """The example, the service and the bus, with -9 and one by one: each time the screensaver is held again."""
    kill_unit = ("kill", "--kill-who=main", "--signal=KILL")
    with desk.film():
        with told(desk.inhibitors, INHIBIT), told(desk.inhibitors, RELEASE):
            desk.gnome.session.systemctl(*kill_unit, EXAMPLE)
        with told(desk.inhibitors, INHIBIT), told(desk.inhibitors, RELEASE):
            kill(desk.gnome, "org.pybus.Screensaver")
        with told(desk.inhibitors, INHIBIT), told(desk.inhibitors, RELEASE):
            desk.gnome.session.systemctl(*kill_unit, "pybus.service")
        assert desk.inhibitors_now() == 1
        desk.press_key()
        desk.stays_lit(1.5)
    assert desk.inhibitors_now() == 0


def test_the_desktops_own_service_restarts(desk: Desk) -> None:
    """The session's manager may hold it meanwhile, if that takes long enough."""
    with desk.film():
        with told(desk.inhibitors, INHIBIT), told(desk.inhibitors, RELEASE):
            desk.kill_on_dbus("org.freedesktop.ScreenSaver")
        held = [(EXAMPLE, "a video plays", "org.freedesktop.ScreenSaver")]
        assert eventually(lambda: (desk.inhibitions(), desk.inhibitors_now()) == (held, 1))
    assert desk.inhibitors_now() == 0


def test_without_the_example_nothing_is_held(desk: Desk) -> None:
    with told(desk.inhibitors, INHIBIT):
        desk.play("film.mkv")
    with told(desk.inhibitors, RELEASE):
        desk.gnome.session.systemctl("stop", EXAMPLE)
    kill_player(desk.gnome)
    assert desk.inhibitors_now() == 0
