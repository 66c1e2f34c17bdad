"""Calls between real programs: blocking and asyncio services, and what goes wrong."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

import pybus
from tests.daemon import PATIENCE, BusDaemon
from tests.serving import serving

PLAYER = "org.example.Player"


class Player:
    """Plays films."""

    def play(self, uri: str, volume: float = 1.0) -> str:
        """Start playing."""
        return f"{uri} at {volume}"

    def who(self) -> list[object]:
        caller = pybus.caller()
        return [caller.name, caller.pid, caller.uid, caller.program]

    def eject(self) -> None:
        raise pybus.ServiceError("org.example.NoDisc", "there is no disc")

    def crash(self) -> None:
        raise ValueError("a bug")

    def frames(self, number: int) -> bytes:
        return bytes(number)

    def unsendable(self) -> object:
        return {1, 2}


class SlowPlayer:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()

    async def wait(self, word: str) -> str:
        self.entered.set()
        await self.gate.wait()
        return word

    def now(self, word: str) -> str:
        return word


# --- blocking -------------------------------------------------------------------------------------


def test_a_blocking_service_answers_a_blocking_caller(daemon: BusDaemon) -> None:
    with serving(daemon.address, PLAYER, Player()), pybus.connect(daemon.address, program="alice") as alice:
        player = alice.proxy(PLAYER)
        assert player.play("film.mkv", volume=0.5) == "film.mkv at 0.5"
        assert alice.call(PLAYER, "play", "film.mkv", 2) == "film.mkv at 2"
        assert player.who()[:3] == [alice.name, os.getpid(), os.getuid()]


@pytest.mark.parametrize(
    ("method", "args", "error", "message"),
    [
        ("play", [], pybus.InvalidArguments, "missing a required argument: 'uri'; it is play(uri: str, volume: float"),
        ("play", [1], pybus.InvalidArguments, "play(): argument 'uri' must be str, not int"),
        ("play", ["x", True], pybus.InvalidArguments, "play(): argument 'volume' must be float, not bool"),
        ("stop", [], pybus.UnknownMethod, "no method 'stop'; there are: crash, eject, frames, play"),
        ("eject", [], pybus.ServiceError, "there is no disc (org.example.NoDisc)"),
        ("crash", [], pybus.Failed, "crash() failed: ValueError: a bug"),
        ("frames", [2**24], pybus.TooLarge, "the answer has 16777236 bytes; the bus's limit is 16777216"),
        ("unsendable", [], pybus.Failed, "a value of type set can't be sent"),
    ],
)
def test_each_failure_is_an_error_of_its_own(
    daemon: BusDaemon, method: str, args: list[object], error: type[Exception], message: str
) -> None:
    with serving(daemon.address, PLAYER, Player()), pybus.connect(daemon.address) as alice:
        with pytest.raises(error) as caught:
            alice.call(PLAYER, method, *args)
        assert type(caught.value) is error
        assert message in str(caught.value)
        assert alice.call(PLAYER, "frames", 1) == b"\0"


def test_a_service_describes_itself(daemon: BusDaemon) -> None:
    with serving(daemon.address, PLAYER, {"play": Player().play}), pybus.connect(daemon.address) as alice:
        assert alice.call(PLAYER, "introspect") == {
            "doc": "",
            "methods": [
                {
                    "name": "play",
                    "doc": "Start playing.",
                    "parameters": [
                        {"name": "uri", "type": "str", "kind": "plain"},
                        {"name": "volume", "type": "float", "kind": "plain", "default": 1.0},
                    ],
                    "returns": "str",
                }
            ],
        }


def test_a_blocking_service_can_not_have_async_methods(daemon: BusDaemon) -> None:
    with pybus.connect(daemon.address) as bus, pytest.raises(pybus.UsageError, match="only pybus.aio can run"):
        bus.register(PLAYER, {"wait": SlowPlayer.wait})


# --- asyncio --------------------------------------------------------------------------------------


async def test_calls_in_flight_are_answered_in_any_order(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    service = SlowPlayer()
    await bob.register(PLAYER, service)
    player = alice.proxy(PLAYER)
    slow = [asyncio.create_task(player.wait(word)) for word in ("one", "two")]
    await service.entered.wait()
    assert await player.now("three") == "three"
    service.gate.set()
    assert await asyncio.gather(*slow) == ["one", "two"]


async def test_a_cancelled_call_leaves_the_connection_whole(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    service = SlowPlayer()
    await bob.register(PLAYER, service)
    task = asyncio.create_task(alice.call(PLAYER, "wait", "one"))
    await service.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    service.gate.set()
    assert await alice.call(PLAYER, "now", "two") == "two"


async def test_the_deadline_is_an_error_and_the_late_answer_is_counted(
    alice: pybus.aio.Bus, bob: pybus.aio.Bus
) -> None:
    service = SlowPlayer()
    await bob.register(PLAYER, service)
    with pytest.raises(pybus.DeadlinePassed, match="did not answer in time"):
        await alice.proxy(PLAYER, timeout=0.05).wait("one")
    service.gate.set()
    await bob.flush()
    assert (await alice.call("org.pybus.Bus", "stats"))["late_answers"] == 1


async def test_callers_are_told_at_once_when_the_service_goes(alice: pybus.aio.Bus, daemon: BusDaemon) -> None:
    service = SlowPlayer()
    async with pybus.aio.connect(daemon.address) as carol:
        await carol.register(PLAYER, service)
        task = asyncio.create_task(alice.call(PLAYER, "wait", "one"))
        await service.entered.wait()
    with pytest.raises(pybus.ServiceDied, match="ended before it answered"):
        await task
    with pytest.raises(pybus.NameHasNoOwner, match=f"nobody owns the name {PLAYER}"):
        await alice.call(PLAYER, "wait", "two")


async def test_a_service_can_call_back_into_itself(alice: pybus.aio.Bus) -> None:
    async def twice(word: str) -> str:
        answer: str = await alice.call(alice.name, "once", word)
        return answer + answer

    await alice.register(PLAYER, {"twice": twice, "once": lambda word: word})
    assert await alice.call(PLAYER, "twice", "a") == "aa"


async def test_a_call_without_reply_is_carried_out(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await bob.register(PLAYER, {"hear": heard.put_nowait})
    await alice.cast(PLAYER, "hear", "hello")
    assert await asyncio.wait_for(heard.get(), PATIENCE) == "hello"


# --- names ----------------------------------------------------------------------------------------


async def test_a_taken_name_is_refused_with_its_owners_program(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    await bob.register(PLAYER, Player())
    with pytest.raises(pybus.NameTaken) as caught:
        await alice.register(PLAYER, Player())
    assert caught.value.message.startswith(f"{PLAYER} is owned by ")
    assert caught.value.message.endswith(f"(pid {os.getpid()})")
    assert await alice.register(PLAYER, Player(), queue=True) == "queued"


async def test_the_name_passes_to_the_next_in_line_and_everybody_hears_of_it(
    alice: pybus.aio.Bus, bob: pybus.aio.Bus
) -> None:
    changes = await alice.subscribe(f"bus.name.{PLAYER}")
    await bob.register(PLAYER, {"who": lambda: "bob"})
    await alice.register(PLAYER, {"who": lambda: "alice"}, queue=True)
    assert await alice.call(PLAYER, "who") == "bob"
    await bob.unregister(PLAYER)
    assert await alice.call(PLAYER, "who") == "alice"
    bodies = [(await anext(changes)).body for _ in range(2)]
    assert bodies == [
        {"name": PLAYER, "old": None, "new": bob.name},
        {"name": PLAYER, "old": bob.name, "new": alice.name},
    ]


async def test_a_name_can_be_replaced_when_both_sides_allow_it(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    await bob.register(PLAYER, {"who": lambda: "bob"}, allow_replacement=True)
    assert await alice.register(PLAYER, {"who": lambda: "alice"}, replace=True) == "owner"
    assert await bob.call(PLAYER, "who") == "alice"


# --- what an outside reader found -----------------------------------------------------------------


async def test_a_name_can_be_registered_again_after_a_cancelled_try(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    task = asyncio.create_task(alice.register(PLAYER, Player()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await alice.flush()
    assert await bob.register(PLAYER, {"who": lambda: "bob"}) == "owner"
    await bob.unregister(PLAYER)
    assert await alice.register(PLAYER, {"who": lambda: "alice"}) == "owner"


async def test_the_caller_is_that_of_the_call_and_nobody_outside_of_one(
    alice: pybus.aio.Bus, bob: pybus.aio.Bus, daemon: BusDaemon
) -> None:
    service = SlowPlayer()

    async def who(wait: bool) -> list[str]:
        before = pybus.caller().name
        if wait:
            await service.wait("x")
        return [before, pybus.caller().name]

    await bob.register(PLAYER, {"who": who, "now": lambda: pybus.caller().name})
    async with pybus.aio.connect(daemon.address) as carol:
        slow = asyncio.create_task(alice.call(PLAYER, "who", True))
        await service.entered.wait()
        assert await carol.call(PLAYER, "who", False) == [carol.name, carol.name]
        assert await carol.call(PLAYER, "now") == carol.name
        service.gate.set()
        assert await slow == [alice.name, alice.name]
    with pytest.raises(pybus.UsageError, match="inside a method"):
        pybus.caller()


@pytest.mark.parametrize(
    ("error", "message"),
    [(ValueError("\udce4"), "ValueError: \\udce4"), (pybus.ServiceError("org.x.Y", "x" * 20_000_000), "x" * 4000)],
)
async def test_no_error_of_a_method_ends_its_service(
    alice: pybus.aio.Bus, bob: pybus.aio.Bus, error: Exception, message: str
) -> None:
    def fail() -> None:
        raise error

    await bob.register(PLAYER, {"fail": fail, "now": lambda word: word})
    with pytest.raises(pybus.CallError) as caught:
        await alice.call(PLAYER, "fail")
    assert caught.value.message.endswith(message)
    assert await alice.call(PLAYER, "now", "still here") == "still here"


async def test_defaults_that_can_not_be_sent_are_described_as_python_writes_them(
    alice: pybus.aio.Bus, bob: pybus.aio.Bus
) -> None:
    def odd(number: int = 2**70, text: str = "\udce4", things: list[object] = [object]) -> None:  # noqa: B006
        """Odd."""

    await bob.register(PLAYER, {"odd": odd})
    described = await alice.call(PLAYER, "introspect")
    defaults = [one["default"] for one in described["methods"][0]["parameters"]]
    assert defaults == ["1180591620717411303424", "'\\udce4'", "[<class 'object'>]"]


async def test_a_service_forgets_callers_that_have_gone(bob: pybus.aio.Bus, daemon: BusDaemon) -> None:
    await bob.register(PLAYER, {"now": lambda word: word})
    for _ in range(5):
        async with pybus.aio.connect(daemon.address) as guest:
            await guest.call(PLAYER, "now", "hello")
    await bob.flush()
    assert bob._core.services._callers == {}


class Film:
    """Tells that it begins, and answers in the same breath."""

    def __init__(self, bus: pybus.aio.Bus) -> None:
        self.bus = bus

    async def begin(self) -> str:
        await self.bus.publish("film.begins")
        return "over"


async def test_a_signal_before_the_answer_is_heard_before_it(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    await bob.register(PLAYER, Film(bob))
    heard: list[str] = []

    async def listen(signals: pybus.aio.Subscription) -> None:
        async for signal in signals:
            heard.append(signal.topic)

    async with alice.subscribe("film.#") as signals:
        listening = asyncio.create_task(listen(signals))
        await asyncio.sleep(0)
        heard.append(await alice.call(PLAYER, "begin"))
    await listening
    assert heard == ["film.begins", "over"]


LEAVING = """\
import asyncio, sys, pybus

