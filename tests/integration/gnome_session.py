"""GNOME without a screen: the real session with its shell and its screensaver, in a user's session of its own.

It is what a person who logs in has, but for the display (gnome-shell draws into memory), the
plugins of the settings daemon that look after hardware, and the system's D-Bus, where python3-dbusmock
stands in for logind and for the display manager. Without these two the shell has no screensaver.

In the tests the user is a mapped one, see `with-user-systemd`: the shell loads no extensions for root.
"""

from __future__ import annotations

import ast
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import pytest

from tests.daemon import PATIENCE

from .hal_scene import needs
from .user_session import NEEDS as NEEDS_SYSTEMD
from .user_session import Session

_SESSION = Path("/usr/libexec/gnome-session-binary")
_AUTOSTART = Path("/etc/xdg/autostart/org.gnome.SettingsDaemon.ScreensaverProxy.desktop")
"""The one plugin of the settings daemon that is started: it owns org.freedesktop.ScreenSaver."""

_MOCK = "/usr/lib/python3/dist-packages/dbusmock"

NEEDS = [
    *NEEDS_SYSTEMD,
    needs("gnome-shell", "gsettings", "gdbus", "dbus-daemon"),
    pytest.mark.skipif(
        not all(os.path.exists(file) for file in (_SESSION, _AUTOSTART, _MOCK)),
        reason="needs gnome-session-bin, gnome-settings-daemon and python3-dbusmock",
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

_LOGIN1, _MANAGER = "org.freedesktop.login1", "org.gnome.DisplayManager"

_KEYBOARD = """\
globalThis.keyboard ??= imports.gi.Clutter.get_default_backend().get_default_seat().create_virtual_device(
    imports.gi.Clutter.InputDeviceType.KEYBOARD_DEVICE);
for (const state of ['PRESSED', 'RELEASED'])
    keyboard.notify_keyval(global.get_current_time() * 1000, imports.gi.Clutter.KEY_Shift_L,
        imports.gi.Clutter.KeyState[state]);
"""


class Signals:
    """The signals of one name on the session's D-Bus, each as the line that gdbus prints of it."""

    def __init__(self, session: Session, name: str) -> None:
        self.lines: list[str] = []
        self._session = session
        self._heard = threading.Condition()
        self._monitor = session.start("gdbus", "monitor", "--session", "--dest", name)
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()
        self.wait_for(f"The name {name} is owned by")  # and what is told from here on is heard

    def _listen(self) -> None:
        assert self._monitor.stdout is not None
        for line in self._monitor.stdout:
            with self._heard:
                self.lines.append(line.rstrip("\n"))
                self._heard.notify_all()

    def count(self, text: str) -> int:
        """How many signals with this text there were until now."""
        return sum(text in line for line in self.lines)

    def wait_for(self, text: str, times: int = 1, seconds: float = PATIENCE) -> None:
        """Wait until so many signals had this text."""
        with self._heard:
            heard = self._heard.wait_for(lambda: self.count(text) >= times, seconds)
        assert heard, f"no {text!r} {times} times, but: {self.lines}"

    def stays_without(self, text: str, times: int, seconds: float) -> None:
        """See that for so long no more than so many signals have this text."""
        with self._heard:
            heard = self._heard.wait_for(lambda: self.count(text) > times, seconds)
        assert not heard, f"{text!r} was told: {self.lines}"

    def close(self) -> None:
        self._session.kill(self._monitor)
        self._reader.join(PATIENCE)
        self._monitor.communicate(timeout=PATIENCE)


class GnomeSession:
    """A GNOME session. Everything in it ends with it; what it wrote to its journal is printed then.

    session: the user's session it lives in.
    """

    def __init__(
        self, settings: Mapping[str, str] | None = None, prepare: Callable[[Session], object] = lambda _session: None
    ) -> None:
        """settings: values by "schema key", as `gsettings set` takes them. prepare: is called before GNOME starts."""
        self.session = Session("alice", mapped=True)
        self._signals: list[Signals] = []
        try:
            self.session.systemctl("mask", "--now", "pipewire.service", "pipewire-pulse.service", "wireplumber.service")
            self._install()
            usual = {
                "org.gnome.desktop.screensaver lock-enabled": "false",
                "org.gnome.desktop.session idle-delay": "0",
                "org.gnome.shell welcome-dialog-last-shown-version": "999",
            }
            for key, value in {**usual, **(settings or {})}.items():
                self.set(key, value)
            prepare(self.session)
            self._start_system_bus()
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

    def _start_system_bus(self) -> None:
        """A system bus with as much of logind and GDM as the shell asks for."""
        address = f"unix:path={self.session.runtime}/system_bus"
        bus = ("dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={address}")
        self._unit("system-bus", "--property=Type=notify", *bus)
        self.session.systemctl("set-environment", f"DBUS_SYSTEM_BUS_ADDRESS={address}")
        python = ("/usr/bin/python3", "-m", "dbusmock", "--system")
        self._unit("logind", *python, "--template", "logind")
        self._unit("display-manager", *python, _MANAGER, "/org/gnome/DisplayManager/Manager", f"{_MANAGER}.Manager")
        self._system(_LOGIN1, "/org/freedesktop/login1", "AddSession", "c1", "seat0", "1000", "alice", "true")
        properties = (f"{_MANAGER}.Manager", "Version", "<'43.0'>")
        self._system(_MANAGER, "/org/gnome/DisplayManager/Manager", "AddProperty", *properties)

    def _system(self, name: str, path: str, method: str, *arguments: str) -> None:
        """Have a mock do something, once it is there."""
        environment = ("env", f"DBUS_SYSTEM_BUS_ADDRESS=unix:path={self.session.runtime}/system_bus")
        self._run(*environment, "gdbus", "wait", "--system", f"--timeout={PATIENCE:.0f}", name)
        call = ("gdbus", "call", "--system", "--dest", name, "--object-path", path, "--method")
        self._run(*environment, *call, f"org.freedesktop.DBus.Mock.{method}", *arguments)

    def _start(self) -> None:
        environment = {
            "XDG_CONFIG_DIRS": "/run/home/.xdg",
            "XDG_CURRENT_DESKTOP": "GNOME",
            "XDG_SESSION_TYPE": "wayland",
            "LIBGL_ALWAYS_SOFTWARE": "1",
        }
        options = [f"--setenv={name}={value}" for name, value in environment.items()]
        command = (str(_SESSION), "--builtin", "--session=test", "--disable-acceleration-check")
        self._unit("gnome", *options, *command)
        wait = ("gdbus", "wait", "--session", f"--timeout={_STARTS:.0f}")
        for name in ("org.gnome.Shell", "org.freedesktop.ScreenSaver"):
            self._run(*wait, name, seconds=_STARTS)
        self._run(*wait, "--activate=org.gnome.ScreenSaver", "org.gnome.ScreenSaver")  # it speaks for the shell
        self.eval("Main.overview.hide()")

    # --- doing --------------------------------------------------------------------------------------

    def set(self, key: str, value: str) -> None:
        """Change a setting. key: "schema key"."""
        self._run("gsettings", "set", *key.split(), value)

    def call(self, name: str, path: str, method: str, *arguments: str) -> str:
        """Call a method on the session's D-Bus; what it answers, as gdbus has it. method: with its interface."""
        command = ("gdbus", "call", "--session", "--dest", name, "--object-path", path, "--method", method, "--")
        return self._run(*command, *arguments)

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

    def signals(self, name: str) -> Signals:
        """Hear the signals of a name on D-Bus from now on."""
        self._signals.append(Signals(self.session, name))
        return self._signals[-1]

    def _unit(self, name: str, *words: str) -> None:
        """Start a program as a unit, so that what it says is in the journal. words: options, then the program."""
        self._run("systemd-run", "--user", "--quiet", "--collect", f"--unit={name}", *words)

    def _run(self, *words: str, seconds: float = PATIENCE) -> str:
        done = self.session.run(*words, seconds=seconds)
        assert done.returncode == 0, f"{words}: {done.stderr}{self.log()}"
        return done.stdout.rstrip("\n")

    # --- the end ------------------------------------------------------------------------------------

    def log(self) -> str:
        """What all programs of the session wrote until now, a line each."""
        entries = [(one.get("SYSLOG_IDENTIFIER", ""), one.get("MESSAGE", "")) for one in list(self.session.journal)]
        return "".join(f"{program}: {message}\n" for program, message in entries)

    def close(self) -> None:
        for signals in self._signals:
            signals.close()
        self.session.close()
        print(self.log())

    def __enter__(self) -> GnomeSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
