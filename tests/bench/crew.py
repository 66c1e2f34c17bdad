"""The processes of a measurement: each plays one role, and talks to the harness over a pipe.

Publishers, subscribers, callers and services are processes of their own, as programs on a desktop
are; otherwise they would share an interpreter, and one would wait for the other.
"""

import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
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
    """The roles of one measurement; `with` ends their processes. core: where all of them run, None for anywhere."""

    def __init__(self, core: int | None = None) -> None:
        self._core = core
        self._processes: list[ForkServerProcess] = []
        self._pipes: list[Pipe] = []

    def start(self, role: Role, *arguments: object) -> Pipe:
        """Start a role; its first word has to be awaited with `hear`."""
        ours, theirs = _context.Pipe()
        process = _context.Process(target=_play, args=(role, self._core, theirs, arguments), daemon=True)
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
    for thread in os.listdir(f"/proc/{process}/task"):
        with suppress(ProcessLookupError):  # it has ended meanwhile
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


def _play(role: Role, core: int | None, pipe: Pipe, arguments: tuple[object, ...]) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        role(pipe, *arguments)
    except EOFError:
        pass  # the harness has closed its end: the measurement is over
    except Exception:
        pipe.send(Failure(f"{role.__module__}.{role.__name__} failed:\n{traceback.format_exc()}"))