def leave(signal):
    sys.exit(3)

async def main():
    async with pybus.aio.connect(program="alice") as alice:
        await alice.on("film.#", leave)
        await alice.call("org.example.Player", "begin")

asyncio.run(main())
"""


async def test_a_handler_may_end_the_program_while_an_answer_is_there(
    bob: pybus.aio.Bus, bus_env: dict[str, str]
) -> None:
    await bob.register(PLAYER, Film(bob))
    alice = await asyncio.create_subprocess_exec(sys.executable, "-c", LEAVING, env=bus_env)
    try:
        assert await asyncio.wait_for(alice.wait(), PATIENCE) == 3
    finally:
        if alice.returncode is None:
            alice.kill()
            await alice.wait()


async def test_what_a_handler_raises_takes_no_answer_away(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    await bob.register(PLAYER, Film(bob))
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    given_up = asyncio.CancelledError("by the handler")

    def give_up(_: object) -> None:
        raise given_up

    await alice.on("film.#", give_up)
    assert await asyncio.wait_for(alice.call(PLAYER, "begin"), PATIENCE) == "over"
    assert told == [given_up]


async def test_a_short_deadline_is_kept_beside_a_long_one(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    player = SlowPlayer()
    await bob.register(PLAYER, player)
    patient = asyncio.create_task(alice.call(PLAYER, "wait", "film.mkv"))
    await player.entered.wait()
    with pytest.raises(pybus.DeadlinePassed):
        await alice.proxy(PLAYER, timeout=0.1).wait("music.ogg")
    player.gate.set()
    assert await patient == "film.mkv"


async def test_another_service_of_the_same_name_has_its_own_methods(alice: pybus.aio.Bus, bob: pybus.aio.Bus) -> None:
    await bob.register(PLAYER, {"now": lambda: "the first"})
    assert await alice.call(PLAYER, "now") == "the first"
    await bob.unregister(PLAYER)
    await bob.register(PLAYER, {"now": lambda: "the second"})
    assert await alice.call(PLAYER, "now") == "the second"
