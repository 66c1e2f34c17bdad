"""`pybus queue` against a real bus."""

from __future__ import annotations

import json
import os
import pty
import subprocess

import pytest

import pybus
from tests.cli.programs import BIN, run
from tests.daemon import PATIENCE, BusDaemon

QUIET = (0, "", "")


def queue(daemon: BusDaemon, *words: str) -> tuple[int, str, str]:
    return run(daemon, "pybus", "queue", *words)


def rows_of(daemon: BusDaemon, *words: str) -> list[list[str]]:
    code, out, err = queue(daemon, *words)
    assert (code, err) == (0, "")
    return [line.split("\t") for line in out.splitlines()]


def facts_of(daemon: BusDaemon, name: str) -> list[list[str]]:
    """What `show` says of a queue, without its counters."""
    counters = ("unacked", "published", "delivered", "acked", "returned", "dropped")
    return [row for row in rows_of(daemon, "show", name) if row[0] not in counters]


def program_of(bus: pybus.Bus) -> str:
    peers = {peer["name"]: peer["program"] for peer in bus.call("org.pybus.Bus", "peers")}
    return str(peers[bus.name])


# --- declaring ------------------------------------------------------------------------------------


def test_a_queue_is_declared_bound_unbound_and_deleted(daemon: BusDaemon, bob: pybus.Bus) -> None:
    assert queue(daemon, "declare", "jobs", "--durable", "--argument", "x-max-length=5") == QUIET
    assert queue(daemon, "bind", "jobs", "amq.topic", "build.#") == QUIET
    assert queue(daemon, "bind", "jobs", "amq.fanout") == QUIET
    assert queue(daemon, "bind", "jobs", "amq.headers", "--argument", "x-match=any", "--argument", "try=1") == QUIET
    assert facts_of(daemon, "jobs") == [
        ["name", "jobs"],
        ["properties", "durable"],
        ["argument", "x-max-length=5"],
        ["ready", "0 (0 bytes)"],
        ["oldest", "-"],
        ["bound to", "exchange amq.fanout"],
        ["bound to", 'exchange amq.headers, by {"x-match": "any", "try": 1}'],
        ["bound to", "exchange amq.topic, by build.#"],
    ]
    assert queue(daemon, "unbind", "jobs", "amq.fanout") == QUIET
    bob.publish_to("amq.fanout", "", "lost")
    bob.publish("build.done", "kept")
    bob.flush()
    assert queue(daemon, "delete", "jobs") == (0, "1\n", "")
    message = "pybus queue: NOT_FOUND - no queue 'jobs' in vhost '/'; make one with: pybus queue declare NAME\n"
    assert queue(daemon, "delete", "jobs") == (1, "", message)


def test_without_a_name_the_bus_chooses_one_and_it_is_printed(daemon: BusDaemon) -> None:
    code, out, err = queue(daemon, "declare", "--auto-delete")
    assert (code, err) == (0, "")
    assert out.startswith("amq.gen-")
    assert [row[0] for row in rows_of(daemon)] == [out.strip()]


def test_declaring_it_otherwise_is_refused_with_amqps_text(daemon: BusDaemon) -> None:
    queue(daemon, "declare", "jobs", "--durable")
    assert queue(daemon, "declare", "jobs", "--durable") == QUIET
    text = "inequivalent arg 'durable' for queue 'jobs' in vhost '/': received 'false' but current is 'true'"
    assert queue(daemon, "declare", "jobs") == (1, "", f"pybus queue: PRECONDITION_FAILED - {text}\n")


