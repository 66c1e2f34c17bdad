"""The other commands against a real bus."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from time import monotonic

import pytest

import pybus
from tests.cli.programs import BIN, line_of, run, started
from tests.daemon import PATIENCE, BusDaemon
from tests.serving import serving


class Player:
    """Plays films."""

    def play(self, uri: str, volume: float = 1.0, *, loop: bool = False) -> dict:  # type: ignore[type-arg]
        """Start playing."""
        return {"uri": uri, "volume": volume, "loop": loop}

    def title(self) -> str:
        return "Metropolis"


def test_call_prints_the_answer_and_reads_arguments_by_their_types(daemon: BusDaemon) -> None:
    with serving(daemon.address, "org.example.Player", Player()):
        call = ("pybus", "call", "org.example.Player")
        assert run(daemon, *call, "title") == (0, "Metropolis\n", "")
        code, out, err = run(daemon, *call, "play", "42", "volume=0.5", "loop=true")
        assert (code, json.loads(out), err) == (0, {"uri": "42", "volume": 0.5, "loop": True}, "")
        code, out, err = run(daemon, *call, "play", "x", "loud")
        assert (code, out) == (1, "")
        assert err == ("pybus call: play(): argument 'volume' must be float, not str (InvalidArguments)\n")
        assert run(daemon, *call, "title", "--no-reply") == (0, "", "")


def test_call_of_nobody_is_one_line(daemon: BusDaemon) -> None:
    message = "pybus call: nobody owns the name org.example.None (NameHasNoOwner)\n"
    assert run(daemon, "pybus", "call", "org.example.None", "x") == (1, "", message)


def test_introspect_prints_signatures_and_docs(daemon: BusDaemon) -> None:
    with serving(daemon.address, "org.example.Player", Player()):
        assert run(daemon, "pybus", "introspect", "org.example.Player") == (
            0,
            "org.example.Player\n"
            "  Plays films.\n"
            "\n"
            "  play(uri: str, volume: float = 1.0, *, loop: bool = False) -> dict\n"
            "      Start playing.\n"
            "\n"
            "  title() -> str\n",
            "",
        )


def test_list_shows_peers_names_and_programs(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.register("org.example.Player", Player())
    code, out, err = run(daemon, "pybus", "list")
    rows = [line.split("\t") for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert rows[0][:3] == [bob.name, "org.example.Player", str(os.getpid())]
    assert rows[1][1] == "-"
    assert rows[1][3] == "pybus list"
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", row[4]) for row in rows)


def test_topics_and_get_show_retained_values(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.publish("hal.power.ac", "plugged", retain=True)
    bob.publish("other.x", b"\xff\n", retain=True)
    bob.publish("hal.power.source", "ac", ephemeral=True)
    bob.flush()
    code, out, err = run(daemon, "pybus", "topics", "hal.#")
    assert (code, err) == (0, "")
    rows = [line.split("\t") for line in out.splitlines()]
    assert [[*row[:2], *row[3:5]] for row in rows] == [
        ["hal.power.ac", "plugged", bob.name, "-"],
        ["hal.power.source", "ac", bob.name, bob.name],
    ]
    assert run(daemon, "pybus", "get", "hal.power.ac") == (0, "plugged\n", "")
    assert run(daemon, "pybus", "get", "hal.power.ac", "--json") == (0, '"plugged"\n', "")
    done = subprocess.run([BIN / "pybus", "get", "other.x"], env=daemon.environ, capture_output=True, check=True)
    assert done.stdout == b"\xff\n"
    assert run(daemon, "pybus", "get", "a.b") == (3, "", "pybus get: no value is retained under a.b\n")


def test_stats_are_names_and_numbers(daemon: BusDaemon, bob: pybus.Bus) -> None:
    code, out, err = run(daemon, "pybus", "stats")
    numbers = dict(line.split("\t") for line in out.splitlines())
    assert (code, err, numbers["peers"], numbers["dropped"]) == (0, "", "2", "0")


def test_without_a_bus_every_command_says_what_to_do(daemon: BusDaemon) -> None:
    daemon.stop()
    message = f"no bus at {daemon.address} (No such file or directory); start one with: pybus daemon\n"
    for words in (["pybus-send", "a.b", "x"], ["pybus-listen", "#"], ["pybus", "list"]):
        code, out, err = run(daemon, *words)
        assert (code, out, err.partition(": ")[2]) == (4, "", message)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["pybus-listen", "#", "--timeout", "nan"], 2, "must be more than 0 and at most 4000000 seconds"),
        (["pybus", "call", "org.pybus.Bus", "ping", "--timeout", "1e300"], 2, "must be more than 0"),
        (["pybus", "call", "org.pybus.Bus", "_x"], 2, "method '_x' must be an identifier"),
        (["pybus", "nonsense"], 2, "no command 'nonsense'; there are: send, listen, call"),
        (["pybus"], 2, "which command?; there are: send, listen"),
        (["pybus", "lisst"], 2, "no command 'lisst'; did you mean list"),
        (["pybus", "call"], 2, "the following arguments are required: NAME, METHOD; see pybus call --help\n"),
        (["pybus", "record"], 2, "the following arguments are required: FILE; see pybus record --help\n"),
        (["pybus", "monitor", "--count", "0"], 2, "argument --count: must be at least 1; see pybus monitor --help\n"),
        (
            ["pybus-listen", "#", "--count", "x"],
            2,
            "argument --count: must be a whole number, not 'x'; see pybus-listen --help\n",
        ),
        (
            ["pybus", "ping", "org.pybus.Bus", "--count", "-1"],
            2,
            "argument --count: must be at least 1; see pybus ping --help\n",
        ),
        (["pybus-send", "a.b", "x\udcff"], 2, "a text that can't be written in UTF-8"),
        (["pybus-send", "a.b", "--json", "9" * 30], 2, "an integer of more than 64 bits can't be sent"),
        (["pybus-send", "a.b", "--json", "[" * 20_000], 2, "pybus-send: VALUE is nested too deeply\n"),
        (["pybus", "call", "org.pybus.Bus", "ping", "[" * 20_000], 2, "an argument is nested too deeply\n"),
        (["pybus", "call", "org.pybus.Bus", "__class__"], 2, "method '__class__' must be an identifier"),
        (["pybus", "call", "org.pybus.Bus", "a b\n"], 2, "method 'a b\\n' must be an identifier"),
        (["pybus", "call", "org.pybus.Bus", ""], 2, "method '' must be an identifier"),
        (["pybus", "call", "org.pybus.Bus", "mro"], 1, "no method 'mro'"),
    ],
)
def test_odd_input_is_named(daemon: BusDaemon, words: list[str], code: int, message: str) -> None:
    exit_code, out, err = run(daemon, *words)
    assert (exit_code, out) == (code, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["get", "demo.*"], "topic 'demo.*' holds a wildcard"),
        (["topics", "demo..#"], "pattern 'demo..#' has an empty word"),
        (["introspect", "one"], "name 'one' has one word"),
        (["call", "one", "x", "1"], "name 'one' has one word"),
        (["wait", ":x"], "name ':x'"),
        (["ping", "one"], "name 'one' has one word"),
        (["explain", "demo.*"], "topic 'demo.*' holds a wildcard"),
        (["explain", "--call", "one", "x"], "name 'one' has one word"),
        (["service", "one"], "name 'one' has one word"),
        (["monitor", "demo..#"], "pattern 'demo..#' has an empty word"),
        (["record", "-", "demo..#"], "pattern 'demo..#' has an empty word"),
    ],
)
def test_a_malformed_name_is_wrong_use_even_without_a_bus(daemon: BusDaemon, words: list[str], message: str) -> None:
    daemon.stop()
    code, out, err = run(daemon, "pybus", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"pybus {words[0]}: {message}")


@pytest.mark.parametrize(
    "command", ["pybus-send a.b - <&-", "pybus list >&-", "pybus list 2>&-", "pybus-listen a.b --timeout 0.01 >&- 2>&-"]
)
def test_commands_bear_closed_streams(daemon: BusDaemon, command: str) -> None:
    done = subprocess.run(f"{BIN}/{command}", shell=True, env=daemon.environ, stderr=subprocess.PIPE, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(("command", "code"), [("get nope", 3), ("nonsense", 2), ("get", 2)])
def test_a_complaint_never_gets_into_the_output(daemon: BusDaemon, command: str, code: int) -> None:
    done = subprocess.run(
        f"{BIN}/pybus {command} 2>&-", shell=True, env=daemon.environ, stdout=subprocess.PIPE, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout) == (code, b"")


def test_the_daemon_bears_closed_streams(daemon: BusDaemon) -> None:
    daemon.stop()
    process = subprocess.Popen(f"exec {BIN}/pybus daemon <&- >&- 2>&-", shell=True, env=daemon.environ)
    try:
        until = monotonic() + PATIENCE
        while run(daemon, "pybus-send", "a.b", "x")[0] == 4:
            assert monotonic() < until
        assert run(daemon, "pybus-send", "a.b", "x") == (0, "", "")
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


def test_a_full_disk_is_one_line(daemon: BusDaemon) -> None:
    done = subprocess.run(
        f"{BIN}/pybus list > /dev/full", shell=True, env=daemon.environ, stderr=subprocess.PIPE, timeout=PATIENCE
    )
    assert done.stderr == b"pybus list: No space left on device\n"


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", "\\u20ac"), ("latin-1", "\\u20ac"), ("utf-8", "€")])
def test_what_the_encoding_does_not_have_is_escaped(
    daemon: BusDaemon, bob: pybus.Bus, encoding: str, shown: str
) -> None:
    bob.publish("b.€", ["€"], retain=True)
    bob.publish("a.text", "€", retain=True)
    bob.flush()
    daemon.environ["PYTHONIOENCODING"] = encoding
    for words, out in (
        (["pybus-listen", "b.*", "--count", "1"], f'b.{shown} ["{shown}"]\n'),
        (["pybus", "get", "a.text"], f"{shown}\n"),
        (["pybus", "get", "a.text", "--json"], f'"{shown}"\n'),
    ):
        done = subprocess.run([BIN / words[0], *words[1:]], env=daemon.environ, capture_output=True, timeout=PATIENCE)
        assert (done.returncode, done.stdout.decode(encoding), done.stderr) == (0, out, b"")


def test_a_body_nested_deeply_is_shown_in_part(daemon: BusDaemon, bob: pybus.Bus) -> None:
    body: object = 1
    for _ in range(500):
        body = [body]
    bob.publish("a.b", body, retain=True)
    bob.flush()
    for words in (["pybus-listen", "#", "--count", "1"], ["pybus", "topics"], ["pybus", "get", "a.b"]):
        code, out, err = run(daemon, *words)
        assert (code, err, out.count("\n")) == (0, "", 1)
        assert "(nested too deeply to show)" in out
    code, out, err = run(daemon, "pybus-listen", "#", "--count", "1", "--json")
    assert (code, err, json.loads(out)["topic"]) == (0, "", "a.b")


def test_what_other_programs_say_cannot_steer_the_terminal(daemon: BusDaemon) -> None:
    def evil() -> None:
        """Evil\x1b[2J.

        Second\x9b\tline.
        """
        raise pybus.ServiceError("org.example.Bad", "first\n\x1b[31msecond")

    with pybus.connect(daemon.address, program="evil\x1b[31m\n:9\tx"):
        code, out, _ = run(daemon, "pybus", "list")
        assert (code, out.count("\n"), out.count("\t")) == (0, 2, 10)
        assert "\x1b" not in out
    with serving(daemon.address, "org.example.Evil", {"evil": evil}):
        code, out, err = run(daemon, "pybus", "call", "org.example.Evil", "evil")
        assert (code, out, err) == (1, "", "pybus call: first\\n\\x1b[31msecond (org.example.Bad)\n")
        code, out, _ = run(daemon, "pybus", "introspect", "org.example.Evil")
        assert code == 0
        assert "      Evil\\x1b[2J.\n\n      Second\\x9b" in out
        assert all(line.isprintable() for line in out.splitlines())


def test_debug_shows_the_traceback(daemon: BusDaemon) -> None:
    code, _, err = run(daemon, "pybus-send", "a..b", "x", "--debug")
    assert code == 1
    assert err.startswith("Traceback")


@pytest.mark.parametrize("words", [["pybus-send"], ["pybus-listen"], ["pybus", "call"], ["pybus"], ["pybus", "daemon"]])
def test_help_names_the_exit_codes(daemon: BusDaemon, words: list[str]) -> None:
    code, out, err = run(daemon, *words, "--help")
    assert (code, err) == (0, "")
    assert "exit codes:" in out


def test_on_a_terminal_tables_are_aligned_under_titles(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.publish("hal.power.ac", "plugged", retain=True)
    bob.flush()
    ours, theirs = pty.openpty()
    environ = {**daemon.environ, "TERM": "xterm", "COLUMNS": "80"}
    subprocess.run([BIN / "pybus", "topics"], env=environ, stdout=theirs, check=True, timeout=PATIENCE)
    os.close(theirs)
    lines = os.read(ours, 4096).decode().splitlines()
    os.close(ours)
    assert lines[0] == "\x1b[1mTOPIC         VALUE    SINCE  SENDER  HOLDER  PROGRAM\x1b[0m"
    assert re.fullmatch(r"hal\.power\.ac  plugged  \d s    :1      -       .+", lines[1])


# --- pybus run ------------------------------------------------------------------------------------


def test_run_starts_a_bus_prints_what_arrives_and_ends_with_it(daemon: BusDaemon) -> None:
    daemon.stop()
    with started(daemon, "pybus", "run") as running:
        line = line_of(running.stdout)
        assert line == f"the bus listens at {daemon.address}; what arrives is printed here (Ctrl-C ends)\n"
        with pybus.connect(daemon.address) as alice:
            while alice.publish("test.begin", confirm=True) == 0:
                pass
            assert alice.publish("test.word", "hello", confirm=True) == 1
        lines = iter(lambda: line_of(running.stdout), "")
        assert next(line for line in lines if line.startswith("test.word")) == "test.word hello\n"
        running.send_signal(signal.SIGINT)
        assert running.wait(PATIENCE) == 0
    assert not os.path.exists(daemon.path)


def test_run_joins_a_bus_that_is_there(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with started(daemon, "pybus", "run") as running:
        assert line_of(running.stdout) == (f"a bus runs at {daemon.address} already; listening there (Ctrl-C ends)\n")
        while bob.publish("a.b", 1, confirm=True) == 0:
            pass
        assert line_of(running.stdout) == "a.b 1\n"
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE) == 0
    assert bob.publish("a.b", 2, confirm=True) == 0


def test_run_ends_with_its_listener(daemon: BusDaemon, bob: pybus.Bus) -> None:
    line = f"{BIN}/pybus run | head -n 1; exit ${{PIPESTATUS[0]}}"
    with subprocess.Popen(["bash", "-c", line], env=daemon.environ, stdout=subprocess.PIPE, text=True) as running:
        assert line_of(running.stdout) == f"a bus runs at {daemon.address} already; listening there (Ctrl-C ends)\n"
        while running.poll() is None:
            bob.publish("a.b", 1, confirm=True)
    assert running.returncode == 141
