"""Who is at the other end: from a socket, from /proc, and as a short name for people."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pybus.broker.peer import Credentials
from pybus.protocol.codec import pack, unpack
from pybus.server.credentials import look_up, program_name, socket_owner


def test_a_sockets_owner_is_the_process_at_its_other_end() -> None:
    left, right = socket.socketpair()
    with left, right:
        assert socket_owner(left) == (os.getpid(), os.getuid())


def test_a_process_is_looked_up_by_its_number() -> None:
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        executable = os.path.realpath(sys.executable)
        found = look_up(process.pid, 1000)
        process.kill()
    assert found == Credentials(1000, process.pid, os.path.basename(executable), executable)


def test_a_process_that_has_gone_is_known_by_its_number_only() -> None:
    with subprocess.Popen(["true"]) as process:
        pid = process.pid
    assert look_up(pid, 1000) == Credentials(1000, pid, f"pid {pid}", "")


def test_a_name_that_is_not_utf_8_can_be_told_to_others(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9"
    shutil.copy(os.path.realpath(b"/bin/sh"), path)
    with subprocess.Popen([path], stdin=subprocess.PIPE) as process:
        found = look_up(process.pid, 1000)
        process.kill()
    assert (found.program, found.executable) == ("caf\ufffd", f"{tmp_path}/caf\ufffd")
    assert unpack(pack(found)) == list(found)


@pytest.mark.parametrize(
    ("arguments", "executable", "name"),
    [
        (["ls", "-l"], "/usr/bin/ls", "ls"),
        (["whatever"], "/usr/bin/ls", "ls"),
        (["/usr/bin/ls"], "", "ls"),
        ([], "", ""),
        ([""], "", ""),
        (["python3", "/opt/clock.py", "-v"], "/usr/bin/python3.11", "clock.py"),
        (["python3", "-m", "http.server"], "/usr/bin/python3.11", "http.server"),
        (["python3", "-u", "-X", "dev", "-W", "error", "-m", "clock"], "/usr/bin/python3.11", "clock"),
        (["python3", "-Werror", "clock.py"], "/usr/bin/python3.11", "clock.py"),
        (["python3", "-c", "import this", "clock.py"], "/usr/bin/python3.11", "python3.11"),
        (["python3", "-m"], "/usr/bin/python3.11", "python3.11"),
        (["python3", ""], "/usr/bin/python3.11", "python3.11"),
        (["python3"], "/usr/bin/python3.11", "python3.11"),
        (["python3", "clock.py"], "", "clock.py"),
        (["python3", "/usr/bin/pybus", "monitor", "hal.#"], "/usr/bin/python3.11", "pybus monitor"),
        (["python3", "-m", "pybus", "daemon"], "/usr/bin/python3.11", "pybus daemon"),
        (["python3", "/usr/bin/pybus", "--version"], "/usr/bin/python3.11", "pybus"),
        (["python3", "/usr/bin/pybus"], "/usr/bin/python3.11", "pybus"),
        (["python3", "/usr/bin/pybus-send", "a.b", "x"], "/usr/bin/python3.11", "pybus-send"),
    ],
)
def test_a_program_is_named_by_its_script_where_an_interpreter_runs_one(
    arguments: list[str], executable: str, name: str
) -> None:
    assert program_name(arguments, executable) == name