def test_a_queue_is_deleted_only_if_it_is_as_one_said(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = bob.queue("jobs")
    jobs.publish("work", confirm=True)
    refusal = "pybus queue: PRECONDITION_FAILED - queue 'jobs' in vhost '/'"
    assert queue(daemon, "delete", "jobs", "--if-empty") == (1, "", f"{refusal} not empty\n")
    jobs.consume()
    assert queue(daemon, "delete", "jobs", "--if-unused") == (1, "", f"{refusal} in use\n")
    assert queue(daemon, "delete", "jobs") == (0, "0\n", "")  # bob has the message


# --- showing --------------------------------------------------------------------------------------


def test_list_tells_what_waits_and_who_consumes_it(daemon: BusDaemon, bob: pybus.Bus) -> None:
    assert rows_of(daemon) == []
    jobs, lint = bob.queue("jobs", durable=True), bob.queue("lint", exclusive=True)
    jobs.publish("a", confirm=True)
    consumers = [lint.consume(prefetch=1), lint.consume()]
    for text in ("b", "c"):
        lint.publish(text, confirm=True)
    first, second = rows_of(daemon, "list")
    assert [*first[:3], *first[4:]] == ["jobs", "1", "0", "0.0", "0.0", "0.0", "0", "-", "durable"]
    assert first[3].startswith("20")
    bob_is = f"{program_of(bob)} ({os.getpid()})"
    assert second == ["lint", "0", "2", "-", "0.0", "0.0", "0.0", "2", bob_is, "exclusive"]
    assert len(consumers) == 2


def test_list_tells_what_comes_and_goes_per_second(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = bob.queue("jobs")
    consumer = jobs.consume()
    command = [str(BIN / "pybus"), "queue", "list", "--json"]
    listing = subprocess.Popen(command, env=daemon.environ, stdout=subprocess.PIPE, text=True)
    while listing.poll() is None:
        jobs.publish("work")
        message = consumer.receive(PATIENCE)
        assert message is not None
        message.ack()
    assert listing.stdout is not None
    with listing.stdout as lines:
        (described,) = json.load(lines)
    assert described["name"] == "jobs"
    assert described["consumers"][0]["program"] == program_of(bob)
    rates = described["per_second"]
    assert sorted(rates) == ["acked", "delivered", "published"]
    assert min(rates.values()) > 0


def test_show_has_the_consumers_and_json_has_all(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = bob.queue("jobs", exclusive=True, auto_delete=True)
    jobs.bind("amq.topic", "build.#")
    consumer = jobs.consume(prefetch=0, exclusive=True, priority=3)
    jobs.publish("work", confirm=True)
    who = f"{bob.name} {program_of(bob)} (pid {os.getpid()})"
    assert facts_of(daemon, "jobs") == [
        ["name", "jobs"],
        ["properties", f"exclusive auto-delete (of {bob.name})"],
        ["ready", "0 (0 bytes)"],
        ["oldest", "-"],
        ["consumer", f"{who}: exclusive, priority 3, prefetch unlimited, 1 delivered, 1 unacked"],
        ["bound to", "exchange amq.topic, by build.#"],
    ]
    code, out, err = queue(daemon, "show", "jobs", "--json")
    shown = json.loads(out)
    assert (code, err) == (0, "")
    assert (shown["unacked"], shown["consumers"][0]["tag"]) == (1, consumer.tag)
    bound = {"source": "amq.topic", "destination": "jobs", "to": "queue", "key": "build.#", "arguments": {}}
    assert shown["bound"] == [{**bound, "number": 1}]


def test_on_a_terminal_the_list_has_titles(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.queue("jobs")
    ours, theirs = pty.openpty()
    environ = {**daemon.environ, "TERM": "dumb"}
    subprocess.run([BIN / "pybus", "queue"], env=environ, stdout=theirs, check=True, timeout=PATIENCE)
    subprocess.run([BIN / "pybus", "queue", "purge", "jobs"], env=environ, stdout=theirs, check=True, timeout=PATIENCE)
    os.close(theirs)
    shown = os.read(ours, 4096).decode().splitlines()
    os.close(ours)
    assert shown == [
        "QUEUE  READY  UNACKED  OLDEST  PUBLISHED/S  DELIVERED/S  ACKED/S  CONSUMERS  PROGRAMS  PROPERTIES",
        "jobs   0      0        -       0.0          0.0          0.0      0          -         -",
        "0 messages purged",
    ]


# --- messages -------------------------------------------------------------------------------------


def test_peek_shows_what_waits_and_leaves_it(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = bob.queue("jobs")
    jobs.bind("amq.topic", "build.#")
    jobs.publish({"file": "a.py"}, headers={"try": 1}, correlation_id="7", persistent=True)
    bob.publish("build.done", "two\nlines")
    jobs.publish("third", confirm=True)
    rows = rows_of(daemon, "peek", "jobs")
    assert [row[1:] for row in rows] == [
        ["(default)", "jobs", "0", '{"try": 1}', '{"file": "a.py"}'],
        ["amq.topic", "build.done", "0", "-", '"two\\nlines"'],
        ["(default)", "jobs", "0", "-", "third"],
    ]
    code, out, err = queue(daemon, "peek", "jobs", "--count", "1", "--json")
    assert (code, err) == (0, "")
    shown = json.loads(out)
    assert shown.pop("age") >= 0
    assert shown == {
        "exchange": "",
        "key": "jobs",
        "body": {"file": "a.py"},
        "properties": {"headers": {"try": 1}, "correlation_id": "7"},
        "sender": bob.name,
        "persistent": True,
        "redelivered": False,
        "returns": 0,
    }
    assert jobs.status()["messages"] == 3


def test_get_takes_a_message_and_prints_its_value(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = bob.queue("jobs")
    for body in ("work", b"\xff\n", {"a": 1}):
        jobs.publish(body, confirm=True)
    assert queue(daemon, "get", "jobs") == (0, "work\n", "")
    done = subprocess.run([BIN / "pybus", "queue", "get", "jobs"], env=daemon.environ, capture_output=True, check=True)
    assert done.stdout == b"\xff\n"
    code, out, err = queue(daemon, "get", "jobs", "--json")
    assert (code, json.loads(out)["body"], err) == (0, {"a": 1}, "")
    assert queue(daemon, "get", "jobs") == (3, "", "pybus queue: no message waits in the queue 'jobs'\n")
    status = jobs.status()
    assert (status["acked"], status["messages"], status["unacked"]) == (3, 0, 0)


def test_a_message_that_could_not_be_printed_is_not_lost(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = bob.queue("jobs")
    jobs.publish("work", confirm=True)
    with open("/dev/full", "w") as full:
        command = [str(BIN / "pybus"), "queue", "get", "jobs"]
        done = subprocess.run(command, env=daemon.environ, stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (1, b"pybus queue: No space left on device\n")
    assert jobs.status()["messages"] == 1


def test_dead_letters_go_back_to_where_they_died(daemon: BusDaemon, bob: pybus.Bus) -> None:
    dead = bob.queue("dead")
    jobs = bob.queue("jobs", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
    for number in range(3):
        jobs.publish(number)
        message = jobs.get()
        assert message is not None
        message.reject()
    bob.flush()
    assert queue(daemon, "move", "dead", "--count", "1") == (0, "1\n", "")
    assert (jobs.status()["messages"], dead.status()["messages"]) == (1, 2)
    other = bob.queue("other")
    assert queue(daemon, "move", "dead", "--to", "other") == (0, "2\n", "")
    assert other.status()["messages"] == 2
    assert queue(daemon, "purge", "other") == (0, "2\n", "")


# --- wrong use ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["purge"], 2, "purge needs QUEUE: pybus queue purge QUEUE"),
        (["bind", "jobs"], 2, "bind needs EXCHANGE: pybus queue bind QUEUE EXCHANGE [KEY]"),
        (["purge", "jobs", "logs"], 2, "purge takes no 'logs': pybus queue purge QUEUE"),
        (["list", "jobs"], 2, "list takes no 'jobs': pybus queue list"),
        (["purge", "jobs", "--if-empty"], 2, "purge takes no --if-empty"),
        (["delete", "jobs", "--argument", "a=1"], 2, "delete takes no --argument"),
        (["show", "nope"], 1, "NOT_FOUND - no queue 'nope' in vhost '/'; make one with: pybus queue declare NAME"),
        (
            ["bind", "jobs", "amq.topic"],
            1,
            "NOT_FOUND - no queue 'jobs' in vhost '/'; make one with: pybus queue declare NAME",
        ),
        (["peek", "nope"], 1, "NOT_FOUND - no queue 'nope' in vhost '/'; make one with: pybus queue declare NAME"),
        (["move", "nope"], 1, "NOT_FOUND - no queue 'nope' in vhost '/'; make one with: pybus queue declare NAME"),
        (["declare", "amq.x"], 1, "ACCESS_REFUSED - queue name 'amq.x' contains reserved prefix 'amq.*'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(daemon: BusDaemon, words: list[str], code: int, message: str) -> None:
    assert queue(daemon, *words) == (code, "", f"pybus queue: {message}\n")


def test_what_was_meant_is_named(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.queue("jobs").bind("amq.topic", "build.#")
    nothing = "pybus queue: NOT_FOUND - no queue 'joobs' in vhost '/'; did you mean jobs?\n"
    assert queue(daemon, "purge", "joobs") == (1, "", nothing)
    nowhere = "pybus queue: NOT_FOUND - no exchange 'amq.tpic' in vhost '/'; did you mean amq.topic?\n"
    assert queue(daemon, "bind", "jobs", "amq.tpic") == (1, "", nowhere)
    unbound = "pybus queue: queue 'jobs' is not bound to exchange 'amq.topic' by biuld.#; did you mean build.#?\n"
    assert queue(daemon, "unbind", "jobs", "amq.topic", "biuld.#") == (1, "", unbound)
    assert queue(daemon, "unbind", "jobs", "amq.topic", "build.#") == (0, "", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prge", "jobs"], "pybus queue: argument ACTION: no action 'prge'; did you mean purge?\n"),
        (["empty"], "pybus queue: argument ACTION: no action 'empty'; there are: list, show, declare, "),
        (["declare", "jobs", "--durabel"], "pybus queue: there is no --durabel; did you mean --durable?\n"),
        (["bind", "a", "b", "c", "d"], "pybus queue: 'd' is one word too many; see pybus queue --help\n"),
        (["peek", "jobs", "--count", "x"], "argument --count: must be a whole number, not 'x'; see pybus queue --help"),
        (["declare", "jobs", "--argument", "x-max-length"], "must be NAME=VALUE, not 'x-max-length'"),
        (
            ["declare", "jobs", "--argument", f"a={'[' * 99999}"],
            "argument --argument: an argument is nested too deeply",
        ),
        (["peek", "jobs", "--count", "0"], "argument --count: must be at least 1"),
    ],
)
def test_a_malformed_word_is_named(daemon: BusDaemon, words: list[str], message: str) -> None:
    code, out, err = queue(daemon, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
