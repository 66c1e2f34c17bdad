"""What `pybus setup` installs, and where: units, completions, man pages, service files."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.resources import files
from typing import NamedTuple

import pybus
from pybus.cli import manual, shells
from pybus.cli.grammar import Grammar
from pybus.cli.placing import MARK
from pybus.errors import PybusError
from pybus.xdg import config_home, data_folders

UNITS = ("pybus.service", "pybus.socket", "pybus-dbus.service")
_DBUS_FILE = "org.pybus.Bus.service"
_PROGRAMS = ("pybus", "pybus-send", "pybus-listen")
_DAEMON = "/usr/bin/pybus daemon"
_EXPORTER = "/usr/bin/python3 -m pybus_services.dbus.export"
"""How the daemon, and the bus's interface on D-Bus, are started in the files as they are shipped, and as a
distribution's package has them."""


class NotInstalled(PybusError):
    """This pybus would not be found by systemd."""


class Layout(NamedTuple):
    """The folders for each kind of file. services: None if none are copied. mode: of folders that must be made."""

    units: str
    dbus: str
    bash: str
    zsh: str
    fish: str
    man: str
    services: str | None
    mode: int


class Commands(NamedTuple):
    """The words that run `pybus`, and a Python that finds it."""

    pybus: list[str]
    python: str


class File(NamedTuple):
    """A file to be there: its path, its content with the mark, and whether only systemd has a use for it."""

    path: str
    content: str
    is_unit: bool = False


def user_layout(environ: Mapping[str, str]) -> Layout:
    """Where a user's own files are. The shipped services are found in the installed package, so they stay there."""
    data, config = data_folders(environ)[0], config_home(environ)
    return Layout(
        units=f"{config}/systemd/user",
        dbus=f"{data}/dbus-1/services",
        bash=f"{data}/bash-completion/completions",
        zsh=f"{data}/zsh/site-functions",
        fish=f"{data}/fish/vendor_completions.d",
        man=f"{data}/man/man1",
        services=None,
        mode=0o700,
    )


def system_layout(environ: Mapping[str, str]) -> Layout:
    """Where a distribution's package has its files, below $DESTDIR."""
    top = os.path.abspath(environ["DESTDIR"]) if environ.get("DESTDIR") else ""
    return Layout(
        units=f"{top}/usr/lib/systemd/user",
        dbus=f"{top}/usr/share/dbus-1/services",
        bash=f"{top}/usr/share/bash-completion/completions",
        zsh=f"{top}/usr/share/zsh/vendor-completions",
        fish=f"{top}/usr/share/fish/vendor_completions.d",
        man=f"{top}/usr/share/man/man1",
        services=f"{top}/usr/share/pybus/services",
        mode=0o755,
    )


SYSTEM_COMMANDS = Commands(["/usr/bin/pybus"], "/usr/bin/python3")
"""As a distribution's package has them."""


def own_commands() -> Commands:
    """Those of this very installation, from any folder. Raises `NotInstalled`."""
    script = os.path.join(os.path.dirname(sys.executable), "pybus")
    if os.access(script, os.X_OK):
        return Commands([script], sys.executable)
    # From a folder or a PYTHONPATH of this shell, systemd would not find it.
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    found = subprocess.run([sys.executable, "-c", "import pybus"], cwd="/", env=environ, capture_output=True)
    if found.returncode:
        raise NotInstalled(f"{sys.executable} finds pybus only from here: install it first, such as by: pip install .")
    return Commands([sys.executable, "-m", "pybus"], sys.executable)


def planned_files(layout: Layout, commands: Commands, grammars: dict[str, Grammar]) -> list[File]:
    """All files of an installation."""
    shipped = files("pybus_systemd")
    daemon = [*commands.pybus, "daemon"]
    exporter = [commands.python, *_EXPORTER.split()[1:]]
    found = []
    for name in UNITS:
        content = (shipped / name).read_text()
        for former, words in ((_DAEMON, daemon), (_EXPORTER, exporter)):
            content = content.replace(f"ExecStart={former}", f"ExecStart={_exec_start(words)}")
        found.append(File(f"{layout.units}/{name}", _marked(content), is_unit=True))
    content = (shipped / _DBUS_FILE).read_text().replace(f"Exec={_EXPORTER}", f"Exec={_dbus_exec(exporter)}")
    found.append(File(f"{layout.dbus}/{_DBUS_FILE}", _marked(content)))
    found += _completions(layout, commands.pybus, grammars)
    date = _date(os.environ)
    found.append(File(f"{layout.man}/pybus.1", _marked(manual.overview_page(grammars, date), '.\\"')))
    for name, grammar in grammars.items():
        page = manual.command_page(name, grammar, date)
        found.append(File(f"{layout.man}/{manual.page_name(name)}.1", _marked(page, '.\\"')))
    if layout.services is not None:
        for folder in files("pybus_services").iterdir():
            if folder.is_dir():
                services = [file for file in folder.iterdir() if file.name.endswith(".toml")]
                found += [File(f"{layout.services}/{file.name}", _marked(file.read_text())) for file in services]
    return found


def _completions(layout: Layout, command: list[str], grammars: dict[str, Grammar]) -> list[File]:
    bash = _marked(shells.bash_script(command, grammars))
    first, rest = shells.zsh_script(command, grammars).split("\n", 1)
    found = [File(f"{layout.bash}/{program}", bash) for program in _PROGRAMS]
    found.append(File(f"{layout.zsh}/_pybus", f"{first}\n{_marked(rest)}"))
    for program in _PROGRAMS:
        found.append(File(f"{layout.fish}/{program}.fish", _marked(shells.fish_script(command, program, grammars))))
    return found


def _marked(content: str, comment: str = "#") -> str:
    return f"{comment} {MARK}\n{content}"


def _date(environ: Mapping[str, str]) -> str:
    """The date of the man pages: that of a reproducible build, else of the installed files."""
    epoch = environ.get("SOURCE_DATE_EPOCH", "")
    seconds = int(epoch) if epoch.isdigit() else os.stat(pybus.__file__).st_mtime
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def _exec_start(words: list[str]) -> str:
    """A command line for a unit (systemd.syntax(7), systemd.service(5))."""
    start = ""
    if set(words[0]) & set("'\"\\") or not words[0].isprintable():
        # systemd takes no such path as the program; as an argument it does.
        words = ["/bin/sh", "-c", 'exec "$0" "$@"', *words]
    if any("$" in word for word in words):
        start = ":"  # no variables: in the program's own path `$$` would not become `$`
    return " ".join([_unit_word(start + words[0]), *map(_unit_word, words[1:])])


def _unit_word(word: str) -> str:
    word = word.replace("%", "%%")
    if word and not set(word) & set(" \t\n\"'\\;"):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _dbus_exec(words: list[str]) -> str:
    """A command line for a D-Bus service file: quoted as for a shell, in a value where \\ is escaped."""
    return shlex.join(words).replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
