"""`pybus top`: snapshots for scripts, and the live view on a real bus."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgpack
import pytest
from textual.pilot import Pilot
from textual.widgets import Static

import pybus
from pybus.cli.top_screen import RankedTable, TopScreen
from tests.cli.programs import BIN, line_of, run, started
from tests.daemon import PATIENCE, BusDaemon

Rows = list[list[str]]
LOOKS = {"stats", "peers", "traffic", "queue_traffic"}
"""The methods that each look calls."""


# --- snapshots ------------------------------------------------------------------------------------


def test_snapshots_are_records_that_say_what_they_are(daemon: BusDaemon, bob: pybus.Bus) -> None:
    code, out, err = run(daemon, "pybus", "top", "--count", "2", "--interval", "0.1")
    records = [line.split("\t") for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [record[0] for record in records] == ["bus", "peer", "peer", *["method"] * 4] * 2
    assert [len(record) for record in records] == [11, 12, 12, *[7] * 4] * 2
    own, bobs = records[1], records[2]
    program = bob.call("org.pybus.Bus", "peer", bob.name)["program"]
    assert bobs[1:4] == [bob.name, program, str(os.getpid())]
    assert bobs[4:] == ["-", "0.0", "0.0", "0.0", "0.0", "0", "-", "-"]
    assert float(own[5]) > 0
    assert {record[2] for record in records if record[0] == "method"} == LOOKS


def test_snapshots_count_what_passes(daemon: BusDaemon) -> None:
    with started(daemon, "pybus", "top", "--interval", "0.1") as watching, pybus.connect(daemon.address) as alice:
        assert line_of(watching.stdout).startswith("bus\t")
        for number in range(50):
            alice.publish("demo.count", number)
        alice.flush()
        topic = next(line for line in iter(lambda: line_of(watching.stdout), "") if line.startswith("topic\tdemo"))
    assert topic.split("\t")[:2] == ["topic", "demo.count"]


def test_snapshots_tell_of_queues(daemon: BusDaemon, bob: pybus.Bus) -> None:
    jobs = bob.queue("jobs")
    for number in range(3):
        jobs.publish(number)
    bob.flush()
    message = jobs.get()
    assert message is not None
    code, out, _ = run(daemon, "pybus", "top", "--count", "1", "--interval", "0.1")
    records = [line.split("\t") for line in out.splitlines()]
    (queue,) = [record for record in records if record[0] == "queue"]
    assert (code, records[0][-2:], queue[:5]) == (0, ["2", "1"], ["queue", "jobs", "2", "1", "0"])
    assert (float(queue[5]) >= 0, queue[6:]) == (True, ["0.0"] * 5)


def test_snapshots_on_a_terminal_are_tables(daemon: BusDaemon) -> None:
    ours, theirs = pty.openpty()
    command = [str(BIN / "pybus"), "top", "--count", "1", "--interval", "0.1"]
    environ = {**daemon.environ, "NO_COLOR": "1"}
    subprocess.run(command, env=environ, stdout=theirs, check=True, timeout=PATIENCE)
    os.close(theirs)
    lines = os.read(ours, 65536).decode().splitlines()
    os.close(ours)
    assert re.match(r"up \d+ s  in ", lines[0])
    assert lines[2].split()[:4] == ["PEER", "PROGRAM", "PID", "SLOWED"]
    assert "TOPIC  MESSAGES/S  BYTES/S  DROPPED/S  DELAY MS  WORST MS" in lines


def test_the_view_needs_all_three_streams_on_a_terminal(daemon: BusDaemon) -> None:
    ours, theirs = pty.openpty()
    command = [str(BIN / "pybus"), "top", "--interval", "0.1"]
    with subprocess.Popen(command, env=daemon.environ, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE) as process:
        until_shown(ours, "delivered")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b""
    os.close(theirs)
    os.close(ours)


def test_snapshots_go_on_when_the_bus_is_back(daemon: BusDaemon) -> None:
    with started(daemon, "pybus", "top", "--interval", "0.1") as watching:
        assert line_of(watching.stdout).startswith("bus\t")
        daemon.kill()
        assert line_of(watching.stderr) == "pybus top: the bus went away; waiting for it to come back\n"
        daemon.restart()
        with pybus.connect(daemon.address) as alice:
            for line in iter(lambda: line_of(watching.stdout), ""):
                alice.publish("demo.back", "again")
                if line.startswith("topic\tdemo.back\t"):
                    break


def test_without_a_bus_it_says_what_to_do(daemon: BusDaemon) -> None:
    daemon.stop()
    message = f"pybus top: no bus at {daemon.address} (No such file or directory); start one with: pybus daemon\n"
    assert run(daemon, "pybus", "top") == (4, "", message)
    with on_terminal(daemon, str(BIN / "pybus"), "top") as (process, terminal):
        assert until_closed(terminal).replace("\r\n", "\n") == message
        assert process.wait(PATIENCE) == 4


def test_help_tells_what_the_worst_is(daemon: BusDaemon) -> None:
    code, out, err = run(daemon, "pybus", "top", "--help")
    assert (code, err) == (0, "")
    assert "peers     those that the bus is slowing, then those that miss signals" in out
    assert "p pauses" in out


# --- the live view, on a terminal -----------------------------------------------------------------


@contextmanager
def on_terminal(daemon: BusDaemon, *command: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a command with all its streams on a terminal; the process, and our side of the terminal."""
    ours, theirs = pty.openpty()
    environ = {**daemon.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "30"}
    process = subprocess.Popen(command, env=environ, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def until_shown(terminal: int, text: str) -> None:
    """Read what the screen draws until this text is there."""
    shown = b""
    while text.encode() not in shown:
        shown += os.read(terminal, 65536)


def until_closed(terminal: int) -> str:
    """All that is written until the other side has closed the terminal."""
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # which is how a terminal says so
            return shown.decode()


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_a_key_quits_and_gives_the_terminal_back(daemon: BusDaemon, key: str) -> None:
    with on_terminal(daemon, str(BIN / "pybus"), "top", "--interval", "0.1") as (process, terminal):
        until_shown(terminal, "delivered")
        os.write(terminal, key.encode())
        assert "\x1b[?1049l" in until_closed(terminal)
        assert process.wait(PATIENCE) == 0


def test_sigterm_gives_the_terminal_back_too(daemon: BusDaemon) -> None:
    with on_terminal(daemon, str(BIN / "pybus"), "top", "--interval", "0.1") as (process, terminal):
        until_shown(terminal, "delivered")
        process.send_signal(signal.SIGTERM)
        assert "\x1b[?1049l" in until_closed(terminal)
        assert process.wait(PATIENCE) == 0


def test_without_textual_it_says_how_to_install_it(daemon: BusDaemon, tmp_path: Path) -> None:
    (tmp_path / "msgpack").symlink_to(Path(msgpack.__file__).parent)
    daemon.environ["PYTHONPATH"] = f"{tmp_path}:{Path(pybus.__file__).parent.parent}"
    without_site_packages = (sys.executable, "-S", "-m", "pybus", "top")
    with on_terminal(daemon, *without_site_packages) as (process, terminal):
        assert until_closed(terminal) == "pybus top: the live view needs textual: pip install 'pybus[top]'\r\n"
        assert process.wait(PATIENCE) == 1


# --- the live view, by its pilot ------------------------------------------------------------------


@asynccontextmanager
async def screen_of(daemon: BusDaemon) -> AsyncIterator[tuple[TopScreen, Pilot[None]]]:
    """The live view, which looks ten times a second."""
    async with pybus.aio.connect(daemon.address, program="top") as bus:
        screen = TopScreen(bus, 0.1)
        async with screen.run_test(size=(140, 40)) as pilot:
            yield screen, pilot


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """Let the screen go on until this holds."""
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await pilot.pause()


def rows_of(screen: TopScreen, table: str) -> Rows:
    """What stands in a table now."""
    found = screen.query_one(f"#{table}-table", RankedTable)
    return [[cell.plain for cell in found.get_row_at(number)] for number in range(found.row_count)]


def titles_of(screen: TopScreen, table: str) -> list[str]:
    return [str(column.label) for column in screen.query_one(f"#{table}-table", RankedTable).ordered_columns]


def text_of(screen: TopScreen, name: str) -> str:
    return str(screen.query_one(f"#{name}", Static).render())


async def keep_publishing(bus: pybus.aio.Bus, topic: str, size: int, at_once: int) -> None:
    """Publish a hundred times a second: at full speed nothing else would get its turn."""
    while True:
        await asyncio.gather(*(bus.publish(topic, b"x" * size, confirm=True) for _ in range(at_once)))
        await asyncio.sleep(0.01)


@asynccontextmanager
async def publishing(
    daemon: BusDaemon, program: str, topic: str, size: int, *, at_once: int = 1
) -> AsyncIterator[pybus.aio.Bus]:
    """A program that publishes all the time."""
    async with pybus.aio.connect(daemon.address, program=program) as bus:
        task = asyncio.create_task(keep_publishing(bus, topic, size, at_once))
        try:
            yield bus
        finally:
            task.cancel()


async def test_rows_show_peers_topics_and_methods(daemon: BusDaemon) -> None:
    async with publishing(daemon, "alice", "demo.big", 2000) as alice, screen_of(daemon) as (screen, pilot):
        await until(pilot, lambda: len(rows_of(screen, "peers")) == 2 and len(rows_of(screen, "topics")) == 1)
        first, second = rows_of(screen, "peers")
        assert (first[0], first[1].split()[0], first[3]) == (alice.name, "alice", "-")
        assert second[1].split()[0] == "top"
        assert rows_of(screen, "topics")[0][0] == "demo.big"
        assert {row[1] for row in rows_of(screen, "methods")} == LOOKS
        assert text_of(screen, "headline").startswith("up ")


async def test_rows_show_queues_the_fullest_on_top(daemon: BusDaemon) -> None:
    async with pybus.aio.connect(daemon.address) as alice, screen_of(daemon) as (screen, pilot):
        await alice.queue("empty")
        jobs = await alice.queue("jobs")
        await jobs.publish("lint", confirm=True)
        await pilot.press("4")
        await until(pilot, lambda: [row[:4] for row in rows_of(screen, "queues")] == FULL_AND_EMPTY)
        assert titles_of(screen, "queues")[:5] == ["QUEUE", "READY", "UNACKED", "CONSUMERS", "OLDEST"]
        assert "in queues 1" in text_of(screen, "headline")


FULL_AND_EMPTY = [["jobs", "1", "0", "0"], ["empty", "0", "0", "0"]]


async def test_a_row_goes_with_its_peer_and_names_are_no_markup(daemon: BusDaemon) -> None:
    async with screen_of(daemon) as (screen, pilot):
        async with pybus.aio.connect(daemon.address, program="[bold]mallory[/"):
            await until(pilot, lambda: len(rows_of(screen, "peers")) == 2)
            assert any(row[1].startswith("[bold]mallory[/") for row in rows_of(screen, "peers"))
        await until(pilot, lambda: len(rows_of(screen, "peers")) == 1)


async def test_who_misses_signals_is_above_who_sends_most() -> None:
    with BusDaemon(limits={"outbox": 65536}) as daemon, pybus.connect(daemon.address, program="carol") as carol:
        carol.subscribe("demo.big")
        async with publishing(daemon, "alice", "demo.big", 20_000), screen_of(daemon) as (screen, pilot):
            await until(pilot, lambda: bool(rows_of(screen, "peers")) and rows_of(screen, "peers")[0][0] == carol.name)
            await until(pilot, lambda: rows_of(screen, "peers")[1][1].startswith("alice"))
            assert rows_of(screen, "topics")[0][3] != "0"


async def test_who_is_slowed_is_on_top() -> None:
    limits = {"outbox": 65536, "messages_per_second": 60, "burst": 0.1, "alone": 1}
    with BusDaemon(limits=limits) as daemon, pybus.connect(daemon.address, program="carol") as carol:
        carol.subscribe("demo.big")
        sending = publishing(daemon, "alice", "demo.big", 2_000, at_once=20)  # too much even on a slow machine
        async with sending as alice, screen_of(daemon) as (screen, pilot):
            await until(
                pilot, lambda: any(row[0] == alice.name and row[3] == "slowed" for row in rows_of(screen, "peers")[:1])
            )


async def test_keys_sort_turn_and_go_back_to_the_worst(daemon: BusDaemon) -> None:
    async with publishing(daemon, "alice", "a.small", 10), publishing(daemon, "bob", "b.big", 9000):
        async with screen_of(daemon) as (screen, pilot):
            await pilot.press("2")
            await until(pilot, lambda: [row[0] for row in rows_of(screen, "topics")] == ["b.big", "a.small"])
            await pilot.press("s")
            assert titles_of(screen, "topics")[0] == "TOPIC▼"
            assert [row[0] for row in rows_of(screen, "topics")] == ["a.small", "b.big"]
            await pilot.press("r")
            assert titles_of(screen, "topics")[0] == "TOPIC▲"
            assert [row[0] for row in rows_of(screen, "topics")] == ["b.big", "a.small"]
            await pilot.press("S")
            assert titles_of(screen, "topics")[-1] == "WORST MS▼"
            await pilot.press("w")
            assert titles_of(screen, "topics")[-1] == "WORST MS"
            assert rows_of(screen, "topics")[0][0] == "b.big"


async def test_a_click_on_a_title_sorts_by_it_and_another_one_turns(daemon: BusDaemon) -> None:
    async with publishing(daemon, "alice", "a.small", 10), publishing(daemon, "bob", "b.big", 9000):
        async with screen_of(daemon) as (screen, pilot):
            await pilot.press("2")
            await until(pilot, lambda: len(rows_of(screen, "topics")) == 2)
            for mark, names in (("▼", ["a.small", "b.big"]), ("▲", ["b.big", "a.small"])):
                await pilot.click("#topics-table", offset=(2, 0))
                assert titles_of(screen, "topics")[0] == f"TOPIC{mark}"
                assert [row[0] for row in rows_of(screen, "topics")] == names


async def test_pausing_leaves_what_is_there(daemon: BusDaemon) -> None:
    async with screen_of(daemon) as (screen, pilot):
        await until(pilot, lambda: len(rows_of(screen, "peers")) == 1)
        await pilot.press("p")
        assert text_of(screen, "state") == "paused: p goes on"
        async with pybus.aio.connect(daemon.address):
            answered = len(rows_of(screen, "methods"))
            assert (len(rows_of(screen, "peers")), answered) == (1, len(LOOKS))
            await pilot.press("p")
            await until(pilot, lambda: len(rows_of(screen, "peers")) == 2)
        assert text_of(screen, "state") == ""


async def test_it_says_that_the_bus_went_away_and_goes_on_when_it_is_back(daemon: BusDaemon) -> None:
    async with screen_of(daemon) as (screen, pilot):
        await until(pilot, lambda: len(rows_of(screen, "peers")) == 1)
        daemon.kill()
        await until(pilot, lambda: text_of(screen, "state") == "the bus went away; waiting for it to come back")
        daemon.restart()
        await until(pilot, lambda: text_of(screen, "state") == "")
        assert len(rows_of(screen, "peers")) == 1


async def test_q_quits(daemon: BusDaemon) -> None:
    async with screen_of(daemon) as (screen, pilot):
        await pilot.press("q")
        await until(pilot, lambda: not screen.is_running)
        assert (screen.return_code, screen.failure) == (0, None)
