"""What both workers do: take buffers from their queue, have a program check each, answer with what it found.

A check is published to the fanout exchange `flymake.KIND`, which fills the queue `flymake.KIND`. Its body is a map of
`file` (a path) and `text` (the buffer's); its routing key and its `reply_to` are the queue where its editor waits. So
whatever becomes of it gets there: the worker's answer, or the check itself, as a dead letter, once it has been the
end of `DEATHS` workers. The answer is a list of diagnostics (maps with the fields of `Diagnostic`), or a text that
says why there is none.

A check that nobody waits for any more, as the buffer has changed, is dropped, even in the middle of the work.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import pybus

DEATHS = 3
"""How many workers a check may be the end of before it is given up."""

_LONGEST = 120.0
"""Seconds that a check may take."""

_LOOK = 0.5
"""Seconds after which a worker looks again whether its check is still waited for."""

_ROOT = ("pyproject.toml", "setup.cfg", "setup.py", "pytest.ini", "tox.ini", ".git")


class Diagnostic(NamedTuple):
    """Something found. line, column: from 1; a column of 0 is all of the line. type: error, warning or note."""

    line: int
    column: int
    type: str
    text: str


class Failed(Exception):
    """A buffer could not be checked; the text says why."""


class Superseded(Exception):
    """Nobody waits for this check any more."""


class Check:
    """A buffer to check. file: where it is saved, or will be. text: the buffer's."""

    def __init__(self, bus: pybus.Bus, editor: str, file: str, text: str) -> None:
        """editor: the queue where its answer is waited for."""
        self.file = Path(file)
        self.text = text
        self._bus = bus
        self._editor = editor

    @property
    def project(self) -> Path:
        """The nearest folder above the file that looks like a project's; else the file's own."""
        folders = self.file.parents
        return next((one for one in folders if any((one / name).exists() for name in _ROOT)), folders[0])

    def run(self, *command: str, stdin: str = "") -> str:
        """Run Python with these arguments in the project's folder; what it writes to stdout.

        Raises `Superseded`, and `Failed` if it takes too long or writes nothing but errors.
        """
        self._look()
        try:
            process = subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.project,
                encoding="utf-8",
                errors="replace",
            )
        except (OSError, ValueError) as error:
            raise Failed(str(error)) from None
        with process:
            try:
                output, errors = self._communicate(process, stdin)
            finally:
                process.kill()
        if errors and not output:
            raise Failed(last_line(errors))
        return output

    def _communicate(self, process: "subprocess.Popen[str]", stdin: str | None) -> tuple[str, str]:
        until = monotonic() + _LONGEST
        while monotonic() < until:
            try:
                return process.communicate(stdin, timeout=_LOOK)
            except subprocess.TimeoutExpired:
                stdin = None  # it has been handed over
                self._look()
        raise Failed(f"the check has taken more than {_LONGEST:.0f} s")

    def _look(self) -> None:
        """An editor that starts another check, or ends, takes its queue along; until then the queue is locked."""
        try:
            self._bus.queue(self._editor, passive=True)
        except pybus.ResourceLocked:
            pass
        except pybus.NotFound:
            raise Superseded from None


def last_line(text: str) -> str:
    """What a program said last, which is mostly the reason."""
    return (text.strip().splitlines() or ["nothing"])[-1]


def work(kind: str, find: Callable[[Check], list[Diagnostic]]) -> None:
    """Check buffers until interrupted. The queue is there as long as a worker is, so that editors know."""
    name = f"flymake.{kind}"
    try:
        with pybus.connect() as bus:
            queue = bus.queue(name, auto_delete=True, arguments=_letters_back())
            bus.exchange(name, "fanout", auto_delete=True)
            queue.bind(name)
            for message in queue.consume(prefetch=1):
                match message.body, message.properties:
                    case {"file": str(file), "text": str(text)}, {"reply_to": str(editor)}:
                        with message:
                            _answer(bus, editor, Check(bus, editor, file, text), find)
                    case _:
                        message.reject()
    except KeyboardInterrupt:
        pass
    except pybus.PybusError as error:
        sys.exit(f"{kind}_worker: {error}")


def _letters_back() -> dict[str, object]:
    """A dead letter keeps its routing key, which the default exchange takes for a queue's name: the editor's."""
    return {"x-delivery-limit": DEATHS - 1, "x-dead-letter-exchange": ""}


def _answer(bus: pybus.Bus, editor: str, check: Check, find: Callable[[Check], list[Diagnostic]]) -> None:
    answer: list[dict[str, object]] | str
    try:
        found = find(check)
        answer, told = [one._asdict() for one in found], f"{len(found)} found"
    except Failed as reason:
        answer = told = str(reason)
    except Superseded:
        print(f"{check.file.name}: superseded", flush=True)
        return
    bus.publish_to("", editor, answer)
    print(f"{check.file.name}: {told}", flush=True)
