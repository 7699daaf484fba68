"""A report for a terminal, for programs, for a spreadsheet and for a browser."""

import csv
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, tzinfo
from io import StringIO
from typing import Any

import humanize
from django.template.defaultfilters import pluralize

from insights.figures import Chart, Figure, for_people, for_programs
from reporting import charts, instants, tables
from reporting.page import Section, page

LINE_BREAKS = ("\n", "\r", "\t")
FORMULA_CHARACTERS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""A spreadsheet evaluates a cell that begins with one of these.
Source: https://owasp.org/www-community/attacks/CSV_Injection"""
CHARTED_SHARE = "denied in %"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The period and the events of a report. One heartbeat in `sample` was recorded."""

    since: int
    until: int
    zone: tzinfo = UTC
    events: int
    sample: int

    @property
    def sentence(self) -> str:
        """The scope in words."""
        start = instants.for_people(self.since, self.zone)
        end = instants.for_people(self.until, self.zone)
        length = instants.duration(self.until - self.since)
        events = f"{humanize.intcomma(self.events)} event{pluralize(self.events)}"
        period = f"From {start} to {end} {self.zone} ({length}), from {events}."
        if self.sample == 1:
            return period
        return (
            f"{period} One heartbeat in {self.sample} was recorded: the end of a "
            "playback without a stop is known to within some minutes."
        )


def as_text(
    figures: Iterable[Figure], *, scope: Scope, is_terminal: bool = False
) -> str:
    """Return a report for a terminal."""
    if not scope.events:
        return f"{scope.sentence}\nNo decisions were recorded."

    shown = [figure.table for figure in figures]
    text = tables.as_text(shown, is_terminal=is_terminal)
    return f"{scope.sentence}\n\n{text}"


def as_csv(figures: Iterable[Figure]) -> str:
    """Return a line for each number: the figure, the row, the column, the number."""
    output = StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(("figure", "row", "column", "number"))

    for figure in figures:
        for first, *numbers in figure.rows:
            name = _without_formula(str(for_programs(first)))
            columns = figure.columns[1:]
            for column, number in zip(columns, numbers, strict=True):
                heading = _without_formula(column)
                writer.writerow((figure.name, name, heading, number))

    return output.getvalue()


def as_json(figures: Iterable[Figure], *, scope: Scope) -> dict[str, Any]:
    """Return a report in the shape that docs/insights.md documents."""
    return {
        "from": instants.for_programs(scope.since, scope.zone),
        "to": instants.for_programs(scope.until, scope.zone),
        "zone": str(scope.zone),
        "events": scope.events,
        "sample": scope.sample,
        "figures": {figure.name: _figure_as_json(figure) for figure in figures},
    }


def as_html(figures: Iterable[Figure], *, scope: Scope) -> str:
    """Return a page with the chart, the definition and the numbers of each figure.

    Raises:
        MissingLibrary: the library that draws charts is not installed.
    """
    sections = [
        Section(
            table=figure.table,
            chart=chart(figure),
            caption=_caption(figure),
            is_folded=figure.has_chart,
        )
        for figure in figures
    ]
    return page("Streams", scope.sentence, sections)


def chart(figure: Figure) -> str:
    """Return the chart of a figure as SVG, or nothing if it has none."""
    if not figure.has_chart:
        return ""

    if figure.chart in (Chart.TIMES, Chart.HOURS):
        return _line_chart(figure)

    column = _charted_column(figure)
    bars = {for_people(row[0]): float(row[column]) for row in figure.rows}

    if figure.chart is Chart.BARS:
        return charts.bar_chart(bars, title=figure.title)
    return charts.column_chart(
        bars,
        title=figure.title,
        x_title=figure.columns[0],
        y_title=figure.columns[column],
    )


def _line_chart(figure: Figure) -> str:
    """Return a chart with a line for each column of numbers."""
    places, *numbers = zip(*figure.rows, strict=True)
    lines = dict(zip(figure.columns[1:], numbers, strict=True))
    return charts.line_chart(places, lines, title=figure.title)


def _figure_as_json(figure: Figure) -> dict[str, Any]:
    return {
        "definition": figure.definition,
        "columns": list(figure.columns),
        "rows": [[for_programs(cell) for cell in row] for row in figure.rows],
    }


def _caption(figure: Figure) -> str:
    """Return the unit of a bar chart. Other charts have axis titles or a legend."""
    if figure.has_chart and figure.chart is Chart.BARS:
        return figure.columns[_charted_column(figure)]
    return ""


def _charted_column(figure: Figure) -> int:
    """Return the column that a chart shows: the share of denials, or the first."""
    if CHARTED_SHARE in figure.columns:
        return figure.columns.index(CHARTED_SHARE)
    return 1


def _without_formula(cell: str) -> str:
    """Return a cell that a spreadsheet takes as text."""
    # A spreadsheet can skip what it does not show: spaces, controls, marks.
    visible = cell.lstrip("".join(filter(_is_skipped, cell)))
    is_formula = visible.startswith(FORMULA_CHARACTERS)
    return f"'{cell}" if is_formula or cell.startswith(LINE_BREAKS) else cell


def _is_skipped(character: str) -> bool:
    is_quoted_alone = character in FORMULA_CHARACTERS
    return not is_quoted_alone and unicodedata.category(character)[0] in "ZC"
