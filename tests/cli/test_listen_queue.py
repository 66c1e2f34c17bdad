"""`pybus-listen --queue` against a real bus."""

from __future__ import annotations

import json
import signal

import pytest

import pybus
from tests.cli.programs import line_of, run, started
from tests.daemon import PATIENCE, BusDaemon

SHOW = 'printf "%s|" "$PYBUS_EXCHANGE" "$PYBUS_KEY" "$PYBUS_VALUE" "$PYBUS_HEADERS" "$PYBUS_REDELIVERED" '
SHOW += '"$PYBUS_SENDER" "${PYBUS_TOPIC-none}"; cat; echo'


def filled(bus: pybus.Bus, *bodies: object) -> pybus.Queue:
    """A queue with these messages."""
    jobs = bus.queue("jobs")
    for body in bodies:
        jobs.publish(body, confirm=True)
    return jobs


def counted(queue: pybus.Queue) -> tuple[int, int, int, int]:
    """Messages that wait, that are unacked, that were acked, and that came back."""
    status = queue.status()
    return status["messages"], status["unacked"], status["acked"], status["returned"]


def test_messages_are_printed_and_acked(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = filled(bob, "lint a.py", {"a": b"\x00"})
    jobs.bind("amq.topic", "build.#")
    jobs.bind("amq.fanout")
    with started(daemon, "pybus-listen", "--queue", "jobs") as listening:
        assert line_of(listening.stdout) == "jobs lint a.py\n"
        assert line_of(listening.stdout) == 'jobs {"a": {"base64": "AA=="}}\n'
        bob.publish("build.done", "two\nlines \x1b[31m")
        assert line_of(listening.stdout) == 'build.done "two\\nlines \\u001b[31m"\n'
        bob.publish_to("amq.fanout", "", "for all")
        assert line_of(listening.stdout) == "amq.fanout for all\n"
        while jobs.status()["acked"] < 4:
            pass
        listening.send_signal(signal.SIGINT)
        assert listening.communicate(timeout=PATIENCE) == ("", "")
        assert listening.returncode == 130
    assert counted(jobs) == (0, 0, 4, 0)


def test_no_more_is_taken_than_was_asked_for(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = filled(bob, 1, 2, 3)
    assert run(daemon, "pybus-listen", "--queue", "jobs", "--count", "2") == (0, "jobs 1\njobs 2\n", "")
    assert counted(jobs) == (1, 0, 2, 0)
    assert run(daemon, "pybus-listen", "--queue", "jobs", "--count", "2", "--timeout", "0.1") == (3, "jobs 3\n", "")
    assert run(daemon, "pybus-listen", "--queue", "jobs", "--timeout", "0.1") == (0, "", "")
    assert counted(jobs) == (0, 0, 3, 0)


def test_json_has_all_about_a_message(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.queue("jobs").publish([1], headers={"try": 1}, reply_to="here", persistent=True, confirm=True)
    code, out, err = run(daemon, "pybus-listen", "--queue", "jobs", "--json", "--count", "1")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "exchange": "",
        "key": "jobs",
        "body": [1],
        "properties": {"headers": {"try": 1}, "reply_to": "here"},
        "sender": bob.name,
        "persistent": True,
        "redelivered": False,
    }


def test_a_message_that_could_not_be_printed_is_not_lost(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = filled(bob)
    with started(daemon, "pybus-listen", "--queue", "jobs") as listening:
        jobs.publish(1)
        assert line_of(listening.stdout) == "jobs 1\n"
        assert listening.stdout is not None
        listening.stdout.close()
        jobs.publish(2)
        assert listening.wait(PATIENCE) == 141
    assert counted(jobs) == (1, 0, 1, 1)


def test_exec_gets_the_message_and_acks_it(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = filled(bob, "two\nlines", b"\x00x")
    jobs.bind("amq.topic", "a.#")
    bob.publish_to("amq.topic", "a.\nb", {"€": 1}, headers={"try": 1}, confirm=True)
    daemon.environ["PYBUS_TOPIC"] = "of an outer command"
    words = ["--exec", SHOW, "--count", "3"]
    assert run(daemon, "pybus-listen", "--queue", "jobs", *words) == (
        0,
        f'|jobs|"two\\nlines"|{{}}||{bob.name}|none|two\nlines\n'
        f'|jobs|{{"base64": "AHg="}}|{{}}||{bob.name}|none|\x00x\n'
        f'amq.topic|"a.\\nb"|{{"€": 1}}|{{"try": 1}}||{bob.name}|none|{{"€": 1}}\n',
        "",
    )
    assert counted(jobs) == (0, 0, 3, 0)


def test_a_message_whose_command_fails_goes_back_and_comes_again(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = filled(bob, "work")
    command = 'echo "try $PYBUS_REDELIVERED"; [ "$PYBUS_REDELIVERED" ]'
    assert run(daemon, "pybus-listen", "--queue", "jobs", "--exec", command, "--count", "2") == (
        1,
        "try \ntry 1\n",
        "pybus-listen: the command for jobs exited with status 1\n",
    )
    assert counted(jobs) == (0, 0, 1, 1)


def test_a_message_whose_command_was_ended_with_us_goes_back(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = filled(bob, "work")
    with started(daemon, "pybus-listen", "--queue", "jobs", "--exec", "echo begun; sleep 60; true") as listening:
        assert line_of(listening.stdout) == "begun\n"
        listening.send_signal(signal.SIGTERM)
        assert listening.communicate(timeout=PATIENCE) == ("", "")
        assert listening.returncode == -signal.SIGTERM
    assert counted(jobs) == (1, 0, 0, 1)


def test_two_listeners_share_a_queue(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = filled(bob)
    words = ("pybus-listen", "--queue", "jobs", "--count", "1")
    with started(daemon, *words) as one, started(daemon, *words) as two:
        while len(jobs.status()["consumers"]) < 2:
            pass
        jobs.publish("a", confirm=True)
        jobs.publish("b", confirm=True)
        shown = [listening.communicate(timeout=PATIENCE)[0] for listening in (one, two)]
    assert sorted(shown) == ["jobs a\n", "jobs b\n"]


def test_it_goes_on_when_the_bus_is_back_if_the_queue_is(daemon: BusDaemon, bob: pybus.Bus) -> None:
    listen = ("pybus-listen", "--queue")
    for name in ("jobs", "gone"):
        bob.queue(name, durable=name == "jobs").publish("before", confirm=True)
    with started(daemon, *listen, "jobs") as staying, started(daemon, *listen, "gone") as ending:
        assert [line_of(staying.stdout), line_of(ending.stdout)] == ["jobs before\n", "gone before\n"]
        bob.close()
        daemon.kill()
        daemon.restart()
        away = "pybus-listen: the bus went away; waiting for it to come back\n"
        assert [line_of(staying.stderr), line_of(staying.stderr)] == [away, "pybus-listen: the bus is back\n"]
        _, err = ending.communicate(timeout=PATIENCE)
        assert err.splitlines()[-1] == "pybus-listen: NOT_FOUND - no queue 'gone' in vhost '/'"
        assert ending.returncode == 1
        with pybus.connect(daemon.address) as alice:
            alice.queue("jobs", durable=True).publish("after", confirm=True)
        assert line_of(staying.stdout) == "jobs after\n"


def test_it_says_that_the_queue_was_deleted(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = filled(bob, 1)
    with started(daemon, "pybus-listen", "--queue", "jobs") as listening:
        assert line_of(listening.stdout) == "jobs 1\n"
        jobs.delete()
        _, err = listening.communicate(timeout=PATIENCE)
    assert (listening.returncode, err.startswith("pybus-listen: "), err.count("\n")) == (1, True, 1)
    assert "'jobs'" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "give a PATTERN, or a --queue"),
        (
            ["--queue", "jobs", "a.b"],
            2,
            "PATTERN 'a.b' and --queue contradict each other: it takes messages, not signals",
        ),
        (
            ["--queue", "jobs", "--no-retained"],
            2,
            "--no-retained is for signals: a queue has no values that were kept from before",
        ),
        (["--queue", "nope"], 1, "NOT_FOUND - no queue 'nope' in vhost '/'; make one with: pybus queue declare NAME"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(daemon: BusDaemon, words: list[str], code: int, message: str) -> None:
    assert run(daemon, "pybus-listen", *words) == (code, "", f"pybus-listen: {message}\n")


def test_a_queue_of_another_connection_is_refused_with_amqps_text(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.queue("mine", exclusive=True)
    code, out, err = run(daemon, "pybus-listen", "--queue", "mine")
    assert (code, out) == (1, "")
    assert err.startswith("pybus-listen: RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine' in ")
