"""Durable queues of a real daemon: killed, stopped, with a full disk, with a damaged store."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest

import pybus
from pybus.store.schema import VERSION
from tests.daemon import PATIENCE, BusDaemon
from tests.disks import fill

KILLS = 50


def database(daemon: BusDaemon) -> str:
    return f"{daemon.environ['XDG_STATE_HOME']}/pybus/queues.db"


def drain(bus: pybus.Bus, name: str) -> list[pybus.Message]:
    """All that a durable queue holds, acked."""
    queue = bus.queue(name, durable=True)
    found = []
    while (message := queue.get()) is not None:
        message.ack()
        found.append(message)
    return found


class Load:
    """A publisher that goes on until the bus is killed, and a consumer that does, too."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.published = 0
        self.confirmed: set[int] = set()
        self.seen: list[tuple[int, bool]] = []
        self.failures: list[Exception] = []

    def publish(self) -> None:
        try:
            with pybus.connect(self.address, program="alice", reconnect=False) as bus:
                while True:
                    first = self.published
                    self.published += 20 if random.random() < 0.1 else 1
                    with bus.confirming():
                        for number in range(first, self.published):
                            bus.publish_to("", "jobs", number, persistent=True)
                    self.confirmed.update(range(first, self.published))
        except pybus.NotConnected:
            pass
        except Exception as error:
            self.failures.append(error)

    def consume(self) -> None:
        try:
            with pybus.connect(self.address, program="bob", reconnect=False) as bus:
                for message in bus.queue("jobs", durable=True).consume(prefetch=random.choice((1, 5, 50))):
                    self.seen.append((message.body, message.redelivered))
                    if random.random() < 0.7:
                        message.ack()
        except pybus.NotConnected:
            pass
        except Exception as error:
            self.failures.append(error)

    def run(self, daemon: BusDaemon) -> None:
        """Until the daemon is killed, at a random moment."""
        threads = [threading.Thread(target=work) for work in (self.publish, self.consume)]
        for thread in threads:
            thread.start()
        threads[0].join(random.uniform(0.0, 0.15))
        daemon.kill()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.mark.timeout(300)
