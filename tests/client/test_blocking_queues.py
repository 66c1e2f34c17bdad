"""Queues in the blocking face, against a real bus."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

import pybus
from pybus.client.blocking_queues import Consumer, Message
from tests.daemon import PATIENCE, BusDaemon


@pytest.fixture
def alice(daemon: BusDaemon) -> Iterator[pybus.Bus]:
    with pybus.connect(daemon.address, program="alice") as bus:
        yield bus


@pytest.fixture
def bob(daemon: BusDaemon) -> Iterator[pybus.Bus]:
    with pybus.connect(daemon.address, program="bob") as bus:
        yield bus


def take(consumer: Consumer, count: int) -> list[Message]:
    found = [consumer.receive(PATIENCE) for _ in range(count)]
    assert None not in found
    return [one for one in found if one is not None]


def bodies(consumer: Consumer, count: int) -> list[Any]:
    """The bodies of the next messages, which are acked."""
    found = take(consumer, count)
    assert all(one.ack() for one in found)
    return [one.body for one in found]


def test_a_message_arrives_with_all_that_its_publisher_said(alice: pybus.Bus, bob: pybus.Bus) -> None:
    consumer = bob.queue("jobs").consume(prefetch=1)
    when = datetime(2024, 5, 1, 12, tzinfo=UTC)
    how: dict[str, Any] = {"headers": {"try": 1}, "timestamp": when, "expiration": 60, "priority": 3, "type": "lint"}
    alice.publish_to("", "jobs", {"file": "a.py"}, persistent=True, **how)
    (message,) = take(consumer, 1)
    assert (message.exchange, message.key, message.body, message.sender) == ("", "jobs", {"file": "a.py"}, alice.name)
    assert message.properties == {**how, "expiration": "60000"}
    assert message.headers == {"try": 1}
    assert (message.redelivered, message.persistent, message.depth) == (False, True, 0)
    assert repr(message) == "Message('', 'jobs', {'file': 'a.py'})"
    assert message.ack()
    assert not message.ack()


def test_a_queue_collects_signals_while_nobody_consumes_it(alice: pybus.Bus, bob: pybus.Bus) -> None:
    queue = bob.queue("builds")
    queue.bind("amq.topic", "build.#")
    alice.publish("build.done", "ok")
    alice.publish("other.done", "no")
    alice.flush()
    message = queue.get()
    assert message is not None
    assert (message.exchange, message.key, message.body) == ("amq.topic", "build.done", "ok")
    assert queue.get() is None
    assert queue.status()["unacked"] == 1
    message.ack()
    queue.unbind("amq.topic", "build.#")
    alice.publish("build.done", "again")
    alice.flush()
    assert queue.get(no_ack=True) is None


def test_two_workers_share_a_queue(alice: pybus.Bus, bob: pybus.Bus) -> None:
    one, two = alice.queue("jobs").consume(prefetch=1), bob.queue("jobs").consume(prefetch=1)
    for number in range(4):
        alice.publish_to("", "jobs", number, confirm=True)
    assert (bodies(one, 1), bodies(two, 1)) == ([0], [1])
    assert (bodies(one, 1), bodies(two, 1)) == ([2], [3])


def test_a_with_block_acks_in_the_end_and_gives_back_on_an_error(alice: pybus.Bus, bob: pybus.Bus) -> None:
    queue = bob.queue("jobs")
    consumer = queue.consume()
    queue.publish("work")
    (message,) = take(consumer, 1)
    with pytest.raises(ZeroDivisionError):
        with message:
            raise ZeroDivisionError
    (again,) = take(consumer, 1)
    assert again.redelivered
    with again as inside:
        assert inside.body == "work"
    status = queue.status()
    assert (status["messages"], status["unacked"], status["acked"], status["returned"]) == (0, 0, 1, 1)


def test_a_loop_over_a_consumer_ends_when_it_is_closed(bob: pybus.Bus) -> None:
    queue = bob.queue("jobs")
    for number in range(5):
        queue.publish(number)
    seen = []
    with queue.consume(prefetch=3) as consumer:
        for message in consumer:
            with message:
                seen.append(message.body)
            if len(seen) == 2:
                consumer.close()
    assert seen == [0, 1]
    assert consumer.receive(0) is None
    assert queue.status()["messages"] == 3
    assert queue.purge() == 3


def test_what_a_consumer_did_not_take_stays_in_line(alice: pybus.Bus, bob: pybus.Bus) -> None:
    queue = bob.queue("jobs", arguments={"x-delivery-limit": 1})
    for number in range(12):
        queue.publish(number)
    seen = []
    for _ in range(8):
        with queue.consume() as consumer:
            seen += bodies(consumer, 1)
    assert seen == [0, 1, 2, 3, 4, 5, 6, 7]
    status = queue.status()
    assert (status["messages"], status["returned"], status["dropped"]) == (4, 0, 0)


def test_what_a_program_that_ends_did_not_take_stays_in_line(daemon: BusDaemon, alice: pybus.Bus) -> None:
    queue = alice.queue("jobs", arguments={"x-delivery-limit": 1})
    for number in range(12):
        queue.publish(number, confirm=True)
    seen = []
    for _ in range(8):
        with pybus.connect(daemon.address, program="carol") as carol:
            seen += bodies(carol.queue("jobs", passive=True).consume(), 1)
    assert seen == [0, 1, 2, 3, 4, 5, 6, 7]
    status = queue.status()
    assert (status["messages"], status["returned"], status["dropped"]) == (4, 0, 0)


def test_without_acks_taking_a_message_settles_it(bob: pybus.Bus) -> None:
    queue = bob.queue("jobs")
    for number in range(5):
        queue.publish(number)
    consumer = queue.consume(prefetch=1, no_ack=True)
    assert [one.body for one in take(consumer, 5)] == [0, 1, 2, 3, 4]
    bob.flush()
    assert queue.status()["acked"] == 5


def test_a_rejected_message_goes_to_the_dead_letters(alice: pybus.Bus, bob: pybus.Bus) -> None:
    dead = bob.queue("dead")
    jobs = bob.queue("jobs", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
    consumer = jobs.consume()
    alice.publish_to("", "jobs", "bad")
    assert take(consumer, 1)[0].reject()
    message = dead.consume().receive(PATIENCE)
    assert message is not None
    assert (message.body, message.headers["x-death"][0]["reason"]) == ("bad", "rejected")


def test_exchanges_of_all_kinds(alice: pybus.Bus, bob: pybus.Bus) -> None:
    logs = alice.exchange("logs", "topic")
    outer = alice.exchange("outer", "fanout")
    logs.bind("outer", "unused")
    queue = bob.queue(exclusive=True)
    assert queue.name.startswith("amq.gen-")
    queue.bind("logs", "app.*")
    queue.bind("amq.headers", arguments={"x-match": "any", "a": 1})
    consumer = queue.consume()
    logs.publish("app.error", 1)
    outer.publish("app.info", 2)
    alice.publish_to("amq.headers", "", 3, headers={"a": 1}, confirm=True)
    assert bodies(consumer, 3) == [1, 2, 3]
    logs.unbind("outer", "unused")
    with pytest.raises(pybus.PreconditionFailed):
        logs.delete(if_unused=True)
    logs.delete()
    with pytest.raises(pybus.NotFound) as caught:
        alice.exchange("logs", passive=True)
    assert caught.value.message == "NOT_FOUND - no exchange 'logs' in vhost '/'"


# --- what is wrong is told --------------------------------------------------------------------------


def test_what_a_publisher_is_told(alice: pybus.Bus, bob: pybus.Bus) -> None:
    bob.queue("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    alice.publish_to("", "full", 1, confirm=True)
    with pytest.raises(pybus.Nacked):
        alice.publish_to("", "full", 2, confirm=True)
    with pytest.raises(pybus.Unroutable) as unroutable:
        alice.publish_to("", "nobody", 3, mandatory=True, confirm=True)
    assert unroutable.value.message == "the message to exchange '' with the key 'nobody' reached no queue"
    with pytest.raises(pybus.NotFound) as missing:
        alice.publish_to("myfanout", "", 4, confirm=True)
    assert missing.value.message == "NOT_FOUND - no exchange 'myfanout' in vhost '/'"
    with pytest.raises(pybus.UsageError):
        alice.publish_to("", "full", 5, colour="red")
    with pytest.raises(pybus.InvalidName):
        alice.publish_to("a\0b", "", 6)
    with pytest.raises(pybus.InvalidName):
        alice.publish_to("", "x" * 256, 6)


def test_a_refusal_that_nobody_waited_for_comes_out_later(alice: pybus.Bus) -> None:
    alice.publish_to("myfanout", "", 1)
    with pytest.raises(pybus.NotFound):
        alice.flush()
    alice.publish_to("", "nobody", 2, mandatory=True)
    with pytest.raises(pybus.Unroutable):
        alice.flush()


def test_a_block_is_confirmed_at_its_end(alice: pybus.Bus, bob: pybus.Bus) -> None:
    queue = bob.queue("jobs")
    with alice.confirming():
        for number in range(20_000):
            alice.publish_to("", "jobs", number)
    assert queue.status()["messages"] == 20_000
    bob.queue("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    with pytest.raises(pybus.Nacked):
        with alice.confirming():
            for number in range(3):
                alice.publish_to("", "full", number)
    with pytest.raises(ZeroDivisionError):
        with alice.confirming():
            alice.publish_to("", "full", 1)
            raise ZeroDivisionError


def test_a_consumer_is_told_that_its_queue_was_deleted(alice: pybus.Bus, bob: pybus.Bus) -> None:
    consumer = bob.queue("jobs").consume()
    assert alice.queue("jobs", passive=True).delete() == 0
    with pytest.raises(pybus.ConsumerCancelled) as caught:
        consumer.receive(PATIENCE)
    assert caught.value.message == "queue 'jobs' in vhost '/' was deleted"
    with pytest.raises(pybus.NotFound):
        alice.queue("jobs", passive=True)


# --- ends -------------------------------------------------------------------------------------------

WORKER = """\
import sys, pybus
with pybus.connect() as bus:
    for message in bus.queue("jobs").consume(prefetch=1):
        print(message.body, flush=True)
        sys.stdin.readline()
        message.ack()
