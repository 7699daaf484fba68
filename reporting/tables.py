"""Tables of a report, and their form in a terminal."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from streams.printable import printable

WIDTH = 120
"""Characters per line when the output is a file or a pipe."""


class Column(NamedTuple):
    """A column. Numbers are aligned to the right."""

    heading: str
    is_number: bool = False


def number(heading: str) -> Column:
    """Return a column of numbers."""
    return Column(heading, is_number=True)


@dataclass(frozen=True)
class Table:
    """A table with its title, and a note below it."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    note: str = ""

    @property
    def headings(self) -> list[str]:
        """The headings of the columns. They are empty where the title says it all."""
        return [column.heading for column in self.columns]

    @property
    def has_headings(self) -> bool:
        """Whether any column has a heading."""
        return any(self.headings)

    @property
    def cells(self) -> list[list[tuple[str, bool]]]:
        """Each row's cells, and whether the cell is a number."""
        are_numbers = [column.is_number for column in self.columns]
        return [list(zip(row, are_numbers, strict=True)) for row in self.rows]


def as_text(tables: Iterable[Table], *, is_terminal: bool = False) -> str:
    """Return tables as text. In a terminal they have its width and its styles."""
    output = StringIO()
    console = Console(
        file=output,
        force_terminal=is_terminal,
        width=shutil.get_terminal_size().columns if is_terminal else WIDTH,
        highlight=False,
    )

    for table in tables:
        console.print(Text(table.title, style="bold"))
        console.print(_rich_table(table))
        if table.note:
            note = Text(table.note, style="dim")
            console.print(Padding(note, (0, 0, 1, 2)))

    # A cell may contain U+2028, at which `str.splitlines` would split.
    lines = output.getvalue().split("\n")
    return "\n".join(line.rstrip() for line in lines).rstrip("\n")


def _rich_table(table: Table) -> RichTable:
    shown = RichTable(box=box.SIMPLE_HEAD, show_header=table.has_headings)
    for column in table.columns:
        shown.add_column(
            Text(column.heading),
            justify="right" if column.is_number else "left",
            overflow="fold",
        )
    for row in table.rows:
        shown.add_row(*(Text(printable(cell)) for cell in row))
    return shown
