"""A report as one page of HTML that needs no other file or host."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string

from reporting.tables import Table


@dataclass(frozen=True)
class Section:
    """A part of a page: a table, with a chart and its caption above it.

    A folded table is shown when the reader opens it.
    """

    table: Table
    chart: str = ""
    caption: str = ""
    is_folded: bool = False


def page(title: str, introduction: str, sections: Sequence[Section]) -> str:
    """Return a report as a page."""
    context = {"title": title, "introduction": introduction, "sections": sections}
    return render_to_string("reporting/page.html", context)
