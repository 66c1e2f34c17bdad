"""How processes end, told by their pidfds: children of this test, none of them asked with waitpid before."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pybus.broker.life import Ending
from pybus.server.ending import Endings, ending_of, how_it_ended, peer_pidfd, told_by_pidfd, told_by_proc
from pybus.server.loop import Loop

EXITS_WITH_3 = Ending(3, None)
KILLED = Ending(None, "SIGKILL")


def kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])


keeps_statuses = pytest.mark.skipif(kernel() < (6, 15), reason="pidfds keep exit statuses since Linux 6.15")


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def endings(loop: Loop) -> Iterator[Endings]:
    made = Endings(loop)
    yield made
    made.close()


def child(script: str) -> int:
    """Start a shell; its number. It is a zombie from its end until the test waits for it."""
    return os.posix_spawn("/bin/sh", ["sh", "-c", script], os.environ)


def zombie(script: str) -> tuple[int, int]:
    """A child that has ended and has not been waited for, and its pidfd."""
    pid = child(script)
    pidfd = os.pidfd_open(pid)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid, pidfd


def heard(loop: Loop, endings: Endings, pidfds: list[int]) -> list[tuple[Ending | None, bool]]:
    """What is told of these processes, in their order, once it has been told of all."""
    told: dict[int, tuple[Ending | None, bool]] = {}

    def listen(number: int) -> None:
        def callback(ending: Ending | None, alive: bool) -> None:
            assert number not in told
            told[number] = (ending, alive)
            if len(told) == len(pidfds):
                loop.stop()

        endings.tell(pidfds[number], callback)

    for number in range(len(pidfds)):
        listen(number)
    assert told == {}
    loop.run()
    return [told[number] for number in range(len(pidfds))]


def is_open(fd: int) -> bool:
    return os.path.exists(f"/proc/self/fd/{fd}")


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (Ending(0, None), "exited with status 0"),
        (Ending(3, None), "exited with status 3"),
        (Ending(None, "SIGKILL"), "was killed by SIGKILL"),
        (Ending(None, None), "ended"),
    ],
)
def test_an_ending_in_words(ending: Ending, text: str) -> None:
    assert ending.text() == text


@pytest.mark.parametrize(
    ("wait_status", "ending"),
    [
        (0, Ending(0, None)),
        (3 << 8, Ending(3, None)),
        (255 << 8, Ending(255, None)),
        (9, Ending(None, "SIGKILL")),
        (0x80 | 11, Ending(None, "SIGSEGV")),
        (signal.SIGRTMIN + 5, Ending(None, "SIGRTMIN+5")),
    ],
)
def test_an_ending_from_a_wait_status(wait_status: int, ending: Ending) -> None:
    assert ending_of(wait_status) == ending


# --- what a pidfd tells ---------------------------------------------------------------------------


@pytest.mark.parametrize(("script", "ending"), [("exit 3", EXITS_WITH_3), ("kill -KILL $$", KILLED)])
def test_a_zombie_is_told_by_proc(script: str, ending: Ending) -> None:
    pid, pidfd = zombie(script)
    assert told_by_proc(pidfd) == ending
    assert how_it_ended(pidfd) == ending
    os.waitpid(pid, 0)
    assert told_by_proc(pidfd) is None
    os.close(pidfd)


@keeps_statuses
@pytest.mark.parametrize(("script", "ending"), [("exit 3", EXITS_WITH_3), ("kill -KILL $$", KILLED)])
def test_what_its_parent_has_fetched_is_told_by_the_pidfd(script: str, ending: Ending) -> None:
    pid, pidfd = zombie(script)
    assert told_by_pidfd(pidfd) is None
    os.waitpid(pid, 0)
    assert told_by_pidfd(pidfd) == ending
    assert how_it_ended(pidfd) == ending
    os.close(pidfd)


def test_nothing_is_claimed_of_a_process_that_runs() -> None:
    pidfd = os.pidfd_open(os.getpid())
    assert (told_by_pidfd(pidfd), told_by_proc(pidfd), how_it_ended(pidfd)) == (None, None, None)
    os.close(pidfd)


def test_a_descriptor_that_is_no_pidfd_tells_nothing() -> None:
    reading, writing = os.pipe()
    assert how_it_ended(reading) is None
    os.close(reading)
    os.close(writing)


def test_a_process_whose_first_thread_has_ended_is_alive() -> None:
    script = (
        "import ctypes, sys, threading\n"
        "threading.Thread(target=lambda: (print('up', flush=True), sys.stdin.read())).start()\n"
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as alice:
        assert alice.stdout is not None
        assert alice.stdout.readline() == b"up\n"
        pidfd = os.pidfd_open(alice.pid)
        assert how_it_ended(pidfd) is None
        alice.kill()
        os.waitid(os.P_PID, alice.pid, os.WEXITED | os.WNOWAIT)
        assert how_it_ended(pidfd) == KILLED
        os.close(pidfd)


# --- who connected --------------------------------------------------------------------------------

CONNECTS = """\
import socket, sys
alice = socket.socket(socket.AF_UNIX)
alice.connect(sys.argv[1])
alice.recv(1)
sys.exit(3)
"""


@pytest.fixture
def alice(tmp_path: object) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """Alice, who exits with status 3 once she gets a byte, and the bus's end of her connection."""
    path = f"{tmp_path}/bus"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with subprocess.Popen([sys.executable, "-c", CONNECTS, path]) as process:
            sock, _ = listener.accept()
            with sock:
                yield process, sock
            process.kill()


