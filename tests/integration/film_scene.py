"""A film in a real mpv, and the example that keeps the screensaver off while it plays."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from .desktop_session import DesktopSession
from .hal_scene import needs
from .service_scene import eventually
from .user_session import BIN

MPRIS = Path("/usr/lib/mpv-mpris/mpris.so")

NEEDS = [
    needs("mpv", "playerctl", "ffmpeg"),
    pytest.mark.skipif(not MPRIS.exists(), reason="not installed: mpv-mpris"),
]

ROOT = Path(__file__).parents[2]
EXAMPLE = "no-screensaver-while-video"


def make_clips(folder: Path) -> None:
    """A `film.mkv` and a `song.flac`, of ten seconds."""
    sources = ("-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=10", "-f", "lavfi", "-i", "sine=duration=10")
    song = ("-map", "1:a", "-c:a", "flac")
    command = ("ffmpeg", "-loglevel", "error", *sources, str(folder / "film.mkv"), *song, str(folder / "song.flac"))
    subprocess.run(command, check=True, timeout=60)


def play(desktop: DesktopSession, clip: Path) -> None:
    """mpv plays it over and over."""
    options = ("--no-config", f"--script={MPRIS}", "--vo=null", "--ao=null", "--really-quiet", "--loop=inf")
    desktop.unit("player", "mpv", *options, str(clip))


def control(desktop: DesktopSession, verb: str) -> None:
    """Tell mpv to "play" or "pause", as a key of the keyboard does."""
    desktop.run("playerctl", "--player=mpv", verb)


def kill_player(desktop: DesktopSession) -> None:
    """Kill mpv with -9, and wait until another one can take its place."""
    desktop.session.systemctl("kill", "--signal=KILL", "player")
    shown = ("systemctl", "--user", "show", "--property=LoadState", "player")
    assert eventually(lambda: desktop.session.run(*shown).stdout == "LoadState=not-found\n")


def kill(desktop: DesktopSession, name: str) -> None:
    """Kill with -9 whoever has a name on the bus."""
    peer = json.loads(desktop.run(str(BIN / "pybus"), "call", "org.pybus.Bus", "peer", name))
    desktop.run("kill", "-9", str(peer["pid"]))


def install_example(desktop: DesktopSession) -> None:
    """Install it by the lines of its docstring."""
    desktop.session.install()
    desktop.session.systemctl("start", "pybus.socket")
    text = (ROOT / f"examples/{EXAMPLE.replace('-', '_')}.py").read_text()
    for line in re.findall(r"^(?:sed|install) .*$", text, re.MULTILINE):
        desktop.run("sh", "-c", f"cd {ROOT} && PATH={BIN}:$PATH && {line}")
