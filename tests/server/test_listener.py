"""The bus's socket: made, checked, taken over when stale, and left alone when live."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pybus.errors import AddressError
from pybus.server.listener import AlreadyRunning, Listener


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pybus" / "bus"


@pytest.fixture
def listener(path: Path) -> Iterator[Listener]:
    made = Listener(str(path))
    yield made
    made.close()


def refused(path: Path) -> str:
    with pytest.raises(AddressError) as caught:
        Listener(str(path))
    return str(caught.value)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


# --- a new one ------------------------------------------------------------------------------------


def test_folder_socket_and_lock_are_closed_to_others(listener: Listener, path: Path) -> None:
    assert connects(path)
    assert stat.S_ISSOCK(path.lstat().st_mode)
    assert (mode(path.parent), mode(path), mode(Path(f"{path}.lock"))) == (0o700, 0o600, 0o600)
    assert not listener.sock.getblocking()


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask_which_is_kept(path: Path, mask: int) -> None:
    former = os.umask(mask)
    try:
        listener = Listener(str(path))
        assert os.umask(mask) == mask
    finally:
        os.umask(former)
    assert (mode(path.parent), mode(path)) == (0o700, 0o600)
    listener.close()


def test_the_umask_is_kept_when_listening_fails(path: Path) -> None:
    long = path.with_name("b" * 120)
    former = os.umask(0o027)
    try:
        assert refused(long) == f"can't listen on {long}: AF_UNIX path too long"
        assert os.umask(former) == 0o027
    finally:
        os.umask(former)


def test_closing_removes_the_socket_and_may_be_done_twice(listener: Listener, path: Path) -> None:
    listener.close()
    listener.close()
    assert not path.exists()
    again = Listener(str(path))
    assert connects(path)
    again.close()


def test_closing_leaves_a_socket_that_is_not_ours_any_more(listener: Listener, path: Path) -> None:
    other = path.with_name("other")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(other))
        other.rename(path)
        listener.close()
        assert path.exists()


def test_closing_does_not_mind_that_the_socket_is_gone(listener: Listener, path: Path) -> None:
    path.unlink()
    listener.close()
    assert listener.sock.fileno() == -1


# --- stale and live -------------------------------------------------------------------------------


def test_a_stale_socket_is_taken_over(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert not connects(path)
    listener = Listener(str(path))
    assert connects(path)
    listener.close()


def test_the_socket_of_a_killed_daemon_is_taken_over(path: Path) -> None:
    program = "import sys; from pybus.server.listener import Listener; a = Listener(sys.argv[1]); print(1); input()"
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        daemon.stdout.readline()
        with pytest.raises(AlreadyRunning) as caught:
            Listener(str(path))
        assert caught.value.pid == daemon.pid
        assert str(caught.value) == f"a bus already listens on {path} (pid {daemon.pid})"
        daemon.kill()
    assert path.exists()
    Listener(str(path)).close()


def test_a_live_bus_is_left_alone(listener: Listener, path: Path) -> None:
    with pytest.raises(AlreadyRunning) as caught:
        Listener(str(path))
    assert caught.value.pid == os.getpid()
    assert connects(path)
    assert listener.sock.fileno() >= 0


def test_a_live_listener_without_our_lock_is_left_alone(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(AlreadyRunning) as caught:
            Listener(str(path))
        assert caught.value.pid == os.getpid()
        assert connects(path)


def test_a_live_listener_with_a_full_queue_is_left_alone(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as waiting:
        other.bind(str(path))
        other.listen(0)
        waiting.connect(str(path))
        with pytest.raises(AlreadyRunning) as caught:
            Listener(str(path))
        assert (caught.value.pid, str(caught.value)) == (
            0,
            f"a bus already listens on {path} (another process)",
        )


def test_a_refused_start_leaves_the_lock_to_others(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.mkdir()
    assert refused(path) == f"{path} exists and is not a socket; move it away"
    path.rmdir()
    Listener(str(path)).close()


# --- what is in the way ---------------------------------------------------------------------------


def test_a_file_in_the_sockets_place_is_left_alone(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_text("precious")
    assert refused(path) == f"{path} exists and is not a socket; move it away"
    assert path.read_text() == "precious"


@pytest.mark.parametrize("wrong", [0o755, 0o710, 0o701, 0o500])
def test_a_folder_of_another_mode_is_refused(path: Path, wrong: int) -> None:
    path.parent.mkdir()
    path.parent.chmod(wrong)
    folder = path.parent
    assert refused(path) == f"the folder {folder} has mode {wrong:04o} and must have 0700: chmod 700 {folder}"
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    os.chown(path.parent, 12345, -1)
    assert refused(path) == f"the folder {path.parent} belongs to uid 12345, not to you (uid 0)"


def test_a_file_or_link_in_the_folders_place_is_refused(path: Path) -> None:
    path.parent.write_text("")
    assert refused(path) == f"{path.parent} is not a folder"
    path.parent.unlink()
    real = path.parent.with_name("real")
    real.mkdir(mode=0o700)
    path.parent.symlink_to(real)
    assert refused(path) == f"{path.parent} is not a folder"


def test_only_the_last_folder_is_made(path: Path) -> None:
    deep = path.parent / "deeper" / "bus"
    assert refused(deep) == f"can't make the folder {deep.parent}: No such file or directory"


def test_a_link_in_the_locks_place_is_not_followed(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    lock = Path(f"{path}.lock")
    lock.symlink_to(path.with_name("elsewhere"))
    assert refused(path) == f"can't open the lock {lock}: Too many levels of symbolic links"
    assert not path.with_name("elsewhere").exists()


# --- passed by systemd ----------------------------------------------------------------------------


@pytest.fixture
def passed(path: Path) -> Iterator[socket.socket]:
    """A socket that somebody else has made and listens on."""
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        yield sock


def refused_passed(*passed: socket.socket) -> str:
    with pytest.raises(AddressError) as caught:
        Listener("/not/used", passed)
    return str(caught.value)


def test_a_passed_socket_is_taken_over_where_it_listens(passed: socket.socket, path: Path) -> None:
    listener = Listener("/not/used", [passed])
    assert (listener.path, listener.sock, listener.sock.getblocking()) == (str(path), passed, False)
    assert mode(Path(f"{path}.lock")) == 0o600
    listener.close()


def test_the_file_of_a_passed_socket_stays_for_who_made_it(passed: socket.socket, path: Path) -> None:
    with passed.dup() as kept:
        listener = Listener("/not/used", [passed])
        listener.close()
        listener.close()
        assert connects(path)
        assert kept.fileno() >= 0


def test_a_second_daemon_is_refused_whoever_made_the_socket(passed: socket.socket, path: Path) -> None:
    listener = Listener("/not/used", [passed])
    with pytest.raises(AlreadyRunning) as caught:
        Listener(str(path))
    assert caught.value.pid == os.getpid()
    listener.close()


def test_a_passed_socket_is_refused_while_a_bus_holds_the_lock(listener: Listener, path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as passed:
        passed.bind(str(path))
        passed.listen()
        with pytest.raises(AlreadyRunning) as caught:
            Listener("/not/used", [passed])
        assert caught.value.pid == os.getpid()
        listener.close()
        assert connects(path)
        Listener("/not/used", [passed]).close()


def test_the_folder_of_a_passed_socket_must_be_closed_to_others_as_well(passed: socket.socket, path: Path) -> None:
    folder = path.parent
    folder.chmod(0o755)
    assert refused_passed(passed) == f"the folder {folder} has mode 0755 and must have 0700: chmod 700 {folder}"


_RULE = "pybus.socket must have one ListenStream= with an absolute path"


def test_only_a_listening_stream_socket_with_a_path_is_taken(passed: socket.socket, path: Path) -> None:
    wrong = f"the socket that systemd passed is not a listening Unix stream socket; {_RULE}"
    abstract = f"the socket that systemd passed has no absolute path; {_RULE}"
    assert refused_passed(passed, passed) == f"systemd passed 2 sockets; {_RULE}"
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as packets:
        silent.bind(str(path.with_name("silent")))
        assert refused_passed(silent) == wrong
        packets.bind(str(path.with_name("packets")))
        packets.listen()
        assert refused_passed(packets) == wrong
    with socket.socket() as network, socket.socket(socket.AF_UNIX) as hidden:
        network.listen()
        assert refused_passed(network) == wrong
        hidden.bind(f"\0pybus-test-{os.getpid()}")
        hidden.listen()
        assert refused_passed(hidden) == abstract
