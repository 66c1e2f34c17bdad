"""The event loop: who is called for what is ready, and when timers run."""

import os
import socket
import time
from collections.abc import Iterator

import pytest

from pybus.server.loop import READ, WRITE, Loop, ended


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


Pair = tuple[socket.socket, socket.socket]


def test_a_handler_is_called_when_its_descriptor_can_be_read(loop: Loop, pair: Pair) -> None:
    left, right = pair
    heard: list[bytes] = []

    def ready(events: int) -> None:
        assert events == READ
        heard.append(left.recv(100))
        right.send(b"more") if len(heard) == 1 else loop.stop()

    loop.watch(left.fileno(), READ, ready)
    right.send(b"hello")
    loop.run()
    assert heard == [b"hello", b"more"]


def test_other_events_can_be_watched_for(loop: Loop, pair: Pair) -> None:
    left, _ = pair
    seen: list[int] = []

    def ready(events: int) -> None:
        seen.append(events)
        loop.stop()

    loop.watch(left.fileno(), READ, ready)
    loop.change(left.fileno(), WRITE)
    loop.run()
    assert seen == [WRITE]


def test_the_end_is_told_even_to_one_who_watches_for_nothing(loop: Loop, pair: Pair) -> None:
    left, right = pair
    seen: list[bool] = []

    def ready(events: int) -> None:
        seen.append(ended(events))
        loop.stop()

    loop.watch(left.fileno(), READ, ready)
    loop.change(left.fileno(), 0)
    right.send(b"unread")
    right.close()
    loop.run()
    assert seen == [True]
    assert not ended(READ | WRITE)


def test_a_forgotten_descriptor_is_not_called_in_the_same_round(loop: Loop, pair: Pair) -> None:
    called: list[str] = []

    def first_come(name: str, other: socket.socket) -> None:
        called.append(name)
        loop.forget(other.fileno())
        loop.stop()

    left, right = pair
    loop.watch(left.fileno(), WRITE, lambda _: first_come("left", right))
    loop.watch(right.fileno(), WRITE, lambda _: first_come("right", left))
    loop.run()
    assert called in (["left"], ["right"])


def test_a_number_used_again_does_not_get_the_events_of_its_former_descriptor(loop: Loop, pair: Pair) -> None:
    left, right = pair
    late, _other_end = socket.socketpair()
    called: list[str] = []

    def exchange(gone: socket.socket) -> None:
        called.append("exchange")
        loop.forget(gone.fileno())
        os.dup2(late.fileno(), gone.fileno())
        loop.watch(gone.fileno(), READ, lambda _: called.append("stale"))
        loop.stop()

    with late, _other_end:
        loop.watch(left.fileno(), WRITE, lambda _: exchange(right))
        loop.watch(right.fileno(), WRITE, lambda _: exchange(left))
        loop.run()
    assert called == ["exchange"]


def test_due_timers_run_in_the_order_of_their_times(loop: Loop) -> None:
    ran: list[str] = []
    for name, when in (("third", 3.0), ("first", 1.0), ("second", 2.0), ("also second", 2.0)):
        loop.at(when, lambda name=name: ran.append(name))  # type: ignore[misc]
    loop.at(4.0, loop.stop)
    loop.run()
    assert ran == ["first", "second", "also second", "third"]


def test_a_cancelled_timer_does_not_run(loop: Loop) -> None:
    ran: list[str] = []
    timer = loop.at(1.0, lambda: ran.append("cancelled"))
    loop.at(1.0, lambda: ran.append("kept"))
    timer.cancel()
    last = loop.at(2.0, loop.stop)
    loop.run()
    last.cancel()
    assert ran == ["kept"]


def test_a_timer_runs_no_earlier_than_its_time(loop: Loop) -> None:
    start = time.monotonic()
    loop.after(0.02, loop.stop)
    loop.run()
    assert time.monotonic() - start >= 0.02


def test_a_timer_may_set_another(loop: Loop) -> None:
    ran: list[str] = []

    def first() -> None:
        ran.append("first")
        loop.at(2.0, second)

    def second() -> None:
        ran.append("second")
        loop.stop()

    loop.at(1.0, first)
    loop.run()
    assert ran == ["first", "second"]


def test_what_a_handler_raises_passes_out(loop: Loop, pair: Pair) -> None:
    left, _ = pair

    def broken(_: int) -> None:
        raise ZeroDivisionError

    loop.watch(left.fileno(), WRITE, broken)
    with pytest.raises(ZeroDivisionError):
        loop.run()


def test_a_stopped_loop_finishes_its_round(loop: Loop, pair: Pair) -> None:
    called: list[str] = []

    def ready(name: str) -> None:
        called.append(name)
        loop.stop()

    loop.watch(pair[0].fileno(), WRITE, lambda _: ready("left"))
    loop.watch(pair[1].fileno(), WRITE, lambda _: ready("right"))
    loop.run()
    assert sorted(called) == ["left", "right"]
