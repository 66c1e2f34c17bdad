"""The button that examples/gnome-shell puts in GNOME's panel, as a person sees it and works it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .gnome_session import GnomeSession
from .service_scene import eventually
from .user_session import Session

UUID = "panel@pybus.org"
EXAMPLE = Path(__file__).parents[2] / "examples/gnome-shell"

SETTINGS = {
    "org.gnome.shell enabled-extensions": f"['{UUID}']",
    "org.gnome.desktop.interface enable-animations": "false",  # so that what is there stands where it will be
}

Told = list[str]
"""Names of icons, and texts, from left to right."""

_SEEN = """\
const told = actor => actor.get_children().filter(one => one.visible)
    .flatMap(one => one.icon_name ?? one.text ?? told(one)).filter(words => words !== '');
const button = Main.panel.statusArea.pybus;
const items = () => button.menu.box.get_children();
const line = words => items().find(item => told(item).includes(words));
const entry = () => items().flatMap(item => item.get_children()).find(one => one.hint_text);
"""

_STANDS_OPEN = """\
button.menu.isOpen && !['opacity', 'translation-y'].some(moved => button.menu.actor.get_transition(moved))
"""
"""Before that a menu takes no clicks."""

_DEVICES = """\
const {Clutter, GLib} = imports.gi;
const device = type => Clutter.get_default_backend().get_default_seat().create_virtual_device(type);
globalThis.mouse ??= device(Clutter.InputDeviceType.POINTER_DEVICE);
globalThis.keyboard ??= device(Clutter.InputDeviceType.KEYBOARD_DEVICE);
const STATES = [Clutter.KeyState.PRESSED, Clutter.KeyState.RELEASED];
"""

_CLICK = """\
const [x, y] = target.get_transformed_position();
const [width, height] = target.get_transformed_size();
const [middle, centre] = [x + width / 2, y + height / 2];
const there = target.contains(global.stage.get_actor_at_pos(Clutter.PickMode.REACTIVE, middle, centre));
if (there) {
    mouse.notify_absolute_motion(GLib.get_monotonic_time(), middle, centre);
    for (const state of STATES)
        mouse.notify_button(GLib.get_monotonic_time(), Clutter.BUTTON_PRIMARY, state);
}
there;
"""
"""Clicks, unless the target is not on the screen yet, or not where it will be."""

_TYPE = """\
for (const key of keys)
    for (const state of STATES)
        keyboard.notify_keyval(GLib.get_monotonic_time(), key, state);
"""

_REMEMBER = """\
globalThis.names = [];
globalThis.remembering = button.connect('notify::accessible-name', () => {
    if (names.at(-1) !== button.accessible_name)
        names.push(button.accessible_name);
});
"""

_RETURN, _ESCAPE = 0xFF0D, 0xFF1B
"""Keys as X numbers them; those of letters are their code points."""


def install(session: Session) -> None:
    """Install the extension as the README says."""
    done = session.run(str(EXAMPLE / "install"))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


class Panel:
    """The button and its menu."""

    def __init__(self, gnome: GnomeSession) -> None:
        self._gnome = gnome

    # --- seeing -------------------------------------------------------------------------------------

    def button(self) -> Told:
        """What the button shows; nothing if there is none."""
        shown: Told = self._ask("button ? told(button) : []")
        return shown

    def menu(self) -> Told:
        """The lines of the menu, whether it is open or not; the words of a line with a space between."""
        lines: Told = self._ask("items().filter(item => item.visible).map(item => told(item).join(' '))")
        return [line for line in lines if line]

    def wait_for(self, *expected: str) -> None:
        """Wait until the button shows this."""
        assert eventually(lambda: self.button() == list(expected)), f"the panel shows {self.button()}"

    def wait_for_line(self, expected: str) -> None:
        """Wait until the menu has this line."""
        assert eventually(lambda: expected in self.menu()), f"the menu has {self.menu()}"

    def wait_for_message(self, expected: str) -> None:
        """Look into the menu again and again until this is the message."""
        assert eventually(lambda: self._message() == expected), f"the message is {self._message()}"

    def _message(self) -> str:
        self._open()
        found: str = self._ask("entry().text")
        self._press([_ESCAPE])
        self._wait("!button.menu.actor.visible")
        return found

    def state(self) -> list[object]:
        """What the shell says of the extension: 1 if it is enabled, 2 if it is disabled; and its error."""
        said: list[object] = self._ask(
            f"const {{state, error}} = Main.extensionManager.lookup('{UUID}'); [state, error]"
        )
        return said

    @contextmanager
    def names(self) -> Iterator[Callable[[], list[str]]]:
        """Yields what gives the names that the button has had since, as those hear them who can't see it."""
        self._gnome.eval(f"{_SEEN} {_REMEMBER}")
        try:
            yield lambda: list(self._ask("names"))
        finally:
            self._gnome.eval(f"{_SEEN} button.disconnect(remembering)")

    def _ask(self, script: str) -> Any:
        return json.loads(self._gnome.eval(_SEEN + script))

    # --- doing --------------------------------------------------------------------------------------

    def choose(self, text: str) -> None:
        """Click on the button, and in its menu on the line with this text, so that the menu closes."""
        self._open()
        self._click(f"line({json.dumps(text)})")
        self._wait("!button.menu.actor.visible")

    def write(self, text: str) -> None:
        """Type a message in the menu, with Enter, so that the menu closes."""
        self._open()
        self._click("entry()")
        self._press([*map(ord, text), _RETURN])
        self._wait("!button.menu.actor.visible")

    def _open(self) -> None:
        self._click("button")
        self._wait(_STANDS_OPEN)

    def _press(self, keys: list[int]) -> None:
        self._gnome.eval(f"{_DEVICES} const keys = {keys}; {_TYPE}")

    def _click(self, target: str) -> None:
        """Point at the middle of an actor, and press the mouse button. target: as JavaScript."""
        self._wait(f"{_DEVICES} const target = {target}; {_CLICK}")

    def _wait(self, condition: str) -> None:
        assert eventually(lambda: self._ask(condition)), f"never {condition}"
