"""Queues of a real daemon: what takes many turns of its loop, and what its clock does."""

from __future__ import annotations

import pytest

import pybus
from tests.daemon import PATIENCE, BusDaemon

BUS = "org.pybus.Bus"
MANY = 6000


def fill(bus: pybus.Bus, queue: str) -> None:
    with bus.confirming():
        for number in range(MANY):
            bus.publish_to("", queue, number)


def test_very_many_messages_are_moved_while_others_have_their_turn(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address, program="alice") as alice:
        alice.queue("from")
        alice.queue("to")
        fill(alice, "from")
        with pybus.connect(daemon.address, program="bob") as bob:
            other = bob.queue("to").consume(no_ack=True)
            assert alice.call(BUS, "move_messages", "from", "to") == MANY
            found: list[object] = []
            while len(found) < MANY:
                message = other.receive(PATIENCE)
                assert message is not None
                found.append(message.body)
            assert found == list(range(MANY))
        fill(alice, "from")
        assert alice.call(BUS, "purge_queue", "from") == MANY
        fill(alice, "from")
        assert alice.call(BUS, "delete_queue", "from") == MANY


def test_a_consumer_that_hangs_loses_what_it_has_to_another_one(daemon: BusDaemon) -> None:
    with (
        pybus.connect(daemon.address, program="alice") as alice,
        pybus.connect(daemon.address, program="bob") as bob,
    ):
        arguments = {"x-consumer-timeout": 200}
        hanging = alice.queue("jobs", arguments=arguments).consume(prefetch=1)
        alice.publish_to("", "jobs", "work", confirm=True)
        late = hanging.receive(PATIENCE)
        assert late is not None
        found = bob.queue("jobs", arguments=arguments).consume(no_ack=True).receive(PATIENCE)
        assert found is not None
        assert (found.body, found.redelivered) == ("work", True)
        with pytest.raises(pybus.PreconditionFailed, match="timed out. Timeout value used: 200 ms"):
            hanging.receive(PATIENCE)


def test_each_signal_that_a_queue_takes_expires_in_its_time(daemon: BusDaemon) -> None:
    arguments = {"x-message-ttl": 50, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "late"}
    with (
        pybus.connect(daemon.address, program="alice") as alice,
        pybus.connect(daemon.address, program="bob") as bob,
    ):
        late = bob.queue("late").consume(no_ack=True)
        bob.queue("lamps", arguments=arguments).bind("amq.topic", "lamp.*")
        for body in ("on", "off", "on again"):
            alice.publish("lamp.desk", body)
            found = late.receive(PATIENCE)
            assert found is not None
            assert found.body == body
