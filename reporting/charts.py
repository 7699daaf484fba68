"""Charts as SVG, drawn by matplotlib.

The SVG becomes part of a page. Its colours are the page's, so that it follows the
light or dark scheme, and it names no other host.
"""

import re
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from html import escape
from io import StringIO
from typing import Any

WIDTH_INCHES = 5.2
ROW_INCHES = 0.5
LINES_INCHES = 2.8
MAX_NAME_CHARACTERS = 40
BAR_SHARE = 0.34
"""Height of a bar, as a share of its row. The name stands above the bar."""
STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.family": "sans-serif",
    "font.size": 11,
    "svg.fonttype": "none",
    "text.parse_math": False,
}
COLOURS = {
    "#010101": "var(--ink)",
    "#020202": "var(--quiet)",
    "#030303": "var(--bar)",
    "#040404": "var(--line)",
    "#050505": "var(--second)",
    "#060606": "var(--third)",
}
"""Colours that matplotlib draws with, and the page's colours that replace them."""
INK, QUIET, BAR, LINE, SECOND, THIRD = COLOURS
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
LINE_COLOURS = (BAR, SECOND, THIRD)
LEGEND = {
    "loc": "lower left",
    "bbox_to_anchor": (0, 1),
    "ncols": len(LINE_COLOURS),
    "frameon": False,
}
MAX_LABELS = 8
MAX_LEVEL_CHARACTERS = 4
"""Longer labels below columns are turned, so that they do not overlap."""


class MissingLibrary(Exception):
    """A library of the development environment is not installed."""


def bar_chart(
    bars: Mapping[str, float],
    *,
    title: str,
    label: Callable[[float], str] = "{:,.10g}".format,
) -> str:
    """Return an SVG with a horizontal bar for each name, in the given order."""

    def draw(axes: Any) -> None:
        places = range(len(bars))
        axes.barh(places, bars.values(), height=BAR_SHARE, color=BAR)

        for place, (name, value) in enumerate(bars.items()):
            shown = textwrap.shorten(name, MAX_NAME_CHARACTERS, placeholder="…")
            amount = f" {label(value)}"
            axes.text(
                0,
                place - BAR_SHARE,
                shown,
                color=INK,
                va="center",
            )
            axes.text(
                value,
                place,
                amount,
                color=QUIET,
                va="center",
            )

        longest = max(bars.values(), default=0) or 1
        axes.set_xlim(0, longest * 1.25)
        axes.set_ylim(len(bars) - 0.5, -0.75)
        axes.set_axis_off()

    return _svg(draw, title=title, height=0.2 + ROW_INCHES * len(bars))


def column_chart(
    columns: Mapping[str, float], *, title: str, x_title: str, y_title: str
) -> str:
    """Return an SVG with a vertical bar for each name, in the given order."""

    def draw(axes: Any) -> None:
        places = range(len(columns))
        axes.bar(places, columns.values(), color=BAR)
        axes.set_xlabel(x_title)
        axes.set_ylabel(y_title)

        longest_name = max(map(len, columns), default=0)
        _label_names(axes, list(columns))
        if longest_name > MAX_LEVEL_CHARACTERS:
            axes.tick_params(axis="x", rotation=30)

    return _svg(draw, title=title, height=LINES_INCHES)


def line_chart(
    places: Sequence[datetime] | Sequence[str],
    lines: Mapping[str, Sequence[float]],
    *,
    title: str,
) -> str:
    """Return an SVG with a line for each name, over instants or over names.

    A line is level from each place to the next one. There are at least two places.
    """

    def draw(axes: Any) -> None:
        edges = _edges(places)
        for name, colour in zip(lines, LINE_COLOURS, strict=False):
            levels = [*lines[name], lines[name][-1]]
            axes.step(
                edges,
                levels,
                where="post",
                color=colour,
                label=name,
            )

        axes.set_ylim(bottom=0)
        axes.legend(**LEGEND)
        _label_places(axes, places)

    return _svg(draw, title=title, height=LINES_INCHES)


def _edges(
    places: Sequence[datetime] | Sequence[str],
) -> Sequence[datetime] | Sequence[int]:
    """Return the begin of each place, and the end of the last one."""
    times = [place for place in places if isinstance(place, datetime)]
    if not times:
        return range(len(places) + 1)
    last_length = times[-1] - times[-2]
    return [*times, times[-1] + last_length]


def _label_places(axes: Any, places: Sequence[datetime] | Sequence[str]) -> None:
    """Label a few of the places of a line chart."""
    first = places[0]
    if isinstance(first, datetime):
        from matplotlib import dates

        locator = dates.AutoDateLocator(maxticks=6, tz=first.tzinfo)
        formatter = dates.ConciseDateFormatter(locator, tz=first.tzinfo)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(formatter)
    else:
        _label_names(axes, list(map(str, places)))


def _label_names(axes: Any, names: Sequence[str]) -> None:
    """Label a few of the columns or steps with their names."""
    step = max(1, len(names) // MAX_LABELS)
    places = list(range(0, len(names), step))
    axes.set_xticks(places, names[::step])


def _svg(draw: Callable[[Any], None], *, title: str, height: float) -> str:
    """Return the SVG of one pair of axes.

    Raises:
        MissingLibrary: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise MissingLibrary(
            "Charts need matplotlib: pip install -r requirements-dev.txt."
        ) from exc

    style = STYLE | {
        "axes.edgecolor": LINE,
        "axes.labelcolor": QUIET,
        "svg.hashsalt": title,
        "text.color": INK,
        "xtick.color": QUIET,
        "ytick.color": QUIET,
    }
    output = StringIO()
    with matplotlib.rc_context(style), warnings.catch_warnings():
        # The browser has fonts for the characters that matplotlib's font lacks.
        warnings.simplefilter("ignore")
        figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(output, format="svg", transparent=True, metadata=NO_METADATA)

    return _for_page(output.getvalue(), title=title)


def _for_page(document: str, *, title: str) -> str:
    """Return the SVG element of a document, as a page includes it."""
    element = document[document.index("<svg") :]
    opening, rest = element.split(">", 1)
    view_box = re.search(r'viewBox="[^"]*"', opening)
    size = view_box[0] if view_box else ""

    rest = re.sub(r"<metadata>.*?</metadata>", "", rest, flags=re.DOTALL)
    rest = re.sub(r' id="[\w.]+_\d+"', "", rest)
    rest = re.sub(r"font-family: [^;]*; ?", "", rest)
    for colour, replacement in COLOURS.items():
        rest = rest.replace(colour, replacement)

    label = escape(title)
    return f'<svg {size} role="img" aria-label="{label}">{rest.strip()}'
