"""`pybus exchange` against a real bus."""

from __future__ import annotations

import json

import pytest

import pybus
from tests.cli.programs import run
from tests.daemon import BusDaemon

QUIET = (0, "", "")


def exchange(daemon: BusDaemon, *words: str) -> tuple[int, str, str]:
    return run(daemon, "pybus", "exchange", *words)


def rows_of(daemon: BusDaemon, *words: str) -> list[list[str]]:
    code, out, err = exchange(daemon, *words)
    assert (code, err) == (0, "")
    return [line.split("\t") for line in out.splitlines()]


def test_list_has_the_exchanges_that_are_always_there_and_ones_own(daemon: BusDaemon, bob: pybus.Bus) -> None:
    how = ["--type", "fanout", "--durable", "--auto-delete", "--internal"]
    assert exchange(daemon, "declare", "logs", *how) == QUIET
    bob.queue("jobs").bind("amq.direct", "work")
    bob.publish_to("amq.direct", "work", 1, confirm=True)
    assert rows_of(daemon) == [
        ["(default)", "direct", "0", "0", "durable"],
        ["amq.direct", "direct", "1", "1", "durable"],
        ["amq.fanout", "fanout", "0", "0", "durable"],
        ["amq.headers", "headers", "0", "0", "durable"],
        ["amq.match", "headers", "0", "0", "durable"],
        ["amq.rabbitmq.trace", "topic", "0", "0", "durable internal"],
        ["amq.topic", "topic", "0", "0", "durable"],
        ["logs", "fanout", "0", "0", "durable auto-delete internal"],
    ]
    code, out, err = exchange(daemon, "list", "--json")
    assert (code, [one["name"] for one in json.loads(out)][:2], err) == (0, ["", "amq.direct"], "")


def test_an_exchange_is_declared_bound_shown_and_deleted(daemon: BusDaemon, bob: pybus.Bus) -> None:
    assert exchange(daemon, "declare", "logs", "--argument", "alternate-exchange=others") == QUIET
    assert exchange(daemon, "bind", "logs", "amq.topic", "app.#") == QUIET
    bob.queue("errors").bind("logs", "app.error")
    assert rows_of(daemon, "show", "logs") == [
        ["name", "logs"],
        ["type", "direct"],
        ["properties", "-"],
        ["argument", "alternate-exchange=others"],
        ["published", "0"],
        ["bound to", "exchange amq.topic, by app.#"],
        ["leads to", "queue errors, by app.error"],
    ]
    assert rows_of(daemon, "show", "amq.topic")[-1] == ["leads to", "exchange logs, by app.#"]
    code, out, err = exchange(daemon, "show", "logs", "--json")
    shown = json.loads(out)
    assert (code, err) == (0, "")
    assert ([one["source"] for one in shown["bound"]], [one["destination"] for one in shown["leads"]]) == (
        ["amq.topic"],
        ["errors"],
    )
    refusal = "pybus exchange: PRECONDITION_FAILED - exchange 'logs' in vhost '/' in use\n"
    assert exchange(daemon, "delete", "logs", "--if-unused") == (1, "", refusal)
    assert exchange(daemon, "unbind", "logs", "amq.topic", "app.#") == QUIET
    assert rows_of(daemon, "show", "amq.topic")[-1][0] == "published"
    assert exchange(daemon, "delete", "logs") == QUIET


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["declare"], 2, "declare needs EXCHANGE: pybus exchange declare EXCHANGE"),
        (["bind", "logs"], 2, "bind needs SOURCE: pybus exchange bind EXCHANGE SOURCE [KEY]"),
        (["list", "--type", "topic"], 2, "list takes no --type"),
        (
            ["show", "nope"],
            1,
            "NOT_FOUND - no exchange 'nope' in vhost '/'; make one with: pybus exchange declare NAME",
        ),
        (
            ["delete", "nope"],
            1,
            "NOT_FOUND - no exchange 'nope' in vhost '/'; make one with: pybus exchange declare NAME",
        ),
        (["declare", "amq.x"], 1, "ACCESS_REFUSED - exchange name 'amq.x' contains reserved prefix 'amq.*'"),
        (
            ["declare", "amq.topic", "--durable"],
            1,
            "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.topic' in vhost '/': "
            "received 'direct' but current is 'topic'",
        ),
        (
            ["delete", "amq.topic"],
            1,
            "ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(daemon: BusDaemon, words: list[str], code: int, message: str) -> None:
    assert exchange(daemon, *words) == (code, "", f"pybus exchange: {message}\n")
