"""`pybus config`, with a home of its own and no bus anywhere."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import tomllib
from pathlib import Path

import pytest

from pybus.limits import Limits
from tests.cli.programs import BIN
from tests.daemon import PATIENCE


class Home:
    """Alice's home, and her terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "config/pybus/pybus.toml"
        self.services = folder / "data/pybus/services"
        self.environ = {
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "PYBUS_ADDRESS": f"unix:{folder}/none",
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_DATA_DIRS": str(folder / "usr"),
        }
        self.file.parent.mkdir(parents=True)
        self.services.mkdir(parents=True)

    def config(self, *words: str) -> tuple[int, str, str]:
        """Run `pybus config`; its exit code, stdout and stderr."""
        done = subprocess.run(
            [BIN / "pybus", "config", *words],
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def add_service(self, name: str, command: str) -> str:
        file = self.services / f"{name}.toml"
        file.write_text(f'name = "{name}"\nexec = "{command}"\n')
        return str(file)


def service_files(own: int) -> str:
    """How many there are, with those that are shipped."""
    number = own + len(list((Path(__file__).parents[2] / "services").glob("*/*.toml")))
    return "1 service file" if number == 1 else f"{number} service files"


@pytest.fixture
def alice(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_check_of_what_is_right(alice: Home) -> None:
    assert alice.config("--check") == (0, f"ok: {alice.file} (not there), {service_files(0)}\n", "")
    alice.file.write_text("log.level = 'error'")
    alice.add_service("org.example.Player", "sh -c true")
    assert alice.config("--check") == (0, f"ok: {alice.file}, {service_files(1)}\n", "")


def test_check_names_all_that_is_wrong(alice: Home) -> None:
    alice.file.write_text('[limits]\nnames = "many"\nfrmae = 5\n')
    player = alice.add_service("org.example.Player", "")
    alarm = alice.add_service("org.example.Alarm", "no-such-command --loud")
    clock = alice.add_service("org.example.Clock", "~/bin/clock")
    (alice.folder / "bin").mkdir()
    door = alice.add_service("org.example.Door", "~/bin")
    assert alice.config("--check") == (
        1,
        "",
        f"{alice.file}:2: limits.names: must be a whole number, at least 4, not 'many'\n"
        f"{alice.file}:3: limits.frmae: unknown key; did you mean limits.frame?\n"
        f'{player}:2: exec: is empty; it must be a command, such as "player --bus"\n'
        f"{alarm}:2: exec: there is no command no-such-command in $PATH\n"
        f"{clock}:2: exec: there is no program {alice.folder}/bin/clock\n"
        f"{door}:2: exec: {alice.folder}/bin can't be executed\n",
    )


def test_the_missing_program_of_a_partial_file_is_named_where_it_is(alice: Home) -> None:
    (alice.services / "org.example.Clock.toml").write_text('name = "org.example.Clock"\nidle = 5\n')
    base = alice.folder / "usr/pybus/services/org.example.Clock.toml"
    base.parent.mkdir(parents=True)
    base.write_text('name = "org.example.Clock"\n\nexec = "no-such-command"\n')
    problem = f"{base}:3: exec: there is no command no-such-command in $PATH\n"
    assert alice.config("--check") == (1, "", problem)


def test_a_disabled_service_needs_no_program(alice: Home) -> None:
    alice.add_service("org.example.Alarm", "no-such-command")
    assert alice.config("--check")[0] == 1
    alice.file.write_text('services.disabled = ["org.example.Alarm"]\n')
    assert alice.config("--check") == (0, f"ok: {alice.file}, {service_files(1)}\n", "")


def test_check_looks_into_the_folders_of_the_configuration(alice: Home) -> None:
    alice.file.write_text('[services]\nfolders = ["~/bus", "~/none"]\n')
    (alice.folder / "bus").mkdir()
    wrong = alice.folder / "bus/org.pybus.Hal.toml"
    wrong.write_text('exec = "sh"\n')
    code, out, err = alice.config("--check")
    told = err.splitlines()
    assert (code, out, told[:2]) == (
        1,
        "",
        [
            f"{alice.file}:2: services.folders: there is no folder {alice.folder}/none",
            f'{wrong}: name: is missing; write name = "org.pybus.Hal"',
        ],
    )
    assert told[2].startswith(f"{wrong}: until it is mended there is no org.pybus.Hal; ")
    assert told[2].endswith("/org.pybus.Hal.toml is not used in its place")
    assert len(told) == 3


def test_check_of_another_file(alice: Home) -> None:
    other = alice.folder / "other.toml"
    alice.file.write_text("wrong")
    assert alice.config("--check", "other.toml") == (1, "", f"{other}: there is no such file\n")
    other.write_text("[log]\nlevel = 5\n")
    assert alice.config("other.toml", "--check") == (
        1,
        "",
        f'{other}:2: log.level: must be "debug", "info", "notice", "warning" or "error", not 5\n',
    )


def test_what_a_file_holds_cannot_move_the_cursor(alice: Home) -> None:
    alice.file.write_bytes(b'"\\u001b[2J" = 1\nlog.level = "\\u001b[2J"\n')
    os.rename(alice.file, alice.folder / "a\x1b.toml")
    code, out, err = alice.config("--check", "a\x1b.toml")
    assert (code, out, err.splitlines()) == (
        1,
        "",
        [
            f"{alice.folder}/a\\x1b.toml:1: '\\x1b[2J': unknown key; there are: limits, log, services",
            f'{alice.folder}/a\\x1b.toml:2: log.level: must be "debug", "info", "notice", "warning" or "error",'
            " not '\\x1b[2J'",
        ],
    )


def test_show_is_toml_that_can_be_pasted_back(alice: Home) -> None:
    alice.file.write_text("""\
limits.outbox = "32 MiB"
limits.frame = 4097
log.level = "notice"
[services]
folders = ["~/b\\"\\\\ü", '/srv/a b']
""")
    code, out, err = alice.config()
    assert (code, err) == (0, "")
    assert alice.config("--show") == (code, out, err)
    lines = out.splitlines()
    assert lines[0] == f"# {alice.file}"
    for line in (
        f'outbox = "32 MiB"  # {alice.file}:1',
        f"frame = 4097  # {alice.file}:2",
        f'level = "notice"  # {alice.file}:3',
        f'folders = ["{alice.folder}/b\\"\\\\ü", "/srv/a b"]  # {alice.file}:5',
        'owed = "1 MiB"  # default',
        "deadline = 25.0  # default",
        f"#   {alice.services}",
        "#   /srv/a b",
    ):
        assert line in lines
    alice.file.write_text(out)
    code, again, err = alice.config()
    assert (code, err) == (0, "")
    assert tomllib.loads(again) == tomllib.loads(out)
    assert set(tomllib.loads(out)["limits"]) == set(Limits._fields)


def test_show_without_a_file(alice: Home) -> None:
    code, out, err = alice.config("--show")
    origins = {line.rpartition("  # ")[2] for line in out.splitlines() if " = " in line}
    assert (code, err, origins) == (0, "", {"default"})
    assert out.splitlines()[0] == f"# {alice.file} (not there)"


def test_show_as_json(alice: Home) -> None:
    alice.file.write_text("limits.outbox = '1 MiB'\nservices.folders = ['~/bus']\n")
    code, out, err = alice.config("--json")
    shown = json.loads(out)
    assert (code, err, list(shown)) == (0, "", ["limits", "log", "services"])
    assert shown["limits"]["outbox"] == {"value": 1048576, "origin": f"{alice.file}:1"}
    assert {name: entry["value"] for name, entry in shown["limits"].items()} == {
        **Limits()._asdict(),
        "outbox": 1048576,
    }
    assert shown["log"] == {"level": {"value": "info", "origin": "default"}}
    assert shown["services"] == {
        "folders": {"value": [f"{alice.folder}/bus"], "origin": f"{alice.file}:2"},
        "disabled": {"value": [], "origin": "default"},
    }


def test_show_of_a_wrong_file_names_its_mistakes(alice: Home) -> None:
    alice.file.write_text("log.level = 5\n[x]\n")
    for words in ([], ["--json"]):
        code, _, err = alice.config(*words)
        assert (code, len(err.splitlines())) == (1, 2)
        assert err.startswith(f"{alice.file}:1: log.level: must be ")


def test_show_of_a_wrong_file_shows_what_is_in_force_without_it(alice: Home) -> None:
    _, *defaults = alice.config()[1].splitlines()
    in_json = alice.config("--json")[1]
    alice.file.write_text("log.level = 5\nlimits.names = 100\n")
    code, out, _ = alice.config("--show")
    assert (code, out.splitlines()) == (1, [f"# {alice.file} (not used, as it has mistakes)", *defaults])
    assert alice.config("--json")[:2] == (1, in_json)


def test_on_a_terminal_the_origins_are_aligned_and_dim(alice: Home) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run([BIN / "pybus", "config"], env={**alice.environ, "TERM": "xterm"}, stdout=theirs, check=False)
    os.close(theirs)
    lines = _all_of(ours).splitlines()
    assert done.returncode == 0
    assert "\x1b[1m[limits]\x1b[0m" in lines
    columns = {line.index("\x1b[2m# default\x1b[0m") for line in lines if " = " in line}
    assert len(columns) == 1


def _all_of(terminal: int) -> str:
    """All that was written to a terminal whose other end is closed."""
    text = b""
    while True:
        try:
            text += os.read(terminal, 65536)
        except OSError:
            os.close(terminal)
            return text.decode()


def test_wrong_use(alice: Home) -> None:
    assert alice.config("--check", "--json") == (
        2,
        "",
        "pybus config: --json is for --show; --check writes a line for each mistake\n",
    )
    code, out, err = alice.config("--check", "--show")
    assert (code, out, err.splitlines()[-1]) == (
        2,
        "",
        "pybus config: argument --show: not allowed with argument --check; see pybus config --help",
    )
