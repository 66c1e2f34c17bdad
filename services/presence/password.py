"""The password, from the account or from the command that it names. It is never logged, nor what the command says."""

import asyncio
import contextlib
import os
import signal
import subprocess

from .account import Account

PATIENCE = 60.0
"""Seconds that the command may take: it may have to ask a person to unlock a keyring."""

_LINGER = 2.0
"""Seconds from the first of two to the other: the end of its first line, and that of the command.

A command that prints its password and stays is no failure, nor one that leaves a program behind which could print more.
"""

_MOST = 4096
"""Bytes of its first line."""


async def find_password(account: Account, patience: float = PATIENCE) -> str:
    """The account's password: the first line that its command prints, if it has one.

    patience: seconds for the command. In the end it is killed with all that it has started, but for daemons, which
    have a session of their own. Cancel-safe: so then, too.
    Raises `ConnectionError` if the command fails, as a keyring that is locked now may be open later.
    """
    if not account.password_command:
        return account.password
    command = account.password_command[0]
    try:
        async with asyncio.timeout(patience):
            line, code = await _run(account.password_command)
    except TimeoutError:
        raise ConnectionError(f"the password command {command} gave no password in {patience:g} s") from None
    if code:
        raise ConnectionError(f"the password command {command} failed: {_how(code)}")
    try:
        password = line.decode().rstrip("\r")
    except UnicodeDecodeError:
        raise ConnectionError(f"the password command {command} printed something that is no text in UTF-8") from None
    if not password:
        raise ConnectionError(f"the password command {command} printed no password")
    return password


async def _run(words: tuple[str, ...]) -> tuple[bytes, int]:
    """The first line that a command prints, and its exit code; negative: the signal that killed it; 0 if it stays."""
    try:
        transport, output = await asyncio.get_running_loop().subprocess_exec(
            _Output, *words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        raise ConnectionError(f"the password command {words[0]} can't be run: {error.strerror}") from None
    try:
        await output.ending.wait()
        if len(output.line) <= _MOST:  # else nothing that comes could mend it
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGER):
                    await output.complete.wait()
                    await output.exited.wait()
        if len(output.line) > _MOST:
            raise ConnectionError(f"the password command {words[0]} printed a line of over {_MOST} bytes")
        return bytes(output.line), transport.get_returncode() or 0
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left, or only other users' programs
            os.killpg(transport.get_pid(), signal.SIGKILL)  # what it has started, too
            await output.exited.wait()
        transport.close()


class _Output(asyncio.SubprocessProtocol):
    """What a command prints. line: the first one. complete: set when that is all there. exited: set when it has.

    ending: set with the first of these.
    """

    def __init__(self) -> None:
        self.line = bytearray()
        self.complete = asyncio.Event()
        self.exited = asyncio.Event()
        self.ending = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if not self.complete.is_set():
            first, end, _ = data.partition(b"\n")
            self.line += first
            if end or len(self.line) > _MOST:
                self._note(self.complete)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._note(self.complete)

    def process_exited(self) -> None:
        self._note(self.exited)

    def _note(self, event: asyncio.Event) -> None:
        event.set()
        self.ending.set()


def _how(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"it was killed by {signal.Signals(-code).name}"