def test_killed_at_random_moments_nothing_confirmed_is_lost_or_doubled_unmarked(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as bus:
        bus.queue("jobs", durable=True)
    load = Load(daemon.address)
    for _ in range(KILLS):
        load.run(daemon)
        daemon.restart()
    assert load.failures == []
    assert len(load.confirmed) > KILLS
    with pybus.connect(daemon.address) as bus:
        load.seen += [(message.body, message.redelivered) for message in drain(bus, "jobs")]
    assert load.confirmed - {number for number, _ in load.seen} == set()
    first_times = [number for number, redelivered in load.seen if not redelivered]
    assert [number for number, times in Counter(first_times).items() if times > 1] == []
    known: set[int] = set()
    for number, redelivered in load.seen:
        assert number not in known or redelivered
        known.add(number)
    assert first_times == sorted(first_times)


def test_what_survives_a_stop_and_a_kill_and_what_does_not(daemon: BusDaemon) -> None:
    assert not os.path.exists(database(daemon))
    with pybus.connect(daemon.address, program="alice") as bus:
        logs = bus.exchange("logs", "topic", durable=True)
        queue = bus.queue("jobs", durable=True)
        queue.bind("logs", "app.#")
        queue.bind("amq.topic", "build.#")
        bus.queue("passing").publish("gone", persistent=True)
        for number in range(5):
            logs.publish("app.x", number, persistent=True, confirm=True, headers={"n": number})
        queue.publish("transient")
        consumer = queue.consume(prefetch=2)
        assert consumer.receive(PATIENCE) is not None
        assert consumer.receive(PATIENCE) is not None
    assert daemon.stop() == 0
    daemon.restart()
    with pybus.connect(daemon.address, program="bob") as bus:
        bus.publish("build.done", "signal", confirm=True)
        found = [(one.body, one.redelivered) for one in drain(bus, "jobs")]
        assert found == [(0, True), (1, True), (2, False), (3, False), (4, False), ("signal", False)]
        with pytest.raises(pybus.NotFound):
            bus.queue("passing", passive=True)
        bus.queue("later", durable=True)  # answered once it is on disk, and the acks before it are
    daemon.kill()
    daemon.restart()
    with pybus.connect(daemon.address, program="carol") as bus:
        assert drain(bus, "jobs") == []
        bus.publish_to("logs", "app.x", "again", persistent=True, confirm=True)
    daemon.kill()
    daemon.restart()
    with pybus.connect(daemon.address, program="carol") as bus:
        assert [one.body for one in drain(bus, "jobs")] == ["again"]


def test_a_damaged_store_is_set_aside_and_said_loudly(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as bus:
        bus.queue("jobs", durable=True)
    assert daemon.stop() == 0
    with open(database(daemon), "wb") as file:
        file.write(b"what a disk may make of a file")
    daemon.restart()
    aside = f"{database(daemon)}.unreadable-1"
    assert f"error: {database(daemon)} can't be read and was moved to {aside}" in "\n".join(daemon.log)
    with open(aside, "rb") as file:
        assert file.read() == b"what a disk may make of a file"
    with pybus.connect(daemon.address) as bus:
        bus.queue("jobs", durable=True).publish(1, persistent=True, confirm=True)
    daemon.kill()
    daemon.restart()
    with pybus.connect(daemon.address) as bus:
        assert [one.body for one in drain(bus, "jobs")] == [1]


def test_what_a_damaged_log_has_lost_is_said_loudly(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as bus:
        queue = bus.queue("jobs", durable=True)
        for number in range(10):
            queue.publish(number, persistent=True, confirm=True)
    daemon.kill()
    log = Path(f"{database(daemon)}-wal")
    data = bytearray(log.read_bytes())
    data[len(data.rstrip(b"\0")) // 2] ^= 1  # behind what is written the file has zeros
    log.write_bytes(data)
    daemon.restart()
    line = daemon.wait_for_log(f"error: {log} is damaged, and the last ")
    assert line.endswith(f" commits of the queues are lost; a copy of it is {log}.damaged-1")
    with pybus.connect(daemon.address) as bus:
        bus.queue("jobs", durable=True).publish("on", persistent=True, confirm=True)
        found = [one.body for one in drain(bus, "jobs")]
    assert found == [*range(len(found) - 1), "on"]


def test_a_second_daemon_can_t_open_the_store(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as bus:
        bus.queue("jobs", durable=True).publish("first", persistent=True, confirm=True)
    with BusDaemon() as second:
        second.kill()
        second.environ["XDG_STATE_HOME"] = daemon.environ["XDG_STATE_HOME"]
        second.restart()
        reason = f"another bus uses {database(daemon)}; restart this one when that has ended"
        assert f"durable queues can't be used: {reason}" in "\n".join(second.log)
        with pybus.connect(second.address) as bus:
            with pytest.raises(pybus.StoreFailed) as caught:
                bus.queue("jobs", durable=True)
            assert caught.value.message == f"the queues can't be written to disk: {reason}"
            assert bus.queue("transient").get() is None
    with pybus.connect(daemon.address) as bus:
        assert [one.body for one in drain(bus, "jobs")] == ["first"]


def limit_files(daemon: BusDaemon, most: str) -> None:
    """Let no file of the daemon grow beyond so many bytes, as a full disk would (prlimit(1))."""
    subprocess.run(["prlimit", "--pid", str(daemon.process.pid), f"--fsize={most}:unlimited"], check=True)


def test_a_full_disk_refuses_durable_messages_while_the_bus_goes_on(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address, program="alice") as alice, pybus.connect(daemon.address, program="bob") as bob:
        signals = bob.subscribe("news")
        queue = alice.queue("jobs", durable=True)
        queue.publish(0, persistent=True, confirm=True)
        limit_files(daemon, "400000")
        confirmed = 1
        with pytest.raises(pybus.StoreFailed) as caught:
            while confirmed < 10_000:
                queue.publish(b"x" * 5000, persistent=True, confirm=True)
                confirmed += 1
        assert "can't be written to disk" in caught.value.message
        daemon.wait_for_log("warning: the queues can't be written to disk, trying again: ")
        with pytest.raises(pybus.StoreFailed):
            queue.publish("refused", persistent=True, confirm=True)
        alice.publish("news", "still here")
        signal = signals.receive(PATIENCE)
        assert signal is not None
        assert signal.body == "still here"
        queue.publish("transient", confirm=True)
        limit_files(daemon, "unlimited")
        daemon.wait_for_log("the queues can be written to disk again")
        queue.publish("after", persistent=True, confirm=True)
    daemon.kill()
    daemon.restart()
    with pybus.connect(daemon.address) as bus:
        bodies = [one.body for one in drain(bus, "jobs")]
    assert (bodies[0], bodies[-1]) == (0, "after")
    assert "refused" not in bodies
    assert bodies.count(b"x" * 5000) in (confirmed - 1, confirmed)


def test_a_disk_without_any_room_can_be_emptied(daemon: BusDaemon, small_disk: Path) -> None:
    daemon.kill()
    daemon.environ["XDG_STATE_HOME"] = str(small_disk)
    daemon.restart()
    with pybus.connect(daemon.address, program="alice") as bus:
        queue = bus.queue("jobs", durable=True)
        count = 0
        with pytest.raises(pybus.StoreFailed):
            while count < 10_000:
                queue.publish(count.to_bytes(4, "little") * 5000, persistent=True, confirm=True)
                count += 1
        fill(small_disk)
        acked = [one.body for one in drain(bus, "jobs")]
        assert acked[:count] == [number.to_bytes(4, "little") * 5000 for number in range(count)]
        daemon.wait_for_log("the queues can be written to disk again")
        bus.queue("later", durable=True)  # answered once it is on disk, and the acks before it are
    daemon.kill()
    fill(small_disk)
    daemon.restart()
    with pybus.connect(daemon.address, program="bob") as bus:
        assert drain(bus, "jobs") == []


def test_a_store_of_a_newer_pybus_is_refused_and_left_alone(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as bus:
        bus.queue("jobs", durable=True).publish(1, persistent=True, confirm=True)
    assert daemon.stop() == 0
    for version in (VERSION + 1, VERSION):
        connection = sqlite3.connect(database(daemon))
        connection.execute(f"PRAGMA user_version = {version}")
        connection.close()
        daemon.restart()
        with pybus.connect(daemon.address) as bus:
            if version == VERSION:
                assert [one.body for one in drain(bus, "jobs")] == [1]
            else:
                with pytest.raises(pybus.StoreFailed) as caught:
                    bus.queue("jobs", durable=True)
                assert f"it has version {version}, and this pybus knows versions up to" in caught.value.message
        assert daemon.stop() == 0


def test_a_message_that_is_gone_before_it_could_be_written_is_confirmed(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as bus:
        queue = bus.queue("jobs", durable=True, arguments={"x-max-length": 0})
        queue.publish(1, persistent=True, confirm=True)
        assert queue.get() is None


def test_headers_that_a_publisher_made_up_cost_nobody_the_bus_or_the_store(daemon: BusDaemon) -> None:
    deaths = [{"queue": "jobs", "reason": "expired", "count": 2**64 - 1}]
    with pybus.connect(daemon.address) as bus:
        dead = bus.queue("dead", durable=True)
        dead.bind("amq.direct", "jobs")
        arguments = {"x-message-ttl": 1, "x-dead-letter-exchange": "amq.direct"}
        queue = bus.queue("jobs", durable=True, arguments=arguments)
        headers = {"x-death": deaths, "CC": [["x"], {"y": 1}]}
        queue.publish("odd", persistent=True, confirm=True, headers=headers)
        queue.publish("plain", persistent=True, confirm=True)
        with dead.consume() as consumer:
            found = [consumer.receive(PATIENCE), consumer.receive(PATIENCE)]
        assert [one.body for one in found if one is not None] == ["odd", "plain"]
    daemon.kill()
    daemon.restart()
    with pybus.connect(daemon.address) as bus:
        assert [one.body for one in drain(bus, "dead")] == ["odd", "plain"]
    assert "unreadable" not in "\n".join(daemon.log)
