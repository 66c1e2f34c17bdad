"""The log: its lines for a person and for a journal, and the same thing told once."""

import io
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pybus.server.log import ERROR, INFO, NOTICE, WARNING, Log
from pybus.server.loop import Loop, Timer


class HurriedLoop(Loop):
    """The loop, with seconds a thousand times as short."""

    def after(self, seconds: float, action: Callable[[], None]) -> Timer:
        return super().after(seconds / 1000, action)


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = HurriedLoop()
    yield made
    made.close()


def texts(stream: io.StringIO) -> list[str]:
    """The lines without the time of day, which each must have."""
    lines = stream.getvalue().splitlines()
    assert [line for line in lines if not re.match(r"\d\d:\d\d:\d\d ", line)] == []
    return [line[9:] for line in lines]


def test_a_person_gets_lines_with_the_time_of_day(loop: Loop) -> None:
    stream = io.StringIO()
    log = Log(loop, stream)
    for priority in (ERROR, WARNING, NOTICE, INFO):
        log.write(priority, "it is so")
    assert texts(stream) == ["error: it is so", "warning: it is so", "it is so", "it is so"]


def test_a_journal_gets_lines_with_their_priority(loop: Loop, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with path.open("w") as stream:
        status = os.fstat(stream.fileno())
        log = Log(loop, stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        log.info("it is so")
        log.warning("it", "it may be so")
    assert path.read_text() == "<6>it is so\n<4>it may be so\n"


@pytest.mark.parametrize("environ", [{}, {"JOURNAL_STREAM": "1:1"}, {"JOURNAL_STREAM": ""}])
def test_a_stream_that_is_not_the_journals_is_for_a_person(loop: Loop, tmp_path: Path, environ: dict[str, str]) -> None:
    path = tmp_path / "terminal"
    with path.open("w") as stream:
        Log(loop, stream, environ).info("it is so")
    assert path.read_text()[8:] == " it is so\n"


def test_the_same_warning_is_written_once_and_then_counted(loop: Loop) -> None:
    stream = io.StringIO()
    log = Log(loop, stream)
    for number in range(4):
        log.warning("thrown out: bob", f"thrown out: bob {number}")
    log.warning("thrown out: carol", "thrown out: carol 0")
    assert texts(stream) == ["warning: thrown out: bob 0", "warning: thrown out: carol 0"]
    log.close()
    assert texts(stream)[2:] == ["warning: thrown out: bob: 3 more in the last 10 s"]


def test_after_its_time_a_warning_is_told_and_then_written_again(loop: Loop) -> None:
    stream = io.StringIO()
    log = Log(loop, stream)
    for _ in range(3):
        log.warning("bob", "bob is slow")
    loop.after(10.0, loop.stop)
    loop.run()
    log.warning("bob", "bob is slow again")
    assert texts(stream) == [
        "warning: bob is slow",
        "warning: bob: 2 more in the last 10 s",
        "warning: bob is slow again",
    ]


def test_a_warning_that_came_once_is_not_counted(loop: Loop) -> None:
    stream = io.StringIO()
    log = Log(loop, stream)
    log.warning("bob", "bob is slow")
    loop.after(10.0, loop.stop)
    loop.run()
    log.close()
    assert texts(stream) == ["warning: bob is slow"]


def test_information_is_never_gathered(loop: Loop) -> None:
    stream = io.StringIO()
    log = Log(loop, stream)
    log.info("joined")
    log.info("joined")
    assert texts(stream) == ["joined", "joined"]


def test_a_bug_is_written_with_its_traceback_line_by_line(loop: Loop) -> None:
    stream = io.StringIO()
    log = Log(loop, stream)
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError as error:
        log.bug("bug while serving alice", error)
    first, *trace, last = texts(stream)
    assert first == "error: bug while serving alice"
    assert trace[0] == "error: Traceback (most recent call last):"
    assert last == "error: ZeroDivisionError: by zero"


@pytest.mark.parametrize("name", ["bob\n<3>the bus has failed", "bob\x1b[2J", "b\udcc3b"])
def test_a_name_can_not_forge_lines_or_steer_a_terminal(loop: Loop, name: str) -> None:
    stream = io.StringIO()
    Log(loop, stream).info(f"joined: {name}")
    assert texts(stream) == [f"joined: {repr(name)[1:-1]}"]


def test_a_log_that_nobody_can_read_any_more_is_no_failure(loop: Loop) -> None:
    stream = io.StringIO()
    log = Log(loop, stream)
    log.info("before")
    kept = stream.getvalue()
    stream.close()
    log.info("after")
    assert kept.endswith("before\n")


def test_a_full_disk_is_no_failure_of_the_bus(loop: Loop) -> None:
    disk = open("/dev/full", "w")  # noqa: SIM115
    Log(loop, disk).info("there is no room for this")
    with pytest.raises(OSError, match="No space left"):
        disk.close()


def test_a_log_that_nobody_reads_does_not_hold_up_the_bus_and_tells_what_was_lost() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as reader:
        with os.fdopen(writing, "w") as stream:
            log = Log(Loop(), stream)
            for number in range(2000):
                log.info(f"line {number} " + "x" * 100)
            first = [reader.readline() for _ in range(100)]
            log.info("the last")
        rest = reader.readlines()
    assert [f" line {number} " in line for number, line in enumerate(first)] == [True] * 100
    assert " the last (" in rest[-1]
    lost = int(rest[-1].partition("(")[2].split()[0])
    assert lost > 0
    assert len(first) + len(rest) - 1 + lost == 2000
