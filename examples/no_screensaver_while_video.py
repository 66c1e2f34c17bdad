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

SAVER = "org.pybus.Screensaver"

AGAIN = 5.0  # seconds from a failure to the next try

for ending in (".mkv", ".m4v", ".ogv", ".flv", ".wmv", ".ts", ".mts", ".m2ts", ".vob", ".3gp", ".asf"):
    mimetypes.add_type("video/x-of-some-kind", ending)  # not all systems know these; to some .ts is text


def plays_video(bus: pybus.Bus, player: str, always: list[str]) -> bool:
    """Whether it does now. always: whose playing counts whatever it is; firefox is firefox_instance_1_7, too."""
    try:
        if bus.get(f"media.{player}.status") != "playing":
            return False
        if any(f"{player}_".startswith(f"{name}_") for name in always):
            return True
        path = urlsplit(str(bus.get(f"media.{player}.track")["url"])).path
    except (pybus.NoSuchValue, KeyError, TypeError, ValueError):
        return False  # it has gone meanwhile, or does not say what it plays
    return (mimetypes.guess_type(path, strict=False)[0] or "").startswith("video/")


def inhibitions(bus: pybus.Bus) -> list[int]:
    """Our own. They end with our connection to the bus, and with the service, which is started if it does not run."""
    return [one["cookie"] for one in bus.call(SAVER, "state")["inhibitions"] if one["name"] == bus.name]


def main(always: list[str]) -> None:
    """Look again whenever a player does something else, or the service has gone or come, until interrupted."""
    inhibited, failure = False, ""
    with pybus.connect() as bus:
        signals = bus.subscribe("media.*.status", "media.*.track", f"bus.name.{SAVER}")
        while True:
            signals.receive(AGAIN if failure else None)
            try:
                players = [
                    kept["topic"].split(".")[1] for kept in bus.call("org.pybus.Bus", "topics", "media.*.status")
                ]
                playing = any(plays_video(bus, player, always) for player in players)
                if playing:
                    inhibited = True
                    if not inhibitions(bus):
                        bus.call(SAVER, "inhibit", "a video plays")
                elif inhibited:
                    for cookie in inhibitions(bus):
                        bus.call(SAVER, "release", cookie)
                    inhibited = False
                failure = ""
            except (pybus.CallError, pybus.NotConnected) as error:
                if str(error) != failure:
                    print(f"no-screensaver-while-video: {error}", file=sys.stderr, flush=True)
                failure = str(error)


parser = argparse.ArgumentParser(description="Keep the screensaver off while a video plays.")
parser.add_argument("--players", default="", metavar="NAME,...", help="whose playing counts whatever they play")
try:
    main([name for name in parser.parse_args().players.split(",") if name])
except KeyboardInterrupt:
    pass
except pybus.PybusError as error:
    sys.exit(f"no-screensaver-while-video: {error}")
