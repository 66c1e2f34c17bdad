"""org.pybus.Screensaver: who inhibits, how that ends, and what the desktop's own service is asked for."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import pybus
from pybus_services.screensaver.desktop import Desktop
from tests.daemon import PATIENCE, BusDaemon

from .hal_scene import Program, Scene
from .private_dbus import PrivateDBus, needs_dbus
from .screensaver_scene import MANAGER, SCREENSAVER, Desktops, offer_the_service

pytestmark = needs_dbus

NAME = "org.pybus.Screensaver"
TOPIC = "desktop.screensaver"
NOBODY = f"nobody on the session bus of D-Bus keeps a screensaver off: {SCREENSAVER} and {MANAGER} are not there"

ASK = f"""\
import signal, sys, pybus
bus = pybus.connect(program="bob")
sys.stdin.readline()
bus.call("{NAME}", "inhibit", "bob's film")
print("inhibited", flush=True)
signal.pause()
"""
"""Bob, who asks when he is told, and then only is there."""


@pytest.fixture
def daemon(session_bus: PrivateDBus) -> Iterator[BusDaemon]:
    """A bus that offers the shipped service."""
    with BusDaemon() as running:
        offer_the_service(running)
        yield running


@pytest.fixture
async def desktop(people: Scene, session_bus: PrivateDBus) -> Desktops:
    return Desktops(people, session_bus)


@pytest.fixture
async def news(alice: pybus.aio.Bus) -> pybus.aio.Subscription:
    """What alice hears of the screensaver. It is not inhibited at first."""
    heard = await alice.subscribe(TOPIC)
    assert await _next(heard) == "allowed"
    return heard


async def _next(news: pybus.aio.Subscription) -> Any:
    signal = await news.receive(PATIENCE)
    assert signal is not None, "nothing was told"
    return signal.body


async def _refusal(bus: pybus.aio.Bus, method: str, *args: object) -> tuple[str, str]:
    with pytest.raises(pybus.CallError) as refused:
        await bus.call(NAME, method, *args)
    return refused.value.name, refused.value.message


async def _inhibitions(alice: pybus.aio.Bus) -> list[tuple[str, str, str | None]]:
    """Program, reason and by whom it is held."""
    state = await alice.call(NAME, "state")
    return [(one["program"].partition(" ")[0], one["reason"], one["by"]) for one in state["inhibitions"]]


# --- what it is for -------------------------------------------------------------------------------


async def test_an_inhibition_and_its_release(
    alice: pybus.aio.Bus, desktop: Desktops, news: pybus.aio.Subscription
) -> None:
    keeper = await desktop.keeper()
    cookie = await alice.call(NAME, "inhibit", "a film")
    who = (await alice.call("org.pybus.Bus", "peer", alice.name))["program"]
    assert await keeper.heard() == [1, "Inhibit", [who, "a film"]]
    assert await alice.get(TOPIC) == await _next(news) == "inhibited"
    state = await alice.call(NAME, "state")
    assert timedelta() <= datetime.now(UTC) - state["inhibitions"][0].pop("since") < timedelta(seconds=PATIENCE)
    inhibition = {"cookie": cookie, "reason": "a film", "name": alice.name, "program": who, "pid": os.getpid()}
    assert state == {"state": "inhibited", "inhibitions": [{**inhibition, "by": SCREENSAVER}]}
    assert await alice.call(NAME, "release", cookie) is None
    assert await keeper.heard() == [1, "UnInhibit", [1]]
    assert await _next(news) == "allowed"
    assert await alice.call(NAME, "state") == {"state": "allowed", "inhibitions": []}


async def test_each_inhibition_is_one_of_its_own_over_one_connection(
    alice: pybus.aio.Bus, desktop: Desktops, daemon: BusDaemon, news: pybus.aio.Subscription
) -> None:
    keeper = await desktop.keeper()
    async with pybus.aio.connect(daemon.address, program="carol") as carol:
        first = await alice.call(NAME, "inhibit", "a film")
        second = await carol.call(NAME, "inhibit", "a talk")
        heard = [await keeper.heard() for _ in range(2)]
        assert [(who, what, said[1]) for who, what, said in heard] == [
            (1, "Inhibit", "a film"),
            (1, "Inhibit", "a talk"),
        ]
        assert first != second
        await alice.call(NAME, "release", first)
        assert await keeper.heard() == [1, "UnInhibit", [1]]
        assert await _inhibitions(alice) == [("carol", "a talk", SCREENSAVER)]
        await carol.call(NAME, "release", second)
    assert await keeper.heard() == [1, "UnInhibit", [2]]
    assert [await _next(news), await _next(news)] == ["inhibited", "allowed"]


async def test_where_there_is_no_screensaver_service_the_sessions_manager_is_asked(
    alice: pybus.aio.Bus, desktop: Desktops
) -> None:
    keeper = await desktop.keeper(MANAGER)
    cookie = await alice.call(NAME, "inhibit", "a film")
    who, what, said = await keeper.heard()
    assert (who, what, said[1:]) == (1, "Inhibit", [0, "a film", 8])
    await alice.call(NAME, "release", cookie)
    assert await keeper.heard() == [1, "Uninhibit", [1]]


async def test_it_tells_what_it_can(alice: pybus.aio.Bus) -> None:
    described = await alice.call(NAME, "introspect")
    shown = {one["name"]: [entry["name"] for entry in one["parameters"]] for one in described["methods"]}
    assert shown == {"inhibit": ["reason"], "release": ["cookie"], "state": []}
    assert all(one["doc"] for one in described["methods"])


# --- what is refused ------------------------------------------------------------------------------


async def test_without_a_session_bus_the_caller_is_told(
    alice: pybus.aio.Bus, session_bus: PrivateDBus, news: pybus.aio.Subscription
) -> None:
    session_bus.kill()
    path = session_bus.address.removeprefix("unix:path=")
    assert await _refusal(alice, "inhibit", "a film") == (
        "org.pybus.Screensaver.Error.NoScreensaver",
        f"the session bus of D-Bus: {path}: No such file or directory",
    )
    assert await alice.call(NAME, "state") == {"state": "allowed", "inhibitions": []}


async def test_where_nobody_keeps_a_screensaver_off_the_caller_is_told(alice: pybus.aio.Bus, desktop: Desktops) -> None:
    refusal = ("org.pybus.Screensaver.Error.NoScreensaver", NOBODY)
    assert await _refusal(alice, "inhibit", "a film") == refusal
    keeper = await desktop.keeper()
    await alice.call(NAME, "inhibit", "a film")
    assert (await keeper.heard())[1] == "Inhibit"


async def test_a_refusal_on_dbus_keeps_its_name_if_nobody_else_takes_the_wish(
    alice: pybus.aio.Bus, desktop: Desktops
) -> None:
    await desktop.keeper(manner="no")
    refused = (f"{SCREENSAVER}.Error.Never", f"{SCREENSAVER} refused: it may not be inhibited")
    assert await _refusal(alice, "inhibit", "a film") == refused
    await desktop.keeper(MANAGER)
    await alice.call(NAME, "inhibit", "a film")
    assert [by for _, _, by in await _inhibitions(alice)] == [MANAGER]


async def test_reasons_that_are_none(alice: pybus.aio.Bus, desktop: Desktops) -> None:
    await desktop.keeper()
    refusals = [await _refusal(alice, "inhibit", reason) for reason in ("", "  ", "long " * 101, "a\0b")]
    assert {name for name, _ in refusals} == {"org.pybus.Error.InvalidArguments"}
    assert [message for _, message in refusals] == [
        "an inhibition needs a reason: a text for whoever wonders why",
        "an inhibition needs a reason: a text for whoever wonders why",
        "a reason of 505 characters is too long: 500 are allowed",
        "argument 2 has a character that no text of D-Bus can have: NUL or a lone surrogate",
    ]
    assert await _inhibitions(alice) == []


async def test_cookies_that_are_not_the_callers(alice: pybus.aio.Bus, desktop: Desktops, daemon: BusDaemon) -> None:
    keeper = await desktop.keeper()
    cookie = await alice.call(NAME, "inhibit", "a film")
    unknown = "org.pybus.Screensaver.Error.NoSuchInhibition"
    async with pybus.aio.connect(daemon.address, program="carol") as carol:
        assert await _refusal(carol, "release", cookie) == (unknown, f"you have no inhibition with the cookie {cookie}")
    assert await _refusal(alice, "release", 0) == (unknown, "you have no inhibition with the cookie 0")
    await alice.call(NAME, "release", cookie)
    assert await _refusal(alice, "release", cookie) == (unknown, f"you have no inhibition with the cookie {cookie}")
    assert [(await keeper.heard())[1] for _ in range(2)] == ["Inhibit", "UnInhibit"]


async def test_nobody_has_more_than_a_hundred(alice: pybus.aio.Bus, desktop: Desktops) -> None:
    await desktop.keeper()
    cookies = await asyncio.gather(*(alice.call(NAME, "inhibit", f"film {number}") for number in range(100)))
    assert len(set(cookies)) == 100
    assert await _refusal(alice, "inhibit", "one more") == (
        "org.pybus.Error.LimitExceeded",
        "you have 100 inhibitions, the limit; release some",
    )
    await alice.call(NAME, "release", cookies[0])
    await alice.call(NAME, "inhibit", "one more")


# --- callers that go ------------------------------------------------------------------------------


async def test_an_inhibition_ends_with_its_callers_goodbye(
    desktop: Desktops, daemon: BusDaemon, news: pybus.aio.Subscription
) -> None:
    keeper = await desktop.keeper()
    async with pybus.aio.connect(daemon.address, program="carol") as carol:
        await carol.call(NAME, "inhibit", "a film")
    assert [(await keeper.heard())[1] for _ in range(2)] == ["Inhibit", "UnInhibit"]
    assert [await _next(news), await _next(news)] == ["inhibited", "allowed"]


async def test_an_inhibition_ends_when_its_caller_is_killed(
    people: Scene, desktop: Desktops, news: pybus.aio.Subscription
) -> None:
    keeper = await desktop.keeper()
    bob = await _bob(people)
    assert await bob.line() == "inhibited"
    assert (await keeper.heard())[2][1] == "bob's film"
    await bob.end(signal.SIGKILL)
    assert await keeper.heard() == [1, "UnInhibit", [1]]
    assert [await _next(news), await _next(news)] == ["inhibited", "allowed"]


async def _bob(people: Scene) -> Program:
    """Bob, who has been told to ask."""
    bob = Program(await people.start(sys.executable, "-c", ASK))
    assert bob.process.stdin is not None
    bob.process.stdin.write(b"\n")
    return bob


async def test_a_caller_that_is_killed_while_its_inhibition_is_carried_out(
    people: Scene, desktop: Desktops, alice: pybus.aio.Bus
) -> None:
    keeper = await desktop.keeper(manner="when told")
    gone = await alice.subscribe("bus.peer.gone")
    bob = await _bob(people)
    assert (await keeper.heard())[1] == "Inhibit"
    await bob.end(signal.SIGKILL)
    assert (await _next(gone))["program"].startswith("bob")
    assert await _inhibitions(alice) == []
    keeper.answer()
    assert await keeper.heard() == [1, "UnInhibit", [1]]


async def test_a_caller_that_has_gone_before_the_service_could_start(
    desktop: Desktops, daemon: BusDaemon, alice: pybus.aio.Bus
) -> None:
    keeper = await desktop.keeper()
    told = await alice.subscribe("bus.peer.gone", f"bus.service.{NAME}")
    async with pybus.aio.connect(daemon.address, program="carol") as carol:
        await carol.cast(NAME, "inhibit", "a film")  # a call would be forgotten with its caller
    events = [await _next(told) for _ in range(3)]
    *before, last = [one.get("event") or one["how"] for one in events]
    assert (sorted(before), last) == (["goodbye", "starting"], "running")
    assert await _inhibitions(alice) == []
    await alice.call(NAME, "inhibit", "another film")
    assert (await keeper.heard())[2][1] == "another film"


async def test_an_end_that_was_not_heard_is_found_out(
    people: Scene, desktop: Desktops, session_bus: PrivateDBus
) -> None:
    """The service does not read for a while, so that its news are dropped."""
    keeper = await desktop.keeper()
    with BusDaemon(limits={"outbox": 65536}) as daemon:
        offer_the_service(daemon)
        async with pybus.aio.connect(daemon.address, program="alice") as alice:
            gone = await alice.subscribe("bus.peer.gone")
            async with pybus.aio.connect(daemon.address, program="carol") as carol:
                await carol.call(NAME, "inhibit", "a film")
                assert (await keeper.heard())[1] == "Inhibit"
                service = (await alice.call("org.pybus.Bus", "peer", NAME))["pid"]
                os.kill(service, signal.SIGSTOP)
                for _ in range(60):
                    await alice.cast(NAME, "release", 0, padding=bytes(60000))
                await alice.flush()
            assert (await _next(gone))["name"] == carol.name
            os.kill(service, signal.SIGCONT)
            assert await keeper.heard() == [1, "UnInhibit", [1]]
            daemon.wait_for_log("signals were missed: {'bus.peer.gone': 1}")


# --- others that go -------------------------------------------------------------------------------


async def test_who_restarts_on_dbus_is_asked_again(
    alice: pybus.aio.Bus, desktop: Desktops, news: pybus.aio.Subscription
) -> None:
    keeper = await desktop.keeper()
    await alice.call(NAME, "inhibit", "a film")
    asked = await keeper.heard()
    await keeper.end(signal.SIGKILL)
    assert [await _next(news), await _next(news)] == ["inhibited", "allowed"]
    assert [by for _, _, by in await _inhibitions(alice)] == [None]
    keeper = await desktop.keeper()
    assert await keeper.heard() == asked
    assert await _next(news) == "inhibited"


async def test_who_comes_later_and_is_asked_first_takes_it_over(alice: pybus.aio.Bus, desktop: Desktops) -> None:
    manager = await desktop.keeper(MANAGER)
    await alice.call(NAME, "inhibit", "a film")
    assert (await manager.heard())[1] == "Inhibit"
    screensaver = await desktop.keeper()
    assert (await screensaver.heard())[1] == "Inhibit"
    assert await manager.heard() == [1, "Uninhibit", [1]]
    await screensaver.end(signal.SIGKILL)
    assert (await manager.heard())[1] == "Inhibit"
    await alice.call(NAME, "inhibit", "another film")
    assert [by for _, _, by in await _inhibitions(alice)] == [MANAGER, MANAGER]


async def test_a_session_bus_that_restarts(
    alice: pybus.aio.Bus, desktop: Desktops, session_bus: PrivateDBus, news: pybus.aio.Subscription
) -> None:
    keeper = await desktop.keeper()
    await alice.call(NAME, "inhibit", "a film")
    asked = await keeper.heard()
    session_bus.kill()
    assert [await _next(news), await _next(news)] == ["inhibited", "allowed"]
    session_bus.restart()
    keeper = await desktop.keeper()
    assert await keeper.heard() == asked
    assert await _next(news) == "inhibited"


async def test_when_the_service_is_killed_nothing_is_held_and_the_next_one_serves(
    alice: pybus.aio.Bus, desktop: Desktops, news: pybus.aio.Subscription
) -> None:
    keeper = await desktop.keeper()
    await alice.call(NAME, "inhibit", "a film")
    os.kill((await alice.call("org.pybus.Bus", "peer", NAME))["pid"], signal.SIGKILL)
    assert [(await keeper.heard())[1] for _ in range(2)] == ["Inhibit", "left"]
    assert [await _next(news) for _ in range(3)] == ["inhibited", None, "allowed"]
    await alice.call(NAME, "inhibit", "the film goes on")
    assert (await keeper.heard())[2][1] == "the film goes on"


async def test_when_the_bus_restarts_under_a_service_all_inhibitions_end(
    desktop: Desktops, daemon: BusDaemon, alice: pybus.aio.Bus
) -> None:
    """The service was started by hand, so it lives on, and comes back as alice does. The bus starts no other."""
    daemon.configure(f'[services]\ndisabled = ["{NAME}"]\n')
    daemon.reload()
    keeper = await desktop.keeper()
    async with _by_hand(daemon.environ):
        await alice.call(NAME, "inhibit", "a film")
        daemon.kill()
        assert [(await keeper.heard())[:2] for _ in range(2)] == [[1, "Inhibit"], [1, "UnInhibit"]]
        daemon.restart()
        async with asyncio.timeout(PATIENCE):
            while not await _serves(alice):
                pass
        await alice.call(NAME, "inhibit", "the film goes on")
        who, what, said = await keeper.heard()
        assert (who, what, said[1]) == (1, "Inhibit", "the film goes on")


async def _serves(alice: pybus.aio.Bus) -> bool:
    """Whether the service has its name."""
    return NAME in [one["name"] for one in await alice.call("org.pybus.Bus", "names")]


# --- the desktop alone ----------------------------------------------------------------------------


async def test_a_keeper_that_does_not_answer_can_hold_nothing(desktop: Desktops) -> None:
    """Nobody knows what became of the call, so the connection is ended, and with it whatever was granted."""
    keeper = await desktop.keeper(manner="when told")
    tried = Desktop(lambda: None, answer=0.2)
    running = asyncio.create_task(tried.run())
    with pytest.raises(pybus.ServiceError, match="no answer from :1.* in 0.2 s"):
        await tried.hold(1, "alice", "a film")
    assert [(await keeper.heard())[1] for _ in range(2)] == ["Inhibit", "left"]
    assert tried.keepers == {}
    running.cancel()
    await asyncio.wait([running])


async def test_whoever_gives_up_waiting_has_no_wish_any_more(desktop: Desktops) -> None:
    keeper = await desktop.keeper(manner="when told")
    tried = Desktop(lambda: None)
    running = asyncio.create_task(tried.run())
    holding = asyncio.create_task(tried.hold(1, "alice", "a film"))
    assert (await keeper.heard())[1] == "Inhibit"
    holding.cancel()
    await asyncio.wait([holding])
    keeper.answer()
    assert await keeper.heard() == [1, "UnInhibit", [1]]
    running.cancel()
    await asyncio.wait([running])
    assert await keeper.heard() == [1, "left", []]


# --- the program ----------------------------------------------------------------------------------


@asynccontextmanager
async def _by_hand(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """The service by hand, once it serves."""
    command = (sys.executable, "-W", "error", "-m", "pybus_services.screensaver")
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        assert await process.stderr.readline() == b"pybus-screensaver: serving\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pybus_services.screensaver"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)


async def test_it_ends_when_told_to(daemon: BusDaemon, alice: pybus.aio.Bus, desktop: Desktops) -> None:
    keeper = await desktop.keeper()
    async with _by_hand(daemon.environ) as process:
        await alice.call(NAME, "inhibit", "a film")
        process.send_signal(signal.SIGTERM)
        assert (await process.communicate())[1] == b""
        assert process.returncode == 0
    assert [(await keeper.heard())[1] for _ in range(2)] == ["Inhibit", "left"]


async def test_a_second_one_does_not_start(daemon: BusDaemon, alice: pybus.aio.Bus) -> None:
    async with _by_hand(daemon.environ):
        second = await asyncio.to_thread(_run, daemon.environ)
        assert await alice.get(TOPIC) == "allowed"
    assert second.returncode == 5
    assert second.stderr.startswith("pybus-screensaver: org.pybus.Screensaver is owned by pybus-screensaver ")


def test_without_dbus_next_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['dbus_next'] = None\n")
    done = _run({**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '.')}"})
    text = "pybus-screensaver: dbus-next is not installed; install it with: pip install 'pybus[services]'\n"
    assert (done.returncode, done.stderr) == (3, text)
