#!/usr/bin/env python3
"""Keep the screensaver off while a video plays. Music doesn't count.

no_screensaver_while_video.py --players firefox,chromium    # whose playing counts whatever they play

At each login, with the very Python that runs pybus:

sed "1s|.*|$(head -n1 "$(command -v pybus)")|" examples/no_screensaver_while_video.py | install -D /dev/stdin ~/.local/bin/no-screensaver-while-video
install -D -m 644 -t ~/.config/systemd/user examples/no-screensaver-while-video.service && systemctl --user enable --now no-screensaver-while-video
"""  # noqa: E501

import argparse
import mimetypes
import sys
from urllib.parse import urlsplit

import pybus

for ending in (".mkv", ".m4v", ".ogv", ".flv", ".wmv", ".ts", ".m2ts", ".vob"):
    mimetypes.add_type("video/x-of-some-kind", ending, strict=False)  # not every system knows these


class Watch:
    """Whether a video plays, by what the bus keeps of the players; and the inhibition while one does."""

    def __init__(self, bus: pybus.Bus, players: list[str]) -> None:
        self._bus = bus
        self._players = players
        self._cookie: int | None = None

    def forget(self, _reason: object = None) -> None:
        """The inhibition has ended with the connection to the bus, or with the service."""
        self._cookie = None

    def look(self) -> None:
        """Inhibit or release, if that is not so already."""
        playing = self._plays_video()
        if playing and self._cookie is None:
            self._cookie = self._bus.call("org.pybus.Screensaver", "inhibit", "a video plays")
        elif not playing and self._cookie is not None:
            cookie, self._cookie = self._cookie, None
            self._bus.call("org.pybus.Screensaver", "release", cookie)

    def _plays_video(self) -> bool:
        statuses = self._bus.call("org.pybus.Bus", "topics", "media.*.status")
        return any(self._is_video(kept["topic"].split(".")[1]) for kept in statuses)

    def _is_video(self, player: str) -> bool:
        try:
            if self._bus.get(f"media.{player}.status") != "playing":
                return False
            if any(f"{player}_".startswith(f"{name}_") for name in self._players):
                return True
            url = self._bus.get(f"media.{player}.track")["url"]
        except (pybus.NoSuchValue, KeyError):
            return False  # it has gone meanwhile, or does not say what it plays
        kind, _ = mimetypes.guess_type(urlsplit(url).path, strict=False)
        return (kind or "").startswith("video/")


def main() -> None:
    """Look again whenever a player does something else, until interrupted."""
    parser = argparse.ArgumentParser(description="Keep the screensaver off while a video plays.")
    parser.add_argument("--players", default="", metavar="NAME,...", help="whose playing counts whatever they play")
    players = [name for name in parser.parse_args().players.split(",") if name]
    with pybus.connect() as bus:
        watch = Watch(bus, players)
        bus.on_disconnect(watch.forget)
        for signal in bus.subscribe("media.*.status", "media.*.track", "bus.name.org.pybus.Screensaver"):
            if signal.topic.startswith("bus.name.") and signal.body["old"]:
                watch.forget()
            try:
                watch.look()
            except (pybus.CallError, pybus.NotConnected) as error:
                print(f"no-screensaver-while-video: {error}", file=sys.stderr, flush=True)


try:
    main()
except KeyboardInterrupt:
    pass
except pybus.PybusError as error:
    sys.exit(f"no-screensaver-while-video: {error}")
