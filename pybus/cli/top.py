"""`pybus top`: who sends how much, live; or, for scripts, as plain snapshots."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from pybus.cli.command import OK, REFUSED, complain
from pybus.cli.parsing import count
from pybus.cli.rates import Snapshot
from pybus.cli.text import is_terminal, table
from pybus.cli.top_tables import TABLES, for_people, for_programs, headline, ranked, record
from pybus.cli.watching import SHORTEST, interval
from pybus.client.aio import Bus, connect
from pybus.errors import ConnectionLost, NoBus
from pybus.names import BUS_NAME

if TYPE_CHECKING:
    from pybus.cli.top_screen import TopScreen

_MORE = """\
Four tables: peers, topics, methods and queues. The worst offender is on top:
  peers     those that the bus is slowing, then those that miss signals because
            they do not read in time, then who sends most bytes
  topics    those of which signals are dropped, then those with most bytes
  methods   those that answer with errors, then the slowest
  queues    those that give messages up (which may become dead letters), then
            those to which consumers give messages back, then the fullest; of
            very many only those in which most happens or waits
Rates are those since the last look. Delays and times are means, and the worst,
since this command began: a delay is the time from a signal's coming to its
having been written to its receivers, a time that from a call to its answer.

Keys: 1 2 3 4 or a click choose the table, s and S the column to sort by (or a
click on its title), r the other way round, w the worst on top again; p pauses,
q quits. It needs textual: pip install 'pybus[top]'.

With --count, or if one of the three streams is no terminal, snapshots are
printed instead. In a pipe each is a line that begins with `bus`, then a line for
each row, which begins with `peer`, `topic`, `method` or `queue`, with tabs between
columns."""


def top_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus top`."""
    parser.description = f"{parser.description}\n\n{_MORE}"
    parser.add_argument("--interval", metavar="S", type=interval, default=1.0, help="look every S seconds (default 1)")
    parser.add_argument("--count", metavar="N", type=count, help="print N snapshots and end")


def top_command(options: argparse.Namespace) -> int:
    """`pybus top`: the live view, or snapshots."""
    # The view is drawn on stderr, as textual does it.
    if options.count is not None or not all(map(is_terminal, (sys.stdin, sys.stdout, sys.stderr))):
        asyncio.run(_print_snapshots(options.interval, options.count))
        return OK
    try:
        from pybus.cli.top_screen import TopScreen
    except ModuleNotFoundError as error:
        if error.name not in ("textual", "rich"):  # which comes with it
            raise
        return complain("pybus top", "the live view needs textual: pip install 'pybus[top]'", REFUSED)
    asyncio.run(_show(TopScreen, options.interval))
    return OK


async def _show(screen_type: type[TopScreen], seconds: float) -> None:
    async with connect() as bus:
        screen = screen_type(bus, seconds)
        # Without this SIGTERM would leave the terminal as the screen had set it.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, screen.exit)
        await screen.run_async()
        if screen.failure is not None:
            raise screen.failure


async def looks(bus: Bus, seconds: float) -> AsyncGenerator[tuple[Snapshot, Snapshot] | None, None]:
    """Every so many seconds the last look at the bus and the one before; None when the bus has gone away.

    It goes on when the bus is back. Raises `ConnectionLost` if it won't come back.
    """
    before: Snapshot | None = None
    gone = asyncio.Event()
    bus.on_disconnect(lambda _: gone.set())
    while True:
        if gone.is_set():
            gone.clear()
            before = None  # the counters begin again
            yield None
        try:
            now = await _look(bus)
        except (ConnectionLost, NoBus):
            await _pause(bus.run(), SHORTEST)  # raises what can't be waited for
            continue
        if not gone.is_set():
            if before is not None:
                yield before, now
            before = now
            await _pause(gone.wait(), seconds)


async def _pause(end: Coroutine[Any, Any, object], seconds: float) -> None:
    """Wait so long, or until the coroutine ends."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await end


async def _look(bus: Bus) -> Snapshot:
    the_bus = bus.proxy(BUS_NAME)
    answers = the_bus.stats(), the_bus.peers(), the_bus.traffic(), the_bus.queue_traffic()
    return Snapshot(*await asyncio.gather(*answers))


async def _print_snapshots(seconds: float, most: int | None) -> None:
    number = 0
    async with connect() as bus, aclosing(looks(bus, seconds)) as pairs:
        async for pair in pairs:
            if pair is None:
                print("pybus top: the bus went away; waiting for it to come back", file=sys.stderr)
                continue
            if is_terminal(sys.stdout):
                _print_for_people(*pair)
            else:
                _print_for_programs(*pair)
            sys.stdout.flush()
            number += 1
            if number == most:
                return


def _print_for_people(before: Snapshot, after: Snapshot) -> None:
    print(headline(before, after))
    for one in TABLES:
        rows = ranked(one, one.rows(before, after))
        shown = [[for_people(*cell) for cell in zip(one.columns, row, strict=True)] for row in rows]
        print()
        table([column.title for column in one.columns], shown)
    print()


def _print_for_programs(before: Snapshot, after: Snapshot) -> None:
    print("\t".join(["bus", *record(before, after)]))
    for one in TABLES:
        for row in ranked(one, one.rows(before, after)):
            cells = [for_programs(*cell) for cell in zip(one.columns, row, strict=True)]
            print("\t".join([one.word, *cells]))
