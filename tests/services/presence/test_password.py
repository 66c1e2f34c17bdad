"""Where the password comes from, with real commands."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from pybus_services.presence.account import Account
from pybus_services.presence.password import find_password
from tests.daemon import PATIENCE


def account(*command: str, password: str = "") -> Account:
    return Account(file="chat.toml", jid="alice@example.org", password=password, password_command=command)


def python(text: str) -> Account:
    return account(sys.executable, "-c", text)


async def problem(account: Account, patience: float = PATIENCE) -> str:
    with pytest.raises(ConnectionError) as failed:
        await find_password(account, patience)
    return str(failed.value)


async def test_it_is_in_the_account() -> None:
    assert await find_password(account(password="a secret ")) == "a secret "


async def test_it_is_the_first_line_that_the_command_prints() -> None:
    assert await find_password(account("printf", "a secret ")) == "a secret "
    assert await find_password(account("printf", "sécret\\r\\nlogin: alice\\n")) == "sécret"


async def test_a_command_that_fails() -> None:
    assert await problem(account("false")) == "the password command false failed: exit code 1"
    shot = "import os, signal; print('secret', flush=True); os.kill(os.getpid(), signal.SIGTERM)"
    assert await problem(python(shot)) == f"the password command {sys.executable} failed: it was killed by SIGTERM"
    assert await problem(account("true")) == "the password command true printed no password"
    assert await problem(account("echo")) == "the password command echo printed no password"
    text = "the password command printf printed something that is no text in UTF-8"
    assert await problem(account("printf", "\\377\\n")) == text


async def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    text = "can't be run: No such file or directory"
    assert await problem(account("no-such-command")) == f"the password command no-such-command {text}"
    plain = tmp_path / "plain"
    plain.write_text("secret")
    assert await problem(account(str(plain))) == f"the password command {plain} can't be run: Permission denied"


async def test_a_command_that_prints_without_end() -> None:
    endless = "while True: print('a' * 8192, end='', flush=True)"
    text = f"the password command {sys.executable} printed a line of over 4096 bytes"
    assert await problem(python(endless)) == text


async def test_a_command_that_hangs_ends_with_all_it_has_started(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    text = f"import subprocess; subprocess.run(['sleep', '1000'], stdout=open({str(fifo)!r}, 'w'))"
    asking = asyncio.ensure_future(problem(python(text), 1.0))
    with await asyncio.to_thread(open, fifo) as started:
        assert await asyncio.to_thread(started.read) == ""  # until all who hold it have gone
    assert await asking == f"the password command {sys.executable} gave no password in 1 s"


@pytest.mark.parametrize("end", ["\\n", ""])
async def test_what_a_command_leaves_behind_is_not_waited_for_and_ends(tmp_path: Path, end: str) -> None:
    """It holds the pipe, so that what has no end of a line could still get one."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    asking = asyncio.ensure_future(
        find_password(account("sh", "-c", f"exec 3> {fifo}; printf 'secret{end}'; sleep 999 &"))
    )
    with await asyncio.to_thread(open, fifo) as left:
        assert await asyncio.to_thread(left.read) == ""  # until whoever holds it has gone
    assert await asking == "secret"


async def test_a_command_that_prints_it_and_stays() -> None:
    assert await find_password(account("sh", "-c", "echo secret; exec sleep 1000")) == "secret"


async def test_cancelled_it_leaves_no_command_behind(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    asking = asyncio.ensure_future(
        find_password(python(f"import time; open({str(fifo)!r}, 'w').close(); time.sleep(999)"))
    )
    with await asyncio.to_thread(open, fifo):
        asking.cancel()
        assert isinstance((await asyncio.gather(asking, return_exceptions=True))[0], asyncio.CancelledError)
