"""Service files: what they may say, which of several counts, and that a wrong one is named and harms no other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pybus.broker.life import Service
from pybus.server.service_files import load_services, service_folders

ENVIRON = {"HOME": "/home/alice"}
PLAYER = 'name = "org.example.Player"\nexec = "player"\n'


def load(*folders: Path) -> tuple[dict[str, Service], list[str]]:
    return load_services([str(folder) for folder in folders], ENVIRON, "/usr/bin/python3")


def write(folder: Path, name: str, text: str) -> str:
    """Write a service file; its path."""
    folder.mkdir(exist_ok=True, parents=True)
    file = folder / f"{name}.toml"
    file.write_text(text)
    return str(file)


def problems(folder: Path, text: str, name: str = "org.example.Player") -> list[str]:
    """What is wrong with a file of this text, without the file's path, which each line has to begin with."""
    file = write(folder, name, text)
    services, found = load(folder)
    assert services == {}
    assert [line for line in found if not line.startswith(f"{file}:")] == []
    return [line.removeprefix(f"{file}:") for line in found]


def test_a_file_that_says_what_it_must(tmp_path: Path) -> None:
    file = write(tmp_path, "org.example.Player", PLAYER)
    assert load(tmp_path) == ({"org.example.Player": Service("org.example.Player", ("player",), file=file)}, [])


def test_a_file_that_says_all_it_may(tmp_path: Path) -> None:
    text = """\
name = "org.example.Player"
exec = ["/opt/player", "--bus", "a b"]
description = "Plays films."
topics = ["media.player.#", "*.x"]
calls = false
autostart = true
restart = "always"
start_timeout = 20
stop_timeout = 0
idle = 60
"""
    file = write(tmp_path, "org.example.Player", text)
    (service,) = load(tmp_path)[0].values()
    assert service == Service(
        name="org.example.Player",
        exec=("/opt/player", "--bus", "a b"),
        description="Plays films.",
        topics=("media.player.#", "*.x"),
        calls=False,
        autostart=True,
        restart="always",
        start_timeout=20.0,
        stop_timeout=0.0,
        idle=60.0,
        file=file,
    )
    assert set(Service._fields) == {line.split(" = ")[0] for line in text.splitlines()} | {"file", "base"}


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("player", ("player",)),
        ("/opt/player --title 'Ben Hur' \\\"a b\\\" c\\\\ d", ("/opt/player", "--title", "Ben Hur", "a b", "c d")),
        ("player $HOME *.avi; rm x # no", ("player", "$HOME", "*.avi;", "rm", "x", "#", "no")),
        ("~/bin/player ~/films x~/y ~bob/z", ("/home/alice/bin/player", "/home/alice/films", "x~/y", "~bob/z")),
        ("{python} -m player {python}", ("/usr/bin/python3", "-m", "player", "{python}")),
        ("sh -c ''", ("sh", "-c", "")),
    ],
)
def test_a_command_as_text(tmp_path: Path, written: str, words: tuple[str, ...]) -> None:
    write(tmp_path, "org.example.Player", f'name = "org.example.Player"\nexec = "{written}"')
    services, found = load(tmp_path)
    assert (found, services["org.example.Player"].exec) == ([], words)


