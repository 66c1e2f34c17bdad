"""The processes of services: real ones, started, watched and ended by the class that the daemon uses."""

from __future__ import annotations

import ctypes
import errno
import io
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pybus.broker.life import Ending
from pybus.server.family import children_of, with_descendants
from pybus.server.log import Log
from pybus.server.loop import READ, Loop
from pybus.server.processes import Processes
from tests.daemon import PATIENCE
from tests.descriptors import descriptors

SOFT_LIMIT = 256
PATH = {"PATH": os.environ["PATH"]}
KILLED = Ending(None, "SIGKILL")
TERMINATED = Ending(None, "SIGTERM")

IGNORES_SIGTERM = "trap '' TERM; echo up; while :; do sleep 1000; done"

FORKS_AWAY = """\
import os, signal, sys
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
print("away", os.getpid(), flush=True)
signal.pause()
"""


class Scene:
    """A daemon as far as its services see it: a loop, a log, and SIGCHLD.

    exits: of which runs the end was told.
    """

    def __init__(self) -> None:
        self.loop = Loop()
        self.written = io.StringIO()
        self.exits: list[tuple[str, int, Ending]] = []
        self.processes = Processes(
            self.loop, Log(self.loop, self.written, {}), "unix:/run/bus", SOFT_LIMIT, self.exited
        )
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._former_fd = signal.set_wakeup_fd(self._writing)
        self._former = signal.signal(signal.SIGCHLD, lambda *_: None)
        self.loop.watch(self._reading, READ, self._child_ended)

    def exited(self, name: str, pid: int, ending: Ending) -> None:
        self.exits.append((name, pid, ending))

    def _child_ended(self, _events: int) -> None:
        os.read(self._reading, 64)
        self.processes.reap()

    def start(self, name: str, script: str) -> int:
        return self.processes.start(name, ["sh", "-c", script], PATH)

    def python(self, name: str, script: str) -> int:
        return self.processes.start(name, [sys.executable, "-S", "-c", script], PATH)

    def until(self, condition: Callable[[], object]) -> None:
        """Let the loop run until something is so."""
        limit = time.monotonic() + PATIENCE

        def look() -> None:
            assert time.monotonic() < limit, f"it never came; {self.exits}, {self.log}"
            if condition():
                self.loop.stop()
            else:
                self.loop.after(0.002, look)

        self.loop.running = True
        look()
        self.loop.run()

    def until_line(self, name: str, line: str) -> None:
        self.until(lambda: line in self.processes.lines(name))

    def until_exits(self, count: int) -> None:
        self.until(lambda: len(self.exits) >= count)

    @property
    def log(self) -> list[str]:
        """The log's lines, without their times."""
        return [line[9:] for line in self.written.getvalue().splitlines()]

    def close(self) -> None:
        self.processes.kill_all()
        signal.signal(signal.SIGCHLD, self._former)
        signal.set_wakeup_fd(self._former_fd)
        os.close(self._reading)
        os.close(self._writing)
        self.loop.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    before = children_of(os.getpid())
    made = Scene()
    yield made
    made.close()
    ctypes.CDLL(None).prctl(36, *[ctypes.c_ulong(0)] * 4)  # PR_SET_CHILD_SUBREAPER, for other tests' sake
    assert set(children_of(os.getpid())) <= set(before)  # what another test left may end meanwhile


