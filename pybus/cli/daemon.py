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
from time import monotonic

from pybus.address import bus_path
from pybus.cli.command import ALREADY_RUNNING, OK, REFUSED, complain
from pybus.client.blocking import connect
from pybus.errors import AddressError, NoBus
from pybus.server.daemon import run_daemon
from pybus.server.listener import AlreadyRunning

_START_SECONDS = 10.0
_STOP_SECONDS = 5.0

_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends `pybus run`, and with it what it started. If it is ignored, as nohup(1) has it, it stays so."""


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
    """Start what is missing, have `pybus listen` print every signal, and stop what was started.

    The signals that end it are blocked and waited for (sigwait(3)), so none is lost. An exception that a handler
    raises would be, if the signal came just before the system call that waits.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # whoever started us may have it ignored, and so never sent
    ends = {number for number in _ENDS if signal.getsignal(number) is not signal.SIG_IGN}
    signal.pthread_sigmask(signal.SIG_BLOCK, {*ends, signal.SIGCHLD})
    with ExitStack() as stack:
        path = _path(stack)
        os.environ["PYBUS_ADDRESS"] = f"unix:{path}"
        try:
            connect().close()
            print(f"a bus runs at unix:{path} already; listening there (Ctrl-C ends)", flush=True)
        except NoBus:
            if not _start(stack, path, ends):
                return OK
        listener = stack.enter_context(_child("the listener", "listen", "#", "hal.#"))  # the latter starts the service
        while listener.poll() is None:
            told = signal.sigwait({*ends, signal.SIGCHLD})
            if told == signal.SIGINT:
                print(flush=True)  # the terminal shows ^C where the next line would begin
            if told in ends:
                return OK
        return REFUSED if listener.returncode < 0 else listener.returncode


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


def _start(stack: ExitStack, path: str, ends: set[signal.Signals]) -> bool:
    """Start the daemon and wait until it listens, a fraction of a second; False if we are to end before."""
    stack.enter_context(_child("the bus", "daemon"))
    until = monotonic() + _START_SECONDS
    while True:
        try:
            connect().close()
            print(f"the bus listens at unix:{path}; what arrives is printed here (Ctrl-C ends)", flush=True)
            return True
        except NoBus:
            if monotonic() > until:
                raise
        if signal.sigtimedwait(ends, 0.02) is not None:
            return False


@contextmanager
def _child(what: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command as a child in a process group of its own, so that Ctrl-C ends us first; then end it."""
    command = [sys.executable, "-m", "pybus", *arguments]
    process = subprocess.Popen(command, process_group=0, preexec_fn=_unblock)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"{what} does not stop; killing it", file=sys.stderr)
            process.kill()
            process.wait()


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_ENDS, signal.SIGCHLD})
