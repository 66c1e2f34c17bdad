"""`pybus service` against a real bus that starts real services."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

import pybus
from pybus.cli.service import _facts
from tests.cli.programs import BIN, run
from tests.cli.service_files import PLAYER, offer_services
from tests.daemon import PATIENCE, BusDaemon

NAME = "org.example.Player"


@pytest.fixture(autouse=True)
def services(daemon: BusDaemon) -> None:
    offer_services(daemon)


def service(daemon: BusDaemon, *words: str) -> tuple[int, str, str]:
    """`pybus service` with what differs from run to run left out."""
    code, out, err = run(daemon, "pybus", "service", *words)
    out, err = (re.sub(r"\d\.\d s\b", "0 s", re.sub(r"pid \d+", "pid PID", text)) for text in (out, err))
    return code, out, err


def rows_of(daemon: BusDaemon) -> dict[str, list[str]]:
    """The listed services of the test: state, pid and description by name."""
    code, out, err = run(daemon, "pybus", "service")
    assert (code, err) == (0, "")
    rows = [line.split("\t") for line in out.splitlines()]
    return {row[0]: [row[1], row[2], row[4]] for row in rows if row[0].startswith("org.example.")}


def status(daemon: BusDaemon, name: str) -> dict[str, object]:
    code, out, err = run(daemon, "pybus", "service", name, "status", "--json")
    assert (code, err) == (0, "")
    found: dict[str, object] = json.loads(out)
    return found


def test_start_stop_and_the_list_between(daemon: BusDaemon) -> None:
    assert rows_of(daemon)[NAME] == ["stopped", "-", "Plays films."]
    assert service(daemon, NAME, "start") == (0, f"{NAME} runs (pid PID, after 0 s)\n", "")
    pid = str(status(daemon, NAME)["pid"])
    assert rows_of(daemon)[NAME] == ["running", pid, "Plays films."]
    assert service(daemon, "start", NAME) == (0, f"{NAME} runs already (pid PID)\n", "")
    assert service(daemon, NAME, "stop") == (0, f"{NAME} is stopped; it was killed by SIGTERM after 0 s\n", "")
    assert rows_of(daemon)[NAME] == ["stopped", "-", "Plays films."]
    assert service(daemon, NAME, "stop") == (0, f"{NAME} does not run\n", "")


def test_restart_gives_it_a_new_process(daemon: BusDaemon) -> None:
    assert service(daemon, NAME, "restart") == (0, f"{NAME} runs (pid PID, after 0 s)\n", "")
    first = status(daemon, NAME)
    assert service(daemon, NAME, "restart") == (0, f"{NAME} runs (pid PID, after 0 s)\n", "")
    second = status(daemon, NAME)
    assert (first["starts"], second["starts"], first["pid"] != second["pid"]) == (1, 2, True)


def test_a_start_that_fails_is_told_with_the_last_words(daemon: BusDaemon) -> None:
    first = "pybus service: org.example.Crashing exited with status 3 after 0 s, before it owned its name\n"
    assert service(daemon, "org.example.Crashing", "start") == (1, "", f"{first}  no disk\n  no\\x1b[2J hope\n")
    code, out, err = service(daemon, "org.example.Missing", "start")
    assert (code, out) == (1, "")
    assert err.startswith("pybus service: org.example.Missing can't be started: ")
    assert "No such file or directory" in err
    assert rows_of(daemon)["org.example.Missing"][0].startswith("failed: can't be started: ")


def test_one_that_never_claims_its_name_and_one_that_does_not_want_to_end(daemon: BusDaemon) -> None:
    daemon.offer("org.example.Silent", 'exec = "sleep 60"\nstart_timeout = 0.2\nrestart = "no"\n')
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + PLAYER.replace(
        NAME, "org.example.Deaf"
    )
    words = json.dumps(["{python}", "-c", stubborn])
    daemon.offer("org.example.Deaf", f"exec = {words}\nstop_timeout = 0.2\n")
    daemon.reload()
    message = "pybus service: org.example.Silent did not claim its name in 0 s\n"
    assert service(daemon, "org.example.Silent", "start") == (1, "", message)
    assert service(daemon, "org.example.Deaf", "start")[0] == 0
    message = "org.example.Deaf is stopped; it was killed by SIGKILL after 0 s\n"
    assert service(daemon, "stop", "org.example.Deaf") == (0, message, "")


def test_status_shows_everything(daemon: BusDaemon) -> None:
    service(daemon, "org.example.Crashing", "start")
    code, out, err = service(daemon, "org.example.Crashing")
    facts = [line.split("\t") for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [fact for fact in facts if fact[0] not in ("since", "command")] == [
        ["name", "org.example.Crashing"],
        ["description", "-"],
        ["state", "stopped"],
        ["started", "once"],
        ["failed", "once in a row"],
        ["last end", "exited with status 3 after 0 s"],
        ["last words", "no disk"],
        ["last words", "no\\x1b[2J hope"],
        ["file", f"{daemon.services}/org.example.Crashing.toml"],
        ["publishes", "-"],
        ["starts", "when it is needed"],
        ["restarts", "never"],
        ["time limits", "10 s to start, 5 s to stop"],
    ]


def test_status_of_a_service_whose_file_is_partial_names_both_files(daemon: BusDaemon) -> None:
    system = Path(daemon.environ["XDG_DATA_DIRS"], "pybus/services")
    system.mkdir(parents=True)
    base = system / "org.example.Lamp.toml"
    base.write_text('name = "org.example.Lamp"\nexec = "lamp"\ntopics = ["lamp.#"]\nidle = 60\n')
    daemon.offer("org.example.Lamp", 'topics = ["lamp.#", "desk.#"]\n')
    daemon.reload()
    code, out, err = service(daemon, "org.example.Lamp")
    facts = [line.split("\t") for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert facts[facts.index(["command", "lamp"]) :] == [
        ["command", "lamp"],
        ["file", f"{daemon.services}/org.example.Lamp.toml"],
        ["based on", str(base)],
        ["publishes", "lamp.# desk.#"],
        ["starts", "when it is needed"],
        ["restarts", "after a failure"],
        ["time limits", "10 s to start, 5 s to stop"],
        ["idle", "ended when not needed for 60 s"],
    ]
    code, out, err = run(daemon, "pybus", "explain", "--call", "org.example.Lamp", "shine")
    assert out.splitlines()[-2:] == [f"file\t{daemon.services}/org.example.Lamp.toml", f"based on\t{base}"]


def test_a_topic_that_a_partial_file_adds_starts_the_service(daemon: BusDaemon) -> None:
    system = Path(daemon.environ["XDG_DATA_DIRS"], "pybus/services")
    system.mkdir(parents=True)
    words = json.dumps(["{python}", "-c", PLAYER.replace(NAME, "org.example.Lamp")])
    (system / "org.example.Lamp.toml").write_text(f'name = "org.example.Lamp"\nexec = {words}\ntopics = ["lamp.#"]\n')
    daemon.offer("org.example.Lamp", 'topics = ["lamp.#", "desk.#"]\n')
    daemon.reload()
    with pybus.connect(daemon.address) as alice:
        news = alice.subscribe("bus.service.org.example.Lamp")
        alice.subscribe("desk.#")
        told = [news.receive(PATIENCE), news.receive(PATIENCE)]
    bodies = [signal.body for signal in told if signal is not None]
    assert [body["event"] for body in bodies if isinstance(body, dict)] == ["starting", "running"]


def test_a_service_that_did_not_come_in_time_is_told_with_its_last_words_below(daemon: BusDaemon) -> None:
    program = "print('no disk\\nno hope', flush=True); import time; time.sleep(60)"
    words = json.dumps(["{python}", "-c", program])
    daemon.offer("org.example.Mute", f'exec = {words}\nstart_timeout = 2\nrestart = "no"\n')
    daemon.reload()
    code, out, err = service(daemon, "org.example.Mute", "start")
    beginning = "pybus service: org.example.Mute did not claim its name in"
    assert (code, out, err.partition(beginning)[0]) == (1, "", "")
    assert err.splitlines()[1:] == ["  no disk", "  no hope"]


def test_on_a_terminal_the_last_words_stand_below_each_other(daemon: BusDaemon) -> None:
    service(daemon, "org.example.Crashing", "start")
    ours, theirs = pty.openpty()
    environ = {**daemon.environ, "TERM": "dumb"}
    command = [str(BIN / "pybus"), "service", "org.example.Crashing"]
    subprocess.run(command, env=environ, stdout=theirs, check=True, timeout=PATIENCE)
    os.close(theirs)
    lines = os.read(ours, 4096).decode().splitlines()
    os.close(ours)
    first = lines.index("last words   no disk")
    assert lines[first + 1] == "             no\\x1b[2J hope"


def test_one_that_was_given_up_is_said_to_be_so_once(daemon: BusDaemon) -> None:
    told = (
        "given up after 6 failures in a row: org.example.Crashing exited with status 3 after 0.2 s; its last words: a"
    )
    down = {"name": "org.example.Crashing", "state": "failed", "reason": told, "due": None}
    with pybus.connect(daemon.address) as bob:
        facts = {**bob.call("org.pybus.Bus", "service", "org.example.Crashing"), **down, "failures": 6}
    shown = dict(_facts(facts))
    assert shown["state"] == "failed: given up after 6 failures in a row: exited with status 3 after 0.2 s"
    assert "failed" not in shown


def test_logs_are_its_lines(daemon: BusDaemon) -> None:
    assert service(daemon, NAME, "logs") == (0, "", "")
    service(daemon, "org.example.Crashing", "start")
    assert service(daemon, "org.example.Crashing", "logs") == (0, "no disk\nno\\x1b[2J hope\n", "")


def test_a_name_that_somebody_else_owns_is_not_started(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as bob:
        bob.register(NAME, {"x": repr})
        message = f"{NAME} runs already (the bus did not start it: it is {bob.name})\n"
        assert service(daemon, NAME, "start") == (0, message, "")


def test_a_name_whose_file_has_a_mistake_is_told_with_it(daemon: BusDaemon) -> None:
    daemon.offer("org.example.Wrong", 'exec = "true"\nidle = "long"\n')
    daemon.configure(f'[services]\nfolders = ["{daemon.folder}/more"]\n')
    os.mkdir(f"{daemon.folder}/more")
    other = f"{daemon.folder}/more/org.example.Other.toml"
    with open(other, "w") as file:
        file.write('name = "org.example.Other"\n')
    daemon.reload()
    file_of = f"{daemon.services}/org.example.Wrong.toml"
    for name, place in (("org.example.Wrong", f"{file_of}:3: idle"), ("org.example.Other", f"{other}: exec")):
        code, out, err = service(daemon, name, "status")
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert err.startswith(f"pybus service: no service file describes {name}; its file has a mistake: {place}: ")


def test_an_unknown_name_is_told_with_what_is_near_and_where_files_are(daemon: BusDaemon) -> None:
    code, out, err = service(daemon, "org.example.Playr", "start")
    assert (code, out, err.count("\n")) == (1, "", 1)
    beginning = "pybus service: no service file describes org.example.Playr; did you mean org.example.Player?"
    assert err.startswith(f"{beginning} service files are looked for in {daemon.services}, ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["start"], "start which service? such as: org.pybus.Hal start\n"),
        ([NAME, "strat"], "no action 'strat'; there are: start, stop, restart, status, logs\n"),
        (["one", "start"], "name 'one' has one word"),
    ],
)
def test_what_is_wrong_with_the_words_is_said_in_one_line(daemon: BusDaemon, words: list[str], message: str) -> None:
    code, out, err = run(daemon, "pybus", "service", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"pybus service: {message}")