def gone(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


# --- what a service gets --------------------------------------------------------------------------


def test_a_service_gets_its_environment_and_nothing_that_is_meant_for_the_daemon(scene: Scene) -> None:
    of_systemd = ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID")
    environ = {**dict.fromkeys(of_systemd, "7"), **PATH, "HOME": "/", "PYBUS_ADDRESS": "unix:/other"}
    pid = scene.processes.start("org.example.Env", ["env"], environ)
    scene.until_exits(1)
    assert scene.exits == [("org.example.Env", pid, Ending(0, None))]
    variables = dict(line.split("=", 1) for line in scene.processes.lines("org.example.Env"))
    assert len(variables.pop("PYBUS_LAUNCH")) > 16
    assert variables == {**PATH, "HOME": "/", "PYBUS_SERVICE": "org.example.Env", "PYBUS_ADDRESS": "unix:/run/bus"}


def test_a_service_starts_with_usual_signals_though_the_daemons_are_not(scene: Scene) -> None:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    scene.processes.start("org.example.Status", ["cat", "/proc/self/status"], PATH)
    signal.signal(signal.SIGHUP, former)
    assert signal.pthread_sigmask(signal.SIG_SETMASK, mask) == {signal.SIGUSR1, *mask}
    scene.until_exits(1)
    status = dict(line.split(":\t") for line in scene.processes.lines("org.example.Status") if ":\t" in line)
    usual = sum(1 << number - 1 for number in signal.valid_signals())  # not the C library's own, 32 and 33
    assert [int(status[field], 16) & usual for field in ("SigBlk", "SigIgn", "SigCgt")] == [0, 0, 0]


LOOKS_AROUND = """\
import json, os, resource
folder = "/proc/self/fd/"
fds = {fd: os.readlink(folder + fd) for fd in os.listdir(folder) if os.path.lexists(folder + fd)}
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
leads = os.getsid(0) == os.getpid()
print(json.dumps([os.getcwd(), leads, limit, sorted(fds), fds["0"], fds["1"] == fds["2"]]))
"""


def test_a_service_has_its_own_session_and_no_descriptor_of_the_daemon(scene: Scene, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    environ = {**PATH, "HOME": str(tmp_path)}
    scene.processes.start("org.example.Looks", [sys.executable, "-S", "-c", LOOKS_AROUND], environ)
    os.close(reading)
    os.close(writing)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    scene.until_exits(1)
    seen = [json.loads(line) for line in scene.processes.lines("org.example.Looks")]
    assert seen == [[str(tmp_path), True, SOFT_LIMIT, ["0", "1", "2"], "/dev/null", True]]


def test_a_service_starts_in_the_root_folder_if_there_is_no_home(scene: Scene, tmp_path: Path) -> None:
    scene.processes.start("org.example.Pwd", ["pwd"], {**PATH, "HOME": f"{tmp_path}/nowhere"})
    scene.until_exits(1)
    assert scene.processes.lines("org.example.Pwd") == ["/"]


# --- what can't be started ------------------------------------------------------------------------


def refused(scene: Scene, *argv: str) -> tuple[int | None, str | None, object]:
    with pytest.raises(OSError, match=r"Errno") as caught:
        scene.processes.start("org.example.Wrong", argv, PATH)
    return caught.value.errno, caught.value.strerror, caught.value.filename


def test_a_program_that_is_not_there_is_refused_by_name(scene: Scene) -> None:
    assert refused(scene, "/no/such/program") == (errno.ENOENT, "No such file or directory", "/no/such/program")
    assert refused(scene, "no-such-program") == (errno.ENOENT, "No such file or directory", "no-such-program")


def test_a_file_that_is_no_program_is_refused_by_name(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_text("#!/no/such/interpreter\n")
    assert refused(scene, str(file)) == (errno.EACCES, "Permission denied", str(file))
    file.chmod(0o755)
    assert refused(scene, str(file)) == (
        errno.ENOENT,
        "The interpreter named in its first line is not there",
        str(file),
    )
    file.write_bytes(b"\x7fELF nonsense")
    assert refused(scene, str(file)) == (errno.ENOEXEC, "Exec format error", str(file))


def test_words_that_no_program_can_be_given_are_refused(scene: Scene) -> None:
    assert refused(scene, "echo", "a\0b") == (errno.EINVAL, "Invalid argument", "echo")


def test_what_could_not_be_started_leaves_nothing_behind_and_is_not_told_as_an_exit(scene: Scene) -> None:
    refused(scene, "/no/such/program")
    scene.until(lambda: with_descendants(scene.processes._orphans()) == [])
    before = descriptors()
    for _ in range(20):
        refused(scene, "/no/such/program")
    scene.until(lambda: scene.processes._orphans() == [])
    assert descriptors() <= before
    assert (scene.exits, scene.processes.alive()) == ([], False)


# --- how it ends ----------------------------------------------------------------------------------


def test_a_service_that_crashes_at_once_is_told_with_its_last_lines(scene: Scene) -> None:
    pid = scene.start("org.example.Crash", "for n in 1 2 3 4 5 6; do echo line $n >&2; done; printf unfinished; exit 3")
    assert (scene.processes.pid("org.example.Crash"), scene.processes.alive()) == (pid, True)
    scene.until_exits(1)
    assert scene.exits == [("org.example.Crash", pid, Ending(3, None))]
    assert (scene.processes.pid("org.example.Crash"), scene.processes.alive()) == (None, False)
    assert scene.processes.last_lines("org.example.Crash", pid) == [
        "line 3",
        "line 4",
        "line 5",
        "line 6",
        "unfinished",
    ]
    assert scene.log == [
        f"org.example.Crash[{pid}]: {line}" for line in (*(f"line {n}" for n in range(1, 7)), "unfinished")
    ]


def test_a_service_that_is_killed_is_told_with_the_signal(scene: Scene) -> None:
    pid = scene.start("org.example.Shot", "kill -SEGV $$")
    scene.until_exits(1)
    assert scene.exits == [("org.example.Shot", pid, Ending(None, "SIGSEGV"))]


def test_a_service_that_hangs_ends_by_kill_only(scene: Scene) -> None:
    pid = scene.start("org.example.Hang", IGNORES_SIGTERM)
    scene.until_line("org.example.Hang", "up")
    family = with_descendants([pid])
    scene.processes.terminate("org.example.Hang")
    os.kill(pid, 0)
    assert scene.exits == []
    scene.processes.kill("org.example.Hang")
    scene.until_exits(1)
    assert scene.exits == [("org.example.Hang", pid, KILLED)]
    assert [one for one in family if not gone(one)] == []


def test_a_service_is_terminated_with_all_that_it_started(scene: Scene) -> None:
    pid = scene.start("org.example.Tree", "sh -c 'sleep 1000 & setsid sleep 1001 & echo up; wait' & wait")
    scene.until_line("org.example.Tree", "up")
    scene.until(lambda: len(with_descendants([pid])) == 4)
    family = with_descendants([pid])
    scene.processes.terminate("org.example.Tree")
    scene.until_exits(1)
    assert scene.exits == [("org.example.Tree", pid, TERMINATED)]
    assert [one for one in family if not gone(one)] == []


STAYS_A_LITTLE = """\
import os, signal, time
main = os.getpid()
def bye(*_):
    while os.getppid() == main:
        time.sleep(0.001)
    os.write(1, b"bye\\n")  # print may be what the signal interrupts
    os._exit(0)
if os.fork() == 0:
    signal.signal(signal.SIGTERM, bye)
    print("up", flush=True)
    while True:
        signal.pause()
signal.pause()
"""


def test_a_service_that_is_stopping_is_not_over_before_its_last_process(scene: Scene) -> None:
    pid = scene.python("org.example.Slow", STAYS_A_LITTLE)
    scene.until_line("org.example.Slow", "up")
    scene.processes.terminate("org.example.Slow")
    scene.until_exits(1)
    assert scene.exits == [("org.example.Slow", pid, TERMINATED)]
    assert scene.processes.last_lines("org.example.Slow", pid) == ["up", "bye"]


def test_who_is_told_of_an_exit_may_start_the_service_anew(scene: Scene) -> None:
    def again(name: str, pid: int, ending: Ending) -> None:
        Scene.exited(scene, name, pid, ending)
        if len(scene.exits) < 3:
            scene.start(name, f"echo run {len(scene.exits)}; exit 1")

    scene.processes._on_exit = again
    scene.start("org.example.Again", "echo run 0; exit 1")
    scene.until_exits(3)
    assert [ending for _, _, ending in scene.exits] == [Ending(1, None)] * 3
    assert scene.processes.lines("org.example.Again") == ["run 0", "run 1", "run 2"]
    assert [scene.processes.last_lines(name, pid) for name, pid, _ in scene.exits] == [["run 0"], ["run 1"], ["run 2"]]


def test_what_is_asked_of_a_service_that_does_not_run_is_nothing(scene: Scene) -> None:
    scene.processes.terminate("org.example.None")
    scene.processes.kill("org.example.None")
    assert (scene.processes.lines("org.example.None"), scene.processes.last_lines("org.example.None", 1)) == ([], [])


# --- what it leaves behind ------------------------------------------------------------------------


def test_a_service_that_forks_away_is_the_same_service(scene: Scene) -> None:
    first = scene.python("org.example.Away", FORKS_AWAY)
    scene.until(lambda: scene.processes.pid("org.example.Away") != first and scene.processes.lines("org.example.Away"))
    scene.until(
        lambda: scene.processes.lines("org.example.Away") == [f"away {scene.processes.pid('org.example.Away')}"]
    )
    away = scene.processes.pid("org.example.Away")
    assert away is not None
    assert f"org.example.Away[{first}] forked away" in "\n".join(scene.log)
    assert scene.exits == []
    os.kill(away, signal.SIGSEGV)
    scene.until_exits(1)
    assert scene.exits == [("org.example.Away", away, Ending(None, "SIGSEGV"))]
    assert scene.processes.last_lines("org.example.Away", away) == [f"away {away}"]


def test_a_service_that_forked_away_can_be_terminated(scene: Scene) -> None:
    scene.python("org.example.Away", FORKS_AWAY)
    scene.until(
        lambda: scene.processes.lines("org.example.Away") == [f"away {scene.processes.pid('org.example.Away')}"]
    )
    away = scene.processes.pid("org.example.Away")
    scene.processes.terminate("org.example.Away")
    scene.until_exits(1)
    assert scene.exits == [("org.example.Away", away, TERMINATED)]


def test_a_crashed_service_is_over_though_a_child_holds_its_pipe(scene: Scene) -> None:
    pid = scene.start("org.example.Holder", "sleep 1000 & echo child $!; exit 3")
    scene.until_exits(1)
    assert scene.exits == [("org.example.Holder", pid, Ending(3, None))]
    child = int(scene.processes.lines("org.example.Holder")[0].split()[1])
    assert gone(child)
    left = f"org.example.Holder[{pid}] exited with status 3; ending what it left: pid {child}"
    assert left in scene.log


def test_a_crashed_services_child_that_ignores_sigterm_is_killed(scene: Scene) -> None:
    pid = scene.start("org.example.Stubborn", f'sh -c "{IGNORES_SIGTERM}" & wait')
    scene.until_line("org.example.Stubborn", "up")
    scene.until(lambda: len(with_descendants([pid])) == 3)
    family = with_descendants([pid])
    os.kill(pid, signal.SIGSEGV)
    scene.until_exits(1)
    assert scene.exits == [("org.example.Stubborn", pid, Ending(None, "SIGSEGV"))]
    assert [one for one in family if not gone(one)] == []


def test_services_are_told_apart_when_what_they_left_is_ended(scene: Scene) -> None:
    alice = scene.python("org.example.Alice", FORKS_AWAY)
    bob = scene.python("org.example.Bob", FORKS_AWAY)
    names = {"org.example.Alice": alice, "org.example.Bob": bob}
    scene.until(lambda: all(scene.processes.lines(n) and scene.processes.pid(n) != names[n] for n in names))
    scene.until(lambda: all(scene.processes.lines(n) == [f"away {scene.processes.pid(n)}"] for n in names))
    away = scene.processes.pid("org.example.Bob")
    scene.processes.kill("org.example.Bob")
    scene.until_exits(1)
    assert scene.exits == [("org.example.Bob", away, KILLED)]
    assert scene.processes.pid("org.example.Alice") is not None


# --- what it writes -------------------------------------------------------------------------------


def test_a_megabyte_without_a_newline_is_one_line_cut_short(scene: Scene) -> None:
    pid = scene.python("org.example.Long", "import sys; sys.stderr.write('x' * 1_000_000); sys.exit(2)")
    scene.until_exits(1)
    assert scene.exits == [("org.example.Long", pid, Ending(2, None))]
    assert scene.processes.lines("org.example.Long") == ["x" * 997 + "..."]


def test_a_line_of_the_longest_length_is_kept_whole(scene: Scene) -> None:
    scene.python("org.example.Long", "print('x' * 1000); print('y' * 1001); print('end')")
    scene.until_exits(1)
    assert scene.processes.lines("org.example.Long") == ["x" * 1000, "y" * 997 + "...", "end"]


def test_what_is_no_text_is_kept_readable_and_logged_escaped(scene: Scene) -> None:
    pid = scene.start("org.example.Odd", r"printf '\033[31mred\377\r\n'")
    scene.until_exits(1)
    assert scene.processes.lines("org.example.Odd") == ["\x1b[31mred\ufffd"]
    assert scene.log == [f"org.example.Odd[{pid}]: \\x1b[31mred\ufffd"]


def test_a_flood_is_kept_in_its_last_lines_and_logged_in_its_first(scene: Scene) -> None:
    pid = scene.python("org.example.Flood", "for n in range(30000): print(n)")
    scene.until_exits(1)
    assert scene.exits == [("org.example.Flood", pid, Ending(0, None))]
    assert scene.processes.lines("org.example.Flood") == [str(n) for n in range(29800, 30000)]
    assert scene.log[:100] == [f"org.example.Flood[{pid}]: {n}" for n in range(100)]
    told = [line for line in scene.log if line.endswith("more lines in this second are not logged")]
    logged = len(scene.log) - len(told)
    assert sum(int(line.split()[1]) for line in told) == 30000 - logged
    assert logged < 2000


def test_a_flood_without_end_is_told_while_it_lasts_and_holds_up_nobody(scene: Scene) -> None:
    scene.processes.start("org.example.Yes", ["yes"], PATH)
    scene.until(lambda: any("more lines in this second" in line for line in scene.log))
    bob = scene.start("org.example.Bob", "echo here; exit 1")
    began = time.process_time()
    scene.until_exits(1)
    assert scene.exits == [("org.example.Bob", bob, Ending(1, None))]
    scene.until(lambda: sum("more lines in this second" in line for line in scene.log) >= 2)
    assert time.process_time() - began < 0.8


def test_a_service_that_closes_its_output_runs_on(scene: Scene, tmp_path: Path) -> None:
    pid = scene.start("org.example.Mute", f"echo up; exec >/dev/null 2>&1; : > {tmp_path}/closed; exec sleep 1000")
    scene.until(lambda: (tmp_path / "closed").exists())
    scene.until_line("org.example.Mute", "up")
    assert (scene.processes.pid("org.example.Mute"), scene.exits) == (pid, [])
    scene.processes.terminate("org.example.Mute")
    scene.until_exits(1)
    assert scene.exits == [("org.example.Mute", pid, TERMINATED)]


# --- the daemon's own end -------------------------------------------------------------------------


def test_all_end_when_the_daemon_stops(scene: Scene) -> None:
    before = children_of(os.getpid())
    for name in ("org.example.Alice", "org.example.Bob"):
        scene.start(name, "echo up; sleep 1000")
        scene.until_line(name, "up")
    hang = scene.start("org.example.Hang", IGNORES_SIGTERM)
    scene.until_line("org.example.Hang", "up")
    below = with_descendants([pid for pid in children_of(os.getpid()) if pid not in before])
    for name in ("org.example.Alice", "org.example.Bob", "org.example.Hang"):
        scene.processes.terminate(name)
    scene.until_exits(2)
    assert [(name, ending) for name, _, ending in sorted(scene.exits)] == [
        ("org.example.Alice", TERMINATED),
        ("org.example.Bob", TERMINATED),
    ]
    assert scene.processes.alive()
    scene.processes.kill_all()
    assert scene.exits[2:] == [("org.example.Hang", hang, KILLED)]
    assert not scene.processes.alive()
    assert len(below) > 4
    assert [pid for pid in below if not gone(pid)] == []


@pytest.mark.parametrize("serves", [False, True])
def test_a_child_that_was_there_before_any_service_is_left_alone(scene: Scene, serves: bool) -> None:
    """Such as one of the shell that became the daemon by exec."""
    with subprocess.Popen(["sleep", "1000"]) as other:
        if serves:
            scene.start("org.example.Alice", "sleep 1000")
        scene.processes.kill_all()
        assert (other.poll(), len(scene.exits)) == (None, int(serves))
        other.kill()


def test_what_hid_itself_ends_too_when_the_daemon_stops(scene: Scene) -> None:
    scene.start("org.example.Hides", "env -i setsid -f sleep 1000; exec sleep 1001")
    scene.until(lambda: len(scene.processes._orphans()) == 1)
    hidden = scene.processes._orphans()[0]
    scene.until(lambda: os.getsid(hidden) == hidden)
    scene.processes.terminate("org.example.Hides")
    scene.until_exits(1)
    assert not gone(hidden)
    scene.processes.kill_all()
    assert gone(hidden)


DAEMON = """import io, os, signal, sys
from pybus.server.log import Log
from pybus.server.loop import READ, Loop
from pybus.server.processes import Processes
loop = Loop()
log = Log(loop, io.StringIO(), {})
processes = Processes(loop, log, "unix:/run/bus", 256, lambda *_: None)
reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
signal.set_wakeup_fd(writing)
signal.signal(signal.SIGCHLD, lambda *_: None)
loop.watch(reading, READ, lambda _: (os.read(reading, 64), processes.reap()))
environ = {"PATH": sys.argv[1]}
processes.start("org.example.Hang", ["sh", "-c", sys.argv[2]], environ)
processes.start("org.example.Tree", ["sh", "-c", "sh -c 'setsid sleep 1000 & sleep 1001' & sleep 1002; :"], environ)
processes.start("org.example.Away", [sys.executable, "-S", "-c", sys.argv[3]], environ)

def look():
    text = " ".join(processes.lines("org.example.Hang") + processes.lines("org.example.Away")).split()
    if len(text) == 3 and processes.pid("org.example.Away") == int(text[2]):
        print("ready", flush=True)
    else:
        loop.after(0.01, look)

look()
loop.run()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_daemon_that_is_killed_leaves_no_orphan(number: signal.Signals) -> None:
    command = [sys.executable, "-c", DAEMON, os.environ["PATH"], IGNORES_SIGTERM, FORKS_AWAY]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as daemon:
        try:
            assert daemon.stdout is not None
            assert daemon.stdout.readline() == b"ready\n"
            below = with_descendants(children_of(daemon.pid))
            pidfds = [os.pidfd_open(pid) for pid in below]
        finally:
            daemon.send_signal(number)
    assert len(below) >= 8
    limit = time.monotonic() + PATIENCE
    for pidfd in pidfds:
        assert select.select([pidfd], [], [], max(0, limit - time.monotonic()))[0] == [pidfd]
        os.close(pidfd)


def test_a_hundred_starts_leave_nothing_behind(scene: Scene) -> None:
    def cycle(count: int) -> None:
        for number in range(count):
            name = f"org.example.Brief{number % 10}"
            pid = scene.start(name, f"sleep 1000 & echo {number} >&2; exit {number % 3 or 3}")
            scene.until(lambda: not scene.processes.alive())
            assert scene.exits.pop() == (name, pid, Ending(number % 3 or 3, None))
            assert scene.processes.last_lines(name, pid) == [str(number)]

    cycle(10)
    before = descriptors()
    cycle(90)
    assert descriptors() <= before
    assert scene.exits == []
    scene.until(lambda: scene.processes._orphans() == [])
