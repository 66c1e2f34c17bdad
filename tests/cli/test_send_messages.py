"""`pybus-send --queue` and `--exchange` against a real bus."""

from __future__ import annotations

from pathlib import Path

import pytest

import pybus
from tests.cli.programs import run
from tests.daemon import BusDaemon

QUIET = (0, "", "")


def taken(queue: pybus.Queue) -> list[pybus.Message]:
    """All that waits in a queue."""
    return list(iter(lambda: queue.get(no_ack=True), None))


def test_a_message_goes_to_a_queue_with_all_that_was_said(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = bob.queue("jobs")
    words = ["--persistent", "--confirm", "--header", "try=1", "--header", "who=alice", "--header", 'a={"b": [null]}']
    assert run(daemon, "pybus-send", "--queue", "jobs", "lint a.py", *words) == QUIET
    assert run(daemon, "pybus-send", "--queue", "jobs") == QUIET
    first, second = taken(jobs)
    assert (first.exchange, first.key, first.body, first.persistent) == ("", "jobs", "lint a.py", True)
    assert first.properties == {"headers": {"try": 1, "who": "alice", "a": {"b": [None]}}}
    assert (second.body, second.persistent, second.properties) == (None, False, {})


def test_a_message_goes_to_an_exchange(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.exchange("logs", "topic")
    logs = bob.queue("logs")
    logs.bind("logs", "app.*")
    logs.bind("logs", "")
    assert run(daemon, "pybus-send", "--exchange", "logs", "--key", "app.error", "--json", '{"a": 1}') == QUIET
    assert run(daemon, "pybus-send", "--exchange", "logs", "no key") == QUIET
    assert run(daemon, "pybus-send", "--exchange", "logs", "--key", "other", "lost") == QUIET
    assert [(one.exchange, one.key, one.body) for one in taken(logs)] == [
        ("logs", "app.error", {"a": 1}),
        ("logs", "", "no key"),
    ]


def test_values_come_from_wherever_those_of_signals_come(daemon: BusDaemon, bob: pybus.Bus, tmp_path: Path) -> None:
    jobs = bob.queue("jobs")
    (tmp_path / "picture").write_bytes(b"\x00\xff")
    to_jobs = ("pybus-send", "--queue", "jobs")
    assert run(daemon, *to_jobs, "--file", str(tmp_path / "picture")) == QUIET
    assert run(daemon, *to_jobs, "-", stdin="two\nlines\n") == QUIET
    assert run(daemon, *to_jobs, "--lines", "--confirm", stdin="one\n\nthree") == QUIET
    assert [one.body for one in taken(jobs)] == [b"\x00\xff", "two\nlines\n", "one", "", "three"]


@pytest.mark.parametrize("more", [[], ["--confirm"]])
def test_a_mandatory_message_that_reaches_no_queue_is_told(daemon: BusDaemon, more: list[str]) -> None:
    message = "pybus-send: the message to exchange 'amq.direct' with the key 'nope' reached no queue (Unroutable)\n"
    words = ["--exchange", "amq.direct", "--key", "nope", "x", *more]
    assert run(daemon, "pybus-send", *words, "--mandatory") == (3, "", message)
    assert run(daemon, "pybus-send", *words) == QUIET


@pytest.mark.parametrize("more", [[], ["--confirm"]])
def test_a_queue_that_is_not_there_is_told(daemon: BusDaemon, more: list[str]) -> None:
    message = "pybus-send: there is no queue 'nope'; make one with: pybus queue declare NAME\n"
    assert run(daemon, "pybus-send", "--queue", "nope", "x", *more) == (3, "", message)


@pytest.mark.parametrize("more", [[], ["--confirm"]])
def test_an_exchange_that_is_not_there_is_told_with_amqps_text(daemon: BusDaemon, more: list[str]) -> None:
    message = "pybus-send: NOT_FOUND - no exchange 'nope' in vhost '/'; make one with: pybus exchange declare NAME\n"
    assert run(daemon, "pybus-send", "--exchange", "nope", "x", *more) == (1, "", message)


def test_a_full_queue_is_told(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = bob.queue("jobs", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    code, out, err = run(daemon, "pybus-send", "--queue", "jobs", "--lines", "--confirm", stdin="1\n2\n")
    assert (code, out, err) == (1, "", "pybus-send: a queue is full and did not take the message (Nacked)\n")
    assert [one.body for one in taken(jobs)] == ["1"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give a TOPIC, or for a message --queue or --exchange"),
        (["a.b", "x", "--confirm"], "--confirm is for messages, which go to a --queue or an --exchange"),
        (["a.b", "x", "--header", "a=1"], "--header is for messages, which go to a --queue or an --exchange"),
        (["--queue", "jobs", "x", "--on-change"], "--on-change is for signals, which have a TOPIC"),
        (["--queue", "jobs", "--exchange", "logs", "x"], "--queue and --exchange contradict each other"),
        (["--queue", "jobs", "--key", "a", "x"], "--queue and --key contradict each other"),
        (["--queue", "jobs", "a", "b"], "a message has no topic, so give only one of 'a' and 'b'"),
        (
            ["--queue", "jobs", "a", "--lines"],
            "give only one of VALUE, --file, --lines and --clear, not VALUE and --lines",
        ),
        (["--queue", "x" * 256, "a"], f"routing key {'x' * 40!r}... has 256 bytes, at most 255 are allowed"),
        (["--queue", "jobs", "--json", "9" * 30], "an integer of more than 64 bits can't be sent"),
    ],
)
def test_what_is_wrong_with_a_message_is_said_in_one_line(daemon: BusDaemon, words: list[str], message: str) -> None:
    assert run(daemon, "pybus-send", *words) == (2, "", f"pybus-send: {message}\n")


def test_a_malformed_header_is_named(daemon: BusDaemon) -> None:
    code, out, err = run(daemon, "pybus-send", "--queue", "jobs", "x", "--header", "=1")
    assert (code, out) == (2, "")
    assert err.endswith("pybus-send: argument --header: must be NAME=VALUE, not '=1'; see pybus-send --help\n")
