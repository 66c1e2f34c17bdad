"""`pybus explain --exchange E --key K` and `pybus-send --dry-run` against a real bus."""

from __future__ import annotations

import json
import os
import re

import pytest

import pybus
from tests.cli.programs import run
from tests.daemon import BusDaemon


def explain(daemon: BusDaemon, *words: str) -> tuple[int, list[str]]:
    """The exit code, and the lines; the pid of this process is left out."""
    code, out, err = run(daemon, "pybus", "explain", *words)
    assert err == ""
    out = re.sub(r" \[[^]]+\]", "", out.replace(str(os.getpid()), "PID"))
    return code, out.splitlines()


@pytest.fixture(autouse=True)
def logs(bob: pybus.Bus) -> None:
    """The exchange logs: errors go to a queue of their own, all go through wide to the queue all, the rest to rest."""
    bob.exchange("wide", "fanout")
    bob.exchange("rest", "fanout")
    bob.exchange("logs", "topic", arguments={"alternate-exchange": "rest"}).publish("app.info")
    bob.queue("errors").bind("logs", "*.error")
    bob.queue("all").bind("wide")
    bob.call("org.pybus.Bus", "bind_exchange", "wide", "logs", "app.#")
    bob.call("org.pybus.Bus", "bind_exchange", "wide", "logs", "#.error")


def test_it_tells_the_way_of_a_message_and_its_queues(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.queue("errors", passive=True).consume()
    bob.queue("errors", passive=True).publish(1)
    bob.flush()
    assert explain(daemon, "--exchange", "logs", "--key", "app.error") == (
        0,
        [
            "way\texchange logs (topic) leads to queue errors, by *.error",
            "way\texchange logs (topic) leads to exchange wide, by app.# and #.error",
            "way\texchange wide (fanout) leads to queue all, by any key",
            "gets it\tqueue errors, consumed by bob (pid PID); 0 wait there",
            "gets it\tqueue all, which nobody consumes; 0 wait there",
        ],
    )
    assert bob.queue("all", passive=True).status()["published"] == 0


def test_it_tells_why_a_message_reaches_nobody(daemon: BusDaemon) -> None:
    assert explain(daemon, "--exchange", "logs", "--key", "web.eror") == (
        3,
        [
            "way\texchange logs (topic) leads to its alternate exchange rest, as nothing else matches",
            "nobody\tno binding of the exchange rest leads a message with the key 'web.eror' to a queue",
            "near\t*.error has 'error' where the key has 'eror' (of queue errors at exchange logs)",
            "near\t#.error has 'error' where the key has 'eror' (of exchange wide at exchange logs)",
        ],
    )


def test_a_queue_is_reached_by_its_own_name(daemon: BusDaemon, bob: pybus.Bus) -> None:
    assert explain(daemon, "--queue", "all") == (0, ["gets it\tqueue all, which nobody consumes; 0 wait there"])
    assert explain(daemon, "--exchange", "", "--key", "erors") == (
        3,
        ["nobody\tthere is no queue 'erors'", "near\terrors is a queue"],
    )
    bob.register("org.example.Player", {"play": repr})
    called = "gets it\tservice org.example.Player, as a call of the method that the property 'type' names"
    assert explain(daemon, "--queue", "org.example.Player") == (0, [called])


def test_headers_are_part_of_it(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.queue("pictures").bind("amq.headers", "", {"kind": "picture"})
    bob.queue("texts").bind("amq.headers", "", {"kind": "text"})
    assert explain(daemon, "--exchange", "amq.headers", "--header", "kind=picture") == (
        0,
        [
            'way\texchange amq.headers (headers) leads to queue pictures, by the headers {"kind": "picture"}',
            "gets it\tqueue pictures, which nobody consumes; 0 wait there",
            'near\tqueue texts wants the headers {"kind": "text"}',
        ],
    )


def test_subscribers_get_what_goes_through_the_exchange_of_signals(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.subscribe("hal.#")
    code, lines = explain(daemon, "--exchange", "amq.topic", "--key", "hal.lid")
    assert (code, lines) == (0, [f"gets it\t{bob.name} (bob, pid PID), as a signal, by hal.#"])


def test_what_would_be_refused_is_told_with_the_reason(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.exchange("inner", internal=True)
    nothing = "refused\tNOT_FOUND - no exchange 'lgos' in vhost '/'"
    assert explain(daemon, "--exchange", "lgos") == (1, [nothing, "near\tlogs is an exchange"])
    internal = "refused\tACCESS_REFUSED - cannot publish to internal exchange 'inner' in vhost '/'"
    assert explain(daemon, "--exchange", "inner", "--key", "x") == (1, [internal])


def test_the_facts_as_json(daemon: BusDaemon) -> None:
    code, out, err = run(daemon, "pybus", "explain", "--exchange", "wide", "--header", "n=1", "--json")
    assert (code, err) == (0, "")
    to_all = {"to": "queue", "destination": "all", "bindings": [{"key": "", "arguments": {}}]}
    assert json.loads(out) == {
        "exchange": "wide",
        "key": "",
        "headers": {"n": 1},
        "refused": None,
        "service": None,
        "subscribers": [],
        "queues": [{"name": "all", "messages": 0, "consumers": []}],
        "steps": [{"exchange": "wide", "type": "fanout", "reached": [to_all], "alternate": None}],
        "near": [],
    }


def test_a_dry_run_of_pybus_send_tells_the_same_and_sends_nothing(daemon: BusDaemon, bob: pybus.Bus) -> None:
    line = "gets it\tqueue errors, which nobody consumes; 0 wait there\n"
    assert run(daemon, "pybus-send", "--queue", "errors", "x", "--dry-run") == (0, line, "")
    code, out, err = run(daemon, "pybus-send", "--exchange", "logs", "--key", "a.error", "x", "--dry-run")
    assert (code, out.splitlines()[-2], err) == (0, line.rstrip("\n"), "")
    assert [bob.queue(name, passive=True).status()["published"] for name in ("errors", "all")] == [0, 0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give one of TOPIC, --call NAME METHOD, --exchange and --queue"),
        (["a.b", "--queue", "jobs"], "give one of TOPIC, --call NAME METHOD, --exchange and --queue"),
        (["--queue", "jobs", "--key", "a"], "--key and --header are for a message, which goes to an --exchange"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(daemon: BusDaemon, words: list[str], message: str) -> None:
    assert run(daemon, "pybus", "explain", *words) == (2, "", f"pybus explain: {message}\n")