def test_a_command_as_a_list(tmp_path: Path) -> None:
    text = 'name = "org.example.Player"\nexec = ["{python}", "-c", """\nprint(1)\n"""]'
    write(tmp_path, "org.example.Player", text)
    assert load(tmp_path)[0]["org.example.Player"].exec == ("/usr/bin/python3", "-c", "print(1)\n")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("exec = ''", 'is empty; it must be a command, such as "player --bus"'),
        ("exec = []", 'is empty; it must be a command, such as "player --bus"'),
        ("exec = ['', 'x']", 'is empty; it must be a command, such as "player --bus"'),
        ("exec = 5", "must be text or a list of texts, not 5"),
        ("exec = ['x', 5]", "must be text, not 5"),
        ('exec = "player \'x"', "can't be split into words as a shell does: No closing quotation"),
        ('exec = "player \\u0000"', "'\\x00' holds a NUL, which no command can be given"),
        (
            "exec = 'bin/player'",
            "'bin/player' must be an absolute path, a command's name without a slash, or begin with ~/",
        ),
        ("description = 'a\\nb'", None),
        ('description = "a\\nb"', "must be one line of printable text, not 'a\\nb'"),
        ("topics = 'media.#'", "must be a list of texts, not 'media.#'"),
        ("topics = ['bus.peer.#']", "'bus.peer.#': what begins with bus is published by the bus alone"),
        ("topics = ['bus']", "'bus': what begins with bus is published by the bus alone"),
        ("topics = ['buses.#']", None),
        ("topics = ['a..b']", "pattern 'a..b' has an empty word: join words by single dots, with none at the ends"),
        ("autostart = 'yes'", "must be true or false, not 'yes'"),
        ("autostart = 1", "must be true or false, not 1"),
        ("calls = true", None),
        ("calls = 0", "must be true or false, not 0"),
        ("call = false", "unknown key; did you mean calls?"),
        ("restart = 'sometimes'", 'must be "no", "on-failure" or "always", not \'sometimes\''),
        ("start_timeout = 0", "must be a number of seconds, at least 0.01, not 0"),
        ("start_timeout = 3600", None),
        ("start_timeout = 3600.5", "must be a number of seconds, at most 3600, not 3600.5"),
        ("stop_timeout = -1", "must be a number of seconds, at least 0, not -1"),
        ("idle = 0", None),
        ("idle = 1", None),
        ("idle = 0.5", "must be 0 or a number of seconds, at least 1, not 0.5"),
        ("idle = inf", "must be 0 or a number of seconds, at most 2592000, not inf"),
        ("idel = 5", "unknown key; did you mean idle?"),
    ],
)
def test_each_key(tmp_path: Path, line: str, problem: str | None) -> None:
    key = line.split(" = ")[0]
    others = [other for other in PLAYER.splitlines() if not other.startswith(f"{key} ")]
    text = "\n".join([*others, line])
    if problem is None:
        write(tmp_path, "org.example.Player", text)
        assert (list(load(tmp_path)[0]), load(tmp_path)[1]) == (["org.example.Player"], [])
    else:
        assert problems(tmp_path, text) == [f"{len(others) + 1}: {key}: {problem}"]


def test_the_line_is_that_of_the_wrong_item(tmp_path: Path) -> None:
    text = PLAYER + 'topics = [\n  "media.#",\n  "bus.x",\n]\n'
    assert problems(tmp_path, text) == ["5: topics: 'bus.x': what begins with bus is published by the bus alone"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("org.example.Other", "must be as the file is named, 'org.example.Player', not 'org.example.Other'"),
        ("Player", "name 'Player' has one word; a service name has two or more, such as org.example.Player"),
        ("org.pybus.Bus", "org.pybus.Bus is the bus itself"),
    ],
)
def test_the_name(tmp_path: Path, name: str, problem: str) -> None:
    assert problems(tmp_path, f'exec = "x"\nname = "{name}"') == [f"2: name: {problem}"]


def test_nobody_can_be_the_bus(tmp_path: Path) -> None:
    text = 'name = "org.pybus.Bus"\nexec = "x"'
    assert problems(tmp_path, text, "org.pybus.Bus") == ["1: name: org.pybus.Bus is the bus itself"]


def test_all_mistakes_of_a_file_are_told(tmp_path: Path) -> None:
    assert problems(tmp_path, "idle = -1\nautostart = 2\n[x]\n") == [
        "1: idle: must be 0 or a number of seconds, at least 1, not -1",
        "2: autostart: must be true or false, not 2",
        "3: x: unknown table; there are: autostart, calls, description, exec, idle, name, restart, start_timeout,"
        " stop_timeout, topics",
        ' name: is missing; write name = "org.example.Player"',
        " exec: is missing; write the command that serves this name (no further file has it to take it from)",
    ]