"""


def test_a_killed_worker_s_message_goes_to_another(daemon: BusDaemon, alice: pybus.Bus, bob: pybus.Bus) -> None:
    queue = bob.queue("jobs")
    with subprocess.Popen(
        [sys.executable, "-c", WORKER],
        env=daemon.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout is not None
        alice.publish_to("", "jobs", "precious")
        assert worker.stdout.readline() == "precious\n"
        consumer = queue.consume()
        worker.kill()
        (message,) = take(consumer, 1)
    assert (message.body, message.redelivered) == ("precious", True)


def test_a_bus_that_comes_back_finds_all_declared_again(daemon: BusDaemon, alice: pybus.Bus, bob: pybus.Bus) -> None:
    bob.exchange("logs", "fanout")
    named, own = bob.queue("jobs"), bob.queue(exclusive=True)
    named.bind("logs")
    own.bind("amq.topic", "build.#")
    first, second = named.consume(), own.consume()
    former = own.name
    named.publish("old")
    (message,) = take(first, 1)
    named.publish("lost")
    bob.flush()
    back: list[bool] = []
    for bus in (alice, bob):
        bus.on_reconnect(lambda: back.append(True))
    daemon.kill()
    daemon.restart()
    while len(back) < 2:
        alice.run(0)
        bob.run(0)
    bob.flush()
    assert not message.ack()
    assert own.name != former
    alice.publish_to("logs", "", 1, confirm=True)
    alice.publish("build.done", 2, confirm=True)
    assert (bodies(first, 1), bodies(second, 1)) == ([1], [2])


def test_what_is_declared_again_goes_by_its_name(daemon: BusDaemon, bob: pybus.Bus) -> None:
    one, other = bob.queue("gone"), bob.queue("gone")
    one.delete()
    kept, too = bob.queue("kept"), bob.queue("kept", passive=True)
    kept.bind("amq.topic", "a")
    too.bind("amq.topic", "b")
    kept.bind("amq.topic", "c")
    too.unbind("amq.topic", "c")
    own = bob.queue()
    former = own.name
    back: list[bool] = []
    bob.on_reconnect(lambda: back.append(True))
    for _ in range(2):
        daemon.kill()
        daemon.restart()
        while not back:
            bob.run(0)
        back.clear()
        bob.flush()
    assert own.name != former
    there = {queue["name"] for queue in bob.call("org.pybus.Bus", "queues")}
    bindings = [(one["destination"], one["key"]) for one in bob.call("org.pybus.Bus", "bindings")]
    assert (there, bindings) == ({"kept", own.name}, [("kept", "a"), ("kept", "b")])
    own.delete()
    with pytest.raises(pybus.NotFound):
        other.status()


def test_an_unconfirmed_message_is_told_as_such_when_the_bus_dies(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address, reconnect=False) as alice:
        alice.queue("jobs")
        daemon.kill()
        with pytest.raises(pybus.ConnectionLost):
            for _ in range(100):
                alice.publish_to("", "jobs", 1, confirm=True)
        with pytest.raises(pybus.ConnectionLost):
            alice.queue("jobs")
