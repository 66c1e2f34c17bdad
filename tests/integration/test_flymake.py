"""`examples/flymake`: a real Emacs, real workers, real pylint and pytest, and a bus between them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import pybus
from tests.daemon import PATIENCE, BusDaemon

from .emacs import BACKEND, Emacs, needs_emacs

pytestmark = needs_emacs

EXAMPLES = BACKEND.parent

STACK = '''\
"""A stack."""
import os


def pop(stack):
    """Take the top off."""
    return stack.popp[0
'''
"""With a bracket that is never closed, which hides all else from pylint."""

BROKEN = (7, 22, "error", "Parsing failed: ''[' was never closed (stack, line 7)' (syntax-error)")

UNUSED = (2, 0, "warning", "Unused import os (unused-import)")

TEST = """\
from stack import pop


def test_pop():
    assert pop([1, 2]) == 2
"""

GATE = "[MAIN]\ninit-hook=import os; open(os.environ['GATE']).read()\n"
"""A pylintrc with which pylint waits at the worker's gate."""


class Worker:
    """A worker that runs, with a gate (a FIFO) of its own that its pylint may wait at."""

    def __init__(self, daemon: BusDaemon, name: str, gate: Path) -> None:
        self.gate = gate
        os.mkfifo(gate)
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(EXAMPLES / name)],
            env={**daemon.environ, "GATE": str(gate)},
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """What it says next."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def meet(self) -> int:
        """Return once its pylint stands at the gate; the gate's other side, which lets it in when it is closed."""
        return os.open(self.gate, os.O_WRONLY)

    def open(self) -> None:
        """Let all who come later pass."""
        spare = self.gate.with_suffix(".open")
        spare.touch()
        spare.rename(self.gate)


class Desk:
    """A bus, a project, and what runs on it."""

    def __init__(self, daemon: BusDaemon, stack: ExitStack, folder: Path) -> None:
        self.daemon = daemon
        self.project = folder / "project"
        self.project.mkdir()
        (self.project / "pyproject.toml").touch()
        self._stack = stack
        self._folder = folder
        self._workers = 0
        self._alice = stack.enter_context(pybus.connect(daemon.address, program="alice"))

    def file(self, name: str, text: str) -> Path:
        """A file of the project."""
        path = self.project / name
        path.write_text(text)
        return path

    def worker(self, name: str) -> Worker:
        """Start a worker; returns once it consumes its queue."""
        kind = name.partition("_")[0]
        self._workers += 1
        worker = Worker(self.daemon, name, self._folder / f"gate-{self._workers}")
        self._stack.callback(_end, worker.process)
        while worker.process.pid not in self.consuming(kind):
            assert worker.process.poll() is None
        return worker

    def consuming(self, kind: str) -> dict[int, int]:
        """How many buffers each worker of that kind has, by its process."""
        try:
            queue = self._alice.call("org.pybus.Bus", "queue", f"flymake.{kind}")
        except pybus.NotFound:
            return {}
        return {one["pid"]: one["unacked"] for one in queue["consumers"]}

    def kill_the_busy(self, workers: list[Worker]) -> None:
        """Kill the worker that has a buffer, once it works on it."""
        alive = {one.process.pid: one for one in workers if one.process.poll() is None}
        while not (busy := [pid for pid, count in self.consuming("lint").items() if count and pid in alive]):
            pass
        worker = alive[busy[0]]
        gate = worker.meet()
        worker.process.kill()
        worker.process.wait(PATIENCE)
        os.close(gate)

    def held(self) -> tuple[Path, Worker, Emacs, int]:
        """A buffer that a worker checks, and goes on checking until the gate is closed."""
        self.file("pylintrc", GATE)
        stack = self.file("stack.py", STACK)
        worker = self.worker("lint_worker")
        emacs = self.emacs("lint")
        emacs.open(stack)
        return stack, worker, emacs, worker.meet()

    def emacs(self, kind: str) -> Emacs:
        """Alice's Emacs, which has buffers checked by workers of this kind alone."""
        other = {"lint": "test", "test": "lint"}[kind]
        setting = f"(fset 'pybus-flymake-{other} (lambda (report &rest _) (funcall report nil)))"
        return self._stack.enter_context(Emacs(self.daemon.environ, setting))


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.fixture
def desk(daemon: BusDaemon, tmp_path: Path) -> Iterator[Desk]:
    with ExitStack() as stack:
        yield Desk(daemon, stack, tmp_path)


def test_a_buffer_shows_what_pylint_finds_in_it_saved_or_not(desk: Desk) -> None:
    stack = desk.file("stack.py", STACK)
    emacs = desk.emacs("lint")
    emacs.open(stack)
    assert emacs.shown(stack) == [(1, 0, "warning", "no worker checks buffers: start lint_worker")]
    worker = desk.worker("lint_worker")
    emacs.edit(stack, "stack", "stack of things")
    assert emacs.shown(stack) == [BROKEN]
    assert worker.line() == "stack.py: 1 found\n"
    emacs.edit(stack, "popp[0", "popp")
    assert emacs.shown(stack) == [UNUSED]
    emacs.edit(stack, "import os\n", "")
    assert emacs.shown(stack) == []
    assert stack.read_text() == STACK


