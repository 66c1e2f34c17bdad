"""xscreensaver under Xvfb, and a real mpv: what it says itself of those who hold it off.

It holds itself off by a wake-up every 50 to 100 seconds, so with a timeout as short as a test wants it
blanks between them. That it wakes is seen once, and then what it says of who inhibits it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .desktop_session import NEEDS, DesktopSession
from .film_scene import EXAMPLE, control, install_example, kill, kill_player, make_clips, play
from .film_scene import NEEDS as NEEDS_FILM
from .hal_scene import needs

pytestmark = [
    *NEEDS,
    *NEEDS_FILM,
    needs("xscreensaver", "xscreensaver-command", "Xvfb"),
    pytest.mark.usefixtures("only_desktop"),
    pytest.mark.timeout(900),
]

SETTINGS = """\
timeout: 0:00:05
mode: blank
lock: False
fade: False
unfade: False
splash: False
"""

BLANK, WAKE = ": blanking", "unblanking"
INHIBIT, RELEASE = f': inhibited by "{EXAMPLE}" (', f': uninhibited by "{EXAMPLE}" ('
ORPHANED = f'for inhibiting app "{EXAMPLE}" has died: uninhibiting'


class Desk(DesktopSession):
    """A session with xscreensaver, on a display without a screen, and the example. What it says is in the journal."""

    def __init__(self) -> None:
        self._display: subprocess.Popen[str] | None = None
        super().__init__()
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        options = ("-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp")
        self._display = self.session.start("Xvfb", *options)
        assert self._display.stdout is not None
        self.session.systemctl("set-environment", f"DISPLAY=:{self._display.stdout.readline().strip()}")
        (self.session.home / ".xscreensaver").write_text(SETTINGS)
        self.unit("daemon", "xscreensaver", "--verbose")
        self.run("gdbus", "wait", "--session", "--timeout=20", "org.freedesktop.ScreenSaver")
        install_example(self)

    @contextmanager
    def told(self, text: str) -> Iterator[None]:
        """What happens within is told by xscreensaver, if only a moment later."""
        before = sum(text in entry.get("MESSAGE", "") for entry in list(self.session.journal))
        yield
        self.session.wait_for(text, before + 1)

    def close(self) -> None:
        if self._display is not None:
            self.session.end(self._display)
        super().close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    with Desk() as running:
        yield running


def test_xscreensaver_is_held_off_by_a_film(desk: Desk, tmp_path: Path) -> None:
    make_clips(tmp_path)
    desk.session.wait_for(BLANK)
    with desk.told(WAKE), desk.told(INHIBIT):
        play(desk, tmp_path / "film.mkv")
    with desk.told(BLANK), desk.told(RELEASE):
        control(desk, "pause")
    with desk.told(INHIBIT):
        control(desk, "play")
    with desk.told(INHIBIT), desk.told(ORPHANED):
        kill(desk, "org.pybus.Screensaver")
    with desk.told(RELEASE):
        kill_player(desk)
