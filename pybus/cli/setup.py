"""`pybus setup`: install what makes pybus a part of the desktop, for this user or for a package."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Mapping

from pybus.cli import placing
from pybus.cli.command import OK, REFUSED, complain
from pybus.cli.grammar import Grammar, grammar_of
from pybus.cli.installation import (
    SYSTEM_COMMANDS,
    UNITS,
    File,
    Layout,
    own_commands,
    planned_files,
    system_layout,
    user_layout,
)
from pybus.cli.main import COMMANDS
from pybus.cli.placing import InTheWay, Record
from pybus.cli.running import daemon_pid
from pybus.cli.text import safe
from pybus.cli.user_manager import UserManager
from pybus.errors import PybusError
from pybus.xdg import data_folders

PROGRAM = "pybus setup"
_MORE = """\
Without options it installs, for you and for the pybus that runs it: systemd units, a D-Bus activation file,
completions for bash, zsh and fish, and man pages; then it enables pybus.socket, so that the bus starts when a
program connects. The services that come with pybus are found where it is installed; only --system copies their
files. It can be run again, such as after an update. It never touches a file that it did not write."""

_BY_HAND = """\
start the bus by hand: pybus daemon &
or with each session: put that line into ~/.profile, or `pybus daemon` among your desktop's autostart programs"""

_BASH_COMPLETION = ("/usr/share/bash-completion/bash_completion", "/etc/bash_completion")
"""What the package bash-completion has, by which bash finds the completion of a command when it is wanted."""