def test_a_wrong_file_harms_no_other(tmp_path: Path) -> None:
    wrong = write(tmp_path, "org.example.Alarm", "name = ")
    write(tmp_path, "org.example.Player", PLAYER)
    os.mkfifo(tmp_path / "org.example.Pipe.toml")
    (tmp_path / "org.example.Folder.toml").mkdir()
    services, found = load(tmp_path)
    assert list(services) == ["org.example.Player"]
    assert found == [
        f"{wrong}:1: not valid TOML: Invalid value",
        f"{tmp_path}/org.example.Folder.toml: is a folder, not a file",
        f"{tmp_path}/org.example.Pipe.toml: is not a regular file",
    ]


def test_other_files_are_not_looked_at(tmp_path: Path) -> None:
    for name in ("org.example.Player.toml~", ".#org.example.Player.toml", "README", "org.example.Player.toml.bak"):
        (tmp_path / name).write_text("nothing for the bus")
    assert load(tmp_path) == ({}, [])


def test_the_first_of_a_name_counts(tmp_path: Path) -> None:
    first = write(tmp_path / "alice", "org.example.Player", PLAYER)
    write(tmp_path / "system", "org.example.Player", PLAYER.replace("player", "other"))
    write(tmp_path / "shipped", "org.example.Player", "wrong")
    services, found = load(tmp_path / "alice", tmp_path / "system", tmp_path / "shipped")
    assert (services, found) == ({"org.example.Player": Service("org.example.Player", ("player",), file=first)}, [])


def test_a_wrong_file_is_not_replaced_by_the_one_that_it_overrides(tmp_path: Path) -> None:
    first = write(tmp_path / "alice", "org.example.Player", PLAYER + "idel = 5")
    second = write(tmp_path / "system", "org.example.Player", PLAYER)
    assert load(tmp_path / "alice", tmp_path / "system") == (
        {},
        [
            f"{first}:3: idel: unknown key; did you mean idle?",
            f"{first}: until it is mended there is no org.example.Player; {second} is not used in its place",
        ],
    )


# --- partial files ------------------------------------------------------------------------------------

FULL = PLAYER + 'topics = ["media.#"]\nidle = 60\ndescription = "Plays films."\n'


def test_what_a_partial_file_leaves_out_is_taken_from_the_one_that_it_overrides(tmp_path: Path) -> None:
    own = write(tmp_path / "alice", "org.example.Player", 'name = "org.example.Player"\ntopics = ["media.#", "desk.#"]')
    base = write(tmp_path / "system", "org.example.Player", FULL)
    write(tmp_path / "shipped", "org.example.Player", PLAYER + "autostart = true\nidel = 5")
    service = Service(
        name="org.example.Player",
        exec=("player",),
        description="Plays films.",
        topics=("media.#", "desk.#"),
        idle=60.0,
        file=own,
        base=base,
    )
    folders = [tmp_path / "alice", tmp_path / "system", tmp_path / "shipped"]
    assert load(*folders) == ({"org.example.Player": service}, [])


def test_partial_files_over_one_another(tmp_path: Path) -> None:
    own = write(tmp_path / "alice", "org.example.Player", 'name = "org.example.Player"\nidle = 5')
    write(tmp_path / "admin", "org.example.Player", 'name = "org.example.Player"\nidle = 10\ntopics = []')
    base = write(tmp_path / "system", "org.example.Player", FULL)
    service = Service("org.example.Player", ("player",), "Plays films.", idle=5.0, file=own, base=base)
    folders = [tmp_path / "alice", tmp_path / "admin", tmp_path / "system"]
    assert load(*folders) == ({"org.example.Player": service}, [])


def test_a_file_with_exec_takes_nothing_from_another(tmp_path: Path) -> None:
    own = write(tmp_path / "alice", "org.example.Player", PLAYER)
    write(tmp_path / "system", "org.example.Player", FULL)
    service = Service("org.example.Player", ("player",), file=own)
    assert load(tmp_path / "alice", tmp_path / "system") == ({"org.example.Player": service}, [])


