"""GNOME without a screen: the real session with its shell and its screensaver, in a user's session of its own.

It is what a person who logs in has, but for the display (gnome-shell draws into memory), the
plugins of the settings daemon that look after hardware, and the system's D-Bus, where stand-ins answer for
logind and for the display manager. Without these two the shell has no screensaver.
"""

from __future__ import annotations

import ast
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.daemon import PATIENCE

from .desktop_session import NEEDS as NEEDS_SESSION
from .desktop_session import DesktopSession
from .desktop_session import Signals as Signals
from .hal_scene import needs
from .user_session import Session

_SESSION = Path("/usr/libexec/gnome-session-binary")
_AUTOSTART = Path("/etc/xdg/autostart/org.gnome.SettingsDaemon.ScreensaverProxy.desktop")
"""The one plugin of the settings daemon that is started: it owns org.freedesktop.ScreenSaver."""

NEEDS = [
    *NEEDS_SESSION,
    needs("gnome-shell", "gsettings"),
    pytest.mark.skipif(
        not (_SESSION.exists() and _AUTOSTART.exists()), reason="needs gnome-session-bin and gnome-settings-daemon"
    ),
]

_STARTS = PATIENCE * 3
"""Seconds for a whole desktop to come up beside other tests."""

_DEFINITION = """\
[GNOME Session]
Name=test
RequiredComponents=test-shell;
"""

_SHELL = """\
[Desktop Entry]
Type=Application
Name=shell
Exec=env XDG_SESSION_ID=c1 gnome-shell --headless --virtual-monitor 1280x720 --no-x11 --unsafe-mode
X-GNOME-Autostart-Phase=DisplayServer
X-GNOME-Provides=panel;windowmanager;
X-GNOME-Autostart-Notify=true
X-GNOME-AutoRestart=false
NoDisplay=true
"""
"""Unsafe mode is what opens `Eval` and `Screenshot`."""

_MANAGER, _MANAGER_PATH = "org.gnome.DisplayManager", "/org/gnome/DisplayManager/Manager"

_KEYBOARD = """\
globalThis.keyboard ??= imports.gi.Clutter.get_default_backend().get_default_seat().create_virtual_device(
    imports.gi.Clutter.InputDeviceType.KEYBOARD_DEVICE);
for (const state of ['PRESSED', 'RELEASED'])
    keyboard.notify_keyval(global.get_current_time() * 1000, imports.gi.Clutter.KEY_Shift_L,
        imports.gi.Clutter.KeyState[state]);
"""


class GnomeSession(DesktopSession):
    """A GNOME session. Everything in it ends with it."""

    def __init__(
        self, settings: Mapping[str, str] | None = None, prepare: Callable[[Session], object] = lambda _session: None
    ) -> None:
        """settings: values by "schema key", as `gsettings set` takes them. prepare: is called before GNOME starts."""
        super().__init__()
        try:
            self._install()
            usual = {
                "org.gnome.desktop.screensaver lock-enabled": "false",
                "org.gnome.desktop.session idle-delay": "0",
                "org.gnome.shell welcome-dialog-last-shown-version": "999",
            }
            for key, value in {**usual, **(settings or {})}.items():
                self.set(key, value)
            prepare(self.session)
            self._start_display_manager()
            self._start()
        except BaseException:
            self.close()
            raise

    def _install(self) -> None:
        home = self.session.home
        for name, text in (
            (".config/gnome-session/sessions/test.session", _DEFINITION),
            (".local/share/applications/test-shell.desktop", _SHELL),
        ):
            file = home / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        (home / ".xdg/autostart").mkdir(parents=True)
        shutil.copy(_AUTOSTART, home / ".xdg/autostart")
        self.session.outside("/run/systemd/seats").mkdir()  # to the shell this says that there is a logind
        sockets = "/tmp/.ICE-unix"  # where X11's session manager protocol has them; they would stay behind
        self.session.as_root("sh", "-c", f"mkdir -p {sockets} && mount -t tmpfs -o mode=1777 tmpfs {sockets}")

    def _start_display_manager(self) -> None:
        """As much of GDM as the shell asks for."""
        self.mock("display-manager", _MANAGER, _MANAGER, _MANAGER_PATH, f"{_MANAGER}.Manager")
        self.change_mock(_MANAGER, _MANAGER_PATH, "AddProperty", f"{_MANAGER}.Manager", "Version", "<'43.0'>")

    def _start(self) -> None:
        environment = {
            "XDG_CONFIG_DIRS": "/run/home/.xdg",
            "XDG_CURRENT_DESKTOP": "GNOME",
            "XDG_SESSION_TYPE": "wayland",
            "LIBGL_ALWAYS_SOFTWARE": "1",
        }
        options = [f"--setenv={name}={value}" for name, value in environment.items()]
        # Without a network, where its process number would be the name of a socket that another session may have.
        alone = ("unshare", "--user", "--map-current-user", "--net")
        command = (*alone, str(_SESSION), "--builtin", "--session=test", "--disable-acceleration-check")
        self.unit("gnome", *options, *command)
        wait = ("gdbus", "wait", "--session", f"--timeout={_STARTS:.0f}")
        for name in ("org.gnome.Shell", "org.freedesktop.ScreenSaver"):
            self.run(*wait, name, seconds=_STARTS)
        self.run(*wait, "--activate=org.gnome.ScreenSaver", "org.gnome.ScreenSaver")  # it speaks for the shell
        self.eval("Main.overview.hide()")

    # --- doing --------------------------------------------------------------------------------------

    def set(self, key: str, value: str) -> None:
        """Change a setting. key: "schema key"."""
        self.run("gsettings", "set", *key.split(), value)

    def eval(self, script: str) -> str:
        """Run JavaScript in the shell; what it comes to, as JSON."""
        answer = self.call("org.gnome.Shell", "/org/gnome/Shell", "org.gnome.Shell.Eval", script)
        done, _, value = answer.removeprefix("(").removesuffix(")").partition(", ")
        assert done == "true", answer
        return str(ast.literal_eval(value))

    def press_key(self) -> None:
        """Press Shift, as a person does who comes back."""
        self.eval(_KEYBOARD)

    def screenshot(self, file: Path) -> None:
        """Take a picture of the whole screen. file: a PNG, as it is seen from outside."""
        inside = "/run/home/screenshot.png"
        path = ("org.gnome.Shell.Screenshot", "/org/gnome/Shell/Screenshot")
        self.call(*path, "org.gnome.Shell.Screenshot.Screenshot", "false", "false", inside)
        shutil.move(self.session.outside(inside), file)