def setup_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus setup`."""
    parser.description = f"{parser.description}\n\n{_MORE}"
    parser.add_argument("--remove", action="store_true", help="undo it: remove what it wrote, and nothing else")
    parser.add_argument(
        "--system",
        action="store_true",
        help="for a distribution's package: install into /usr, below $DESTDIR, for a pybus in /usr/bin, without a call "
        "to systemctl",
    )


def setup_command(options: argparse.Namespace) -> int:
    """Install or remove; 1 if something could not be done."""
    if options.system:
        return _remove_system() if options.remove else _install_system()
    return _remove() if options.remove else _install()


class _Work:
    """What is done step by step, told line by line.

    failed: whether something could not be done. found: whether there was something to remove, or to keep.
    """

    def __init__(self, record: Record) -> None:
        self.failed = False
        self.found = False
        self.files = list(record.files)
        self.folders = list(record.folders)

    def fail(self, text: str) -> None:
        """Tell what could not be done."""
        complain(PROGRAM, text, REFUSED)
        self.failed = True

    def place(self, file: File, mode: int) -> str:
        """Install a file and its folder; returns what became of it, "" if it could not be."""
        try:
            self.folders += placing.make_folders(os.path.dirname(file.path), mode)
            outcome = placing.place(file.path, file.content)
        except InTheWay as error:
            self.fail(str(error))
            return ""
        except OSError as error:
            self.fail(f"can't write {file.path}: {error.strerror}")
            return ""
        say(outcome, file.path)
        if file.path not in self.files:
            self.files.append(file.path)
        return outcome

    def remove(self, path: str) -> None:
        """Remove a file if it is ours."""
        outcome = "removed", path
        try:
            was_there = placing.remove(path)
        except InTheWay as error:
            was_there, outcome = True, ("kept", str(error))
        except OSError as error:
            self.fail(f"can't remove {path}: {error.strerror}")
            return
        if was_there:
            self.found = True
            say(*outcome)
        if path in self.files:
            self.files.remove(path)

    def remove_folders(self) -> None:
        """Remove the folders that we made, if they are empty."""
        for folder in placing.remove_empty(self.folders):
            self.found = True
            say("removed", folder)
            self.folders.remove(folder)

    def tell_if_nothing_was_there(self) -> None:
        """Say so, if nothing else was said."""
        if not self.found and not self.failed:
            say("nothing", "was installed here by pybus setup, so there is nothing to remove")


def say(word: str, what: str) -> None:
    """One line on what was done to what. If nobody reads it, the work goes on all the same."""
    try:
        print(f"{word:<9} {safe(what)}", flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# --- for this user --------------------------------------------------------------------------------


def _install() -> int:
    layout = user_layout(os.environ)
    record_path = _record_path(os.environ)
    work = _Work(placing.read_record(record_path))
    planned = planned_files(layout, own_commands(), _grammars())
    manager = UserManager.find()
    units = [f"{layout.units}/{name}" for name in UNITS]
    if manager.lives and not manager.looks_into(layout.units):
        work.fail(
            f"systemd does not use {' and '.join(units)}: it has another $HOME or $XDG_CONFIG_HOME than this shell;"
            " nothing was changed"
        )
        return REFUSED
    outcomes = {file.path: work.place(file, layout.mode) for file in planned if manager.lives or not file.is_unit}
    for path in set(work.files) - {file.path for file in planned}:  # from an earlier version
        work.remove(path)
    _keep_record(work, record_path, layout.mode)
    if manager.lives:
        _enable(work, manager, units, [outcomes[path] for path in units])
        manager.reload_dbus()
    else:
        print(f"{manager.problem}: the systemd units are left out;\n{_BY_HAND}")
    _give_hints(layout, os.environ)
    return REFUSED if work.failed else OK


def _enable(work: _Work, manager: UserManager, units: list[str], outcomes: list[str]) -> None:
    """Let systemd listen for the bus. units: the paths of their files. outcomes: what became of them."""
    if "" in outcomes:
        work.fail("the units are not all there, so pybus.socket is not enabled")
        return
    try:
        manager.reload()
        elsewhere = [path for path in units if manager.file_of(os.path.basename(path)) != path]
        if elsewhere:
            work.fail(
                f"systemd does not use {' and '.join(elsewhere)}: a unit of that name in another folder goes first"
            )
            return
        _enable_socket(work, manager)
        if "replaced" in outcomes and manager.is_active("pybus.service"):
            print("the bus still runs as it was started; for the new units: systemctl --user restart pybus")
    except PybusError as error:
        work.fail(str(error))


def _enable_socket(work: _Work, manager: UserManager) -> None:
    by_hand = _daemon_by_hand(manager)
    if by_hand:
        manager.enable("pybus.socket", now=False)
        say("enabled", "pybus.socket, from the next session on")
        work.fail(
            f"a bus that was started by hand (pid {by_hand}) holds {manager.socket}: end it (kill {by_hand}),"
            " then: systemctl --user start pybus.socket"
        )
    elif manager.is_enabled("pybus.socket") and manager.is_active("pybus.socket"):
        say("unchanged", "pybus.socket is enabled and listens")
    else:
        manager.enable("pybus.socket", now=True)
        say("enabled", "pybus.socket: the bus starts when a program connects, or by: systemctl --user start pybus")


def _daemon_by_hand(manager: UserManager) -> int:
    """The pid of a daemon that has the bus's socket and was not started by systemd, else 0."""
    pid = daemon_pid(manager.socket)
    return pid if pid != manager.main_pid("pybus.service") else 0


def _remove() -> int:
    layout = user_layout(os.environ)
    record_path = _record_path(os.environ)
    work = _Work(placing.read_record(record_path))
    paths = [file.path for file in planned_files(layout, SYSTEM_COMMANDS, _grammars())]
    manager = UserManager.find()
    units = [path for path in work.files if os.path.basename(path) in UNITS]
    if units:
        _disable(work, manager, units)
    for path in dict.fromkeys([*work.files, *paths]):
        work.remove(path)
    if manager.lives:
        manager.reload_dbus()
        if units:
            manager.forget([os.path.basename(path) for path in units])
    if work.failed:
        _keep_record(work, record_path, layout.mode)
    elif os.path.exists(record_path):
        os.unlink(record_path)
    work.remove_folders()
    work.tell_if_nothing_was_there()
    return REFUSED if work.failed else OK


def _disable(work: _Work, manager: UserManager, units: list[str]) -> None:
    """Stop the bus and its socket, unless systemd has them from elsewhere. units: the paths of their files."""
    names = [os.path.basename(path) for path in units]
    if manager.lives and [manager.file_of(name) for name in names] != units:
        return
    try:
        manager.disable(names)
        say("disabled", " and ".join(names))
    except PybusError as error:
        work.fail(str(error))


def _record_path(environ: Mapping[str, str]) -> str:
    return f"{data_folders(environ)[0]}/pybus/setup.json"


def _keep_record(work: _Work, path: str, mode: int) -> None:
    """Remember what was made, for `--remove`."""
    try:
        work.folders += placing.make_folders(os.path.dirname(path), mode)
        placing.write_record(path, Record(tuple(work.files), tuple(dict.fromkeys(work.folders))))
    except OSError as error:
        work.fail(f"can't write {path}: {error.strerror}")


def _give_hints(layout: Layout, environ: Mapping[str, str]) -> None:
    """Tell what a person must do so that the shell finds the files."""
    if shutil.which("zsh") and layout.zsh not in environ.get("FPATH", "").split(":"):
        print(f"zsh finds its completion if ~/.zshrc has, before compinit: fpath=({safe(layout.zsh)} $fpath)")
    if shutil.which("bash") and not any(map(os.path.exists, _BASH_COMPLETION)):
        print("bash completes pybus as soon as the package bash-completion is installed")
    folder = os.path.dirname(layout.man)
    beside = [os.path.normpath(f"{one}/../share/man") for one in environ.get("PATH", "").split(":")]
    if folder not in [*beside, *environ.get("MANPATH", "").split(":")]:
        print(f"man finds the pages with: export MANPATH={safe(folder)}:")


# --- for a package --------------------------------------------------------------------------------


def _install_system() -> int:
    layout = system_layout(os.environ)
    work = _Work(Record())
    for file in planned_files(layout, SYSTEM_COMMANDS, _grammars()):
        work.place(file, layout.mode)
    print("systemctl was not called. To let systemd listen for everybody's bus, a package or an administrator runs:")
    print("  systemctl --global enable pybus.socket")
    return REFUSED if work.failed else OK


def _remove_system() -> int:
    layout = system_layout(os.environ)
    work = _Work(Record())
    for file in planned_files(layout, SYSTEM_COMMANDS, _grammars()):
        work.remove(file.path)
    if layout.services is not None:
        work.folders = [layout.services, os.path.dirname(layout.services)]
        work.remove_folders()
    work.tell_if_nothing_was_there()
    print("systemctl was not called. Who enabled the socket for everybody runs:")
    print("  systemctl --global disable pybus.socket")
    return REFUSED if work.failed else OK


def _grammars() -> dict[str, Grammar]:
    return {name: grammar_of(command) for name, command in COMMANDS.items()}
