"""`pybus-listen --exec CMD`: a command of the shell for each message, one at a time.

The command runs in a process group of its own. A signal that ends us ends that group first, so that
nothing is left behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any

from pybus.cli.messages import place
from pybus.cli.text import plain, safe, to_json
from pybus.client.inbox import Signal
from pybus.client.messages import Delivered

MAX_VALUE = 100_000
"""Bytes of the largest value that goes into the environment; the kernel takes no variable above 128 KiB."""

_ABOUT_SIGNALS = ("PYBUS_TOPIC", "PYBUS_RETAINED", "PYBUS_CLEARED")
_ABOUT_MESSAGES = ("PYBUS_EXCHANGE", "PYBUS_KEY", "PYBUS_HEADERS", "PYBUS_REDELIVERED")
_VARIABLES = frozenset(("PYBUS_VALUE", *_ABOUT_SIGNALS, *_ABOUT_MESSAGES))
"""Variables that are there only for some messages."""

_END_SECONDS = 5.0
"""What a command that is told to end may still take."""


class _Ended(BaseException):
    """A signal told us to end."""


class Executor:
    """Runs the command for one message after the other, within a `with` block.

    SIGINT, SIGTERM and SIGHUP end this program as usual then, but the running command before it; a
    second signal ends that by force. failed: whether a command failed, which is told on stderr.
    """

    def __init__(self, program: str, command: str) -> None:
        """program: our own name, for what is told."""
        self.failed = False
        self._program = program
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._is_starting = False
        self._told = 0
        self._usual: dict[int, Any] = {}

    def run(self, message: Signal | Delivered) -> bool:
        """Run the command for a signal or a message of a queue, and wait for its end. Whether it succeeded."""
        sys.stdout.flush()
        self._is_starting = True  # so that a signal does not come between the start and our knowing of it
        try:
            with _in_memory(_content(message)) as content:
                words = ["/bin/sh", "-c", self._command]
                process = subprocess.Popen(words, stdin=content, env=_environment(message), process_group=0)
        except OSError as error:
            self._is_starting = False
            self._fail(message, f"can't be run: {error.strerror}")
            self._obey()
            return False
        self._process = process
        try:
            self._is_starting = False
            self._obey()
            code = process.wait()
        except _Ended:
            self._end(process)
            raise
        self._process = None
        if code < 0:
            self._fail(message, f"was killed by {signal.Signals(-code).name}")
        elif code:
            self._fail(message, f"exited with status {code}")
        return code == 0

    def _fail(self, message: Signal | Delivered, what: str) -> None:
        self.failed = True
        about = message.topic if isinstance(message, Signal) else place(message)
        print(f"{self._program}: the command for {safe(about)} {what}", file=sys.stderr, flush=True)

    def _signalled(self, number: int, _frame: object) -> None:
        if not self._told:
            self._told = number
            if not self._is_starting:
                raise _Ended
        elif self._process is not None:
            _signal_group(self._process, signal.SIGKILL)

    def _obey(self) -> None:
        if self._told:
            raise _Ended

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """End the command and what it has started; by force if that takes long.

        The shell may end at once while what it runs does not, so it is the group that is waited for.
        """
        _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + _END_SECONDS
        while time.monotonic() < deadline and _has_members(process):
            time.sleep(0.01)
        _signal_group(process, signal.SIGKILL)
        process.wait()

    def __enter__(self) -> Executor:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._usual[number] = signal.signal(number, self._signalled)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, usual in self._usual.items():
            signal.signal(number, usual)
        if isinstance(error, _Ended):
            signal.raise_signal(self._told)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _has_members(process: subprocess.Popen[bytes]) -> bool:
    """Whether anybody of the command's group lives still."""
    process.poll()  # else its own body would stay in the group
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _environment(message: Signal | Delivered) -> dict[str, str | bytes]:
    """Ours, and the message in UTF-8, whatever the locale. What was there of an outer command is not passed on."""
    environment: dict[str, str | bytes] = {key: text for key, text in os.environ.items() if key not in _VARIABLES}
    value = b"" if _is_cleared(message) else plain(message.body).encode()
    if len(value) <= MAX_VALUE:
        environment["PYBUS_VALUE"] = value
    environment["PYBUS_CAUSE"] = str(message.depth + 1)
    environment["PYBUS_SENDER"] = message.sender
    if isinstance(message, Signal):
        environment["PYBUS_TOPIC"] = message.topic.encode()
        environment["PYBUS_RETAINED"] = "1" if message.retained else ""
        environment["PYBUS_CLEARED"] = "1" if message.cleared else ""
        return environment
    environment["PYBUS_EXCHANGE"] = message.exchange.encode()
    environment["PYBUS_KEY"] = plain(message.key).encode()  # which may hold anything, even what no variable can
    headers = to_json(message.headers).encode()
    if len(headers) <= MAX_VALUE:
        environment["PYBUS_HEADERS"] = headers
    environment["PYBUS_REDELIVERED"] = "1" if message.redelivered else ""
    return environment


def _content(message: Signal | Delivered) -> bytes:
    if _is_cleared(message):
        return b""
    if isinstance(message.body, bytes):
        return message.body
    return (message.body if isinstance(message.body, str) else to_json(message.body)).encode()


def _is_cleared(message: Signal | Delivered) -> bool:
    return isinstance(message, Signal) and message.cleared


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
