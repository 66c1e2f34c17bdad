"""`pybus-listen --exec CMD`: a command of the shell for each message, one at a time.

The command runs in a process group of its own. A signal that ends us ends that group first, so that
nothing is left behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pybus.cli.text import plain, safe, to_json
from pybus.client.inbox import Signal

MAX_VALUE = 100_000
"""Bytes of the largest value that goes into the environment; the kernel takes no variable above 128 KiB."""

_END_SECONDS = 5.0
"""What a command that is told to end may still take."""


class _Ended(BaseException):
    """A signal told us to end."""


@contextmanager
def ends_with_command() -> Iterator[None]:
    """Within it, SIGTERM and SIGHUP end this program as usual, but after the command that is running."""

    def end(number: int, _frame: object) -> None:
        raise _Ended(number)

    usual = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is signal.SIG_DFL]
    for one in usual:
        signal.signal(one, end)
    try:
        yield
    except _Ended as ended:
        number = int(ended.args[0])
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    finally:
        for one in usual:
            signal.signal(one, signal.SIG_DFL)


def execute(program: str, command: str, message: Signal) -> bool:
    """Run the command for one message, and wait for its end; whether it went well. A failure is told on stderr."""
    sys.stdout.flush()
    try:
        with _in_memory(_content(message)) as content:
            process = subprocess.Popen(
                ["/bin/sh", "-c", command], stdin=content, env=_environment(message), process_group=0
            )
    except OSError as error:
        return _tell(program, message, f"can't be run: {error.strerror}")
    try:
        code = process.wait()
    except BaseException:
        _end(process)
        raise
    if code < 0:
        return _tell(program, message, f"was killed by {signal.Signals(-code).name}")
    return not code or _tell(program, message, f"exited with status {code}")


def _tell(program: str, message: Signal, what: str) -> bool:
    print(f"{program}: the command for {safe(message.topic)} {what}", file=sys.stderr, flush=True)
    return False


def _environment(message: Signal) -> dict[str, str | bytes]:
    """Ours, and the message in UTF-8, whatever the locale. What was there of an outer command is not passed on."""
    environment: dict[str, str | bytes] = {**os.environ}
    environment.pop("PYBUS_VALUE", None)
    value = b"" if message.cleared else plain(message.body).encode()
    if len(value) <= MAX_VALUE:
        environment["PYBUS_VALUE"] = value
    environment["PYBUS_TOPIC"] = message.topic.encode()
    environment["PYBUS_SENDER"] = message.sender
    environment["PYBUS_RETAINED"] = "1" if message.retained else ""
    environment["PYBUS_CLEARED"] = "1" if message.cleared else ""
    return environment


def _content(message: Signal) -> bytes:
    if message.cleared:
        return b""
    if isinstance(message.body, bytes):
        return message.body
    return (message.body if isinstance(message.body, str) else to_json(message.body)).encode()


@contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """A file without a name that holds this, to be read from its beginning; unlike a pipe it is never full."""
    file = os.memfd_create("message")
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(file, view) :]
        os.lseek(file, 0, os.SEEK_SET)
        yield file
    finally:
        os.close(file)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the command and what it has started; by force if it takes long, or if we are told once more."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(_END_SECONDS)
    except ProcessLookupError:
        process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
