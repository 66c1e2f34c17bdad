"""`pybus monitor` against a real bus."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import pybus
from tests.cli.monitoring import columns, label, messages, monitor, wait_until_watched, who
from tests.cli.programs import BIN, line_of, run, started
from tests.daemon import PATIENCE, BusDaemon
from tests.serving import serving

BUS = {"name": "org.pybus.Bus", "names": ["org.pybus.Bus"], "program": None, "pid": None}


class Player:
    def play(self, uri: str, volume: float = 1.0) -> bool:
        return uri.endswith(".mkv") and volume > 0

    def stop(self) -> None:
        raise pybus.ServiceError("org.example.NotPlaying", "nothing\nplays")


@pytest.fixture
def carol(daemon: BusDaemon) -> Iterator[pybus.Bus]:
    with pybus.connect(daemon.address, program="carol") as bus:
        yield bus


def test_a_signal_is_shown_with_all_that_belongs_to_it(daemon: BusDaemon, bob: pybus.Bus, carol: pybus.Bus) -> None:
    carol.subscribe("lamp.*")
    with monitor(daemon, "lamp.#", "--json", "--count", "4") as watching:
        bob.publish("lamp.hall", {"on": True}, retain=True)
        bob.publish("lamp.hall", 1, ephemeral=True)
        bob.publish("lamp.hall.old", b"\x00")
        bob.clear("lamp.hall")
        shown = messages(watching)
    around: dict[str, Any] = {"kind": "signal", "sender": who(bob), "missed": [], "queues": []}
    hall = {**around, "receivers": [who(carol)], "topic": "lamp.hall"}
    old = {**around, "receivers": [], "topic": "lamp.hall.old", "body": {"base64": "AA=="}}
    assert shown == [
        {**hall, "body": {"on": True}, "retain": True, "ephemeral": False, "cleared": False, "size": 20 + 9 + 5},
        {**hall, "body": 1, "retain": True, "ephemeral": True, "cleared": False, "size": 20 + 9 + 1},
        {**old, "retain": False, "ephemeral": False, "cleared": False, "size": 20 + 13 + 1},
        {**hall, "body": None, "retain": False, "ephemeral": False, "cleared": True, "size": 20 + 9 + 1},
    ]


def test_in_a_pipe_a_message_is_a_line_of_columns(daemon: BusDaemon, bob: pybus.Bus, carol: pybus.Bus) -> None:
    carol.register("org.example.Hall", {})
    carol.subscribe("lamp.*")
    with monitor(daemon, "lamp.#", "--count", "5") as watching:
        bob.publish("lamp.hall", "on", retain=True)
        bob.publish("lamp.hall", "on", ephemeral=True)
        bob.publish("lamp.hall.old", "two\n\tlines \x1b[31m")
        bob.flush()
        carol.publish("lamp.hall", [1])
        carol.flush()
        bob.clear("lamp.hall")
        shown = columns(watching)
    hall = label(carol, "org.example.Hall")
    assert shown == [
        ["signal", label(bob), hall, "lamp.hall", "on (retained)", "32", ""],
        ["signal", label(bob), hall, "lamp.hall", "on (retained, ephemeral)", "32", ""],
        ["signal", label(bob), "nobody", "lamp.hall.old", '"two\\n\\tlines \\u001b[31m"', "50", ""],
        ["signal", hall, hall, "lamp.hall", "[1]", "31", ""],
        ["signal", label(bob), hall, "lamp.hall", "(cleared)", "30", ""],
    ]


def test_signals_that_travel_together_are_shown_one_by_one(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with monitor(daemon, "a.#", "--json", "--count", "300") as watching:
        for number in range(400):
            bob.publish("a.b", number)
        shown = messages(watching)
    assert [one["body"] for one in shown] == list(range(300))
    assert [one["size"] for one in (shown[0], shown[-1])] == [20 + 3 + 1, 20 + 3 + 3]


# --- calls ------------------------------------------------------------------------------------------


@pytest.fixture
def player(daemon: BusDaemon) -> Iterator[None]:
    with serving(daemon.address, "org.example.Player", Player()):
        yield


@pytest.mark.usefixtures("player")
def test_a_call_is_shown_with_its_answer_and_how_long_it_took(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with monitor(daemon, "org.example.#", "--json", "--count", "7") as watching:
        bob.call("org.example.Player", "play", "film.mkv", volume=0.5)
        with pytest.raises(pybus.ServiceError):
            bob.call("org.example.Player", "stop")
        bob.cast("org.example.Player", "play", "")
        with pytest.raises(pybus.NameHasNoOwner):
            bob.call("org.example.Nobody", "play")
        shown = messages(watching)
        service = who(bob, "org.example.Player")
    took = [one.pop("ms") for one in shown if one["kind"] in ("answer", "error")]
    assert [0 <= one < PATIENCE * 1000 for one in took] == [True, True, True]
    play = {"missed": [], "name": "org.example.Player", "method": "play"}
    call = {"kind": "call", "sender": who(bob), "receivers": [service], **play}
    back = {"sender": service, "receivers": [who(bob)], **play}
    nobody = {"name": "org.example.Nobody"}
    refusal = ["org.pybus.Error.NameHasNoOwner", "nobody owns the name org.example.Nobody"]
    assert [{**one, "size": 0} for one in shown] == [
        {**call, "body": [["film.mkv"], {"volume": 0.5}], "reply": True, "size": 0},
        {**back, "kind": "answer", "body": True, "size": 0},
        {**call, "method": "stop", "body": [[], {}], "reply": True, "size": 0},
        {**back, "kind": "error", "method": "stop", "body": ["org.example.NotPlaying", "nothing\nplays"], "size": 0},
        {**call, "body": [[""], {}], "reply": False, "size": 0},
        {**call, **nobody, "receivers": [], "body": [[], {}], "reply": True, "size": 0},
        {**back, **nobody, "kind": "error", "sender": BUS, "body": refusal, "size": 0},
    ]


@pytest.mark.usefixtures("player")
def test_in_a_pipe_a_call_reads_like_one(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with monitor(daemon, "org.example.#", "--count", "4") as watching:
        bob.call("org.example.Player", "play", "film.mkv", volume=0.5)
        with pytest.raises(pybus.ServiceError):
            bob.call("org.example.Player", "stop")
        shown = columns(watching)
        service = label(bob, "org.example.Player")
    took = [one.pop() for one in shown]
    assert [took[0], took[2], float(took[1]) >= 0, float(took[3]) >= 0] == ["", "", True, True]
    assert [one[:5] for one in shown] == [
        ["call", label(bob), service, "org.example.Player.play", '("film.mkv", volume=0.5)'],
        ["answer", service, label(bob), "org.example.Player.play", "true"],
        ["call", label(bob), service, "org.example.Player.stop", "()"],
        ["error", service, label(bob), "org.example.Player.stop", "nothing\\nplays (org.example.NotPlaying)"],
    ]


@pytest.mark.usefixtures("player")
def test_calls_only_leaves_out_signals(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with monitor(daemon, "--calls", "org.example.#", "--json", "--count", "2") as watching:
        bob.publish("org.example.Player.play", 1)
        with pytest.raises(pybus.AccessDenied):
            bob.publish("bus.x")
            bob.flush()
        bob.call("org.example.Player", "play", "film.mkv")
        shown = messages(watching)
    assert [one["kind"] for one in shown] == ["call", "answer"]


def test_without_a_pattern_everything_is_shown(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with monitor(daemon, "--json", "--from", bob.name, "--count", "4") as watching:
        bob.publish("a.b", 1)
        bob.register("org.example.Bob", {})
        bob.publish("c", 2)
        bob.flush()
        shown = messages(watching)
    assert [one.get("topic") or f"{one['name']}.{one['method']}" for one in shown] == [
        "a.b",
        "org.pybus.Bus.request_name",
        "c",
        "org.pybus.Bus.ping",
    ]


def test_the_answer_to_a_call_from_before_is_shown_without_its_name(daemon: BusDaemon, carol: pybus.Bus) -> None:
    carol.register("org.example.Slow", {"answer": lambda: 42})

    def call() -> None:
        with pybus.connect(daemon.address) as alice:
            assert alice.call("org.example.Slow", "answer") == 42

    calling = Thread(target=call)
    calling.start()
    while carol.proxy("org.pybus.Bus").stats()["open_calls"] == 0:
        pass
    with monitor(daemon, "--from", "org.example.Slow", "--json", "--count", "1") as watching:
        while calling.is_alive():
            carol.run(0.01)
        calling.join()
        [shown] = messages(watching)
    assert [shown[field] for field in ("kind", "name", "method", "body", "ms")] == ["answer", None, None, 42, None]


def test_the_bus_s_own_signals_are_shown_as_well(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with monitor(daemon, "--from", "org.pybus.Bus", "bus.name.#", "--json", "--count", "1") as watching:
        bob.register("org.example.Bob", {})
        [shown] = messages(watching)
    assert (shown["sender"], shown["topic"], shown["body"]["new"]) == (BUS, "bus.name.org.example.Bob", bob.name)


def test_what_the_bus_tells_only_monitors_is_left_out(daemon: BusDaemon, bob: pybus.Bus, tmp_path: Path) -> None:
    """Two of them watch, and each hears of who comes, who goes and who owns what."""
    with (tmp_path / "shown").open("wb") as file, subprocess.Popen(
        [str(BIN / "pybus"), "monitor", "--json"], env=daemon.environ, stdout=file
    ) as watching:  # fmt: skip
        wait_until_watched(daemon)
        with started(daemon, "pybus", "monitor"):
            while sum(peer["monitor"] for peer in bob.proxy("org.pybus.Bus").peers()) < 2:
                pass
            bob.register("org.example.Hall", {})
            with pybus.connect(daemon.address) as carol:
                carol.subscribe("bus.name.org.example.Door")
                bob.register("org.example.Door", {})
            bob.publish("a.end")
            while '"a.end"' not in (tmp_path / "shown").read_text():
                bob.flush()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(PATIENCE) == 130
    shown = [json.loads(line) for line in (tmp_path / "shown").read_text().splitlines()]
    topics = [one["topic"] for one in shown if one["kind"] == "signal"]
    assert topics[: topics.index("a.end") + 1] == ["bus.name.org.example.Door", "a.end"]


def test_a_signal_that_the_bus_refuses_is_shown_as_the_error(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with monitor(daemon, "bus.x", "--count", "1") as watching:
        with pytest.raises(pybus.AccessDenied):
            bob.publish("bus.x")
            bob.flush()
        [shown] = columns(watching)
    reason = "topic bus.x: the topics under 'bus.' are the bus's own (AccessDenied)"
    assert [*shown[:5], shown[6]] == ["error", "org.pybus.Bus", label(bob), "bus.x", reason, ""]


# --- whom it shows ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("player")
def test_from_shows_what_one_sends_even_as_answers(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with monitor(daemon, "--from", "org.example.Player", "--json", "--count", "1") as watching:
        bob.publish("a.b")
        bob.call("org.example.Player", "play", "film.mkv")
        [shown] = messages(watching)
    assert (shown["kind"], shown["method"], shown["body"]) == ("answer", "play", True)
    assert shown["ms"] >= 0


def test_from_follows_a_name_to_whoever_owns_it(daemon: BusDaemon, bob: pybus.Bus, carol: pybus.Bus) -> None:
    with monitor(daemon, "--from", "org.example.Lamp", "a.#", "--json", "--count", "2") as watching:
        carol.publish("a.b", "not yet")
        carol.register("org.example.Lamp", {})
        carol.publish("a.b", "carol")
        carol.unregister("org.example.Lamp")
        carol.publish("a.b", "no more")
        bob.register("org.example.Lamp", {})
        bob.publish("a.b", "bob")
        shown = messages(watching)
    assert [one["body"] for one in shown] == ["carol", "bob"]


def test_who_publishes_and_exits_at_once_is_still_named(daemon: BusDaemon) -> None:
    with monitor(daemon, "a.b", "--json", "--count", "1") as watching:
        assert run(daemon, "pybus-send", "a.b", "x") == (0, "", "")
        [shown] = messages(watching)
    assert shown["sender"]["program"] == "pybus-send"


# --- losses -------------------------------------------------------------------------------------------


def test_a_receiver_that_misses_a_signal_is_named() -> None:
    with BusDaemon(limits={"outbox": 1_000_000}) as daemon, pybus.connect(daemon.address, program="bob") as bob:
        with pybus.connect(daemon.address, program="carol") as carol:
            carol.subscribe("a.b")
            people = [label(carol), who(carol)]
            with monitor(daemon, "a.b", "--json") as watching:
                missed: list[object] = []
                while not missed:
                    bob.publish("a.b", "x" * 60_000)
                    shown = json.loads(line_of(watching.stdout))
                    missed = shown["missed"]
            assert (missed, shown["receivers"]) == ([people[1]], [people[1]])
            with monitor(daemon, "a.b", "--count", "1") as watching:
                bob.publish("a.b", "x")
                [line] = columns(watching)
            assert line[2] == f"nobody; missed by {people[0]}"


def test_a_monitor_that_can_not_keep_up_says_what_it_missed(tmp_path: Path) -> None:
    with BusDaemon(limits={"outbox": 1_000_000}) as daemon, pybus.connect(daemon.address, program="bob") as bob:
        command = [str(BIN / "pybus"), "monitor", "a.#", "--json"]
        with (tmp_path / "shown").open("wb") as file, subprocess.Popen(
            command, env=daemon.environ, stdout=file, stderr=subprocess.PIPE, text=True
        ) as watching:  # fmt: skip
            wait_until_watched(daemon)
            watching.send_signal(signal.SIGSTOP)
            for _ in range(60):
                bob.publish("a.b", "x" * 60_000)
            bob.flush()
            watching.send_signal(signal.SIGCONT)
            words = line_of(watching.stderr).split(maxsplit=3)
            bob.publish("a.end")
            while "a.end" not in (tmp_path / "shown").read_text():
                bob.flush()
            watching.send_signal(signal.SIGINT)
            assert watching.wait(PATIENCE) == 130
    lines = [json.loads(line) for line in (tmp_path / "shown").read_text().splitlines()]
    lost = int(words[2])
    verb = "messages were" if lost > 1 else "message was"
    assert words == ["pybus", "monitor:", str(lost), f"{verb} missed, not being read in time\n"]
    assert lines.count({"missed": lost}) == 1
    signals = [one for one in lines if "missed" not in one or "topic" in one]
    assert lost + len(signals) == 60 + 2 + 1  # the flush before SIGCONT is a call with its answer


def test_a_monitor_goes_on_when_the_bus_is_back(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with monitor(daemon, "a.b", "--json", "--count", "2") as watching:
        bob.publish("a.b", 1)
        assert json.loads(line_of(watching.stdout))["body"] == 1
        daemon.kill()
        assert line_of(watching.stderr) == "pybus monitor: the bus went away; waiting for it to come back\n"
        daemon.restart()
        assert line_of(watching.stderr) == "pybus monitor: the bus is back\n"
        bob.publish("a.b", 2)
        [shown] = messages(watching)
        assert (shown["body"], shown["sender"]) == (2, who(bob))


# --- how it ends --------------------------------------------------------------------------------------


def test_a_monitor_ends_quietly_on_ctrl_c_and_on_a_closed_pipe(daemon: BusDaemon, bob: pybus.Bus) -> None:
    for end in ("ctrl-c", "pipe"):
        with monitor(daemon, "a.b", "--json") as watching:
            bob.publish("a.b", 1)
            assert json.loads(line_of(watching.stdout))["body"] == 1
            if end == "ctrl-c":
                watching.send_signal(signal.SIGINT)
                assert watching.wait(PATIENCE) == 130
            else:
                assert watching.stdout is not None
                watching.stdout.close()
                bob.publish("a.b", 2)
                bob.flush()
                assert watching.wait(PATIENCE) == 141
            assert line_of(watching.stderr) == ""


def test_a_monitor_ends_in_time_and_tells_by_its_code_whether_all_came(daemon: BusDaemon) -> None:
    assert run(daemon, "pybus", "monitor", "a.b", "--timeout", "0.05") == (0, "", "")
    assert run(daemon, "pybus", "monitor", "a.b", "--timeout", "0.05", "--count", "1") == (3, "", "")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["a..b"], "pattern 'a..b' has an empty word"),
        (["--from", "bob"], "name 'bob' has one word"),
        (["--from", ":x"], "a unique name is a colon and a number, such as :17"),
        (["--count", "0"], "argument --count: must be at least 1"),
    ],
)
def test_what_is_wrong_with_the_words_is_said_in_one_line(daemon: BusDaemon, words: list[str], complaint: str) -> None:
    code, out, err = run(daemon, "pybus", "monitor", *words)
    assert (code, out) == (2, "")
    assert complaint in err
    assert "Traceback" not in err


# --- on a terminal ------------------------------------------------------------------------------------


def test_on_a_terminal_a_message_fits_on_its_line(daemon: BusDaemon, bob: pybus.Bus) -> None:
    ours, theirs = pty.openpty()
    environ = {**daemon.environ, "TERM": "dumb", "COLUMNS": "100"}
    command = [str(BIN / "pybus"), "monitor", "a.#", "--count", "2"]
    with subprocess.Popen(command, env=environ, stdout=theirs) as watching:
        os.close(theirs)
        wait_until_watched(daemon)
        bob.publish("a.b", "x" * 200)
        bob.publish("a.b", "on")
        assert watching.wait(PATIENCE) == 0
    long, short = [line[12:] for line in os.read(ours, 4096).decode().splitlines()]
    os.close(ours)
    assert short == f"  signal   {label(bob)} → nobody  a.b on  26 B"
    way = f"  signal   {bob.name} → nobody  a.b "  # the programs' names go before the value is cut
    assert long == f"{way}{'x' * (100 - 12 - len(way) - len('…  225 B'))}…  225 B"


@pytest.mark.usefixtures("player")
def test_on_a_terminal_an_error_is_whole(daemon: BusDaemon, bob: pybus.Bus) -> None:
    ours, theirs = pty.openpty()
    environ = {**daemon.environ, "TERM": "dumb", "COLUMNS": "60"}
    command = [str(BIN / "pybus"), "monitor", "org.example.#", "--count", "2"]
    with subprocess.Popen(command, env=environ, stdout=theirs) as watching:
        os.close(theirs)
        wait_until_watched(daemon)
        with pytest.raises(pybus.InvalidArguments) as refused:
            bob.call("org.example.Player", "play", 5)
        assert watching.wait(PATIENCE) == 0
    _, error = os.read(ours, 4096).decode().splitlines()
    os.close(ours)
    assert f"error    org.example.Player → {bob.name}  org.example.Player.play {refused.value.message} (" in error
