"""Programs that trigger each other without end are cut, hear of it, and live on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

import pybus
from pybus.errors import LoopCut
from tests.daemon import PATIENCE, BusDaemon

BUS = "org.pybus.Bus"
SIGNALS = """\
import sys, pybus
from pybus.errors import LoopCut
hears, says = sys.argv[1:]
with pybus.connect() as bus:
    def handle(signal):
        try:
            bus.publish(says, confirm=True)
        except LoopCut as error:
            print(error, flush=True)
    bus.on(hears, handle)
    print("ready", flush=True)
    bus.run()
"""
SIGNALS_AIO = """\
import asyncio, sys, pybus
from pybus.errors import LoopCut
hears, says = sys.argv[1:]
async def main():
    async with pybus.aio.connect() as bus:
        async def handle(signal):
            try:
                await bus.publish(says)
                await bus.flush()
            except LoopCut as error:
                print(error, flush=True)
        await bus.on(hears, handle)
        print("ready", flush=True)
        await bus.run()
asyncio.run(main())
"""
CALLS = """\
import asyncio, sys, pybus
from pybus.errors import LoopCut
own, other = sys.argv[1:]
async def main():
    async with pybus.aio.connect() as bus:
        async def play():
            await asyncio.sleep(0)
            try:
                await bus.call(other, "play")
            except LoopCut as error:
                print(error, flush=True)
                raise
        await bus.register(own, {"play": play, "live": lambda: True})
        print("ready", flush=True)
        await bus.run()
asyncio.run(main())
"""
CASTS = """\
import sys, pybus
own, other = sys.argv[1:]
with pybus.connect() as bus:
    bus.register(own, {"play": lambda: bus.cast(other, "play"), "live": lambda: True})
    print("ready", flush=True)
    bus.run()
"""


@contextmanager
def program(daemon: BusDaemon, script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A program that is ready."""
    command = [sys.executable, "-c", script, *arguments]
    with subprocess.Popen(command, env=daemon.environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def words(process: subprocess.Popen[str]) -> str:
    """The next line that a program writes."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def link(alice: pybus.Bus, process: subprocess.Popen[str], key: str) -> str:
    """How the bus names what a program sent."""
    (shown,) = {one["program"] for one in alice.call(BUS, "peers") if one["pid"] == process.pid}
    return f"{shown} (pid {process.pid}): {key}"


@pytest.mark.parametrize("script", [SIGNALS, SIGNALS_AIO], ids=["blocking", "asyncio"])
def test_programs_that_trigger_each_other_by_signals_are_cut_and_live_on(daemon: BusDaemon, script: str) -> None:
    with ExitStack() as stack:
        alice = stack.enter_context(pybus.connect(daemon.address))
        on = stack.enter_context(program(daemon, script, "lamp.off", "lamp.on"))
        off = stack.enter_context(program(daemon, script, "lamp.on", "lamp.off"))
        loops = alice.subscribe("bus.loop")
        signals = alice.subscribe("lamp.#")
        chain = [link(alice, off, "lamp.off"), link(alice, on, "lamp.on")]
        message = f"a chain of 33 messages that cause each other was cut: {chain[0]} -> {chain[1]}"
        for told in ([{"chain": chain, "depth": 33}], []):  # the same again is no news
            alice.publish("lamp.on")
            assert words(off) == f"{message} (org.pybus.Error.LoopCut)"
            alice.flush()
            assert [one.depth for one in iter(lambda: signals.receive(0), None)] == list(range(33))
            assert [one.body for one in iter(lambda: loops.receive(0), None)] == told
        assert alice.call(BUS, "stats")["loops"] == 2
        assert [one.poll() for one in (on, off)] == [None, None]
    daemon.wait_for_log("loop")
    (line,) = [one for one in daemon.log if "loop" in one]
    assert line.endswith(f" warning: a loop was cut at 33 messages: {chain[0]} -> {chain[1]}")


@pytest.mark.parametrize("script", [CALLS, CASTS], ids=["call", "cast"])
def test_programs_that_trigger_each_other_by_calls_are_cut_and_live_on(daemon: BusDaemon, script: str) -> None:
    red, blue = "org.example.Red", "org.example.Blue"
    with ExitStack() as stack:
        alice = stack.enter_context(pybus.connect(daemon.address))
        first = stack.enter_context(program(daemon, script, red, blue))
        other = stack.enter_context(program(daemon, script, blue, red))
        loops = alice.subscribe("bus.loop")
        chain = [link(alice, first, f"{blue} play"), link(alice, other, f"{red} play")]
        message = f"a chain of 33 messages that cause each other was cut: {chain[0]} -> {chain[1]}"
        if script == CALLS:
            with pytest.raises(LoopCut) as caught:
                alice.call(red, "play")
            assert str(caught.value) == f"{message} (org.pybus.Error.LoopCut)"
            assert [words(first) for _ in range(17)] == [str(caught.value)] * 17  # each call on the way back
            assert [words(other) for _ in range(16)] == [str(caught.value)] * 16
        else:
            alice.cast(red, "play")
        loop = loops.receive(PATIENCE)
        assert loop is not None
        assert loop.body == {"chain": chain, "depth": 33}
        assert [alice.call(one, "live") for one in (red, blue)] == [True, True]
        assert alice.call(BUS, "stats")["loops"] == 1
    daemon.wait_for_log("loop")
    (line,) = [one for one in daemon.log if "loop" in one]
    assert line.endswith(f" warning: a loop was cut at 33 messages: {chain[0]} -> {chain[1]}")
