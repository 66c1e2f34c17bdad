"""Answers with which a task goes on at once, without a bus."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from pybus.client.aio_answer import Answer, Turn

_person: ContextVar[str] = ContextVar("person", default="nobody")


async def ask(turn: Turn, heard: list[object]) -> tuple[Answer, asyncio.Task[None]]:
    """A task that awaits an answer, and notes it."""
    answer = Answer(asyncio.get_running_loop(), turn)

    async def wait() -> None:
        heard.append(await answer)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    return answer, task


def go_on(turn: Turn) -> asyncio.Future[None]:
    """Do it as the loop's reader does: in a callback. Done when it has been; with what it raised, if it did."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def run() -> None:
        try:
            turn.go_on()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)
        finally:
            turn.end()

    asyncio.get_running_loop().call_soon(run)
    return done


def settle(turn: Turn, answer: Answer, value: object, error: Exception | None = None) -> None:
    turn.at_once = True
    answer.settle(value, error)


async def test_tasks_go_on_in_the_order_of_their_answers_in_the_same_turn() -> None:
    turn, heard = Turn(), list[object]()
    (alice, _), (bob, _) = await ask(turn, heard), await ask(turn, heard)
    settle(turn, bob, "for bob")
    settle(turn, alice, "for alice")
    seen: list[list[object]] = []
    asyncio.get_running_loop().call_soon(turn.go_on)
    asyncio.get_running_loop().call_soon(lambda: seen.append(list(heard)))
    await asyncio.sleep(0)
    assert seen == [["for bob", "for alice"]]


async def test_an_error_is_raised_in_the_task() -> None:
    turn = Turn()
    answer, task = await ask(turn, [])
    settle(turn, answer, None, LookupError("nobody"))
    await go_on(turn)
    with pytest.raises(LookupError, match="nobody"):
        await task


async def test_a_turn_that_ends_early_leaves_its_tasks_to_the_loop() -> None:
    turn, heard = Turn(), list[object]()
    (alice, _), (bob, waiting) = await ask(turn, heard), await ask(turn, heard)
    settle(turn, alice, "for alice")
    settle(turn, bob, "for bob")
    turn.end()
    assert (heard, len(turn.answers), turn.at_once) == ([], 0, False)
    await waiting
    assert heard == ["for alice", "for bob"]


async def test_who_was_woken_before_goes_on_before() -> None:
    turn, heard = Turn(), list[object]()
    (early, _), (late, called) = await ask(turn, heard), await ask(turn, heard)
    arrived = asyncio.Event()

    async def listen() -> None:
        await arrived.wait()
        heard.append("the signal")

    def read() -> None:
        settle(turn, early, "before it")
        turn.wake(arrived)
        late.settle("behind it", None)
        turn.go_on()
        turn.end()

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(read)
    await asyncio.wait([listening, called])
    assert heard == ["before it", "the signal", "behind it"]


async def test_what_is_settled_outside_of_a_turn_comes_in_the_next() -> None:
    turn, heard = Turn(), list[object]()
    answer, task = await ask(turn, heard)
    answer.settle("hello", None)
    assert (heard, len(turn.answers)) == ([], 0)
    await task
    assert heard == ["hello"]


async def test_a_task_that_is_cancelled_hears_nothing() -> None:
    turn, heard = Turn(), list[object]()
    answer, task = await ask(turn, heard)
    task.cancel()
    settle(turn, answer, "too late")
    await go_on(turn)
    await asyncio.wait([task])
    assert (task.cancelled(), answer.cancelled(), heard) == (True, True, [])


async def test_a_task_that_is_cancelled_when_its_answer_is_here_is_cancelled_all_the_same() -> None:
    turn, heard = Turn(), list[object]()
    answer, task = await ask(turn, heard)
    settle(turn, answer, "here")
    task.cancel()
    await go_on(turn)
    await asyncio.wait([task])
    assert (task.cancelled(), answer.result(), heard) == (True, "here", [])


async def test_a_task_keeps_its_own_context_and_is_the_current_one() -> None:
    turn = Turn()
    answer = Answer(asyncio.get_running_loop(), turn)
    seen: list[object] = []

    async def wait() -> None:
        _person.set("alice")
        await answer
        seen.extend([_person.get(), asyncio.current_task()])
        _person.set("bob")

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    settle(turn, answer, None)
    await go_on(turn)
    assert (seen, _person.get()) == (["alice", task], "nobody")


async def test_what_ends_the_loop_keeps_nobody_else_from_going_on() -> None:
    turn, heard = Turn(), list[object]()
    first = Answer(asyncio.get_running_loop(), turn)

    async def leave() -> None:
        await first
        raise SystemExit(3)

    leaving = asyncio.create_task(leave())
    second, waiting = await ask(turn, heard)
    settle(turn, first, None)
    settle(turn, second, "still here")
    with pytest.raises(SystemExit):
        await go_on(turn)
    await waiting
    assert (heard, isinstance(leaving.exception(), SystemExit)) == (["still here"], True)


async def test_who_listens_besides_is_told_in_the_next_turn() -> None:
    turn, heard = Turn(), list[object]()
    answer, task = await ask(turn, heard)
    answer.add_done_callback(lambda done: heard.append(("told", done.result())))
    settle(turn, answer, 1)
    await go_on(turn)
    await task
    await asyncio.sleep(0)
    assert heard == [("told", 1), 1]
    assert answer.remove_done_callback(heard.append) == 0