def test_a_partial_file_that_overrides_none_is_told_what_it_lacks(tmp_path: Path) -> None:
    alarm = write(tmp_path / "alice", "org.example.Alarm", 'name = "org.example.Alarm"\nidle = 5')
    own = write(tmp_path / "alice", "org.example.Player", 'name = "org.example.Player"\nidle = 5')
    missing = "is missing; write the command that serves this name (no further file has it to take it from)"
    other = write(tmp_path / "system", "org.example.Player", 'name = "org.example.Player"')
    assert load(tmp_path / "alice", tmp_path / "system") == (
        {},
        [
            f"{alarm}: exec: {missing}",
            f"{other}: exec: {missing}",
            f"{own}: takes its command from {other}; until that is mended there is no org.example.Player",
        ],
    )


def test_a_mistake_is_told_where_it_is_in_a_partial_file_and_in_the_other(tmp_path: Path) -> None:
    own = write(tmp_path / "alice", "org.example.Player", 'name = "org.example.Player"\nidle = 0.5\n')
    base = write(tmp_path / "system", "org.example.Player", FULL + "idel = 5")
    last = write(tmp_path / "shipped", "org.example.Player", PLAYER)
    folders = [tmp_path / "alice", tmp_path / "system", tmp_path / "shipped"]
    assert load(*folders) == (
        {},
        [
            f"{own}:2: idle: must be 0 or a number of seconds, at least 1, not 0.5",
            f"{own}: until it is mended there is no org.example.Player; {base} is not used in its place",
            f"{own}: until it is mended there is no org.example.Player; {last} is not used in its place",
        ],
    )
    write(tmp_path / "alice", "org.example.Player", 'name = "org.example.Player"\nidle = 5\n')
    assert load(*folders) == (
        {},
        [
            f"{base}:6: idel: unknown key; did you mean idle?",
            f"{own}: takes its command from {base}; until that is mended there is no org.example.Player",
            f"{base}: until it is mended there is no org.example.Player; {last} is not used in its place",
        ],
    )


def test_alice_adds_topics_to_the_hardware_service_that_is_shipped(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_DATA_DIRS": "/nowhere"}
    shipped = load_services(service_folders([], environ), environ)[0]["org.pybus.Hal"]
    folder = tmp_path / ".local/share/pybus/services"
    own = write(folder, "org.pybus.Hal", 'name = "org.pybus.Hal"\ntopics = ["hal.#", "desk.#"]\n')
    services, found = load_services(service_folders([], environ), environ)
    assert found == []
    assert services["org.pybus.Hal"] == shipped._replace(topics=("hal.#", "desk.#"), file=own, base=shipped.file)


# --- folders ------------------------------------------------------------------------------------------


def test_folders_that_are_none(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert load(tmp_path / "nowhere", file) == (
        {},
        [f"{file}: can't be searched for service files: Not a directory"],
    )


def test_the_folders_in_their_order() -> None:
    environ = {"HOME": "/home/alice", "XDG_DATA_DIRS": "/a:/b"}
    found = service_folders(["/srv/bus", "/a/pybus/services"], environ)
    assert found[:4] == [
        "/srv/bus",
        "/a/pybus/services",
        "/home/alice/.local/share/pybus/services",
        "/b/pybus/services",
    ]
    assert any(folder.endswith("/hal") for folder in found[4:])


def test_the_hardware_service_is_shipped() -> None:
    services, found = load_services(service_folders([], {"HOME": "/nowhere", "XDG_DATA_DIRS": "/nowhere"}))
    assert found == []
    hal = services["org.pybus.Hal"]
    assert (hal.exec, hal.topics) == ((sys.executable, "-m", "pybus_services.hal"), ("hal.#",))


def test_looking_for_the_shipped_services_imports_none_of_them() -> None:
    script = (
        "import sys\nfrom pybus.server.service_files import load_services, service_folders\n"
        "assert load_services(service_folders([]))[0]\n"
        "print([name for name in sys.modules if name.startswith('pybus_services')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
