"""`pybus daemon`: the bus itself. `pybus run`: the bus and a listener at once."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic, sleep

from pybus.address import bus_path
from pybus.cli import listen
from pybus.cli.command import ALREADY_RUNNING, OK, complain
from pybus.client.blocking import Bus, connect
from pybus.errors import AddressError, NoBus
from pybus.server.daemon import run_daemon
from pybus.server.listener import AlreadyRunning

_START_SECONDS = 10.0
_STOP_SECONDS = 5.0


def daemon_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus daemon`."""
    parser.add_argument("--allow-root", action="store_true", help="admit root beside you")


def daemon_command(options: argparse.Namespace) -> int:
    """Run the bus in this process until it is told to stop."""
    try:
        run_daemon(bus_path(), allow_root=options.allow_root)
    except AlreadyRunning as error:
        return complain("pybus daemon", str(error), ALREADY_RUNNING)
    return OK


def run_arguments(_parser: argparse.ArgumentParser) -> None:
    """`pybus run` takes no arguments."""


def run_command(_options: argparse.Namespace) -> int:
    """Start what is missing, print every signal, and stop what was started."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # what we started ends with us
    with ExitStack() as stack:
        path = _path(stack)
        os.environ["PYBUS_ADDRESS"] = f"unix:{path}"
        try:
            bus = stack.enter_context(connect())
            print(f"a bus runs at unix:{path} already; listening there (Ctrl-C ends)", flush=True)
        except NoBus:
            bus = _start(stack, path)
        listen.tell_of_losses(bus)
        listen.tell_of_services(bus, ["hal.#"])
        try:
            for message in bus.subscribe("#", "hal.#"):  # the latter starts the hardware service
                listen.show(message)
        except KeyboardInterrupt:
            print(flush=True)  # the terminal shows ^C where the next line would begin
    return OK


def _path(stack: ExitStack) -> str:
    """The usual address, or one in a temporary folder if this machine has no place for it."""
    try:
        return bus_path()
    except AddressError:
        if "PYBUS_ADDRESS" in os.environ:
            raise
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pybus-"))
    print("$XDG_RUNTIME_DIR is not set, so the bus is in a temporary folder; in other terminals, first type:")
    print(f"  export PYBUS_ADDRESS=unix:{folder}/bus", flush=True)
    return f"{folder}/bus"


def _start(stack: ExitStack, path: str) -> Bus:
    """Start the daemon, and connect."""
    stack.enter_context(_child("the bus", "-m", "pybus", "daemon"))
    bus = stack.enter_context(_connect_soon())
    print(f"the bus listens at unix:{path}; what arrives is printed here (Ctrl-C ends)", flush=True)
    return bus


@contextmanager
def _child(what: str, *arguments: str) -> Iterator[None]:
    """Run Python as a child in a process group of its own, so that Ctrl-C ends us first; then end it."""
    process = subprocess.Popen([sys.executable, *arguments], process_group=0)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"{what} does not stop; killing it", file=sys.stderr)
            process.kill()
            process.wait()


def _connect_soon() -> Bus:
    """Connect to a bus that is being started; it is there within a fraction of a second."""
    until = monotonic() + _START_SECONDS
    while True:
        try:
            return connect()
        except NoBus:
            if monotonic() > until:
                raise
        sleep(0.02)