def test_who_connected_is_known_by_a_pidfd(alice: tuple[subprocess.Popen[bytes], socket.socket]) -> None:
    process, sock = alice
    pidfd = peer_pidfd(sock)
    assert pidfd is not None
    assert not os.get_inheritable(pidfd)
    with open(f"/proc/self/fdinfo/{pidfd}") as file:
        assert f"Pid:\t{process.pid}\n" in file.readlines()
    os.close(pidfd)


@pytest.mark.skipif(kernel() < (6, 16), reason="sockets know processes that are gone since Linux 6.16")
def test_who_connected_is_known_after_its_end(alice: tuple[subprocess.Popen[bytes], socket.socket]) -> None:
    process, sock = alice
    sock.send(b".")
    assert process.wait() == 3
    pidfd = peer_pidfd(sock)
    assert pidfd is not None
    assert how_it_ended(pidfd) == EXITS_WITH_3
    os.close(pidfd)


def test_a_socket_without_a_process_has_no_pidfd() -> None:
    with socket.socket(socket.AF_UNIX) as nobody:
        assert peer_pidfd(nobody) is None


def test_the_end_of_who_connected_is_told(
    loop: Loop, endings: Endings, alice: tuple[subprocess.Popen[bytes], socket.socket]
) -> None:
    _, sock = alice
    sock.send(b".")
    assert sock.recv(1) == b""
    pidfd = peer_pidfd(sock)
    assert pidfd is not None
    assert heard(loop, endings, [pidfd]) == [(EXITS_WITH_3, False)]


# --- waiting for ends -----------------------------------------------------------------------------


def test_an_end_that_comes_soon_is_waited_for(loop: Loop, endings: Endings) -> None:
    pid = child("sleep 0.05; exit 3")
    pidfd = os.pidfd_open(pid)
    assert heard(loop, endings, [pidfd]) == [(EXITS_WITH_3, False)]
    assert not is_open(pidfd)
    os.waitpid(pid, 0)


def test_who_only_closed_its_connection_is_alive(loop: Loop, endings: Endings) -> None:
    pidfd = os.pidfd_open(os.getpid())
    assert heard(loop, endings, [pidfd]) == [(None, True)]
    assert not is_open(pidfd)


def test_hundreds_at_once_are_told_each_its_own(loop: Loop, endings: Endings) -> None:
    pids = [child(f"exit {number % 200}") for number in range(300)]
    pidfds = [os.pidfd_open(pid) for pid in pids]
    assert heard(loop, endings, pidfds) == [(Ending(number % 200, None), False) for number in range(300)]
    assert [pidfd for pidfd in pidfds if is_open(pidfd)] == []
    for pid in pids:
        os.waitpid(pid, 0)


def test_closing_forgets_all_who_are_waited_for(loop: Loop) -> None:
    endings = Endings(loop)
    told: list[object] = []
    pidfds = [os.pidfd_open(os.getpid()) for _ in range(200)]
    for pidfd in pidfds:
        endings.tell(pidfd, lambda *ending: told.append(ending))
    endings.close()
    assert [pidfd for pidfd in pidfds if is_open(pidfd)] == []
    loop.after(0, loop.stop)
    loop.run()
    assert told == []


def test_a_process_that_dumps_no_core_but_crashed_is_told(loop: Loop, endings: Endings) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    pid = child("kill -SEGV $$")
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert heard(loop, endings, [os.pidfd_open(pid)]) == [(Ending(None, "SIGSEGV"), False)]
    os.waitpid(pid, 0)
