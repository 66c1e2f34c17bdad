"""The shell of a service: options, one connection, signals, messages and exit codes."""

import argparse
import asyncio
import contextlib
import importlib.util
import logging
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import pybus

from .messages import Message

T = TypeVar("T")

FAREWELL = 1.0
"""Seconds that the bus gets to take the goodbye. One that hangs must not hold up a shutdown."""

FAILED, NOT_INSTALLED, NO_BUS, NAME_TAKEN = 1, 3, 4, 5

_EPILOG = """exit codes:
  0  ended by SIGTERM or SIGINT
  1  failed (--debug shows where)
  2  wrong options
  3  {needed} is not installed
  4  no bus there, or it refused this program
  5  another such service serves this bus

{more}
The bus is found by $PYBUS_ADDRESS, else at its usual place."""

_log = logging.getLogger("pybus.services")


def parser(package: str, description: str, needed: str, more: str) -> argparse.ArgumentParser:
    """The options that each service has. needed: the library without which it can't run. more: lines for the help."""
    made = argparse.ArgumentParser(
        prog=f"python -m {package}",
        description=description,
        epilog=_EPILOG.format(needed=needed, more=more),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--debug", action="store_true", help="show where an error comes from")
    return made


def run(
    program: str, prepare: Callable[[], T], serve: Callable[[pybus.aio.Bus, T], Awaitable[None]], *, debug: bool
) -> int:
    """Serve on a connection until a signal ends it; returns the exit code.

    prepare: makes what `serve` gets, before there is a connection; raises `ImportError`, with what to
    do, if something is not installed. serve: goes on until it is cancelled, which it is when SIGTERM or
    SIGINT comes or the bus bans this program.
    """
    try:
        prepared = prepare()
        asyncio.run(_run(program, lambda bus: serve(bus, prepared)))
    except Exception as error:
        if debug:
            raise
        print(f"{program}: {error}", file=sys.stderr)
        return _exit_code(error)
    return 0


def need_dbus_next() -> None:
    """Raises `ModuleNotFoundError` saying what to install, for the services that need D-Bus."""
    if importlib.util.find_spec("dbus_next") is None:
        raise ModuleNotFoundError("dbus-next is not installed; install it with: pip install 'pybus[services]'")


def say_ready(program: str) -> None:
    """Tell whoever reads the log that the service serves."""
    print(f"{program}: serving", file=sys.stderr, flush=True)


@contextlib.asynccontextmanager
async def alone(bus: pybus.aio.Bus, name: str) -> AsyncIterator[None]:
    """Within it no other such service begins, so that states can be published before the name is claimed.

    name: the service's, to be claimed within. Raises `NameTaken` if another one serves or begins. If it fails
    or is cancelled within, none can begin until this connection ends.
    """
    starting = f"{name}.Starting"
    if await bus.call("org.pybus.Bus", "request_name", starting, queue=False) == "taken":
        raise pybus.NameTaken(f"another one is about to own {name}")
    with contextlib.suppress(pybus.NameHasNoOwner):
        owner = await bus.call("org.pybus.Bus", "peer", name)
        raise pybus.NameTaken(f"{name} is owned by {owner['program']} (pid {owner['pid']})")
    yield
    await bus.call("org.pybus.Bus", "release_name", starting)


async def publish(bus: pybus.aio.Bus, message: Message, *, on_change: bool = False) -> None:
    """Publish, as soon as there is a bus; what is retained goes with this program.

    on_change: a retained value is passed on only if it is another one. Raises what `aio.Bus.publish` does,
    but for `NoBus`, which it waits out, and refusals of earlier signals, which go to the log.
    """
    while True:
        try:
            if message.retained and message.body is None:
                await bus.clear(message.topic)
            else:
                await bus.publish(
                    message.topic, message.body, ephemeral=message.retained, on_change=on_change and message.retained
                )
        except pybus.NoBus:
            continue  # it is away for longer than the client waits by itself
        except pybus.CallError as refusal:
            _log.warning("the bus refused an earlier signal: %s", refusal)
            continue  # this one has not been sent
        return


async def _run(program: str, serve: Callable[[pybus.aio.Bus], Awaitable[None]]) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    bus = await pybus.aio.connect(program=program)
    try:
        await first(stopped.wait(), serve(bus), bus.run())
    finally:
        with contextlib.suppress(TimeoutError, pybus.NotConnected):
            async with asyncio.timeout(FAREWELL):
                await bus.close()


async def first(*ways: Awaitable[object]) -> None:
    """Wait for whatever ends first, and end the others. Raises what it raised."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _exit_code(error: Exception) -> int:
    if isinstance(error, pybus.NameTaken):
        return NAME_TAKEN
    if isinstance(error, (pybus.NotConnected, pybus.AddressError)):
        return NO_BUS
    return NOT_INSTALLED if isinstance(error, ImportError) else FAILED
