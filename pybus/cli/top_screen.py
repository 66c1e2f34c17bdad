"""The live view of `pybus top`. The one place that imports textual."""

from __future__ import annotations

from contextlib import aclosing
from typing import ClassVar

from rich.console import JustifyMethod
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.widgets import DataTable, Footer, Static, TabbedContent, TabPane

from pybus.cli.rates import Snapshot
from pybus.cli.top import looks
from pybus.cli.top_tables import TABLES, WORST_FIRST, Column, Order, Row, Table, for_people, headline, ranked
from pybus.client.aio import Bus
from pybus.errors import PybusError

MOST_ROWS = 200
"""Rows that are drawn of each table: more than a person scrolls through. They are the first in the order."""


class RankedTable(DataTable[Text]):
    """One of the tables, in the order that the person has chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort(1)", "Sort by next column"),
        Binding("S", "sort(-1)", "Sort by column before", show=False),
        Binding("r", "turn", "Reverse"),
        Binding("w", "worst_first", "Worst first"),
    ]

    def __init__(self, table: Table) -> None:
        super().__init__(cursor_type="row", zebra_stripes=True, id=f"{table.title}-table")
        self._table = table
        self._order = WORST_FIRST
        self._rows: list[Row] = []

    def on_mount(self) -> None:
        self._reorder(WORST_FIRST)

    def show(self, rows: list[Row]) -> None:
        """Draw these rows in place of those before; the cursor and the scrolling stay where they are."""
        self._rows = rows
        first = ranked(self._table, rows, self._order)[:MOST_ROWS]
        for number, row in enumerate(first):
            cells = [_cell(column, value) for column, value in zip(self._table.columns, row, strict=True)]
            if number >= self.row_count:
                self.add_row(*cells)
                continue
            for place, cell in enumerate(cells):
                self.update_cell_at(Coordinate(number, place), cell, update_width=True)
        while self.row_count > len(first):
            self.remove_row(self.coordinate_to_cell_key(Coordinate(self.row_count - 1, 0)).row_key)

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        """A click on a title sorts by it, a second one the other way round."""
        if event.column_index == self._order.column:
            self.action_turn()
        else:
            self._reorder(Order(event.column_index))

    def action_sort(self, step: int) -> None:
        """Sort by the next column, or the one before."""
        column = self._order.column
        if column is None:
            column = -1 if step > 0 else 0
        self._reorder(Order((column + step) % len(self._table.columns)))

    def action_turn(self) -> None:
        """The other way round."""
        self._reorder(self._order._replace(turned=not self._order.turned))

    def action_worst_first(self) -> None:
        """The order that there is at the start."""
        self._reorder(WORST_FIRST)

    def _reorder(self, order: Order) -> None:
        self._order = order
        self.clear(columns=True)
        for number, column in enumerate(self._table.columns):
            mark = ("▲" if order.turned else "▼") if number == order.column else ""
            self.add_column(Text(column.title + mark, justify=_justify(column)))
        self.show(self._rows)


class TopScreen(App[None]):
    """The live view. failure: why it ended, if it was not asked to."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #headline, #state { height: 1; padding: 0 1; }
    #state { color: $warning; }
    TabbedContent, RankedTable { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("p", "pause", "Pause"),
        *(Binding(str(number), f"table('{table.title}')", table.title) for number, table in enumerate(TABLES, 1)),
    ]

    def __init__(self, bus: Bus, seconds: float) -> None:
        """bus: connected already. seconds: between two looks at it."""
        super().__init__()
        self.failure: PybusError | None = None
        self._bus = bus
        self._seconds = seconds
        self._is_paused = False
        self._is_away = False
        # Kept, as they are not to be found any more when the screen closes, and that may be while one draws.
        self._headline = Static("measuring ...", id="headline", markup=False)
        self._state = Static("", id="state", markup=False)
        self._tables = {table.title: RankedTable(table) for table in TABLES}

    def compose(self) -> ComposeResult:
        yield self._headline
        yield self._state
        with TabbedContent():
            for title, table in self._tables.items():
                with TabPane(title, id=title):
                    yield table
        yield Footer()

    def on_mount(self) -> None:
        self.action_table(TABLES[0].title)
        self.run_worker(self._watch())

    async def _watch(self) -> None:
        """Draw what the bus says, until the end."""
        try:
            async with aclosing(looks(self._bus, self._seconds)) as pairs:
                async for pair in pairs:
                    self._is_away = pair is None
                    if pair is not None and not self._is_paused:
                        self._draw(*pair)
                    self._show_state()
        except PybusError as error:
            self.failure = error
            self.exit()

    def _draw(self, before: Snapshot, after: Snapshot) -> None:
        self._headline.update(headline(before, after))
        for table in TABLES:
            self._tables[table.title].show(list(table.rows(before, after)))

    def _show_state(self) -> None:
        paused = "paused: p goes on" if self._is_paused else ""
        away = "the bus went away; waiting for it to come back" if self._is_away else ""
        self._state.update("; ".join(filter(None, (away, paused))))

    def action_pause(self) -> None:
        """Leave what is there, or go on."""
        self._is_paused = not self._is_paused
        self._show_state()

    def action_table(self, title: str) -> None:
        """Show one of the tables."""
        self.query_one(TabbedContent).active = title
        self._tables[title].focus()


def _justify(column: Column) -> JustifyMethod:
    return "left" if column.kind in ("text", "mark") else "right"


def _cell(column: Column, value: object) -> Text:
    """A cell as text without markup: programs choose their names."""
    return Text(for_people(column, value), justify=_justify(column))
