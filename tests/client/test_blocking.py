"""The blocking client against a real bus."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import pybus
from pybus.server.session import refuse
from tests.daemon import PATIENCE, BusDaemon


@pytest.fixture
def alice(daemon: BusDaemon) -> Iterator[pybus.Bus]:
    with pybus.connect(daemon.address, program="alice") as bus:
        yield bus


@pytest.fixture
def bob(daemon: BusDaemon) -> Iterator[pybus.Bus]:
    with pybus.connect(daemon.address, program="bob") as bus:
        yield bus


def seen(signal: pybus.Signal | None) -> tuple[object, ...] | None:
    """A signal as a tuple, to compare it whole."""
    return None if signal is None else (signal.topic, signal.body, signal.sender, signal.retained, signal.cleared)


def test_a_signal_reaches_a_subscriber_with_its_topic_body_and_sender(alice: pybus.Bus, bob: pybus.Bus) -> None:
    signals = bob.subscribe("hal.#")
    alice.publish("hal.power.ac", "unplugged")
    assert seen(signals.receive(PATIENCE)) == ("hal.power.ac", "unplugged", alice.name, False, False)


def test_a_signal_that_matches_two_subscriptions_reaches_each_once(alice: pybus.Bus, bob: pybus.Bus) -> None:
    by_prefix, by_word = bob.subscribe("hal.#", "#.ac"), bob.subscribe("*.power.*")
    alice.publish("hal.power.ac", 1)
    alice.publish("hal.power.ac", 2)
    assert [one.receive(PATIENCE).body for one in (by_prefix, by_prefix, by_word, by_word)] == [1, 2, 1, 2]  # type: ignore[union-attr]
    assert (by_prefix.receive(0), by_word.receive(0)) == (None, None)


@pytest.mark.parametrize(
    "body",
    [
        None,
        True,
        -1,
        2**63,
        1.5,
        "grüß",
        b"\x00raw",
        [1, [2]],
        {"a": {1: b"x"}},
        datetime(2026, 1, 2, 3, 4, 5, 678000, UTC),
    ],
)
def test_bodies_survive_the_way(alice: pybus.Bus, bob: pybus.Bus, body: object) -> None:
    signals = bob.subscribe("a.b")
    alice.publish("a.b", body)
    signal = signals.receive(PATIENCE)
    assert signal is not None
    assert (signal.body, type(signal.body)) == (body, type(body))


def test_carol_who_comes_late_gets_the_retained_value_once_and_marked(daemon: BusDaemon, alice: pybus.Bus) -> None:
    alice.publish("hal.power.ac", "plugged", retain=True)
    alice.publish("hal.power.ac", "unplugged", retain=True)
    alice.flush()
    with pybus.connect(daemon.address) as carol:
        signals = carol.subscribe("hal.#", "#.ac")
        assert seen(signals.receive(PATIENCE)) == ("hal.power.ac", "unplugged", alice.name, True, False)
        assert signals.receive(0) is None
        assert carol.get("hal.power.ac") == "unplugged"
        assert carol.subscribe("hal.#", retained=False).receive(0) is None


def test_a_second_subscription_gets_the_retained_value_and_the_first_not_again(alice: pybus.Bus) -> None:
    alice.publish("a.b", 1, retain=True)
    first = alice.subscribe("a.b")
    second = alice.subscribe("a.#")
    assert [seen(one.receive(0)) for one in (first, second, first, second)] == [
        ("a.b", 1, alice.name, True, False),
        ("a.b", 1, alice.name, True, False),
        None,
        None,
    ]


def test_clearing_tells_subscribers_and_forgets_the_value(alice: pybus.Bus, bob: pybus.Bus) -> None:
    alice.publish("a.b", 1, retain=True)
    alice.flush()
    signals = bob.subscribe("a.b", retained=False)
    alice.clear("a.b")
    assert seen(signals.receive(PATIENCE)) == ("a.b", None, alice.name, False, True)
    with pytest.raises(pybus.NoSuchValue, match="no value is retained under a.b"):
        bob.get("a.b")


def test_a_confirmed_publish_returns_how_many_got_it(alice: pybus.Bus, bob: pybus.Bus) -> None:
    assert alice.publish("a.b", confirm=True) == 0
    bob.subscribe("a.b")
    alice.subscribe("a.*")
    assert alice.publish("a.b", confirm=True) == 2


def test_after_closing_a_subscription_nothing_comes(alice: pybus.Bus, bob: pybus.Bus) -> None:
    with bob.subscribe("a.b") as signals:
        alice.publish("a.b", 1, confirm=True)
        assert [one.body for one in (signals.receive(PATIENCE),) if one] == [1]
    assert alice.publish("a.b", 2, confirm=True) == 0
    assert list(signals) == []


def test_a_pattern_stays_while_another_subscription_wants_it(alice: pybus.Bus) -> None:
    first, second = alice.subscribe("a.b"), alice.subscribe("a.b", "a.c")
    first.close()
    assert alice.publish("a.b", confirm=True) == 1
    second.close()
    assert alice.publish("a.b", confirm=True) == 0


def test_handlers_run_within_run(alice: pybus.Bus, bob: pybus.Bus) -> None:
    heard: list[object] = []

    def hear(signal: pybus.Signal) -> None:
        heard.append(signal.body)
        if len(heard) == 3:
            raise KeyboardInterrupt

    bob.on("a.#", hear)
    for body in (1, 2, 3, 4):
        alice.publish("a.b", body)
    alice.flush()
    with pytest.raises(KeyboardInterrupt):
        bob.run(PATIENCE)
    assert heard == [1, 2, 3]
    bob.run(0.0)
    assert heard == [1, 2, 3, 4]


def test_a_will_is_published_when_the_connection_ends_without_a_goodbye(daemon: BusDaemon, bob: pybus.Bus) -> None:
    signals = bob.subscribe("carol.status")
    carol = pybus.connect(daemon.address, reconnect=False)
    carol.set_will("carol.status", "gone", retain=True)
    name = carol.name
    carol._drop_socket()
    assert seen(signals.receive(PATIENCE)) == ("carol.status", "gone", name, False, False)
    assert bob.get("carol.status") == "gone"


def test_a_will_can_clear_a_value_whose_source_is_gone(daemon: BusDaemon, bob: pybus.Bus) -> None:
    signals = bob.subscribe("carol.status")
    carol = pybus.connect(daemon.address, reconnect=False)
    carol.publish("carol.status", "here", retain=True)
    carol.set_will("carol.status", clear=True)
    name = carol.name
    carol._drop_socket()
    heard = [seen(signals.receive(PATIENCE)) for _ in range(2)]
    assert heard == [("carol.status", "here", name, False, False), ("carol.status", None, name, False, True)]
    with pytest.raises(pybus.NoSuchValue):
        bob.get("carol.status")


def test_a_will_is_not_published_after_a_goodbye_or_when_taken_back(daemon: BusDaemon, bob: pybus.Bus) -> None:
    signals = bob.subscribe("#")
    with pybus.connect(daemon.address) as carol:
        carol.set_will("carol.status", "gone")
    dave = pybus.connect(daemon.address)
    dave.set_will("dave.status", "gone")
    dave.clear_will()
    dave._drop_socket()
    daemon.wait_for_log("connection closed without a goodbye")
    assert signals.receive(0) is None


# --- errors of use --------------------------------------------------------------------------------


def test_bad_topics_and_bodies_are_refused_before_they_are_sent(alice: pybus.Bus) -> None:
    with pytest.raises(pybus.InvalidName, match="empty word"):
        alice.publish("hal..ac")
    with pytest.raises(pybus.InvalidName, match="needs a pattern"):
        alice.subscribe()
    with pytest.raises(pybus.BodyError, match="type set can't be sent"):
        alice.publish("a.b", {"x": {1}})
    with pytest.raises(pybus.BodyError, match="without a time zone"):
        alice.publish("a.b", datetime(2026, 1, 1))
    with pytest.raises(pybus.TooLarge, match="over the bus's limit of 16777216"):
        alice.publish("a.b", bytes(16 * 1024 * 1024))
    assert alice.publish("a.b", confirm=True) == 0


def test_a_refusal_comes_out_of_flush(alice: pybus.Bus) -> None:
    alice.publish("bus.fake", 1)
    with pytest.raises(pybus.AccessDenied, match=r"the topics under 'bus\.' are the bus's own"):
        alice.flush()
    alice.flush()


def test_a_refusal_comes_out_of_close(daemon: BusDaemon) -> None:
    bus = pybus.connect(daemon.address)
    bus.publish("bus.fake", 1)
    with pytest.raises(pybus.AccessDenied):
        bus.close()


def test_use_after_close_from_another_thread_and_after_a_fork_are_clear_errors(daemon: BusDaemon) -> None:
    bus = pybus.connect(daemon.address)
    errors: list[str] = []

    def misuse() -> None:
        with pytest.raises(pybus.UsageError) as caught:
            bus.publish("a.b")
        errors.append(str(caught.value))

    thread = threading.Thread(target=misuse)
    thread.start()
    thread.join()
    bus.close()
    bus.close()
    misuse()
    assert errors == [
        "this connection belongs to another thread; connect once in each thread",
        "this connection to the bus is closed; connect again",
    ]


def test_a_child_process_can_not_use_its_parents_connection(alice: pybus.Bus) -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            alice.publish("a.b")
        except pybus.UsageError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reading, 200) == b"this connection belongs to the parent process; connect again after a fork"
    os.close(reading)
    os.close(writing)


def test_no_daemon_is_one_clear_error(daemon: BusDaemon) -> None:
    daemon.stop()
    with pytest.raises(pybus.NoBus) as caught:
        pybus.connect(daemon.address)
    assert str(caught.value) == (
        f"no bus at {daemon.address} (No such file or directory); start one with: pybus daemon"
    )


def test_time_limits_hold_while_other_signals_keep_coming(daemon: BusDaemon, bob: pybus.Bus) -> None:
    stop = threading.Event()

    def flood() -> None:
        with pybus.connect(daemon.address) as mallory:
            while not stop.is_set():
                mallory.publish("flood.one", bytes(1000))

    bob.on("flood.#", lambda signal: None)
    quiet = bob.subscribe("quiet.#")
    thread = threading.Thread(target=flood)
    thread.start()
    try:
        bob.run(0.05)
        assert quiet.receive(0.05) is None
    finally:
        stop.set()
        thread.join(PATIENCE)


def test_kept_values_come_back_once_and_the_newest_last(daemon: BusDaemon, alice: pybus.Bus) -> None:
    alice.publish("a.b", 1, retain=True)
    alice.flush()
    daemon.kill()
    daemon.restart()
    alice.publish("a.b", 2, retain=True)
    with pybus.connect(daemon.address) as bob:
        assert bob.get("a.b") == 2
        assert bob.call("org.pybus.Bus", "peer", alice.name)["sent"] == 1


def test_a_full_inbox_counts_what_it_could_not_take(alice: pybus.Bus) -> None:
    losses: list[dict[str, int]] = []
    alice.on_missed(losses.append)
    signals = alice.subscribe("a.#")
    for number in range(150):
        alice.publish(f"a.{number}", bytes(1_000_000))
        alice.flush()
    got = len(list(iter(lambda: signals.receive(0), None)))
    alice.run(0.05)
    assert 64 <= got < 80
    assert got + sum(signals.missed.values()) == 150
    assert sum(sum(one.values()) for one in losses) == sum(signals.missed.values())


def test_after_close_a_handler_gets_nothing_more(alice: pybus.Bus) -> None:
    heard: list[object] = []

    def hear(signal: pybus.Signal) -> None:
        heard.append(signal.body)
        handle.close()

    handle = alice.on("a.b", hear)
    for number in range(20):
        alice.publish("a.b", number)
    alice.flush()
    alice.run(0)
    assert heard == [0]


def test_a_refusal_that_comes_before_the_greeting_is_written_is_still_read(tmp_path: Path) -> None:
    for connect in (pybus.connect, _connect_by_asyncio):
        with socket.socket(socket.AF_UNIX) as listener:
            path = tmp_path / connect.__name__
            listener.bind(str(path))
            listener.listen()
            refusing = threading.Thread(target=_refuse, args=(listener,))
            refusing.start()
            with pytest.raises(pybus.ConnectionRefused, match="not today"):
                connect(f"unix:{path}")
            refusing.join(PATIENCE)


def _refuse(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        refuse(connection, pybus.AccessDenied("not today"))


def _connect_by_asyncio(address: str) -> None:
    async def connect() -> None:
        await pybus.aio.connect(address)

    asyncio.run(connect())
