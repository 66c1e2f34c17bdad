"""examples/gnome-shell in a real GNOME Shell: what the bus tells is in the panel, and what is clicked there is done.

One session serves all scenes, with the units as they ship. Alice sits at it; bob, a contact of hers, has another
client, and both are on a real chat server.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from . import panel_scene
from .chat_bed import Prosody, needs_chat
from .gnome_session import NEEDS, GnomeSession
from .panel_scene import UUID, Panel
from .service_scene import eventually
from .user_session import BIN, Session

pytestmark = [*NEEDS, needs_chat, pytest.mark.usefixtures("only_desktop"), pytest.mark.timeout(900)]

NO_BUS = ("network-offline-symbolic", "no bus")
OFFLINE = ("user-offline-symbolic",)

TOPICS = [
    "chat.error",
    "chat.message",
    "chat.status",
    "desktop.screensaver",
    "hal.power.ac",
    "hal.power.battery.level",
]
"""What the extension subscribes to."""

_INHIBITS = """\
import signal, pybus
with pybus.connect() as bus:
    bus.call("org.pybus.Screensaver", "inhibit", "a film")
    signal.pause()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Prosody]:
    with Prosody() as running:
        running.start()
        yield running


@pytest.fixture(scope="module")
def gnome(server: Prosody) -> Iterator[GnomeSession]:
    def prepare(session: Session) -> None:
        assert session.pybus("pybus", "setup")[0] == 0
        panel_scene.install(session)
        folder = session.home / ".config/pybus"
        folder.mkdir(parents=True)
        (folder / "pybus.toml").write_text('[services]\ndisabled = ["org.pybus.Hal"]\n')  # the tests speak for it
        (folder / "chat.toml").touch(0o600)
        (folder / "chat.toml").write_text(server.account())

    with GnomeSession(panel_scene.SETTINGS, prepare) as running:
        yield running


@pytest.fixture(scope="module")
def session(gnome: GnomeSession) -> Session:
    return gnome.session


@pytest.fixture
def panel(gnome: GnomeSession) -> Iterator[Panel]:
    """The panel, with alice offline and nothing else to show, and so again in the end."""
    shown = Panel(gnome)
    shown.wait_for(*OFFLINE)
    yield shown
    assert shown.state() == [1, ""]
    for topic in ("hal.power.ac", "hal.power.battery.level"):
        send(gnome.session, "--clear", topic)
    call(gnome.session, "org.pybus.Presence", "set", "offline")
    shown.wait_for(*OFFLINE)


def send(session: Session, *words: str) -> None:
    """pybus-send."""
    assert session.pybus("pybus-send", *words) == (0, "", "")


def call(session: Session, *words: str) -> Any:
    """`pybus call`; what it answers."""
    code, answer, errors = session.pybus("pybus", "call", *words)
    assert (code, errors) == (0, ""), errors
    return json.loads(answer or "null")


def get(session: Session, topic: str) -> str:
    """`pybus get`."""
    return session.pybus("pybus", "get", topic)[1].rstrip("\n")


