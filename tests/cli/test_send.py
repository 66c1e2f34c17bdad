"""`pybus-send` against a real bus."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import pybus
from tests.cli.programs import BIN, heard, run
from tests.daemon import PATIENCE, BusDaemon


@pytest.mark.parametrize(
    ("words", "stdin", "body"),
    [
        (["unplugged"], "", "unplugged"),
        ([], "", None),
        (["--json", '{"a": [1, null]}'], "", {"a": [1, None]}),
        (["-"], "two\nlines\n", "two\nlines\n"),
        (["--json", "-"], "[1]", [1]),
        (["--", "-5"], "", "-5"),
    ],
)
def test_send_publishes_one_value_and_is_silent(
    daemon: BusDaemon, bob: pybus.Bus, words: list[str], stdin: str, body: object
) -> None:
    signals = bob.subscribe("#")
    assert run(daemon, "pybus-send", "hal.power.ac", *words, stdin=stdin) == (0, "", "")
    assert heard(signals) == [("hal.power.ac", body)]


def test_send_of_a_short_text_starts_without_msgpack(daemon: BusDaemon, bob: pybus.Bus) -> None:
    signals = bob.subscribe("#")
    script = "import sys; from pybus.cli.send import main; print(main(['a.b', 'one']), 'msgpack' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], env=daemon.environ, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0 False\n", "")
    assert heard(signals) == [("a.b", "one")]


def test_send_publishes_a_file_as_bytes(daemon: BusDaemon, bob: pybus.Bus, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"\x00\xff")
    signals = bob.subscribe("#")
    assert run(daemon, "pybus-send", "a.b", "--file", str(tmp_path / "picture")) == (0, "", "")
    assert heard(signals) == [("a.b", b"\x00\xff")]


def test_send_publishes_a_line_a_message(daemon: BusDaemon, bob: pybus.Bus) -> None:
    signals = bob.subscribe("#")
    assert run(daemon, "pybus-send", "a.b", "--lines", stdin="one\n\nthree") == (0, "", "")
    assert heard(signals) == [("a.b", "one"), ("a.b", ""), ("a.b", "three")]


def test_send_names_the_line_that_is_not_json(daemon: BusDaemon, bob: pybus.Bus) -> None:
    signals = bob.subscribe("#")
    code, out, err = run(daemon, "pybus-send", "a.b", "--lines", "--json", stdin="1\n{\n3\n")
    assert (code, out) == (2, "")
    assert err.startswith("pybus-send: line 2 is not JSON: ")
    assert heard(signals) == [("a.b", 1)]


def test_send_retains_and_clears(daemon: BusDaemon, bob: pybus.Bus) -> None:
    assert run(daemon, "pybus-send", "a.b", "--retain", "kept") == (0, "", "")
    assert bob.get("a.b") == "kept"
    assert run(daemon, "pybus-send", "a.b", "--clear") == (0, "", "")
    with pytest.raises(pybus.NoSuchValue):
        bob.get("a.b")


def test_send_on_change_retains_and_passes_on_what_differs(daemon: BusDaemon, bob: pybus.Bus) -> None:
    signals = bob.subscribe("a.b")
    for value in ("open", "open", "shut", "shut", "open"):
        assert run(daemon, "pybus-send", "a.b", value, "--on-change") == (0, "", "")
    assert heard(signals) == [("a.b", "open"), ("a.b", "shut"), ("a.b", "open")]
    assert bob.get("a.b") == "open"


@pytest.mark.parametrize(
    ("words", "code", "lines"),
    [
        (["x"], 0, []),
        (["--retain", "shut"], 0, ["change\tshut would replace open"]),
        (["--on-change", "shut"], 0, ["change\tshut would replace open"]),
        (["--clear"], 0, ["change\tthe retained value would be forgotten"]),
        (["--retain", "--lines", "--json"], 0, ["change\t[2] would replace open"]),
    ],
)
def test_a_dry_run_explains_and_sends_nothing(
    daemon: BusDaemon, bob: pybus.Bus, words: list[str], code: int, lines: list[str]
) -> None:
    bob.publish("a.b", "open", retain=True)
    signals = bob.subscribe("a.*", retained=False)
    done, out, err = run(daemon, "pybus-send", "a.b", "--dry-run", *words, stdin="[1]\n[2]\n")
    shown = out.splitlines()
    assert (done, err) == (code, "")
    assert shown[0].startswith(f"gets it\t{bob.name} (bob [")
    assert shown[0].endswith(", by a.*")
    assert shown[1].startswith("retained\topen, for ")
    assert shown[2:] == lines
    assert heard(signals) == []
    assert bob.get("a.b") == "open"


def test_a_dry_run_with_nothing_retained_or_nothing_new(daemon: BusDaemon, bob: pybus.Bus) -> None:
    nobody, nothing = "nobody\tnobody listens to a.b\n", "retained\tnothing\n"
    assert run(daemon, "pybus-send", "a.b", "5", "--dry-run") == (3, nobody + nothing, "")
    kept = f"{nobody}{nothing}change\t5 would be kept\n"
    assert run(daemon, "pybus-send", "a.b", "--json", "5", "--dry-run", "--retain") == (3, kept, "")
    forgotten = f"{nobody}{nothing}change\tthere is nothing to forget\n"
    assert run(daemon, "pybus-send", "a.b", "--clear", "--dry-run") == (3, forgotten, "")
    bob.publish("a.b", 5, retain=True)
    bob.subscribe("a.b")
    code, out, err = run(daemon, "pybus-send", "a.b", "--json", "5", "--dry-run", "--on-change")
    assert (code, out.splitlines()[0], err) == (3, "nobody\tthe same value is retained, so it is not passed on", "")
    assert out.splitlines()[2:] == ["change\tnone: the retained value stays"]
    assert run(daemon, "pybus-send", "a.b", "--json", "5.0", "--dry-run", "--on-change")[0] == 0


def test_send_reports_how_many_got_it(daemon: BusDaemon, bob: pybus.Bus) -> None:
    assert run(daemon, "pybus-send", "a.b", "x", "--report") == (3, "0\n", "")
    bob.subscribe("a.*")
    assert run(daemon, "pybus-send", "a.b", "x", "--report") == (0, "1\n", "")


def test_a_report_counts_queues_and_names_them_for_a_person(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.queue("first").bind("amq.topic", "a.#")
    bob.exchange("copies", "fanout").bind("amq.topic", "*.b")
    bob.queue("second").bind("copies")
    full = bob.queue("full", arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
    full.bind("amq.topic", "a.full")
    assert run(daemon, "pybus-send", "a.b", "x", "--report") == (0, "2\n", "")
    assert run(daemon, "pybus-send", "a.full", "x", "--report") == (0, "1\n", "")
    ours, theirs = pty.openpty()
    command = [str(BIN / "pybus-send"), "a.b", "x", "--report"]
    subprocess.run(command, env=daemon.environ, stdout=theirs, check=True, timeout=PATIENCE)
    os.close(theirs)
    assert os.read(ours, 4096).decode().strip() == "2 (queues first, second)"
    os.close(ours)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["a..b", "x"], 2, "topic 'a..b' has an empty word"),
        (["a.*", "x"], 2, "'*' and '#' are for patterns only"),
        (["bus.name.x", "x"], 1, "the topics under 'bus.' are the bus's own (AccessDenied)"),
        (["a.b", "x", "--lines"], 2, "give only one of VALUE, --file, --lines and --clear, not VALUE and --lines"),
        (["a.b", "--clear", "--retain"], 2, "--clear and --retain contradict each other"),
        (["a.b", "--clear", "--on-change"], 2, "--clear and --on-change contradict each other"),
        (["a.b", "--json", "{", "--dry-run"], 2, "VALUE is not JSON"),
        (["a.*", "x", "--dry-run"], 2, "'*' and '#' are for patterns only"),
        (["a.b", "--json", "9" * 30, "--retain", "--dry-run"], 2, "an integer of more than 64 bits can't be sent"),
        (["a.b", "--json", "{"], 2, "VALUE is not JSON"),
        (["a.b", "--file", "/none"], 2, "/none: No such file or directory"),
    ],
)
def test_what_is_wrong_with_a_send_is_said_in_one_line(
    daemon: BusDaemon, words: list[str], code: int, message: str
) -> None:
    exit_code, out, err = run(daemon, "pybus-send", *words)
    assert (exit_code, out) == (code, "")
    assert err.startswith("pybus-send: ")
    assert message in err
    assert err.count("\n") == 1
