"""`pybus monitor` shows the way of messages: through which exchange to which queues, to whom, and how each ends."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from typing import Any

import pytest

import pybus
from tests.cli.monitoring import columns, label, messages, monitor, wait_until_watched, who
from tests.cli.programs import BIN, line_of, run, started
from tests.daemon import PATIENCE, BusDaemon


def test_a_message_is_followed_from_its_publisher_to_its_end(daemon: BusDaemon, bob: pybus.Bus) -> None:
    logs = bob.exchange("logs", "topic")
    queue = bob.queue("errors")
    queue.bind("logs", "*.error")
    with monitor(daemon, "--messages", "--count", "6") as watching:
        logs.publish("app.error", "no disk", headers={"try": 1}, persistent=True)
        logs.publish("app.info", "fine")
        with queue.consume() as consumer:
            first = consumer.receive(PATIENCE)
            assert first is not None
            first.nack()
            again = consumer.receive(PATIENCE)
            assert again is not None
            again.reject()
            bob.flush()
            shown = columns(watching)
    value = 'no disk {"try":1} (persistent)'.replace(":", ": ")
    assert [line[:5] for line in shown] == [
        ["publish", label(bob), "exchange logs → queue errors", "app.error", value],
        ["publish", label(bob), "exchange logs → nobody", "app.info", "fine"],
        ["deliver", "queue errors", label(bob), "app.error", value],
        ["nack", label(bob), "queue errors", "app.error", "(persistent)"],
        ["deliver", "queue errors", label(bob), "app.error", value.replace("(persistent", "(persistent, redelivered")],
        ["reject", label(bob), "queue errors", "app.error", "(persistent)"],
    ]
    assert [bool(line[6]) for line in shown] == [False, False, True, True, True, True]


def test_json_has_all_about_each_step(daemon: BusDaemon, bob: pybus.Bus) -> None:
    queue = bob.queue("jobs", arguments={"x-dead-letter-exchange": "amq.fanout"})
    dead = bob.queue("dead")
    dead.bind("amq.fanout")
    with monitor(daemon, "jobs", "--json", "--messages", "--count", "4") as watching:
        queue.publish({"file": "a.py"}, correlation_id="7")
        message = queue.get()
        assert message is not None
        message.reject()
        bob.flush()
        shown = messages(watching)
    assert [one.pop("ms") is None for one in shown] == [True, False, False, False]
    around: dict[str, Any] = {"missed": [], "receivers": [], "key": "jobs", "exchange": "", "queues": [], "queue": None}
    around |= {"service": None, "consumer": None, "reason": None, "properties": {"correlation_id": "7"}}
    around |= {"persistent": False, "redelivered": False, "body": {"file": "a.py"}}
    sizes = [one.pop("size") for one in shown]
    deaths = shown[3].pop("properties").pop("headers")["x-death"]
    del around["properties"]
    properties = [one.pop("properties") for one in shown[:3]]
    assert properties == [{"correlation_id": "7"}, {"correlation_id": "7"}, {}]
    assert shown == [
        {**around, "kind": "publish", "sender": who(bob), "queues": ["jobs"]},
        {**around, "kind": "deliver", "sender": who(bob), "receivers": [who(bob)], "queue": "jobs"},
        {**around, "kind": "reject", "sender": who(bob), "queue": "jobs", "body": None},
        {
            **around,
            "kind": "died",
            "exchange": "amq.fanout",
            "queues": ["dead"],
            "queue": "jobs",
            "reason": "rejected",
            "sender": {"name": "org.pybus.Bus", "names": ["org.pybus.Bus"], "program": None, "pid": None},
        },
    ]
    assert [(one["queue"], one["reason"]) for one in deaths] == [("jobs", "rejected")]
    assert sizes[0] == sizes[1] > 20


def test_returns_and_refusals_are_told(daemon: BusDaemon, bob: pybus.Bus) -> None:
    with monitor(daemon, "nowhere", "x", "--messages", "--count", "3") as watching:
        with pytest.raises(pybus.Unroutable):
            bob.publish_to("amq.direct", "nowhere", 1, mandatory=True, confirm=True)
        bob.publish_to("", "nobody", 1)
        with pytest.raises(pybus.NotFound):
            bob.publish_to("logs", "x", 2, confirm=True)
        shown = columns(watching)
    assert [line[:5] for line in shown] == [
        ["publish", label(bob), "exchange amq.direct → nobody", "nowhere", "1"],
        ["return", "exchange amq.direct", label(bob), "nowhere", "1"],
        ["error", "org.pybus.Bus", label(bob), "x", "NOT_FOUND - no exchange 'logs' in vhost '/' (NotFound)"],
    ]


def test_a_signal_is_shown_with_the_queues_that_get_it(daemon: BusDaemon, bob: pybus.Bus) -> None:
    for name in "abcde":
        bob.queue(name).bind("amq.topic", "lamp.#")
    bob.subscribe("lamp.*")
    with monitor(daemon, "lamp.#", "--count", "1") as watching:
        bob.publish("lamp.hall", "on")
        (line,) = columns(watching)
    to = f"{label(bob)}, queue a, queue b, queue c, 2 more queues"
    assert line[:5] == ["signal", label(bob), to, "lamp.hall", "on"]


def test_messages_are_left_out_where_nobody_asks_for_them(daemon: BusDaemon, bob: pybus.Bus) -> None:
    queue = bob.queue("jobs")
    with monitor(daemon, "--calls", "--json", "--count", "2") as watching:
        queue.publish(1)
        bob.call("org.pybus.Bus", "ping")
        assert [one["kind"] for one in messages(watching)] == ["call", "answer"]
    with started(daemon, "pybus", "record", "-", "jobs") as recording:
        assert line_of(recording.stderr) == "pybus record: recording jobs (Ctrl-C ends)\n"
        queue.publish(2)
        bob.publish("jobs", 3)
        header, signal = [json.loads(line_of(recording.stdout)) for _ in range(2)]
    assert ("body" in header, signal["body"]) == (False, 3)


def test_on_a_terminal_the_way_is_in_front(daemon: BusDaemon, bob: pybus.Bus) -> None:
    queue = bob.queue("jobs")
    ours, theirs = pty.openpty()
    environ = {**daemon.environ, "TERM": "dumb", "COLUMNS": "120"}
    command = [str(BIN / "pybus"), "monitor", "jobs", "--messages", "--count", "2"]
    with subprocess.Popen(command, env=environ, stdout=theirs) as watching:
        os.close(theirs)
        wait_until_watched(daemon)
        queue.publish("lint")
        assert queue.get(no_ack=True) is not None
        assert watching.wait(PATIENCE) == 0
    published, delivered = [line[12:] for line in os.read(ours, 4096).decode().splitlines()]
    os.close(ours)
    assert published == f"  publish  {label(bob)} → queue jobs  jobs lint  30 B"
    assert delivered.startswith(f"  deliver  queue jobs → {label(bob)}  jobs lint  30 B, ")


def test_the_help_names_it(daemon: BusDaemon) -> None:
    code, out, err = run(daemon, "pybus", "monitor", "--help")
    assert (code, err) == (0, "")
    assert "--messages" in out
