"""A figure of a report: its rows, and the definition of its numbers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import wraps
from typing import Any

from insights.population import Population
from reporting.tables import Column, Table, number

type Row = tuple[Any, ...]
"""A name, or the instant of a time step, and numbers."""
type Count = Callable[[Population], Iterable[Row]]
type MakeFigure = Callable[[Population], "Figure"]


class Chart(StrEnum):
    """The kind of chart that shows a figure."""

    NONE = "none"
    BARS = "bars"
    HISTOGRAM = "histogram"
    TIMES = "times"
    HOURS = "hours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure. The first column of its rows is their name."""

    name: str
    title: str
    definition: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    chart: Chart

    @property
    def has_chart(self) -> bool:
        """Whether a chart shows more than the table: it compares at least two rows."""
        return self.chart is not Chart.NONE and len(self.rows) > 1

    @property
    def table(self) -> Table:
        """The figure as a table for people."""
        first, *others = self.columns
        return Table(
            title=self.title,
            columns=[Column(first), *map(number, others)],
            rows=[[for_people(cell) for cell in row] for row in self.rows],
            note=self.definition,
        )


FIGURES: list[MakeFigure] = []
"""The figures of a report, in order."""


def figure(
    title: str, *columns: str, chart: Chart = Chart.NONE
) -> Callable[[Count], MakeFigure]:
    """Make a figure of a function that returns its rows.

    The docstring of the function is the definition of the figure.
    """

    def register(count: Count) -> MakeFigure:
        @wraps(count)
        def make(population: Population) -> Figure:
            return Figure(
                name=count.__name__,
                title=title,
                definition=" ".join((count.__doc__ or "").split()),
                columns=columns,
                rows=tuple(count(population)),
                chart=chart,
            )

        FIGURES.append(make)
        return make

    return register


def for_people(cell: str | float | datetime) -> str:
    """Return a cell as people read it."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M}"
    return f"{cell:,.10g}"


def for_programs(cell: str | float | datetime) -> str | float:
    """Return a cell as programs read it."""
    if isinstance(cell, datetime):
        return cell.isoformat(timespec="milliseconds")
    return cell
