"""The password, from the account or from the command that it names. It is never logged, nor what the command says."""

import asyncio
import contextlib
import os
import signal

from .account import Account

PATIENCE = 60.0
"""Seconds that the command may take: it may have to ask a person to unlock a keyring."""

_MOST = 4096
"""Bytes of its first line."""


async def find_password(account: Account, patience: float = PATIENCE) -> str:
    """The account's password: the first line that its command prints, if it has one.

    patience: seconds for the command, which is killed after that. Cancel-safe: the command ends with it.
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
    except OSError as error:
        raise ConnectionError(f"the password command {command} can't be run: {error.strerror}") from None
    if code:
        raise ConnectionError(f"the password command {command} failed: {_how(code)}")
    try:
        password = line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConnectionError(f"the password command {command} printed something that is no text in UTF-8") from None
    if not password:
        raise ConnectionError(f"the password command {command} printed no password")
    return password


async def _run(words: tuple[str, ...]) -> tuple[bytes, int]:
    """The first line that a command prints, and its exit code; negative: the signal that killed it."""
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        limit=_MOST,
    )
    assert process.stdout is not None
    try:
        return await process.stdout.readline(), await process.wait()
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it has started, too
        await process.wait()
        if isinstance(error, ValueError):
            raise ConnectionError(f"the password command {words[0]} printed a line of over {_MOST} bytes") from None
        raise


def _how(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"it was killed by {signal.Signals(-code).name}"
