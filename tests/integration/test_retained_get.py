"""`get` of a value that a service has: it starts the service, real processes all."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator

import pytest

import pybus
from tests.cli.programs import run
from tests.daemon import PATIENCE, BusDaemon

from .service_scene import CRASHES, HANGS, NAME, PLAYER, Scene, running, starting, toml

TOPIC = "media.player.state"

LISTENED_TO = """\
import os, pybus
name = os.environ["PYBUS_SERVICE"]
with pybus.connect(program="service") as bus:
    tell = lambda count: bus.publish("news.listeners", count)
    bus.on(f"bus.listeners.{name}", lambda signal: tell(signal.body["listeners"]))
    bus.subscribe("media.own")
    bus.register(name, {})
    tell(bus.call("org.pybus.Bus", "service", name)["listeners"])
    bus.run()
"""
"""Tells how many listen to it, when it has started and whenever that is told."""

ASKS_ITSELF = """\
import os, pybus
with pybus.connect(program="service") as bus:
    try:
        found = bus.get("media.player.state")
    except pybus.NoSuchValue:
        found = "nothing before"
    bus.publish("media.player.state", found, retain=True)
    bus.register(os.environ["PYBUS_SERVICE"], {})
    bus.run()
"""


@pytest.fixture
def scene(daemon: BusDaemon) -> Iterator[Scene]:
    with Scene(daemon) as made:
        yield made


def test_a_value_is_got_from_a_service_that_did_not_run(scene: Scene) -> None:
    scene.offer(PLAYER, topics=["media.#"])
    assert scene.alice.get(TOPIC) == "playing"
    assert scene.news("running") == [starting(1, f"alice asked for {TOPIC}"), running(1, ":2")]
    assert scene.alice.get(TOPIC) == "playing"
    with pytest.raises(pybus.NoSuchValue, match="no value is retained under media.volume"):
        scene.alice.get("media.volume")
    assert scene.ask("service", NAME)["starts"] == 1


async def test_asyncio_gets_it_too(daemon: BusDaemon) -> None:
    with Scene(daemon) as scene:
        scene.offer(PLAYER, topics=["media.#"])
        async with pybus.aio.connect(daemon.address) as bob:
            assert await bob.get(TOPIC) == "playing"


def test_the_command_does_it_and_says_what_went_wrong(scene: Scene, daemon: BusDaemon) -> None:
    daemon.offer("org.example.Crash", toml(exec=["{python}", "-c", CRASHES], topics=["crash.#"]))
    daemon.offer("org.example.Hang", toml(exec=HANGS, topics=["hang"], start_timeout=1))
    scene.offer(PLAYER, topics=["media.#"])
    assert run(daemon, "pybus", "get", TOPIC) == (0, "playing\n", "")
    assert run(daemon, "pybus", "get", "media.volume") == (
        3,
        "",
        "pybus get: no value is retained under media.volume\n",
    )
    code, out, err = run(daemon, "pybus", "get", "crash.x")
    assert (code, out) == (1, "")
    assert err.startswith("pybus get: org.example.Crash exited with status 3 after ")
    assert err.endswith(" before it claimed its name; its last words: no disk | no hope (StartFailed)\n")
    message = "org.example.Hang did not claim its name in 1 s; its last words: thinking"
    assert run(daemon, "pybus", "get", "hang") == (1, "", f"pybus get: {message} (StartFailed)\n")


def test_one_behind_a_wrapper_that_asks_for_its_own_topic_does_not_wait_for_itself(scene: Scene) -> None:
    scene.offer(["sh", "-c", f"{shlex.quote(sys.executable)} -c {shlex.quote(ASKS_ITSELF)}; true"], topics=["media.#"])
    assert scene.alice.get(TOPIC) == "nothing before"


def test_a_service_knows_whether_somebody_listens(scene: Scene, daemon: BusDaemon) -> None:
    scene.offer(LISTENED_TO, topics=["media.#"])
    told = scene.alice.subscribe("news.listeners")

    def next_told() -> object:
        heard = told.receive(PATIENCE)
        return heard.body if heard is not None else None

    with pybus.connect(daemon.address) as bob:
        signals = bob.subscribe("media.#")
        assert next_told() == 1
        more = bob.subscribe("media.film")
        signals.close()
        more.close()
        assert next_told() == 0
        bob.subscribe("media.song")
        assert next_told() == 1
    assert next_told() == 0
    scene.alice.flush()
    assert told.receive(0) is None
    assert [line for line in daemon.log if "listeners" in line] == []