def test_two_workers_share_the_load_and_a_killed_ones_buffer_goes_to_the_other(desk: Desk) -> None:
    desk.file("pylintrc", GATE)
    files = [desk.file("stack.py", STACK), desk.file("heap.py", STACK.replace("popp[0", "popp"))]
    first, second = desk.worker("lint_worker"), desk.worker("lint_worker")
    emacs = desk.emacs("lint")
    for file in files:
        emacs.open(file)
    held = [worker.meet() for worker in (first, second)]
    assert desk.consuming("lint") == {first.process.pid: 1, second.process.pid: 1}
    second.open()
    first.process.kill()
    first.process.wait(PATIENCE)
    for gate in held:
        os.close(gate)
    assert [emacs.shown(file) for file in files] == [[BROKEN], [UNUSED]]
    assert sorted(second.line() for _ in files) == ["heap.py: 1 found\n", "stack.py: 1 found\n"]


def test_a_check_of_an_older_text_is_dropped_in_the_middle_and_never_shown(desk: Desk) -> None:
    stack, worker, emacs, gate = desk.held()
    worker.open()
    emacs.edit(stack, "import os", "import sys")  # waits in the queue, and is out of date when it is taken
    emacs.edit(stack, "popp[0", "popp")
    try:
        assert emacs.shown(stack) == [(*UNUSED[:3], "Unused import sys (unused-import)")]
    finally:
        os.close(gate)
    said = [worker.line() for _ in range(2)]
    if said[-1] != "stack.py: 1 found\n":
        said.append(worker.line())  # the bus may have dropped the second, or never have got it
    assert said == ["stack.py: superseded\n"] * (len(said) - 1) + ["stack.py: 1 found\n"]


def test_when_the_last_worker_dies_emacs_says_so(desk: Desk) -> None:
    stack, worker, emacs, gate = desk.held()
    worker.process.kill()
    os.close(gate)
    assert emacs.shown(stack) == [(1, 0, "warning", "no worker checks buffers: start lint_worker")]


def test_a_buffer_that_is_the_end_of_its_workers_is_given_up(desk: Desk) -> None:
    desk.file("pylintrc", GATE)
    stack = desk.file("stack.py", STACK)
    workers = [desk.worker("lint_worker") for _ in range(4)]
    emacs = desk.emacs("lint")
    emacs.open(stack)
    for _ in range(3):
        desk.kill_the_busy(workers)
    assert emacs.shown(stack) == [(1, 0, "warning", "this buffer was the end of each lint_worker that took it")]


def test_failing_tests_are_shown_at_their_lines_once_the_buffer_is_saved(desk: Desk) -> None:
    test = desk.file("test_stack.py", TEST)
    stack = desk.file("stack.py", "def pop(stack):\n    return stack[0]\n")
    desk.worker("test_worker")
    emacs = desk.emacs("test")
    emacs.open(test)
    assert emacs.shown(test) == [(5, 4, "error", "test_pop: assert 1 == 2")]
    emacs.open(stack)
    assert emacs.shown(stack) == [(1, 0, "error", "test_pop: assert 1 == 2")]
    emacs.edit(stack, "[0]", "[-1]")
    assert emacs.shown(stack) == []
    emacs.edit(stack, "[-1]", "[5]")
    emacs.save(stack)
    assert emacs.shown(stack) == [(2, 4, "error", "test_pop: IndexError: list index out of range")]
    emacs.edit(stack, "[5]", "[-1]")
    emacs.save(stack)
    assert emacs.shown(stack) == []


def test_a_check_that_fails_says_why(desk: Desk) -> None:
    desk.file("pylintrc", "[MAIN]\nload-plugins=\n[MAIN]\n")
    stack = desk.file("stack.py", STACK)
    desk.worker("lint_worker")
    emacs = desk.emacs("lint")
    emacs.open(stack)
    (found,) = emacs.shown(stack)
    assert found[:3] == (1, 0, "warning")
    assert found[3].startswith("lint_worker: pylint said: pylintrc:1:0: F0011: error while parsing the configuration")


def test_they_say_how_they_are_used_and_that_there_is_no_bus(tmp_path: Path) -> None:
    def said(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / words[0]), *words[1:]],
            env={**os.environ, "PYBUS_ADDRESS": f"unix:{tmp_path}/bus"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stderr

    no_bus = f"no bus at unix:{tmp_path}/bus (No such file or directory); start one with: pybus daemon\n"
    assert said("check_buffer") == (1, "usage: check_buffer lint|test FILE < TEXT\n")
    assert said("check_buffer", "lint", "stack.py") == (1, f"check_buffer: {no_bus}")
    assert said("lint_worker") == (1, f"lint_worker: {no_bus}")
    assert said("test_worker") == (1, f"test_worker: {no_bus}")