class Bob:
    """His client, see chat_bob.py."""

    def __init__(self, server: Prosody) -> None:
        aid = str(Path(__file__).with_name("chat_bob.py"))
        self._process = subprocess.Popen([sys.executable, aid, str(server.port)], stdout=subprocess.PIPE, text=True)

    def sees(self) -> Any:
        """What he sees of alice next: [type, show, message]."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def bob(server: Prosody) -> Iterator[Bob]:
    running = Bob(server)
    try:
        assert running.sees() == ["unavailable", "", ""]
        yield running
    finally:
        running.close()


@pytest.fixture
def listener(session: Session) -> Iterator[subprocess.Popen[str]]:
    """`pybus-listen chat.status`."""
    program = session.start(str(BIN / "pybus-listen"), "chat.status")
    yield program
    session.end(program)


def line(program: subprocess.Popen[str]) -> str:
    """What a program prints next."""
    assert program.stdout is not None
    return program.stdout.readline().rstrip("\n")


# --- what the bus tells -----------------------------------------------------------------------------


def test_what_nobody_tells_is_not_there(panel: Panel) -> None:
    assert panel.menu() == [
        "user-available-symbolic Available",
        "user-away-symbolic Away",
        "user-busy-symbolic Do not disturb",
        "user-offline-symbolic Offline ✓",
    ]


def test_mains_and_battery_are_told_as_they_change(panel: Panel, session: Session) -> None:
    send(session, "--retain", "hal.power.ac", "plugged")
    panel.wait_for(*OFFLINE, "ac-adapter-symbolic")
    assert panel.menu()[-1] == "ac-adapter-symbolic On mains"
    send(session, "--retain", "--json", "hal.power.battery.level", "84")
    panel.wait_for(*OFFLINE, "battery-level-80-charging-symbolic")
    send(session, "--retain", "--json", "hal.power.battery.level", "100")
    panel.wait_for(*OFFLINE, "battery-level-100-charged-symbolic")
    send(session, "hal.power.ac", "unplugged")
    panel.wait_for(*OFFLINE, "battery-level-100-symbolic")
    assert panel.menu()[-1] == "battery-level-100-symbolic On battery, 100 %"
    send(session, "--clear", "hal.power.battery.level")
    panel.wait_for(*OFFLINE, "battery-missing-symbolic")
    assert panel.menu()[-1] == "battery-missing-symbolic On battery"


def test_an_eye_is_open_while_the_screensaver_is_inhibited(panel: Panel, session: Session) -> None:
    carol = session.start(sys.executable, "-c", _INHIBITS)
    panel.wait_for(*OFFLINE, "view-reveal-symbolic")
    assert panel.menu()[-1] == "view-reveal-symbolic The screen stays on"
    assert session.end(carol) == ""
    panel.wait_for(*OFFLINE)


def test_a_status_that_others_set_is_shown(panel: Panel, session: Session, bob: Bob) -> None:
    send(session, "chat.status", "away")
    assert bob.sees() == ["away", "away", ""]
    panel.wait_for("user-away-symbolic")
    call(session, "org.pybus.Presence", "set", "available", "at my desk")
    assert bob.sees() == ["available", "", "at my desk"]
    panel.wait_for("user-available-symbolic")
    panel.wait_for_message("at my desk")


def test_what_a_shell_that_stood_still_has_missed_is_looked_up(panel: Panel, gnome: GnomeSession) -> None:
    send(gnome.session, "--retain", "hal.power.ac", "unplugged")
    panel.wait_for(*OFFLINE, "battery-missing-symbolic")
    (gnome.session.home / "megabyte").write_bytes(bytes(2**20))
    with standing_still(gnome):
        for _ in range(10):  # more than may wait for one program
            send(gnome.session, "--file", "/run/home/megabyte", "hal.power.ac")
        send(gnome.session, "--retain", "hal.power.ac", "plugged")
    panel.wait_for(*OFFLINE, "ac-adapter-symbolic")


@contextmanager
def standing_still(gnome: GnomeSession) -> Iterator[None]:
    """The shell does nothing meanwhile."""
    name = "org.freedesktop.DBus"
    answer = gnome.call(name, "/", f"{name}.GetConnectionUnixProcessID", "org.gnome.Shell")
    pid = answer.removeprefix("(uint32 ").removesuffix(",)")
    gnome.run("kill", "-STOP", pid)
    try:
        yield
    finally:
        gnome.run("kill", "-CONT", pid)


# --- what is clicked --------------------------------------------------------------------------------


def test_a_click_on_do_not_disturb_is_seen_by_a_contact_and_by_a_listener(
    panel: Panel, bob: Bob, listener: subprocess.Popen[str]
) -> None:
    assert line(listener) == "chat.status offline"
    panel.choose("Do not disturb")
    assert bob.sees() == ["dnd", "dnd", ""]
    assert line(listener) == "chat.status dnd"
    panel.wait_for("user-busy-symbolic")
    assert panel.menu() == [
        "user-available-symbolic Available",
        "user-away-symbolic Away",
        "user-busy-symbolic Do not disturb ✓",
        "user-offline-symbolic Offline",
    ]


def test_a_message_that_is_typed_goes_with_the_status(panel: Panel, bob: Bob) -> None:
    panel.choose("Away")
    assert bob.sees() == ["away", "away", ""]
    panel.wait_for("user-away-symbolic")
    panel.write("back at 5")
    assert bob.sees() == ["away", "away", "back at 5"]
    panel.wait_for_message("back at 5")
    panel.choose("Available")
    assert bob.sees() == ["available", "", "back at 5"]


def test_what_is_refused_says_why_until_something_else_is_done(panel: Panel, session: Session) -> None:
    refused = "dialog-warning-symbolic a message may have 1000 characters, not 1001"
    panel.choose("Available")
    panel.wait_for("user-available-symbolic")
    panel.write("x" * 1001)
    panel.wait_for_line(refused)
    panel.choose("Available")
    assert refused not in panel.menu()
    panel.write("x" * 1001)
    panel.wait_for_line(refused)
    call(session, "org.pybus.Presence", "set", "away")
    panel.wait_for("user-away-symbolic")
    assert refused not in panel.menu()


def test_a_chat_server_that_is_gone_is_told_and_so_is_its_return(
    panel: Panel, server: Prosody, session: Session
) -> None:
    panel.choose("Available")
    panel.wait_for("user-available-symbolic")
    server.kill()
    panel.wait_for(*OFFLINE)
    assert eventually(lambda: f"dialog-warning-symbolic {get(session, 'chat.error')}" in panel.menu())
    server.start()
    panel.wait_for("user-available-symbolic")
    assert [line for line in panel.menu() if line.startswith("dialog-warning")] == []


# --- coming and going -------------------------------------------------------------------------------


def test_without_a_bus_it_says_so_and_comes_back_by_itself(panel: Panel, session: Session) -> None:
    panel.choose("Away")
    panel.wait_for("user-away-symbolic")
    session.systemctl("stop", "pybus.socket", "pybus.service")
    panel.wait_for(*NO_BUS)
    assert panel.menu() == [
        "user-available-symbolic Available",
        "user-away-symbolic Away",
        "user-busy-symbolic Do not disturb",
        "user-offline-symbolic Offline",
        "dialog-warning-symbolic There is no bus.",
    ]
    session.run("gnome-extensions", "disable", UUID)
    session.run("gnome-extensions", "enable", UUID)
    panel.wait_for(*NO_BUS)
    session.systemctl("start", "pybus.socket")
    panel.wait_for("user-away-symbolic")
    send(session, "--retain", "hal.power.ac", "plugged")
    panel.wait_for("user-away-symbolic", "ac-adapter-symbolic")


def test_a_bridge_that_was_killed_is_missed_until_it_is_back(panel: Panel, session: Session) -> None:
    send(session, "--retain", "hal.power.ac", "plugged")
    panel.wait_for(*OFFLINE, "ac-adapter-symbolic")
    with panel.names() as names:
        session.systemctl("kill", "--signal=KILL", "pybus-dbus.service")
        assert eventually(lambda: names()[-1:] == ["pybus: Offline"])
        assert names() == ["pybus: no bus", "pybus: Unknown", "pybus: Offline"]
    panel.wait_for(*OFFLINE, "ac-adapter-symbolic")
    send(session, "hal.power.ac", "unplugged")
    panel.wait_for(*OFFLINE, "battery-missing-symbolic")


def test_disabled_it_leaves_nothing_behind(panel: Panel, session: Session) -> None:
    assert eventually(lambda: subscriptions(session) == TOPICS)
    session.run("gnome-extensions", "disable", UUID)
    assert eventually(lambda: subscriptions(session) == [])
    assert (panel.state(), panel.button()) == ([2, ""], [])
    session.run("gnome-extensions", "enable", UUID)
    panel.wait_for(*OFFLINE)
    assert eventually(lambda: subscriptions(session) == TOPICS)


def subscriptions(session: Session) -> list[str]:
    """The patterns of all connections that are among ours, one for each subscription."""
    patterns = [pattern for one in call(session, "org.pybus.Bus", "subscriptions") for pattern in one["patterns"]]
    return sorted(pattern for pattern in patterns if pattern in TOPICS)


def test_nothing_of_it_is_in_the_log_of_the_shell(gnome: GnomeSession) -> None:
    """After all that."""
    assert [line for line in gnome.log().splitlines() if UUID in line] == []
