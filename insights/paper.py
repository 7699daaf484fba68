"""A report as people get it: text, CSV, and a page of HTML that needs nothing beside itself."""

import csv
import textwrap
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from io import StringIO
from typing import Any, NamedTuple

from django.template.loader import render_to_string

from insights.figures import Figure, Row

ROW, NAME, BAR, NUMBER = 26, 150, 150, 60
"""Sizes in the plots: a phone is some 360 wide."""
NAME_AT_MOST = 20
WIDTH = 100
"""Of a terminal's lines."""


class Plotted(NamedTuple):
    """A row of a plot: where it is, what it is called, how long its bar is."""

    top: int
    name: str
    width: float
    number: str


def text(figures: Iterable[Figure]) -> str:
    """For a terminal."""
    return "\n\n".join("\n".join(_table(figure)) for figure in figures)


def as_csv(figures: Iterable[Figure]) -> str:
    """A line for each number: the figure, its row, its column, the number."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("figure", "row", "column", "number"))
    for figure in figures:
        for name, *numbers in figure.rows:
            for column, number in zip(figure.columns[1:], numbers, strict=True):
                writer.writerow((figure.name, name, column, number))
    return out.getvalue()


def html(
    figures: Iterable[Figure],
    *,
    since: int,
    until: int,
    source: str,
    sample: int,
    zone: tzinfo = UTC,
) -> str:
    """One page: a plot, the numbers and the definition of each figure."""
    shown = [
        {
            "figure": figure,
            "plot": list(_plot(figure)),
            "plotted": figure.columns[_plotted(figure)],
            "height": len(figure.rows) * ROW,
        }
        for figure in figures
    ]
    context: dict[str, Any] = {
        "figures": shown,
        "since": day(since, zone),
        "until": day(until, zone),
        "zone": zone,
        "source": source,
        "sample": sample,
        "width": NAME + BAR + NUMBER,
        "bar": NAME,
    }
    return render_to_string("insights/report.html", context)


def day(at: int, zone: tzinfo) -> str:
    """An instant as people write it."""
    return datetime.fromtimestamp(at / 1000, zone).strftime("%Y-%m-%d %H:%M")


def _table(figure: Figure) -> Iterator[str]:
    yield figure.title
    lines = [figure.columns, *(tuple(map(_said, row)) for row in figure.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *rest in lines:
        cells = [
            first.ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)),
        ]
        yield ("  " + "  ".join(cells)).rstrip()
    yield from textwrap.wrap(
        figure.definition, WIDTH, initial_indent="  ", subsequent_indent="  "
    )


def _plotted(figure: Figure) -> int:
    """The column that is drawn: the first number, or the share of denials where there is one."""
    return figure.columns.index("denied in %") if "denied in %" in figure.columns else 1


def _plot(figure: Figure) -> Iterator[Plotted]:
    column = _plotted(figure)
    most = max(_number(row, column) for row in figure.rows) or 1
    for place, row in enumerate(figure.rows):
        name = (
            row[0] if len(row[0]) <= NAME_AT_MOST else row[0][: NAME_AT_MOST - 1] + "…"
        )
        number = _number(row, column)
        yield Plotted(place * ROW, name, round(number / most * BAR, 1), _said(number))


def _number(row: Row, column: int) -> float:
    return float(row[column])


def _said(cell: str | float) -> str:
    return cell if isinstance(cell, str) else f"{cell:,.10g}"
