"""`pybus explain` against a real bus."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Iterator

import pytest

import pybus
from pybus.protocol.codec import pack
from pybus.protocol.frames import ANSWER, CALL, frame
from tests.cli.programs import BIN, heard, run, started
from tests.cli.service_files import offer_services
from tests.daemon import PATIENCE, BusDaemon
from tests.raw import RawPeer
from tests.serving import serving


class Player:
    """Plays films."""

    def play(self, uri: str, volume: float = 1.0) -> bool:
        """Start playing.

        At once.
        """
        return True

    def stop(self) -> None:
        pass


@pytest.fixture
def alice(daemon: BusDaemon) -> Iterator[pybus.Bus]:
    with pybus.connect(daemon.address, program="alice") as bus:
        yield bus


@pytest.fixture
def service_bus(daemon: BusDaemon) -> BusDaemon:
    """A bus that has services."""
    offer_services(daemon)
    return daemon


def explain(daemon: BusDaemon, *words: str) -> tuple[int, list[str]]:
    """The exit code, and the lines with what differs from run to run left out."""
    code, out, err = run(daemon, "pybus", "explain", *words)
    assert err == ""
    out = re.sub(r" \[[^]]+\]", "", out.replace(str(os.getpid()), "PID"))
    return code, [re.sub(r"\d+\.\d s", "0 s", line) for line in out.splitlines()]


# --- topics ---------------------------------------------------------------------------------------


def test_it_tells_who_gets_a_signal_and_by_which_pattern(daemon: BusDaemon, alice: pybus.Bus, bob: pybus.Bus) -> None:
    alice.subscribe("log.#", "*.disk", "other")
    signals = bob.subscribe("log.disk")
    bob.register("org.example.Logger", {"x": repr})
    assert explain(daemon, "log.disk") == (
        0,
        [
            f"gets it\t{alice.name} (alice, pid PID), by log.# and *.disk",
            f"gets it\t{bob.name} org.example.Logger (bob, pid PID), by log.disk",
            "retained\tnothing",
        ],
    )
    assert heard(signals) == []


def test_it_tells_which_queues_and_exchanges_get_a_signal(daemon: BusDaemon, alice: pybus.Bus, bob: pybus.Bus) -> None:
    logs = alice.queue("logs")
    for pattern in ("log.#", "*.disk", "other.#"):
        logs.bind("amq.topic", pattern)
    logs.bind("amq.direct", "log.disk")
    alice.exchange("copies", "fanout").bind("amq.topic", "log.*")
    assert explain(daemon, "log.disk") == (
        0,
        ["gets it\tqueue logs, by log.# and *.disk", "way\texchange copies, by log.*", "retained\tnothing"],
    )
    alice.queue("all").bind("copies")
    logs.unbind("amq.topic", "log.#")
    logs.unbind("amq.topic", "*.disk")
    assert explain(daemon, "log.disk") == (
        0,
        ["way\texchange copies, by log.*", "gets it\tqueue all, through an exchange", "retained\tnothing"],
    )
    logs.bind("amq.topic", "log.#")
    bob.publish("log.disk", "full", confirm=True)
    assert [logs.status()[counter] for counter in ("messages", "published")] == [1, 1]


def test_it_tells_what_is_retained_there(daemon: BusDaemon, alice: pybus.Bus, bob: pybus.Bus) -> None:
    alice.publish("house.door", "open", retain=True)
    alice.flush()
    kept = f"retained\topen, for 0 s, from {alice.name} (alice)"
    assert explain(daemon, "house.door") == (3, ["nobody\tnobody listens to house.door", kept])
    alice.close()
    kept = f"retained\topen, for 0 s, from {alice.name}, which has gone"
    assert explain(daemon, "house.door") == (3, ["nobody\tnobody listens to house.door", kept])


def test_it_names_near_misses(daemon: BusDaemon, alice: pybus.Bus, bob: pybus.Bus) -> None:
    alice.subscribe("log.*", "Log.disk.full", "lgo.#", "unlike")
    bob.subscribe("log.*")
    bob.publish("log.disk.fall", 1, retain=True)
    bob.flush()
    both = f"{alice.name} (alice, pid PID) and {bob.name} (bob, pid PID)"
    assert explain(daemon, "log.disk.full") == (
        3,
        [
            "nobody\tnobody listens to log.disk.full",
            "retained\tnothing",
            f"near\tLog.disk.full differs in upper and lower case only (of {alice.name} (alice, pid PID))",
            f"near\tlog.* would match if the topic had 2 words; did you mean log.#? (of {both})",
            f"near\tlgo.# has 'lgo' where the topic has 'log' (of {alice.name} (alice, pid PID))",
            "near\tlog.disk.fall is a retained topic",
        ],
    )


def test_the_facts_as_json(daemon: BusDaemon, alice: pybus.Bus) -> None:
    alice.subscribe("log.#", "lgo.disk")
    alice.publish("log.disk", b"\x00", retain=True)
    alice.flush()
    code, out, err = run(daemon, "pybus", "explain", "log.disk", "--json")
    facts = json.loads(out)
    me = {"name": alice.name, "names": [], "program": facts["receivers"][0]["program"], "pid": os.getpid()}
    assert (code, err, facts["retained"].pop("age") >= 0) == (0, "", True)
    assert facts == {
        "topic": "log.disk",
        "refused": None,
        "receivers": [{**me, "patterns": ["log.#"]}],
        "bound": [],
        "beyond": [],
        "retained": {"body": {"base64": "AA=="}, "sender": alice.name, "program": me["program"]},
        "services": [],
        "near": [
            {
                "pattern": "lgo.disk",
                "why": "has 'lgo' where the topic has 'log'",
                "better": None,
                "holders": [me],
                "service": None,
            }
        ],
        "near_topics": [],
        "unpublished": [],
    }


def test_the_bus_s_own_topics_can_not_be_published(daemon: BusDaemon, alice: pybus.Bus) -> None:
    alice.subscribe("bus.name.#")
    assert explain(daemon, "bus.name.x") == (
        1,
        [
            "refused\tthe topics under 'bus.' are the bus's own: only the bus publishes there",
            f"gets it\t{alice.name} (alice, pid PID), by bus.name.#",
            "retained\tnothing",
        ],
    )


def test_it_tells_which_service_declares_the_topic_and_starts_nothing(service_bus: BusDaemon) -> None:
    how = "it starts when somebody listens there or asks for a value, not by publishing"
    assert explain(service_bus, "media.status") == (
        3,
        [
            "nobody\tnobody listens to media.status",
            "retained\tnothing",
            f"service\torg.example.Player publishes media.# (stopped); {how}",
        ],
    )
    near = "near\tmedia.# has 'media' where the topic has 'meda' (declared by org.example.Player)"
    assert near in explain(service_bus, "meda.status")[1]


# --- calls ----------------------------------------------------------------------------------------


def test_it_tells_who_gets_a_call_and_what_the_method_takes(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with serving(daemon.address, "org.example.Player", Player()):
        bob.register("org.example.Player", Player(), queue=True)
        code, lines = explain(daemon, "--call", "org.example.Player", "play")
        assert code == 0
        assert re.fullmatch(
            r"owner\t:\d+ org.example.Player org.example.Player.Control \(service, pid PID\), connected for 0 s",
            lines[0],
        )
        assert lines[1:] == [
            f"waiting\t{bob.name} (bob, pid PID) gets the name next",
            "method\tplay(uri: str, volume: float = 1.0) -> bool: Start playing.",
        ]


def test_it_names_methods_that_look_alike(daemon: BusDaemon) -> None:
    with serving(daemon.address, "org.example.Player", Player()):
        code, lines = explain(daemon, "--call", "org.example.Player", "plya")
        assert (code, lines[1:]) == (3, ["method\tthere is no plya; did you mean play?"])
        code, lines = explain(daemon, "--call", "org.example.Player", "xyz")
        assert (code, lines[1:]) == (3, ["method\tthere is no xyz; there are: play, stop, introspect"])
        code, lines = explain(daemon, "--call", "org.example.Playr", "play")
        assert (code, lines) == (
            3,
            [
                "nobody\tnobody owns org.example.Playr",
                "service\tnone: no service file describes it, so a call starts nothing",
                "near\torg.example.Player",
            ],
        )


def test_the_bus_itself_can_be_asked_about(daemon: BusDaemon) -> None:
    lines = ["owner\tthe bus itself", "method\tping() -> none: Answer, and nothing else."]
    assert explain(daemon, "--call", "org.pybus.Bus", "ping") == (0, lines)


@pytest.mark.parametrize("description", [None, {"methods": [5]}, {"methods": [{"name": "go", "doc": 5}]}])
def test_an_owner_that_describes_itself_badly_is_borne(daemon: BusDaemon, description: object) -> None:
    with RawPeer(daemon.path) as dave:
        dave.ask("request_name", "org.example.Odd")
        with started(daemon, "pybus", "explain", "--call", "org.example.Odd", "go") as explaining:
            call = next(run for run in iter(dave.read, None) if run[0] == CALL)
            dave.sock.sendall(frame(ANSWER, 0, dave.number, call[2], call[4], b"", pack(description)))
            out, err = explaining.communicate(timeout=PATIENCE)
    assert (explaining.returncode, err) == (0, "")
    assert out.splitlines()[1:] == ["method\tgo may exist; the service does not say: its description is malformed"]


def test_a_connection_that_is_not_there_gets_nothing(daemon: BusDaemon) -> None:
    assert explain(daemon, "--call", ":999", "go") == (3, ["nobody\tnobody owns :999"])


def test_a_call_that_would_start_a_service_does_not_start_it_here(service_bus: BusDaemon) -> None:
    code, lines = explain(service_bus, "--call", "org.example.Player", "play")
    assert (code, lines[:3]) == (
        0,
        ["nobody\tnobody owns org.example.Player", "service\ta call would start it", "state\tstopped"],
    )
    assert lines[-1] == f"file\t{service_bus.services}/org.example.Player.toml"
    with pybus.connect(service_bus.address) as bus:
        assert bus.call("org.pybus.Bus", "service", "org.example.Player")["starts"] == 0


def test_it_tells_how_a_service_that_is_down_ended(service_bus: BusDaemon) -> None:
    run(service_bus, "pybus", "service", "org.example.Crashing", "start")
    code, lines = explain(service_bus, "--call", "org.example.Crashing", "go")
    assert (code, lines[1]) == (0, "service\ta call would start it")
    assert lines[-3:] == [
        "last end\texited with status 3 after 0 s",
        "last words\tno disk",
        "last words\tno\\x1b[2J hope",
    ]


def test_a_service_that_was_given_up_gets_no_call(service_bus: BusDaemon) -> None:
    run(service_bus, "pybus", "service", "org.example.Missing", "start")
    code, lines = explain(service_bus, "--call", "org.example.Missing", "go")
    what = "it was given up; after mending it: pybus service org.example.Missing start"
    assert (code, lines[1]) == (3, f"service\ta call would be refused, or try to start it once more: {what}")
    assert lines[2].startswith("state\tfailed: can't be started: ")


def test_a_service_whose_file_has_a_mistake_is_told_with_it(daemon: BusDaemon) -> None:
    daemon.offer("org.example.Player", 'exec = "true"\nidle = "long"\n')
    daemon.reload()
    code, lines = explain(daemon, "--call", "org.example.Player", "play")
    assert (code, lines[0]) == (3, "nobody\tnobody owns org.example.Player")
    place = f"{daemon.services}/org.example.Player.toml:3: idle: "
    assert lines[1].startswith(f"service\tnone: its file has a mistake: {place}")
    assert lines[1].endswith(", so a call starts nothing")


def test_on_a_terminal_the_facts_are_aligned_and_short(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.publish("a.b", "x" * 100, retain=True)
    bob.flush()
    ours, theirs = pty.openpty()
    environ = {**daemon.environ, "TERM": "xterm"}
    subprocess.run([BIN / "pybus", "explain", "a.b"], env=environ, stdout=theirs, check=False, timeout=PATIENCE)
    os.close(theirs)
    lines = os.read(ours, 4096).decode().splitlines()
    os.close(ours)
    assert lines[0] == "\x1b[1mnobody    \x1b[0m  nobody listens to a.b"
    assert lines[1].startswith(f"\x1b[1mretained  \x1b[0m  {'x' * 59}…, for 0.")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give one of TOPIC, --call NAME METHOD, --exchange and --queue"),
        (["a.b", "--call", "org.a.B", "c"], "give one of TOPIC, --call NAME METHOD, --exchange and --queue"),
        (["a..b"], "topic 'a..b' has an empty word"),
        (["--call", "one", "x"], "name 'one' has one word"),
        (["--call", "org.a.B", "_x"], "method '_x' must be an identifier"),
    ],
)
def test_what_is_wrong_with_the_words_is_said_in_one_line(daemon: BusDaemon, words: list[str], message: str) -> None:
    code, out, err = run(daemon, "pybus", "explain", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
