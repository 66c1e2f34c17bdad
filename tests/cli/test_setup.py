"""`pybus setup` without systemd: what it writes, what it leaves alone, what it says."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import msgpack
import pytest

import pybus
from pybus.cli.main import COMMANDS
from tests.cli.programs import BIN, run_in
from tests.daemon import PATIENCE, SHIPPED
from tests.forking import DECIDED

PAGES = ["pybus.1", *(f"pybus-{name}.1" for name in COMMANDS)]

USER_FILES = sorted(
    [
        "data/dbus-1/services/org.pybus.Bus.service",
        *(f"data/bash-completion/completions/{name}" for name in ("pybus", "pybus-send", "pybus-listen")),
        "data/zsh/site-functions/_pybus",
        *(f"data/fish/vendor_completions.d/{name}.fish" for name in ("pybus", "pybus-send", "pybus-listen")),
        *(f"data/man/man1/{page}" for page in PAGES),
    ]
)
RECORD = "data/pybus/setup.json"


class Home:
    """A user's folders, and `pybus setup` for that user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # No session of the person who runs the tests is to be touched: no systemd is found from here.
        self.environ = {key: value for key, value in os.environ.items() if key.startswith(DECIDED)} | {
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
        }

    def setup(self, *words: str, **environ: str) -> tuple[int, list[str], list[str]]:
        """Run it; its exit code and its lines on stdout and stderr, with `~` for the folder."""
        code, *written = run_in({**self.environ, **environ}, "pybus", "setup", *words)
        out, err = (text.replace(str(self.folder), "~").splitlines() for text in written)
        return code, out, err

    def files(self) -> list[str]:
        """All that is there and is no folder, sorted."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if not path.is_dir())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def outcomes(lines: list[str], word: str) -> list[str]:
    """The paths of which the lines say this."""
    return sorted(line.split(" ~/")[1] for line in lines if line.startswith(f"{word} ") and " ~/" in line)


# --- for a user -----------------------------------------------------------------------------------


def test_it_installs_everything_but_the_units_and_says_so(home: Home) -> None:
    code, out, err = home.setup()
    assert (code, err) == (0, [])
    assert home.files() == sorted([*USER_FILES, RECORD])
    assert outcomes(out, "installed") == USER_FILES
    assert any("systemd units are left out" in line for line in out)
    assert "start the bus by hand: pybus daemon &" in out


def test_without_systemctl_it_says_how_to_start_by_hand(home: Home, tmp_path: Path) -> None:
    code, out, _ = home.setup(PATH=str(tmp_path))
    assert code == 0
    assert "this machine has no systemd (no systemctl in $PATH): the systemd units are left out;" in out
    assert "start the bus by hand: pybus daemon &" in out


def test_a_second_run_changes_nothing_and_says_so(home: Home) -> None:
    home.setup()
    before = {name: (home.folder / name).stat().st_ino for name in USER_FILES}
    code, out, _ = home.setup()
    assert code == 0
    assert outcomes(out, "unchanged") == USER_FILES
    assert {name: (home.folder / name).stat().st_ino for name in USER_FILES} == before


def test_what_differs_is_replaced_as_a_whole(home: Home) -> None:
    home.setup()
    page, script = "data/man/man1/pybus-get.1", "data/zsh/site-functions/_pybus"
    wanted = (home.folder / page).read_text()
    (home.folder / page).write_text(wanted[:200])
    (home.folder / script).chmod(0o600)
    code, out, _ = home.setup()
    assert code == 0
    assert outcomes(out, "replaced") == sorted([page, script])
    assert (home.folder / page).read_text() == wanted
    assert home.files() == sorted([*USER_FILES, RECORD])


def test_files_are_readable_and_new_folders_are_the_users_own(home: Home) -> None:
    (home.folder / "data").mkdir(mode=0o755)
    home.setup()
    modes = {stat.S_IMODE((home.folder / name).stat().st_mode) for name in USER_FILES}
    assert modes == {0o644}
    assert stat.S_IMODE((home.folder / "data/man/man1").stat().st_mode) == 0o700
    assert stat.S_IMODE((home.folder / "data").stat().st_mode) == 0o755


@pytest.mark.parametrize("kind", ["file", "link", "folder", "fifo"])
def test_what_others_made_is_left_alone_and_named(kind: str, home: Home) -> None:
    name = "data/man/man1/pybus-get.1"
    path = home.folder / name
    path.parent.mkdir(parents=True)
    if kind == "file":
        path.write_text("bob's own page\n")
    elif kind == "link":
        path.symlink_to("/dev/null")
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    before = path.lstat()
    code, out, err = home.setup()
    assert code == 1
    assert len(err) == 1
    assert err[0].startswith(f"pybus setup: ~/{name} ")
    assert "stays as it is" in err[0]
    assert outcomes(out, "installed") == [one for one in USER_FILES if one != name]
    code, _, _ = home.setup("--remove")
    assert code == 0
    assert (path.lstat().st_ino, path.lstat().st_mtime) == (before.st_ino, before.st_mtime)
    assert [str(one.relative_to(home.folder)) for one in home.folder.rglob("*") if not one.is_dir() or one == path] == [
        name
    ]


def test_a_folder_that_can_not_be_made_is_named(home: Home) -> None:
    (home.folder / "data").mkdir()
    (home.folder / "data" / "man").write_text("no folder\n")
    code, out, err = home.setup()
    assert code == 1
    assert err[0] == "pybus setup: can't write ~/data/man/man1/pybus.1: File exists"
    assert outcomes(out, "installed") == [one for one in USER_FILES if "/man/" not in one]


def test_remove_leaves_nothing(home: Home) -> None:
    home.setup()
    code, out, err = home.setup("--remove")
    assert (code, err) == (0, [])
    assert set(USER_FILES) <= set(outcomes(out, "removed"))
    assert list(home.folder.iterdir()) == []


def test_remove_leaves_folders_that_were_there(home: Home) -> None:
    (home.folder / "data" / "man").mkdir(parents=True)
    home.setup()
    home.setup()
    home.setup("--remove")
    assert [str(path.relative_to(home.folder)) for path in home.folder.rglob("*")] == ["data", "data/man"]


def test_remove_without_an_installation_does_nothing(home: Home) -> None:
    nothing = "nothing   was installed here by pybus setup, so there is nothing to remove"
    assert home.setup("--remove") == (0, [nothing], [])
    assert list(home.folder.iterdir()) == []
    assert home.setup("--remove", "--system", DESTDIR=str(home.folder))[1][0] == nothing
    home.setup()
    assert nothing not in home.setup("--remove")[1]
    assert home.setup("--remove") == (0, [nothing], [])


@pytest.mark.parametrize("words", [[], ["--remove"]])
def test_it_does_its_work_though_nobody_reads_what_it_says(words: list[str], home: Home) -> None:
    if words:
        home.setup()
    ours, theirs = os.pipe()
    os.close(ours)
    command = [str(BIN / "pybus"), "setup", *words]
    done = subprocess.run(command, env=home.environ, stdout=theirs, stderr=subprocess.PIPE, timeout=PATIENCE)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, b"")
    assert home.files() == ([] if words else sorted([*USER_FILES, RECORD]))


def test_what_an_earlier_version_had_installed_goes(home: Home) -> None:
    home.setup()
    old = home.folder / "data/man/man1/pybus-former.1"
    old.write_text((home.folder / "data/man/man1/pybus.1").read_text())
    record = home.folder / RECORD
    record.write_text(record.read_text().replace('"files": [', f'"files": [\n"{old}",'))
    code, out, _ = home.setup()
    assert code == 0
    assert outcomes(out, "removed") == ["data/man/man1/pybus-former.1"]
    assert home.files() == sorted([*USER_FILES, RECORD])


def test_a_record_that_is_damaged_is_named(home: Home) -> None:
    (home.folder / "data" / "pybus").mkdir(parents=True)
    (home.folder / RECORD).write_text("{")
    code, out, err = home.setup()
    assert (code, out) == (1, [])
    assert err == [f"pybus setup: ~/{RECORD} is not what `pybus setup` writes there; move it away"]


def test_the_commands_of_this_installation_are_in_the_files(home: Home) -> None:
    home.setup()
    activation = home.folder / "data/dbus-1/services/org.pybus.Bus.service"
    assert f"\nExec={BIN}/python -m pybus_services.dbus.export\n" in activation.read_text()
    assert f"'{BIN}/pybus' complete" in (home.folder / "data/fish/vendor_completions.d/pybus.fish").read_text()


def test_a_pybus_that_only_this_folder_knows_is_not_installed(home: Home, tmp_path: Path) -> None:
    """Where systemd starts the bus, there is no PYTHONPATH."""
    (tmp_path / "bare" / "bin").mkdir(parents=True)
    (tmp_path / "bare" / "pyvenv.cfg").write_text(f"home = {Path(os.path.realpath(sys.executable)).parent}\n")
    python = tmp_path / "bare" / "bin" / "python"
    python.symlink_to(os.path.realpath(sys.executable))
    found = os.pathsep.join(str(Path(module.__file__ or "").parent.parent) for module in (pybus, msgpack))
    done = subprocess.run(
        [str(python), "-m", "pybus", "setup"],
        env={**home.environ, "PYTHONPATH": found},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"pybus setup: {python} finds pybus only from here: install it first, such as by: pip install .\n"
    )


def test_zsh_finds_its_mark_first(home: Home) -> None:
    home.setup()
    lines = (home.folder / "data/zsh/site-functions/_pybus").read_text().splitlines()
    assert lines[:2] == [
        "#compdef pybus pybus-send pybus-listen",
        "# Written by `pybus setup`, which replaces and removes it.",
    ]


def test_it_tells_if_bash_needs_a_package(home: Home) -> None:
    is_there = os.path.exists("/usr/share/bash-completion/bash_completion") or shutil.which("bash") is None
    said = home.setup()[1].count("bash completes pybus as soon as the package bash-completion is installed")
    assert said == (0 if is_there else 1)


def test_its_help_says_what_becomes_of_the_services(home: Home) -> None:
    _, out, _ = home.setup("--help")
    assert "Install systemd units, completions and man pages, or remove them." in out
    assert any("services that come with pybus are found where it is installed" in line for line in out)


def test_man_finds_the_pages_as_it_says(home: Home) -> None:
    if shutil.which("man") is None:
        pytest.skip("there is no man")
    _, out, _ = home.setup()
    assert "man finds the pages with: export MANPATH=~/data/man:" in out
    environ = {**home.environ, "MANPATH": f"{home.folder}/data/man:"}
    done = subprocess.run(["man", "-w", "pybus-call"], env=environ, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == f"{home.folder}/data/man/man1/pybus-call.1\n"


# --- for a package --------------------------------------------------------------------------------


def test_a_package_gets_all_files_below_its_destination(home: Home) -> None:
    code, out, err = home.setup("--system", DESTDIR=str(home.folder / "package"), SOURCE_DATE_EPOCH="0")
    assert (code, err) == (0, [])
    expected = [
        "lib/systemd/user/pybus.service",
        "lib/systemd/user/pybus.socket",
        "lib/systemd/user/pybus-dbus.service",
        "share/dbus-1/services/org.pybus.Bus.service",
        *(f"share/pybus/services/{name}.toml" for name in SHIPPED),
        *(f"share/bash-completion/completions/{name}" for name in ("pybus", "pybus-send", "pybus-listen")),
        "share/zsh/vendor-completions/_pybus",
        *(f"share/fish/vendor_completions.d/{name}.fish" for name in ("pybus", "pybus-send", "pybus-listen")),
        *(f"share/man/man1/{page}" for page in PAGES),
    ]
    assert home.files() == sorted(f"package/usr/{name}" for name in expected)
    assert "  systemctl --global enable pybus.socket" in out
    usr = home.folder / "package" / "usr"
    assert "\nExecStart=/usr/bin/pybus daemon\n" in (usr / "lib/systemd/user/pybus.service").read_text()
    exporter = "/usr/bin/python3 -m pybus_services.dbus.export"
    assert f"\nExecStart={exporter}\n" in (usr / "lib/systemd/user/pybus-dbus.service").read_text()
    assert f"\nExec={exporter}\n" in (usr / "share/dbus-1/services/org.pybus.Bus.service").read_text()
    assert "\n    /usr/bin/pybus complete " in (usr / "share/bash-completion/completions/pybus").read_text()
    assert ' "1970-01-01" ' in (usr / "share/man/man1/pybus.1").read_text()
    service = tomllib.loads((usr / "share/pybus/services/org.pybus.Hal.toml").read_text())
    assert service["name"] == "org.pybus.Hal"


def test_a_package_is_removed_again(home: Home) -> None:
    destination = str(home.folder / "package")
    home.setup("--system", DESTDIR=destination)
    code, out, err = home.setup("--system", "--remove", DESTDIR=destination)
    assert (code, err) == (0, [])
    assert home.files() == []
    assert not (home.folder / "package/usr/share/pybus").exists()
    assert "  systemctl --global disable pybus.socket" in out
