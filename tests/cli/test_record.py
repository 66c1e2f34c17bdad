"""`pybus record` and `pybus replay` against a real bus."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

import pybus
from tests.cli.programs import heard, line_of, run, started
from tests.daemon import PATIENCE, BusDaemon
from tests.forking import Forked

HEADER = '{"pybus":"recording","version":1,"started":"2026-01-02T03:04:05.678901+00:00"}\n'

BODIES = [None, "on", b"\x00\xff", {1: "one", "$": b""}, [1, 1.0], datetime(2026, 1, 2, tzinfo=UTC), float("inf")]


@contextmanager
def recording(daemon: BusDaemon, *words: str) -> Iterator[Forked]:
    """Run `pybus record`, and wait until it records."""
    with started(daemon, "pybus", "record", *words) as process:
        assert line_of(process.stderr).endswith(" (Ctrl-C ends)\n")
        yield process


def ended(process: Forked, code: int = 0) -> str:
    """Wait for the end of a command with this exit code; what it said on stderr last."""
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    return err


def signals(file: Path) -> list[dict[str, Any]]:
    """The signals of a recording, without their times, which are seen to be good."""
    first, *lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert (first["pybus"], first["version"]) == ("recording", 1)
    assert datetime.fromisoformat(first["started"]).tzinfo is not None
    times = [line.pop("t") for line in lines]
    assert times == sorted(times)
    assert all(0 <= time < PATIENCE for time in times)
    return lines


def recorded(*lines: dict[str, object]) -> str:
    """What `pybus record` would write of these."""
    return HEADER + "".join(json.dumps({"body": None, **line}) + "\n" for line in lines)


# --- record -----------------------------------------------------------------------------------------


def test_a_recording_begins_with_what_is_kept(daemon: BusDaemon, bob: pybus.Bus, tmp_path: Path) -> None:
    program = bob.proxy("org.pybus.Bus").peer(bob.name)["program"]
    bob.publish("lamp.hall", "on", retain=True)
    bob.publish("door", "open", retain=True)
    bob.publish("lamp.old", 1, ephemeral=True)
    with recording(daemon, str(tmp_path / "file"), "lamp.#", "--count", "4") as process:
        bob.publish("lamp.hall", "off", retain=True)
        bob.publish("lamp.hall", "low", ephemeral=True)
        bob.publish("door", "closed")
        bob.publish("lamp.flash", {"times": 2})
        bob.clear("lamp.hall")
        assert ended(process) == "pybus record: 6 signals written, 2 of them kept from before\n"
    assert signals(tmp_path / "file") == [
        {"topic": "lamp.hall", "body": "on", "retain": True, "initial": True, "sender": program},
        {"topic": "lamp.old", "body": 1, "retain": True, "ephemeral": True, "initial": True, "sender": program},
        {"topic": "lamp.hall", "body": "off", "retain": True, "sender": program},
        {"topic": "lamp.hall", "body": "low", "retain": True, "ephemeral": True, "sender": program},
        {"topic": "lamp.flash", "body": {"times": 2}, "sender": program},
        {"topic": "lamp.hall", "body": None, "clear": True, "sender": program},
    ]


def test_a_recording_can_begin_with_nothing(daemon: BusDaemon, bob: pybus.Bus, tmp_path: Path) -> None:
    bob.publish("lamp.hall", "on", retain=True)
    with recording(daemon, str(tmp_path / "file"), "--no-retained", "--count", "1") as process:
        bob.publish("lamp.flash", 1)
        assert ended(process) == "pybus record: 1 signal written\n"
    assert [one["topic"] for one in signals(tmp_path / "file")] == ["lamp.flash"]


def test_each_of_many_signals_is_written_as_it_came(daemon: BusDaemon, bob: pybus.Bus, tmp_path: Path) -> None:
    with recording(daemon, str(tmp_path / "file"), "a.#", "--count", "1000") as process:
        for number in range(1000):
            bob.publish(f"a.{number // 100}", number)
        ended(process)
    assert [(one["topic"], one["body"]) for one in signals(tmp_path / "file")] == [
        (f"a.{number // 100}", number) for number in range(1000)
    ]


def test_who_records_named_topics_listens_to_them_so_that_their_services_start(
    daemon: BusDaemon, bob: pybus.Bus, tmp_path: Path
) -> None:
    for pattern, listeners in (("a.*", 1), ("#", 0)):
        with recording(daemon, str(tmp_path / "file"), pattern, "--force"):
            assert bob.publish("a.b", confirm=True) == listeners


def test_the_bus_s_own_signals_are_recorded_only_if_they_are_asked_for(
    daemon: BusDaemon, bob: pybus.Bus, tmp_path: Path
) -> None:
    for patterns, topics in ([], ["a.b"]), (["a.b", "bus.name.#"], ["bus.name.org.example.Bob"]):
        with recording(daemon, str(tmp_path / "file"), *patterns, "--force", "--count", "1") as process:
            bob.register("org.example.Bob", {})
            bob.publish("a.b", 1)
            ended(process)
        bob.unregister("org.example.Bob")
        assert [one["topic"] for one in signals(tmp_path / "file")] == topics


def test_a_recording_goes_to_stdout_while_things_happen(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with recording(daemon, "-", "a.b") as process:
        assert json.loads(line_of(process.stdout))["pybus"] == "recording"
        bob.publish("a.b", "one\x7f")
        line = line_of(process.stdout)
        assert "\x7f" not in line
        assert json.loads(line)["body"] == "one\x7f"


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_a_recording_ends_its_file_is_good(
    daemon: BusDaemon, bob: pybus.Bus, tmp_path: Path, end: signal.Signals
) -> None:
    file = tmp_path / "file"
    with recording(daemon, str(file), "a.b") as process:
        for number in range(5000):
            bob.publish("a.b", number)
        while file.read_bytes().count(b"\n") < 100:
            pass
        process.send_signal(end)
        code, said = (-9, False) if end == signal.SIGKILL else (130, True)
        assert ("signals written\n" in ended(process, code)) == said
    bodies = [one["body"] for one in signals(file)]
    assert bodies == list(range(len(bodies)))
    assert file.read_bytes().endswith(b"\n")


def test_a_recording_ends_in_time_and_tells_by_its_code_whether_all_came(daemon: BusDaemon, tmp_path: Path) -> None:
    said = "pybus record: recording # (Ctrl-C ends)\npybus record: 0 signals written\n"
    file = str(tmp_path / "file")
    assert run(daemon, "pybus", "record", file, "--timeout", "0.1") == (0, "", said)
    assert run(daemon, "pybus", "record", file, "--force", "--timeout", "0.1", "--count", "1") == (3, "", said)


def test_a_file_that_is_there_is_not_overwritten_unless_asked_to(daemon: BusDaemon, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    complaint = f"pybus record: {file} is there already; --force overwrites it\n"
    assert run(daemon, "pybus", "record", str(file)) == (2, "", complaint)
    assert file.read_text() == "mine"
    assert run(daemon, "pybus", "record", str(file), "--force", "--timeout", "0.1")[0] == 0
    assert signals(file) == []


def test_what_is_missed_is_said(tmp_path: Path) -> None:
    with BusDaemon(limits={"outbox": 1_000_000}) as daemon, pybus.connect(daemon.address, program="bob") as bob:
        with recording(daemon, str(tmp_path / "file"), "a.#") as process:
            process.send_signal(signal.SIGSTOP)
            for _ in range(60):
                bob.publish("a.b", "x" * 60_000)
            bob.flush()
            process.send_signal(signal.SIGCONT)
            line_of(process.stderr)
            bob.publish("a.end")
            while "a.end" not in (tmp_path / "file").read_text():
                bob.flush()
            process.send_signal(signal.SIGINT)
            summary = ended(process, 130)
    written = len(signals(tmp_path / "file"))
    assert written < 61
    assert summary == f"pybus record: {written} signals written; {_signals(61 - written)} missed\n"


def _signals(number: int) -> str:
    return f"{number} signal{'' if number == 1 else 's'}"


# --- replay -----------------------------------------------------------------------------------------


def test_a_replay_of_a_recording_is_recorded_as_the_same(daemon: BusDaemon, bob: pybus.Bus, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    bob.publish("lamp.hall", "on", retain=True)
    bob.publish("lamp.old", b"\x00", retain=True)
    with recording(daemon, str(first), "lamp.#", "--count", str(len(BODIES) + 2)) as process:
        for body in BODIES:
            bob.publish("lamp.event", body)
        bob.publish("lamp.hall", "off", retain=True)
        bob.clear("lamp.old")
        ended(process)
    total = len(BODIES) + 4
    with recording(daemon, str(second), "copy.#", "--count", str(total)) as process:
        words = ["pybus", "replay", str(first), "--topic-prefix", "copy", "--speed", "100"]
        assert run(daemon, *words) == (0, "", f"pybus replay: {total} signals sent\n")
        ended(process)
    wanted = [{**one, "topic": f"copy.{one['topic']}", "sender": "pybus replay"} for one in signals(first)]
    for one in wanted:
        one.pop("initial", None)
    assert signals(second) == wanted


def test_a_replay_leaves_the_same_values_kept(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.publish("lamp.old", 1, retain=True)
    file = recorded(
        {"t": 0, "topic": "lamp.hall", "body": "on", "retain": True, "initial": True},
        {"t": 0, "topic": "lamp.event", "body": {"$bytes": "AA=="}},
        {"t": 0, "topic": "lamp.old", "clear": True},
        {"t": 0, "topic": "lamp.now", "retain": True, "ephemeral": True},
    )
    news = bob.subscribe("lamp.#", retained=False)
    assert run(daemon, "pybus", "replay", "-", stdin=file) == (0, "", "pybus replay: 4 signals sent\n")
    sent = [("lamp.hall", "on"), ("lamp.event", b"\x00"), ("lamp.old", None), ("lamp.now", None)]
    assert heard(news) == [*sent, ("lamp.now", None)]  # which is its end
    assert [one["topic"] for one in bob.proxy("org.pybus.Bus").topics()] == ["lamp.hall"]


def test_a_replay_keeps_the_pace(daemon: BusDaemon, bob: pybus.Bus) -> None:
    news = bob.subscribe("a.b")
    file = recorded(*({"t": number / 100, "topic": "a.b", "body": number} for number in range(21)))
    begin = monotonic()
    with started_replay(daemon, file, "--speed", "0.5"):
        for number in range(21):
            one = news.receive(PATIENCE)
            assert one is not None
            assert (one.body, monotonic() - begin > number / 50) == (number, True)


def test_a_replay_can_be_faster_or_not_wait_at_all(daemon: BusDaemon, bob: pybus.Bus) -> None:
    file = recorded({"t": 0, "topic": "a.b"}, {"t": 86400, "topic": "a.b"})
    begin = monotonic()
    assert run(daemon, "pybus", "replay", "-", "--speed", "864000", stdin=file)[0] == 0
    assert monotonic() - begin > 0.1
    assert run(daemon, "pybus", "replay", "-", "--speed", "0", stdin=file)[0] == 0


def test_a_replay_leaves_out_what_only_the_bus_may_say(daemon: BusDaemon, bob: pybus.Bus) -> None:
    news = bob.subscribe("a.#", "copy.#")
    file = recorded({"t": 0, "topic": "bus.name.org.x.Y"}, {"t": 0, "topic": "a.b"})
    said = "pybus replay: 1 signal sent; 1 of the bus's own left out\n"
    assert run(daemon, "pybus", "replay", "-", stdin=file) == (0, "", said)
    said = "pybus replay: 2 signals sent\n"
    assert run(daemon, "pybus", "replay", "-", "--topic-prefix", "copy", stdin=file) == (0, "", said)
    assert [topic for topic, _ in heard(news)] == ["a.b", "copy.bus.name.org.x.Y", "copy.a.b"]


GOOD = {"t": 0, "topic": "a.b"}


@pytest.mark.parametrize(
    ("file", "words", "complaint"),
    [
        ("", [], "standard input: line 1 is no header of a recording"),
        (recorded(GOOD, {"t": 0, "topic": "a..b"}), [], "standard input: line 3 can't be published: topic 'a..b'"),
        (recorded(GOOD)[:-5], [], "standard input: line 2 has no end"),
        (recorded(GOOD, {"t": 0, "topic": "b" * 251}), ["--topic-prefix", "a.abc"], "line 3 can't be published"),
        (recorded(GOOD), ["--topic-prefix", "a..b"], "topic 'a..b' has an empty word"),
        (recorded(GOOD), ["--speed", "-1"], "argument --speed: must be 0 or more"),
    ],
)
def test_nothing_is_sent_of_a_file_that_is_not_good(
    daemon: BusDaemon, bob: pybus.Bus, file: str, words: list[str], complaint: str
) -> None:
    news = bob.subscribe("#")
    code, out, err = run(daemon, "pybus", "replay", "-", *words, stdin=file)
    assert (code, out) == (2, "")
    assert complaint in err
    assert heard(news) == []


def test_a_replay_says_how_far_it_came_when_the_bus_refuses_or_ends(daemon: BusDaemon, bob: pybus.Bus) -> None:
    file = recorded({"t": 0, "topic": "a.b"}, {"t": 3600, "topic": "a.b"})
    news = bob.subscribe("a.b")
    with started_replay(daemon, file) as process:
        assert news.receive(PATIENCE) is not None
        daemon.stop()
        said = ended(process, 4)
    assert said.startswith("pybus replay: 1 of 2 signals sent\npybus replay: the connection to the bus is lost")
    assert said.count("\n") == 2
    daemon.restart()


@contextmanager
def started_replay(daemon: BusDaemon, file: str, *words: str) -> Iterator[Forked]:
    """Start a replay of what would be in a file."""
    path = Path(daemon.folder) / "recording"
    path.write_text(file)
    with started(daemon, "pybus", "replay", str(path), *words) as process:
        yield process
