"""The people of the hal scenes: the service, a listener, a bed of devices, each a process of its own."""

import asyncio
import contextlib
import ctypes.util
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from .mockbed import PRELOAD

PATIENCE = 20.0
"""Seconds that anything may take before the test fails. A bound: nothing waits for it to pass."""

_LISTENER = """
import json, pybus
with pybus.connect() as bus:
    signals = bus.subscribe("hal.#")
    bus.call("org.pybus.Bus", "ping")
    print(json.dumps("ready"), flush=True)
    for one in signals:
        print(json.dumps([one.topic, one.body, one.retained, one.cleared]), flush=True)
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="making kernel events needs root")
needs_umockdev = pytest.mark.skipif(ctypes.util.find_library("umockdev") is None, reason="umockdev is not installed")


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip where one of the programs is missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


_ENLARGE = 'echo 1000 > /proc/sys/net/unix/max_dgram_qlen && exec "$@"'
ROOMY = ("unshare", "--net", "sh", "-c", _ENLARGE, "sh") if os.geteuid() == 0 else ()
"""A command that runs another one in a network namespace where more than ten events of a bed may wait to be read.

A bed's events go through a socket of another kind than the kernel's, and are lost when that is full.
"""


class Program:
    """A process whose lines are waited for. Standard error comes among its lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        """Its next line; the test fails if it ends instead."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self.process.stdout.readline()
        assert line, f"the program ended with {await self.process.wait()}"
        return line.decode().rstrip("\n")

    async def rest(self) -> list[str]:
        """Its remaining lines, when it has ended."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            return (await self.process.stdout.read()).decode().splitlines()

    async def end(self, signal: int) -> int:
        """Send it a signal; returns its exit code."""
        self.process.send_signal(signal)
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


class Listener(Program):
    """Hears `hal.#`: each signal is [topic, body, retained, cleared]."""

    async def hear(self, *topics: str, about: Mapping[str, str] | None = None) -> list[Any]:
        """The next signal to one of the topics whose body holds `about`; others are passed over."""
        while True:
            signal = json.loads(await self.line())
            if signal[0] in topics and (about is None or about.items() <= signal[1].items()):
                return list(signal)


class Relay:
    """A way to a daemon that can be cut: a program on it loses its connection, while the daemon lives on."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self, path: Path) -> asyncio.Server:
        """Listen at the path."""
        return await asyncio.start_unix_server(self._connected, path)

    def cut(self) -> None:
        """End all connections; new ones are taken."""
        while self._writers:
            self._writers.pop().close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._target)
        self._writers += [writer, far_writer]
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Bed:
    """A running bed of simulated devices. environment: for programs that are to see it."""

    def __init__(self, program: Program, folder: str) -> None:
        self._program = program
        self.environment = {"LD_PRELOAD": PRELOAD, "UMOCKDEV_DIR": folder}

    async def do(self, method: str, *arguments: object) -> Any:
        """Call a method of `mockbed.Bed`."""
        stdin = self._program.process.stdin
        assert stdin is not None
        stdin.write(json.dumps([method, *arguments]).encode() + b"\n")
        return json.loads(await self._program.line())

    async def close(self) -> None:
        """End it, so that it removes its folder."""
        async with asyncio.timeout(PATIENCE):
            await self._program.process.communicate(b"")  # closes its input


class Scene:
    """Starts programs on one bus. They are gone when it ends."""

    def __init__(self, stack: AsyncExitStack, environment: Mapping[str, str]) -> None:
        self._stack = stack
        self._environment = environment

    async def start(self, *command: str, environment: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
        """Any program, its standard streams piped."""
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**self._environment, **(environment or {})},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._stack.push_async_callback(_end, process)
        return process

    async def service(
        self, *options: str, under: tuple[str, ...] = (), bed: Bed | None = None, address: str | None = None
    ) -> Program:
        """The hal service, once it serves. under: a command that runs it. bed: whose devices it sees.

        address: of another way to the bus than the scene's own.
        """
        command = (*(under or (ROOMY if bed else ())), sys.executable, "-m", "pybus_services.hal", *options)
        environment = {**(bed.environment if bed else {}), **({"PYBUS_ADDRESS": address} if address else {})}
        program = Program(await self.start(*command, environment=environment))
        assert await program.line() == "pybus-hal: serving"
        return program

    async def listener(self) -> Listener:
        """A listener that has subscribed. Retained values are its first lines."""
        listener = Listener(await self.start(sys.executable, "-c", _LISTENER))
        assert json.loads(await listener.line()) == "ready"
        return listener

    async def bed(self) -> Bed:
        """A bed without devices."""
        aid = str(Path(__file__).with_name("mockbed.py"))
        program = Program(await self.start(sys.executable, aid, environment={"LD_PRELOAD": PRELOAD}))
        bed = Bed(program, json.loads(await program.line()))
        self._stack.push_async_callback(bed.close)
        return bed


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


@asynccontextmanager
async def scene(environment: Mapping[str, str]) -> AsyncIterator[Scene]:
    """A scene on the bus that the environment names."""
    async with AsyncExitStack() as stack:
        yield Scene(stack, environment)
