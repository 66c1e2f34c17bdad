"""The processes of a measurement: each plays one role, and talks to the harness over a pipe.

Publishers, subscribers, callers and services are processes of their own, as programs on a desktop
are; otherwise they would share an interpreter, and one would wait for the other.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from threading import Thread
from types import TracebackType
from typing import Any

PATIENCE = 40
"""Seconds that the harness waits for a role's word."""

_context = multiprocessing.get_context("forkserver")

Pipe = Connection
Role = Callable[..., None]
"""Called as role(pipe, *arguments) in a process of its own, until it returns or is ended."""


class Failure(Exception):
    """A measurement went wrong: something was lost, or a process failed. The text says what."""


class Crew:
    """The roles of one measurement; `with` ends their processes. core: where all of them run, None for anywhere.

    environment: what the roles that are started from now on have in theirs besides, before they import anything.
    """

    def __init__(self, core: int | None = None) -> None:
        _ensure_forkserver()
        self.environment: Mapping[str, str] = {}
        self._core = core
        self._processes: list[ForkServerProcess] = []
        self._pipes: list[Pipe] = []

    def start(self, role: Role, *arguments: object) -> Pipe:
        """Start a role; its first word has to be awaited with `hear`."""
        ours, theirs = _context.Pipe()
        about = (pickle.dumps(role), dict(self.environment), self._core)
        process = _context.Process(target=_play, args=(*about, theirs, arguments), daemon=True)
        with _undisturbed():
            process.start()
        theirs.close()
        self._processes.append(process)
        self._pipes.append(ours)
        return ours

    def link(self) -> tuple[Pipe, Pipe]:
        """A pipe of which two roles get an end each: (to read from, to write to)."""
        reading, writing = _context.Pipe(duplex=False)
        self._pipes += [reading, writing]
        return reading, writing

    def __enter__(self) -> "Crew":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()
        for pipe in self._pipes:
            pipe.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let signals wait meanwhile: a process that is half ordered makes the fork server complain on our stderr."""
    told: list[int] = []
    before = {
        number: signal.signal(number, lambda sent, _: told.append(sent)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for sent in told:
            signal.raise_signal(sent)


@contextmanager
def on_core(core: int | None, processes: Iterable[int]) -> Iterator[None]:
    """Let some processes of ours, with all their threads, run on this core only, for a while; None for no change."""
    if core is None:
        yield
        return
    before = {process: os.sched_getaffinity(process) for process in processes}
    for process in before:
        _bind(process, {core})
    try:
        yield
    finally:
        for process, cores in before.items():
            _bind(process, cores)


def _bind(process: int, cores: set[int]) -> None:
    with suppress(FileNotFoundError):  # the process has ended meanwhile
        for thread in os.listdir(f"/proc/{process}/task"):
            with suppress(ProcessLookupError):  # the thread has
                os.sched_setaffinity(int(thread), cores)


def hear(*pipes: Pipe) -> list[Any]:
    """What each of these roles says next. Raises `Failure` if one fails, or says nothing for too long."""
    words: dict[Pipe, Any] = {}
    while missing := [pipe for pipe in pipes if pipe not in words]:
        ready = wait(missing, PATIENCE)
        if not ready:
            raise Failure(f"no word from {len(missing)} of {len(pipes)} processes for {PATIENCE} s")
        for pipe in missing:
            if pipe in ready:
                words[pipe] = _receive(pipe)
    return [words[pipe] for pipe in pipes]


def _receive(pipe: Pipe) -> Any:
    try:
        word = pipe.recv()
    except EOFError:
        raise Failure("a process of the measurement ended") from None
    if isinstance(word, Failure):
        raise word
    return word


def _ensure_forkserver() -> None:
    """Have roles not feel Ctrl-C, from their first moment; the harness does, and ends them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


def _end_with_the_harness() -> None:
    """Wait until the harness has ended, killed perhaps; a role that waits for its bus would not notice."""
    harness = multiprocessing.parent_process()
    assert harness is not None
    wait([harness.sentinel])
    os._exit(1)


def _play(
    pickled: bytes, environment: dict[str, str], core: int | None, pipe: Pipe, arguments: tuple[object, ...]
) -> None:
    """In the new process. pickled: the role, which is loaded when the environment is as it should be."""
    assert not environment or "pybus" not in sys.modules, "an argument imports pybus before its form is chosen"
    os.environ.update(environment)
    if core is not None:
        os.sched_setaffinity(0, {core})
    Thread(target=_end_with_the_harness, daemon=True).start()
    role: Role = pickle.loads(pickled)
    try:
        role(pipe, *arguments)
    except EOFError:
        pass  # the harness has closed its end: the measurement is over
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(where.filename)}:{where.lineno}"
        with suppress(BrokenPipeError):  # the harness is being ended as well
            pipe.send(Failure(f"{role.__module__}.{role.__name__}: {type(error).__name__}: {error} ({place})"))
