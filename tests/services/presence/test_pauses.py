"""When it is tried again. No time passes here: it is a number."""

from pybus_services.presence.pauses import Pauses, Refusals


def test_they_grow_up_to_the_longest() -> None:
    pauses = Pauses(lambda: 1.0)
    assert [pauses.failed(0.0) for _ in range(11)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert [pauses.failed(1000.0) for _ in range(5000)][-1] == 1300


def test_chance_leaves_out_up_to_a_half() -> None:
    chances = iter([0.0, 0.5, 1.0])
    pauses = Pauses(lambda: next(chances))
    assert [pauses.failed(100.0) for _ in range(3)] == [100.5, 101.5, 104.0]


def test_a_session_that_has_lasted_begins_them_anew() -> None:
    pauses = Pauses(lambda: 1.0)
    assert [pauses.failed(0.0, lasted) for lasted in (0.0, 1.0, 59.9, 60.0, 0.0)] == [1, 2, 4, 1, 2]


def test_usually_chance_is_random() -> None:
    first = {Pauses().failed(0.0) for _ in range(100)}
    assert len(first) > 1
    assert min(first) >= 0.5
    assert max(first) <= 1.0


def test_a_refusal_is_remembered_for_a_minute_and_for_these_credentials() -> None:
    refusals = Refusals()
    assert refusals.of(0.0, ("alice", "pa")) is None
    refusals.note(10.0, ("alice", "pa"), "wrong")
    assert refusals.of(10.0, ("alice", "pa")) == "wrong"
    assert refusals.of(69.9, ("alice", "pa")) == "wrong"
    assert refusals.of(70.0, ("alice", "pa")) is None
    assert refusals.of(10.0, ("alice", "pb")) is None
    refusals.note(20.0, ("alice", "pb"), "wrong, too")
    assert (refusals.of(21.0, ("alice", "pa")), refusals.of(21.0, ("alice", "pb"))) == (None, "wrong, too")
